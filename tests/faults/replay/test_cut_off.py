"""A process of a cluster is cut off from the others, or stuck: all of them start again in time."""

import time
from contextlib import ExitStack

import psutil
import pytest

from runtime.ports import free_ports
from tests.faults.conftest import OUTAGE_S
from tests.faults.replay.script import Teller
from tests.faults.wire import Wire

pytestmark = pytest.mark.timeout(2400)
LONG = OUTAGE_S >= 30
RESTARTED_S = 30.0


class Wires:
    """The connections between processes, each through a wire of its own."""

    def __init__(self, stack):
        self._stack = stack
        self.of_last = []
        """Wires of the newest cluster's last process."""

    def __call__(self, count):
        ports = free_ports(count)
        self.of_last = []
        lines = []
        for here in range(count):
            seen = []
            for there, port in enumerate(ports):
                if there != here:
                    wire = self._stack.enter_context(Wire(port))
                    seen.append(f"127.0.0.1:{wire.port}")
                    if count - 1 in {here, there}:
                        self.of_last.append(wire)
                else:
                    seen.append(f"127.0.0.1:{port}")
            lines.append(";".join(seen))
        return lines


@pytest.mark.skipif(not LONG, reason="half a minute each; run by `make faults`")
@pytest.mark.parametrize("how", ["torn", "silent", "stuck"])
def test_a_process_that_is_cut_off_restarts_the_cluster(stage, said, undisturbed, how):
    with ExitStack() as stack:
        wires = Wires(stack)
        cluster = stage(workers=3, addresses=wires)
        seat = cluster.supervisor.seats["worker"]
        with Teller(cluster.bus, said) as teller:
            cluster.wait_for(cluster.is_ready)
            cluster.wait_for(lambda: any(cluster.written()) or not cluster.tell(teller, 100))
            began = time.monotonic()
            if how == "stuck":
                psutil.Process(cluster.units["worker"].pids()[-1]).suspend()
            for wire in wires.of_last:
                if how == "torn":
                    wire.tear()
                elif how == "silent":
                    wire.hush()
            teller.tell(len(said) // 3)
            cluster.wait_for(lambda: seat.restarts == 1 and cluster.is_ready())
            took_s = time.monotonic() - began
            left = cluster.finish(teller)

    assert took_s < RESTARTED_S
    assert seat.restarts == 1
    assert left.differences(undisturbed) == []
