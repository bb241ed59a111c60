"""Whole messages of a topic, each once, going on exactly behind a snapshot."""

import time

import pytest

from bus.base import Outgoing
from bus.connect import open_bus
from domain.errors import BusError, RecoveryError
from domain.vocabulary import Topic
from runtime.servers import EmbeddedServer
from sources.bus_messages import MessageSource

UPDATES = Topic.EXECUTION_UPDATES


@pytest.fixture
def server():
    with EmbeddedServer("bus", durable=True) as found:
        yield found


@pytest.fixture
def bus(server):
    found = open_bus(server.url)
    found.set_up(dict.fromkeys(Topic, 2), 16)
    yield found
    found.close()


def put(bus, *numbers):
    bus.append([Outgoing(UPDATES, n % 2, str(n).encode()) for n in numbers])


def taken(part, count, seconds=20.0):
    """Bodies of the next messages, waiting for them."""
    found = []
    deadline = time.monotonic() + seconds
    while len(found) < count:
        assert time.monotonic() < deadline, f"only {len(found)} came"
        for batch in part.next_batch():
            found += [int(message.body) for message in batch.messages]
        time.sleep(0.001)
    return found


def test_every_message_comes_once_and_in_order(bus):
    source = MessageSource(bus, UPDATES)
    put(bus, *range(500))

    parts = [source.build_part("s", name, None) for name in source.list_parts()]

    assert source.list_parts() == ["execution-updates/0", "execution-updates/1"]
    for number, part in enumerate(parts):
        assert taken(part, 250) == list(range(number, 500, 2))
        assert part.next_batch() == []
        part.close()


def test_it_goes_on_behind_the_snapshot(bus):
    put(bus, *range(0, 40, 2))
    part = MessageSource(bus, UPDATES).build_part("s", "execution-updates/0", None)
    first = [int(m.body) for batch in _some(part) for m in batch.messages]
    state = part.snapshot()
    part.close()

    again = MessageSource(bus, UPDATES).build_part("s", "execution-updates/0", state)

    assert 0 < len(first) <= 20
    assert taken(again, 20 - len(first)) == list(range(2 * len(first), 40, 2))


def _some(part):
    while not (batches := part.next_batch()):
        time.sleep(0.001)
    return batches


def test_it_ends_behind_what_was_stored_when_told_to(bus):
    put(bus, *range(100))
    source = MessageSource(bus, UPDATES, stop_at_end=True)
    part = source.build_part("s", "execution-updates/1", None)

    assert taken(part, 50) == list(range(1, 100, 2))
    put(bus, 101)
    with pytest.raises(StopIteration):
        part.next_batch()


def test_it_waits_for_a_bus_that_went_away(bus, server):
    part = MessageSource(bus, UPDATES).build_part("s", "execution-updates/0", None)
    put(bus, 0)
    assert taken(part, 1) == [0]

    server.kill()
    server.restart()
    put(bus, 2)

    assert taken(part, 1) == [2]


def test_a_bus_that_was_emptied_is_told(bus, server):
    put(bus, 0)
    part = MessageSource(bus, UPDATES).build_part(
        "s", "execution-updates/0", (1, "9999999999999-0")
    )

    with pytest.raises(BusError, match="this is another bus, or it was emptied"):
        taken(part, 1)


def test_a_snapshot_of_another_version_is_refused(bus):
    with pytest.raises(RecoveryError, match="has version 9, this program reads 1"):
        MessageSource(bus, UPDATES).build_part("s", "execution-updates/0", (9, "1-0"))


def test_several_topics_are_read_side_by_side_each_from_its_own_position(bus):
    put(bus, 0, 2)
    bus.append([Outgoing(Topic.EXECUTION_ALERTS, 0, b"alert")])
    source = MessageSource(bus, UPDATES, Topic.EXECUTION_ALERTS)
    assert source.list_parts() == [
        "execution-updates/0", "execution-updates/1", "execution-alerts/0", "execution-alerts/1",
    ]  # fmt: skip

    updates = source.build_part("s", "execution-updates/0", None)
    assert taken(updates, 2) == [0, 2]
    state = updates.snapshot()
    again = MessageSource(bus, UPDATES, Topic.EXECUTION_ALERTS)
    updates, alerts = (
        again.build_part("s", "execution-updates/0", state),
        again.build_part("s", "execution-alerts/0", None),
    )
    deadline = time.monotonic() + 20
    while not (found := alerts.next_batch()):
        assert time.monotonic() < deadline

    assert [(batch.topic, batch.partition) for batch in found] == [(Topic.EXECUTION_ALERTS, 0)]
    assert [message.body for message in found[0].messages] == [b"alert"]
    assert updates.next_batch() == []
