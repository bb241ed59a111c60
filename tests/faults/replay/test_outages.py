"""Servers are taken away and brought back in mid-replay, messages torn, the disk full."""

import psutil
import pytest

from bus.base import Outgoing
from domain.vocabulary import Topic
from runtime.servers import EmbeddedServer
from tests.faults.conftest import OUTAGE_S
from tests.faults.replay.script import Teller

pytestmark = pytest.mark.timeout(2400)
LONG = OUTAGE_S >= 30
AWAY_S = OUTAGE_S if LONG else 1.0


def down(server, stage):
    server.kill()
    stage.pause(AWAY_S)
    server.restart()


def hang(server, stage):
    parent = psutil.Process(server.pid)
    family = [parent, *parent.children(recursive=True)]
    for process in family:
        process.suspend()
    stage.pause(AWAY_S)
    for process in reversed(family):
        process.resume()


@pytest.mark.parametrize("workers", [1, 3] if LONG else [1])
def test_every_server_goes_away_in_turn_and_every_row_is_there_once(
    stage, said, undisturbed, workers
):
    one = stage(workers=workers)
    servers = [one.bus_server, one.status_server, one.store]
    troubles = [(server, trouble) for trouble in (down, hang) for server in servers]
    if not LONG:
        troubles = troubles[:3]
    with Teller(one.bus, said) as teller:
        one.wait_for(one.is_ready)
        for server, trouble in troubles:
            # What is told now is being read and written when the server goes.
            teller.tell(len(said) // (len(troubles) + 1))
            trouble(server, one)
        left = one.finish(teller)

    assert left.differences(undisturbed) == []
    if workers == 1:
        assert [seat.restarts for seat in one.supervisor.seats.values()] == [0, 0]


def tear_the_log(server):
    """The server's machine lost power in the midst of a write that it had not acknowledged."""
    server.kill()
    newest = max((server._data() / "appendonlydir").glob("*.incr.aof"))
    with newest.open("ab") as log:
        log.write(b"*7\r\n$4\r\nXADD\r\n$16\r\nexecmon:ord")
    server.restart()


def test_torn_messages_change_nothing(stage, said, undisturbed):
    one = stage()
    with Teller(one.bus, said) as teller:
        one.wait_for(one.is_ready)
        while teller.left > len(said) // 3:
            one.tell(teller, len(said) // 6)
            for topic in (Topic.ORDERS, Topic.MARKET_DATA, Topic.ROUTES):
                for partition in range(one.bus.partitions(topic)):
                    one.bus.append([Outgoing(topic, partition, b'{"type":"order_fil')])
        one.kill_one("worker")
        if isinstance(one.bus_server, EmbeddedServer):
            tear_the_log(one.bus_server)
        left = one.finish(teller)

    letters = range(one.bus.partitions(Topic.DEAD_LETTER))
    assert sum(one.bus.lag((Topic.DEAD_LETTER, p), "") for p in letters) >= 4 * 12
    assert left.differences(undisturbed) == []


@pytest.mark.skipif(not LONG, reason="takes long; run by `make faults`")
def test_a_full_disk_under_the_snapshots_stops_nothing_for_good(stage, said, undisturbed, disk):
    folder = disk(40)
    one = stage(folder=folder)
    filler = folder / "filler"
    with Teller(one.bus, said) as teller:
        one.wait_for(one.is_ready)
        one.tell(teller, len(said) // 3)
        with filler.open("wb") as file:
            try:
                while True:
                    file.write(bytes(65_536))
                    file.flush()
            except OSError:
                pass
        teller.tell(len(said) // 3)
        one.wait_for(lambda: "no room is left on the disk of the recovery folder" in one.tail())
        filler.unlink()
        left = one.finish(teller)

    assert left.differences(undisturbed) == []
