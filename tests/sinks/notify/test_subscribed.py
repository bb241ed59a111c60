"""Events to a subscribed service: real bus, real receiver, real history store."""

import time
from contextlib import closing

import psycopg
import pytest
from psycopg.types.json import Jsonb

from bus.base import START, Outgoing
from bus.connect import open_bus
from domain.instants import SECOND
from domain.published import Severity
from domain.subscriptions import ALERT, Start, Subscription
from domain.vocabulary import Topic
from runtime.servers import EmbeddedServer
from sinks.notify import runner as runner_module
from sinks.notify.courier import Pace
from sinks.notify.registry import Registry
from sinks.notify.runner import Runner
from sinks.notify.signature import wrong_with
from sinks.notify.store import Store
from tests.alert_messages import alert_event, publish_alerts
from tests.receivers import Answer, HttpReceiver, wait_for

T0 = 1_789_997_600 * SECOND
SECRET = "0123456789abcdef"
ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
FAST = Pace(first_s=0.02, most_s=0.1)


@pytest.fixture(scope="module")
def bus_server():
    with EmbeddedServer("bus", durable=False) as server:
        yield server


@pytest.fixture
def bus(bus_server):
    found = open_bus(bus_server.url)
    found._client.flushall()
    found.set_up(dict.fromkeys(Topic, 2), 16)
    yield found
    found.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(runner_module, "_BLOCK_MS", 20)


def subscription(http, **more):
    told = {"subscription_id": ID, "generation": 1, "event_types": [ALERT], "desks": None,
            "min_severity": Severity.MEDIUM, "url": f"{http.url}/in", "secret": SECRET,
            "start": Start(), **more}  # fmt: skip
    return Subscription(**told)


def spent(runner):
    """Steps until the runner has nothing new, or fails."""
    while not (wait := runner.step()):
        before = runner.progress()
        if runner.step() or runner.progress() == before:
            return 0.0
    return wait


def orders(http):
    return [
        event["execution_alert"]["order_id"]
        for one in http.received
        for event in one.json["events"]
    ]


def events_of(*names, **more):
    return [alert_event(name, at=T0, **more) for name in names]


def test_what_is_wanted_is_sent_signed_and_in_order(bus, store, http):
    publish_alerts(bus, *events_of("A", seq=1), *events_of("A", seq=2),
                   *events_of("B", desk="EU"), *events_of("C", severity="LOW"))  # fmt: skip
    bus.append([Outgoing(Topic.EXECUTION_ALERTS, 0, b"no json"),
                Outgoing(Topic.EXECUTION_ALERTS, 0, b"")])  # fmt: skip
    runner = Runner(bus, store, subscription(http, desks=["US-CASH"]))
    spent(runner)

    assert orders(http) == ["A", "A"]
    [one] = http.received
    assert wrong_with(SECRET, one.headers, one.body, time.time()) == ""
    assert [event["monitoring"]["seq"] for event in one.json["events"]] == [1, 2]
    assert (one.json["subscription_id"], one.json["topic"]) == (ID, "execution-alerts")
    told = runner.progress()
    assert (told.delivered, told.words) == (2, "")


def test_it_goes_on_where_it_stood_and_repeats_only_what_was_in_doubt(bus, store, http):
    http.answers = [Answer(), Answer(cut=True)]
    publish_alerts(bus, *events_of("A"))
    spent(Runner(bus, store, subscription(http)))
    publish_alerts(bus, *events_of("B"))
    assert spent(Runner(bus, store, subscription(http)))
    spent(Runner(bus, store, subscription(http)))

    assert orders(http) == ["A", "B", "B"]
    first, again = http.received[1:]
    assert first.key == again.key
    assert first.body == again.body


def test_a_service_that_is_away_is_tried_until_it_is_back(bus, store, http):
    publish_alerts(bus, *events_of("A", "B"))
    http.answers = [Answer(503, headers={"Retry-After": "7"}), Answer(400, b"what?")]
    runner = Runner(bus, store, subscription(http))

    assert spent(runner) == 7.0
    assert runner.progress().words == "answered 503: ok"
    assert spent(runner)
    told = runner.progress()
    assert told.words == "answered 400: what?"
    assert told.failing_since_ns
    spent(runner)

    assert set(orders(http)) == {"A", "B"}
    assert runner.progress().failing_since_ns is None


def test_many_events_travel_together_and_not_too_many(bus, store, http, monkeypatch):
    monkeypatch.setattr(runner_module, "MOST_EVENTS", 7)
    publish_alerts(bus, *[alert_event("A", at=T0, seq=n) for n in range(1, 31)])
    runner = Runner(bus, store, subscription(http))
    spent(runner)

    assert [len(one.json["events"]) for one in http.received] == [7, 7, 7, 7, 2]
    assert len(set(http.keys)) == 5
    assert runner.progress().delivered == 30


