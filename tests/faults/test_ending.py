"""A worker that a server holds up ends when it is told to, by itself and with the right code."""

import signal
import time

import pytest

from cli.worker import GRACE_S


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("server", ["status", "bus"])
@pytest.mark.parametrize("fault", ["gone", "hangs"])
def test_a_worker_held_up_by_a_server_ends_when_told(
    live, outage, pause, server, fault, number, code
):
    rig, desk = live
    held = rig.status_server if server == "status" else rig.bus_server
    desk.stop()
    if fault == "gone":
        held.kill()
    else:
        pause(held.pid)
    outage()
    began = time.monotonic()

    rig.processes["worker"].send_signal(number)

    assert rig.processes["worker"].wait(60) == code
    assert time.monotonic() - began < GRACE_S + 3
    assert "Traceback" not in rig.log.read_text()
    assert rig.log.read_text().splitlines()[-1] != ""


def test_what_a_worker_could_not_write_at_its_end_is_written_by_the_next(live, outage):
    rig, desk = live
    rig.status_server.kill()
    rig.wait_for(lambda: rig.logs("write_waits"))
    outage()
    rig.processes["worker"].send_signal(signal.SIGTERM)
    assert rig.processes["worker"].wait(60) == 143

    rig.status_server.restart()
    rig.start_worker()

    rig.wait_for(lambda: len(rig.logs("ready")) == 2, 240)
    rig.check_books(desk)
