"""Events to a topic of a subscription's own, on each kind of bus."""

import time

import msgspec
import psycopg
import pytest
from psycopg.types.json import Jsonb

from bus.base import START, Outgoing
from bus.connect import open_bus
from bus.consumer import Consumer
from domain.instants import SECOND
from domain.published import Severity
from domain.subscriptions import ALERT, Start, Subscription
from domain.topics import event_id
from domain.vocabulary import Topic
from runtime.servers import EmbeddedServer
from sinks.notify import runner as runner_module
from sinks.notify.courier import Pace
from sinks.notify.registry import Registry
from sinks.notify.runner import Runner
from sinks.notify.store import Store
from tests.alert_messages import alert_event, publish_alerts
from tests.pulsar_broker import fresh_url, open_pulsar, remove
from tests.receivers import wait_for

T0 = 1_789_997_600 * SECOND
ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
OUT = "out.oms"


@pytest.fixture(scope="module")
def redis_server():
    with EmbeddedServer("bus", durable=False) as server:
        yield server


@pytest.fixture
def redis_bus(redis_server):
    found = open_bus(redis_server.url)
    found._client.flushall()
    found.set_up(dict.fromkeys(Topic, 2), 16)
    yield found
    found.close()


@pytest.fixture
def pulsar_bus(pulsar_server):
    found = open_pulsar(pulsar_server, fresh_url(pulsar_server))
    found.set_up(dict.fromkeys(Topic, 2), 16)
    yield found
    remove(found)
    found.close()


@pytest.fixture(params=["redis", "pulsar"])
def bus(request):
    return request.getfixturevalue(f"{request.param}_bus")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(runner_module, "_BLOCK_MS", 20)


def subscription(**more):
    told = {"subscription_id": ID, "generation": 1, "event_types": [ALERT], "desks": None,
            "min_severity": Severity.MEDIUM, "topic": OUT, "start": Start(), **more}  # fmt: skip
    return Subscription(**told)


def spent(runner):
    """Steps until the runner stands where the bus ends, or fails; how long it would wait."""

    def stepped():
        wait = runner.step()
        lag = sum(runner._bus.lag(place, at) for place, at in runner._positions.items())
        return [wait] if wait or not lag else None

    return wait_for(stepped)[0]


def run(bus, store, **more):
    runner = Runner(bus, store, subscription(**more))
    assert spent(runner) == 0.0
    return runner


def monitoring(order, seq, desk, type_="EXECUTION_COMPLETED"):
    return {
        "event_id": event_id(order, seq, type_), "timestamp": "2026-09-21T13:33:20.000Z",
        "event_type": type_, "order_id": order, "seq": seq,
        "status": {"order_id": order, "root_order_id": "ROOT", "desk": desk},
    }  # fmt: skip


def send(bus, *events):
    bus.append([Outgoing(Topic.EXECUTION_EVENTS, 1, msgspec.json.encode(one)) for one in events])


def taken(bus, state=None):
    with Consumer(bus, OUT, state) as consumer:
        found = consumer.poll(1_000, block_ms=0)
        return found, consumer.state()


def test_what_the_desk_wants_of_both_topics_is_published_under_its_own_ids(bus, store):
    told = [alert_event("A", at=T0, seq=n) for n in (1, 2)]
    publish_alerts(bus, *told, alert_event("B", at=T0, desk="EU"),
                   alert_event("C", at=T0, severity="MEDIUM"))  # fmt: skip
    send(bus, monitoring("A", 4, "US-CASH"), monitoring("B", 1, "EU"),
         monitoring("A", 3, "US-CASH", "EXECUTION_PROGRESS"))  # fmt: skip
    runner = run(
        bus, store, desks=["US-CASH"], min_severity=Severity.HIGH,
        event_types=[ALERT, "EXECUTION_COMPLETED"],
    )  # fmt: skip

    found, _ = taken(bus)
    done = event_id("A", 4, "EXECUTION_COMPLETED")
    assert {event.event_id for event in found.events} == {*(one.event_id for one in told), done}
    alerts = [event for event in found.events if event.event_type == ALERT]
    assert [event.event_id for event in alerts] == [one.event_id for one in told]
    assert (runner.progress().delivered, runner.progress().words) == (3, "")
    assert bus.partitions(OUT) == 2


def test_each_message_has_the_properties_of_its_event(bus, store):
    [one] = [alert_event("A", at=T0)]
    publish_alerts(bus, one)
    send(bus, monitoring("B", 4, "EU"))
    run(bus, store, event_types=[ALERT, "EXECUTION_COMPLETED"])

    places = {(OUT, p): START for p in range(2)}
    messages = [m for found in bus.reader().read(places, 10, 0).values() for m in found]
    alert, event = sorted(messages, key=lambda m: m.meta["ce_subject"])
    assert alert.meta == {
        "ce_specversion": "1.0", "ce_id": one.event_id, "ce_type": ALERT,
        "ce_source": "execmon/monitor", "ce_subject": "A", "ce_partitionkey": "A",
        "ce_time": one.timestamp,
        "ce_dataschema": "urn:execmon:schema:execution_alert_generated:1",
    }  # fmt: skip
    assert (event.meta["ce_id"], event.meta["ce_partitionkey"], event.meta["ce_subject"]) == (
        event_id("B", 4, "EXECUTION_COMPLETED"), "ROOT", "B",
    )  # fmt: skip
    assert event.meta["ce_dataschema"].endswith(":execution_monitoring_event:1")


