"""A hundred thousand events through a Pulsar whose broker and whose worker are killed."""

from contextlib import ExitStack

import pytest

from domain.vocabulary import INPUT_TOPICS, Topic
from sources.bus_messages import READER as HISTORY
from sources.bus_source import READER as MONITOR
from tests.faults.conftest import OUTAGE_S
from tests.faults.replay.conftest import opened
from tests.faults.replay.script import Teller, replay

EVENTS = 100_000
SLICES = 40
KILLED_AT = {"worker": (8, 20, 32), "broker": (14, 26)}
"""Slices in which each is killed."""


def backlog(bus):
    """Messages that a subscription was given or will be, and has not acknowledged."""
    names = dict.fromkeys(INPUT_TOPICS, MONITOR) | {Topic.EXECUTION_UPDATES: HISTORY}
    found = 0
    for topic, name in names.items():
        for partition in range(bus.partitions(topic)):
            stats = bus.admin.get(f"{bus.admin.topic_path(topic, partition)}/stats")
            found += stats["subscriptions"][name]["msgBacklog"]
    return found


@pytest.mark.skipif(OUTAGE_S < 30, reason="takes long; run by `make faults`")
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("new_bus", ["pulsar"], indirect=True)
def test_every_event_of_a_long_day_is_counted_once_and_none_waits(new_bus, store, tmp_path):
    said = replay(EVENTS)
    with ExitStack() as stack:
        undisturbed = opened(stack, new_bus, store, tmp_path / "undisturbed").run(said)
    with ExitStack() as stack:
        one = opened(stack, new_bus, store, tmp_path / "disturbed")
        with Teller(one.bus, said) as teller:
            for number in range(SLICES):
                one.wait_for(one.is_ready)
                # What is told now is being read and written when somebody is killed.
                teller.tell(len(said) // SLICES)
                if number in KILLED_AT["worker"]:
                    one.kill_one("worker")
                    one.wait_for(lambda: not one.is_ready())
                if number in KILLED_AT["broker"]:
                    one.bus_server.kill()
                    one.pause(1.0)
                    one.bus_server.restart()
            left = one.finish(teller)
        one.wait_for(lambda: backlog(one.bus) == 0)

    assert len(said) > EVENTS
    assert left.differences(undisturbed) == []
    assert all(numbers == sorted(numbers) for numbers in left.order.values())
    assert one.supervisor.seats["worker"].restarts == len(KILLED_AT["worker"])
