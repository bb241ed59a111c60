"""The bus's disk is full: it stops rather than forget, says why, and goes on with room."""

from contextlib import suppress

import pytest

from bus.base import START, Outgoing
from bus.connect import open_bus
from domain.errors import BusDown
from domain.vocabulary import Topic
from runtime.servers import EmbeddedServer

MB = 1_000_000
PLACE = (Topic.ORDERS, 0)


@pytest.fixture
def small_disk(disk):
    return disk(4)


def test_every_message_that_was_taken_survives_a_full_disk(small_disk):
    with EmbeddedServer("bus", durable=True, data_dir=small_disk) as server:
        bus = open_bus(server.url)
        bus.set_up(dict.fromkeys(Topic, 1), 16)
        filler = small_disk / "filler"
        filler.write_bytes(bytes(2 * MB))
        taken = 0
        with suppress(BusDown):
            while taken < 1_000:
                bus.append([Outgoing(*PLACE, bytes(10_000))])
                taken += 1
        assert "AOF write error" in server.last_words()
        assert f"no room is left on the disk of {small_disk}/bus" in server.last_words()

        filler.unlink()
        server.restart()

        assert 50 < taken < 1_000
        assert bus.lag(PLACE, START) == taken
        bus.append([Outgoing(*PLACE, b"{}")])
        bus.close()