def test_what_was_published_before_a_crash_and_not_noted_comes_again_and_is_dropped(
    bus, store, monkeypatch
):
    class Killed(BaseException):
        pass

    def killed(*_):
        raise Killed

    events = [alert_event("A", at=T0, seq=n) for n in range(1, 6)]
    publish_alerts(bus, *events)
    with monkeypatch.context() as before_noting:
        before_noting.setattr(Runner, "_keep", killed)
        with pytest.raises(Killed):
            spent(Runner(bus, store, subscription()))
    first, state = taken(bus)
    run(bus, store)
    second, _ = taken(bus, state)
    whole, _ = taken(bus)

    ids = [one.event_id for one in events]
    assert [event.event_id for event in first.events] == ids
    assert (second.events, second.repeats) == ([], 5)
    assert ([event.event_id for event in whole.events], whole.repeats) == (ids, 5)


def test_it_begins_behind_a_position_and_goes_on_where_it_stood(bus, store):
    publish_alerts(bus, alert_event("A", at=T0))
    ends = {str(p): bus.end((Topic.EXECUTION_ALERTS, p)) for p in range(2)}
    publish_alerts(bus, alert_event("A", at=T0, seq=2))
    start = Start(positions={"execution-alerts": {p: end for p, end in ends.items() if end}})
    run(bus, store, start=start)
    publish_alerts(bus, alert_event("A", at=T0, seq=3))
    run(bus, store, start=start)

    found, _ = taken(bus)
    assert [event.as_(dict)["monitoring"]["seq"] for event in found.events] == [2, 3]
    assert found.repeats == 0


def test_a_topic_of_our_own_is_never_written_to(redis_bus, store):
    publish_alerts(redis_bus, alert_event("A", at=T0))
    runner = Runner(redis_bus, store, subscription(topic="orders"))

    assert spent(runner) > 0
    assert runner.progress().words.startswith("a topic must be out.")
    assert redis_bus.end((Topic.ORDERS, 0)) == redis_bus.end((Topic.ORDERS, 1)) == START


def test_a_bus_that_takes_nothing_is_waited_for(redis_bus, store):
    publish_alerts(redis_bus, alert_event("A", at=T0))
    runner = Runner(redis_bus, store, subscription())
    redis_bus._client.config_set("maxmemory-policy", "noeviction")
    redis_bus._client.config_set("maxmemory", 1)
    try:
        assert spent(runner) > 0
        assert "full" in runner.progress().words
    finally:
        redis_bus._client.config_set("maxmemory", 0)
    assert spent(runner) == 0.0

    assert len(taken(redis_bus)[0].events) == 1
    assert runner.progress().failing_since_ns is None


def test_it_is_paused_and_resumed(redis_bus, tmp_path, history_url):
    def define(state):
        with psycopg.connect(history_url) as connection:
            connection.execute(
                "INSERT INTO subscriptions (subscription_id, name, state, event_types, "
                "min_severity, destination, start, created_by) VALUES "
                "(%s, 'oms', %s, %s, 'MEDIUM', %s, '{}', 'ann') "
                "ON CONFLICT (subscription_id) DO UPDATE SET state = excluded.state",
                (ID, state, [ALERT], Jsonb({"kind": "topic", "topic": OUT})),
            )

    def subjects():
        return [
            event.as_(dict)["execution_alert"]["order_id"] for event in taken(redis_bus)[0].events
        ]

    def delivered():
        with psycopg.connect(history_url) as connection:
            return connection.execute("SELECT delivered FROM subscription_progress").fetchone()

    redis_bus.add_topic(OUT, 2)
    store = Store(tmp_path)
    pace = Pace(first_s=0.02, most_s=0.1)
    running = Registry(redis_bus, store, lambda: history_url, every_s=0.05, pace=pace)
    running.start()
    define("ACTIVE")
    publish_alerts(redis_bus, alert_event("A", at=time.time_ns()))
    wait_for(lambda: subjects() == ["A"] and delivered() == (1,))
    define("PAUSED")
    wait_for(lambda: not running._runners)
    publish_alerts(redis_bus, alert_event("B", at=time.time_ns()))
    assert subjects() == ["A"]
    define("ACTIVE")
    wait_for(lambda: sorted(subjects()) == ["A", "B"] and delivered() == (2,))
    running.close()
    store.close()