def test_it_starts_from_a_position_or_a_time(bus, store, http):
    publish_alerts(bus, *events_of("A"))
    places = [(Topic.EXECUTION_ALERTS, partition) for partition in range(2)]
    [(place, end)] = [(place, bus.end(place)) for place in places if bus.end(place) != START]
    middle = time.time_ns() + 2_000_000
    wait_for(lambda: time.time_ns() > middle + 2_000_000)
    publish_alerts(bus, *events_of("A", seq=2))

    at_place = Start(positions={"execution-alerts": {str(place[1]): end}})
    spent(Runner(bus, store, subscription(http, start=at_place, generation=1)))
    spent(Runner(bus, store, subscription(http, start=Start(since_ns=middle), generation=2)))
    spent(Runner(bus, store, subscription(http, generation=3)))

    seqs = [[event["monitoring"]["seq"] for event in one.json["events"]] for one in http.received]
    assert seqs == [[2], [2], [1, 2]]


def test_a_bus_that_is_away_is_waited_for(bus, store, http):
    with EmbeddedServer("bus", durable=False) as server:
        own = open_bus(server.url)
        own.set_up(dict.fromkeys(Topic, 2), 16)
        runner = Runner(own, store, subscription(http))
        assert runner.step() == 0.0
    assert runner.step()

    assert "the bus does not answer" in runner.progress().words
    own.close()


def define(url, http, **more):
    told = {"state": "ACTIVE", "generation": 1, "desk": None, "desks": None, **more}
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO subscriptions (subscription_id, name, state, event_types, desk, desks, "
            "min_severity, destination, secret, start, created_by, generation) "
            "VALUES (%s, 'oms', %s, %s, %s, %s, 'MEDIUM', %s, %s, '{}', 'ann', %s) "
            "ON CONFLICT (subscription_id) DO UPDATE SET state = excluded.state, "
            "generation = excluded.generation",
            (ID, told["state"], [ALERT], told["desk"], told["desks"],
             Jsonb({"kind": "webhook", "url": f"{http.url}/in"}), SECRET, told["generation"]),
        )  # fmt: skip


def progress(url):
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT generation, delivered, words, failing_since IS NOT NULL "
            "FROM subscription_progress"
        ).fetchone()


@pytest.fixture
def registry(bus, store, history_url):
    made = []

    def make(*, own_store=store, url=history_url):
        made.append(Registry(bus, own_store, lambda: url, every_s=0.05, pace=FAST))
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_subscription_is_run_paused_resumed_and_begun_anew(bus, http, history_url, registry):
    running = registry()
    define(history_url, http, desk="US-CASH")
    publish_alerts(bus, *events_of("A"), *events_of("Z", desk="EU"))
    http.wait(1)
    wait_for(lambda: progress(history_url) == (1, 1, "", False))

    define(history_url, http, state="PAUSED")
    wait_for(lambda: not running._runners)
    publish_alerts(bus, *events_of("B"))
    assert orders(http) == ["A"]
    define(history_url, http)
    wait_for(lambda: orders(http) == ["A", "B"])
    wait_for(lambda: progress(history_url) == (1, 2, "", False))
    define(history_url, http, generation=2)
    wait_for(lambda: sorted(orders(http)) == ["A", "A", "B", "B"])

    wait_for(lambda: progress(history_url) == (2, 2, "", False))


def test_a_failing_one_says_so_and_holds_up_no_other(bus, http, history_url, registry):
    with HttpReceiver() as away:
        away.always = Answer(503, b"closed")
        define(history_url, away)
        with psycopg.connect(history_url) as connection:
            connection.execute(
                "INSERT INTO subscriptions (subscription_id, name, state, event_types, "
                "min_severity, destination, secret, start, created_by) VALUES "
                "(gen_random_uuid(), 'b', 'ACTIVE', %s, 'LOW', %s, %s, '{}', 'ann')",
                ([ALERT], Jsonb({"kind": "webhook", "url": http.url}), SECRET),
            )
        registry()
        publish_alerts(bus, *events_of("A"))
        http.wait(1)

        def told():
            with psycopg.connect(history_url) as connection:
                return connection.execute(
                    "SELECT words FROM subscription_progress WHERE failing_since IS NOT NULL"
                ).fetchall()

        assert wait_for(told) == [("answered 503: closed",)]


def test_it_goes_on_from_memory_while_the_history_store_is_away(
    bus, store, http, history_url, registry
):
    first = registry()
    define(history_url, http)
    publish_alerts(bus, *events_of("A"))
    http.wait(1)
    first.close()
    registry(url="postgresql:///x?host=/nowhere")
    publish_alerts(bus, *events_of("B"))

    wait_for(lambda: orders(http) == ["A", "B"])


def test_a_lost_file_takes_its_place_from_the_history_store(
    bus, http, history_url, registry, tmp_path
):
    first = registry()
    define(history_url, http)
    publish_alerts(bus, *events_of("A"))
    wait_for(lambda: progress(history_url) == (1, 1, "", False))
    first.close()
    (tmp_path / "other").mkdir()
    with closing(Store(tmp_path / "other")) as fresh:
        second = registry(own_store=fresh)
        publish_alerts(bus, *events_of("B"))
        wait_for(lambda: orders(http) == ["A", "B"])
        second.close()
