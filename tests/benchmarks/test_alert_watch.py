"""How late alerts were, from clocks and alerts as a bus holds them."""

import msgspec
import pytest

from benchmarks.alert_watch import alert_figures
from bus.clock import ClockWriter
from bus.redis_streams import RedisBus
from domain.instants import MILLISECOND, SECOND
from domain.vocabulary import Topic
from runtime.servers import EmbeddedServer
from sinks.alert_events import change_message
from tests.alert_data import raised

PARTITIONS, GROUPS = 4, 16


@pytest.fixture(scope="module")
def server():
    with EmbeddedServer("bus", durable=True) as server:
        yield server


@pytest.fixture
def bus(server):
    bus = RedisBus(server.url)
    bus.set_up(dict.fromkeys(Topic, PARTITIONS), GROUPS)
    yield bus
    bus.close()


def stored(bus, topic):
    place = (topic, 0)
    return [
        int(m.position.partition("-")[0]) for m in bus.reader().read({place: "0-0"}, 99, 0)[place]
    ]


def test_without_alerts_nothing_is_said(bus):
    assert alert_figures(bus, 0) == {"alerts": 0}


def test_an_alert_counts_from_the_first_clock_past_its_mark_to_the_bus(bus):
    change = raised("AL1", "A1")
    at = change.transition.at
    early = msgspec.structs.replace(change.transition, at=at - SECOND)
    old = msgspec.structs.replace(change, transition=early)
    with ClockWriter(bus, kind="event") as clock:
        for ahead in (-MILLISECOND, 0, MILLISECOND, SECOND):
            clock.tick(at + ahead)
    messages = [change_message(one, PARTITIONS, PARTITIONS, GROUPS) for one in (old, change)]
    bus.append(messages)

    found = alert_figures(bus, at)

    clocks = stored(bus, Topic.CONTROL)
    alerts = bus.reader().read(
        {(Topic.EXECUTION_ALERTS, p): "0-0" for p in range(PARTITIONS)}, 99, 0
    )
    [newest] = {int(part[-1].position.partition("-")[0]) for part in alerts.values() if part}
    assert found["alerts"] == 1
    assert 0 < newest + 1 - clocks[-1] <= found["alert_p50_ms"] <= newest + 1 - clocks[1]
    assert found["alert_p99_ms"] == found["alert_p50_ms"]
