"""What becomes of alert changes, on real servers: the bus, the store, and nothing twice."""

import json

import msgspec
import pytest
import redis
from bytewax.dataflow import Dataflow
from bytewax.operators import input as input_step
from bytewax.operators import output
from bytewax.testing import TestingSource, run_main

from bus.consumer import Consumer
from bus.dead_letters import list_letters
from domain.alerts import Alert, Change, CloseReason
from domain.errors import ServerError
from domain.keys import GROUP_KEYS, partition_of
from domain.published import DataIncidentGenerated, ExecutionAlertGenerated, Severity
from domain.thresholds import AlertType
from domain.topics import (
    ALERT_FEED,
    ALERT_UPDATES,
    FEED,
    OPEN_ALERTS,
    alert_key,
    event_id,
    open_alerts_key,
    status_key,
    updates_channel,
)
from domain.vocabulary import OrderState, Topic
from runtime.servers import EmbeddedServer
from sinks.alerts import AlertSettings, AlertSink
from sinks.status import StatusSettings, StatusSink
from tests.alert_data import T0, raised, then

SPECIFIED = ["order_id", "alert_type", "severity", "current_progress", "expected_progress",
             "recommendation", "metrics"]  # fmt: skip


@pytest.fixture(scope="session")
def status_server():
    with EmbeddedServer("status", durable=False) as server:
        yield server


@pytest.fixture
def store(status_server):
    client = redis.Redis.from_url(status_server.url, decode_responses=True)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def sink(bus, store, status_server):
    part = AlertSink(bus, status_server.url).build_part("alerts", "00", None)
    yield part
    part.close()


@pytest.fixture
def write(sink):
    def call(*changes):
        sink.write_batch(list(changes))
        sink.snapshot()

    return call


@pytest.fixture
def status(store, status_server, status_row):
    part = StatusSink(status_server.url, StatusSettings(conflate_ms=0)).build_part("s", "00", None)

    def call(order, **values):
        part.write_batch([status_row(order, **values)])
        part.snapshot()

    yield call
    part.close()


def published(bus):
    with Consumer(bus, Topic.EXECUTION_ALERTS) as consumer:
        return consumer.poll(block_ms=0)


def alerts_of(store, order_id):
    return json.loads(store.hget(status_key(order_id), "alerts") or "[]")


def test_an_alert_goes_out_as_specified_in_the_partition_of_its_order(bus, write):
    change = raised("AL1", "A/1 #ü")
    write(change)

    [event] = published(bus).events
    told = event.as_(ExecutionAlertGenerated)
    assert list(json.loads(event.raw)["execution_alert"]) == SPECIFIED
    assert (event.place[1], event.event_type) == (
        partition_of("A/1 #ü", 4),
        "execution_alert_generated",
    )
    assert told.event_id == event_id(change.alert.dedupe_key, 1, "SLOW_EXECUTION")
    assert told.timestamp == "2026-11-20T14:31:00Z"
    assert told.execution_alert.current_progress == 0.45
    life = told.monitoring
    assert (life.alert_id, life.seq, life.transition, life.state) == ("AL1", 1, 1, "OPEN")
    assert (life.change, life.by, life.desk, life.notify) == ("RAISED", "system", "US-CASH", True)
    assert life.evidence.threshold == 0.2


def test_every_step_of_a_life_is_told_and_readers_see_no_gap(bus, write):
    first = raised("AL1", "A")
    acked = then(first, Change.ACKNOWLEDGED, by="mia", why="on it", acked_by="mia")
    quiet = then(acked, Change.REMINDED, publish=False)
    closed = then(quiet, Change.CLOSED, by="mia", why="traded through", closed_by="mia",
                  close_reason=CloseReason.TRUE_ACTED)  # fmt: skip
    write(first, acked, quiet, closed)

    taken = published(bus)
    lives = [event.as_(ExecutionAlertGenerated).monitoring for event in taken.events]

    assert taken.gaps == []
    assert [life.change for life in lives] == ["RAISED", "ACKNOWLEDGED", "CLOSED"]
    assert [life.transition for life in lives] == [1, 2, 4]
    assert (lives[1].by, lives[1].why, lives[1].acked_by) == ("mia", "on it", "mia")
    assert (lives[2].close_reason, lives[2].closed_by) == ("TRUE_ACTED", "mia")


def test_a_replay_stores_events_under_the_same_ids_and_changes_nothing_in_the_store(
    bus, store, status, sink, status_server
):
    status("A")
    life = [raised("AL1", "A")]
    life.append(then(life[0], Change.ACKNOWLEDGED, by="mia"))
    life.append(then(life[1], Change.RESOLVED))
    sink.write_batch(life)
    sink.snapshot()
    before = store.hgetall(alert_key("AL1"))
    lengths = (store.xlen(ALERT_FEED), store.xlen(FEED))

    again = AlertSink(bus, status_server.url).build_part("alerts", "00", None)
    for change in life:
        again.write_batch([change])
        again.snapshot()
    again.close()

    assert store.hgetall(alert_key("AL1")) == before
    assert (store.xlen(ALERT_FEED), store.xlen(FEED)) == lengths
    assert store.zcard(OPEN_ALERTS) == 0
    assert alerts_of(store, "A") == []
    taken = published(bus)
    assert (len(taken.events), taken.repeats, taken.gaps) == (3, 3, [])


def test_low_alerts_are_in_the_store_and_not_on_the_bus(bus, store, write):
    write(raised("AL1", "A", severity=Severity.LOW))

    assert published(bus).events == []
    assert store.zrange(OPEN_ALERTS, 0, -1) == ["AL1"]


def test_a_silent_feed_is_an_incident_beside_the_alerts(bus, store, status, write):
    status("A")
    words = "market-data-3 has said nothing for 12 s"
    write(raised("D1", "feed:market-data-3", kind="DATA", severity=Severity.HIGH, desk="-",
                 recommendation=words, order_ids=["A"]))  # fmt: skip

    taken = published(bus)
    [event] = taken.events
    told = event.as_(DataIncidentGenerated)
    assert (event.event_type, event.number, taken.gaps) == ("data_incident_generated", 1, [])
    assert (told.incident.scope, told.incident.words) == ("feed:market-data-3", words)
    assert told.incident.severity is Severity.HIGH
    assert told.monitoring.alert_id == "D1"
    assert store.zrange(open_alerts_key("-"), 0, -1) == ["D1"]
    assert alerts_of(store, "A") == []


def test_what_the_schema_forbids_is_withheld_as_a_dead_letter_and_a_gap(bus, store, write):
    good = raised("AL1", "A")
    bad = then(good, Change.SEVERITY, progress=float("inf"))
    unnamed = raised("D2", "", kind="DATA")
    write(good, bad, then(bad, Change.RESOLVED, progress=0.5), unnamed)

    taken = published(bus)
    letters = {letter.origin_position: letter for letter in list_letters(bus).letters}

    assert [event.number for event in taken.events] == [1, 3]
    assert [(gap.first, gap.last) for gap in taken.gaps] == [(2, 2)]
    assert letters["AL1/2"].words == "execution_alert.current_progress is infinite"
    assert (letters["AL1/2"].topic, letters["AL1/2"].reason) == (
        "execution-alerts", "INVALID_EVENT",
    )  # fmt: skip
    assert "length >= 1" in letters["D2/1"].words
    assert store.hget(alert_key("AL1"), "seq") == "3"


def test_the_store_has_the_alert_its_life_and_the_open_ones_by_their_beginning(store, write):
    first, other = raised("AL1", "A"), raised("AL2", "B", desk="EU-CASH", t=5)
    second = then(first, Change.SNOOZED, by="mia", why="lunch", snoozed_until=T0 + 10**12)
    write(first, other, second)

    kept = store.hgetall(alert_key("AL1"))
    assert json.loads(kept["body"])["state"] == "SNOOZED"
    assert [json.loads(kept[name])["change"] for name in ("t1", "t2")] == ["RAISED", "SNOOZED"]
    assert store.zrange(OPEN_ALERTS, 0, -1, withscores=True) == [
        ("AL1", T0 // 10**6), ("AL2", T0 // 10**6 + 5_000),
    ]  # fmt: skip
    assert store.zrange(open_alerts_key("EU-CASH"), 0, -1) == ["AL2"]
    assert store.ttl(alert_key("AL1")) == -1


def test_one_that_is_over_leaves_the_lists_and_stays_for_some_time(store, write):
    first = raised("AL1", "A")
    write(first)
    write(then(first, Change.EXPIRED))

    assert store.zcard(OPEN_ALERTS) == store.zcard(open_alerts_key("US-CASH")) == 0
    assert 86_000 < store.ttl(alert_key("AL1")) <= 86_400


def test_of_a_long_life_the_first_step_and_the_newest_are_kept(bus, store, status_server):
    settings = AlertSettings(most_transitions=3)
    part = AlertSink(bus, status_server.url, settings).build_part("alerts", "00", None)
    life = [raised("AL1", "A")]
    for _ in range(9):
        life.append(then(life[-1], Change.REMINDED))
    part.write_batch(life)
    part.snapshot()
    part.close()

    kept = {name for name in store.hkeys(alert_key("AL1")) if name[1:].isdigit()}
    assert kept == {"t1", "t8", "t9", "t10"}


def test_an_older_change_never_replaces_a_newer_one(store, write):
    first = raised("AL1", "A")
    acked = then(first, Change.ACKNOWLEDGED)
    write(acked)
    write(first)

    assert store.hget(alert_key("AL1"), "seq") == "2"
    assert json.loads(store.hget(alert_key("AL1"), "body"))["state"] == "ACKED"


def test_an_order_has_the_types_of_its_open_alerts_in_the_specified_order(store, status, write):
    status("A")
    cost = raised("AL1", "A", kind=AlertType.HIGH_COST)
    slow = raised("AL2", "A")
    twice = raised("AL3", "A", kind=AlertType.HIGH_COST, desk="EU-CASH")
    venue = raised("AL4", "venue:XNAS", kind=AlertType.VENUE_ISSUE, order_ids=["A", "B"])
    write(cost, slow, twice, venue)
    assert alerts_of(store, "A") == ["SLOW_EXECUTION", "HIGH_COST", "VENUE_ISSUE"]
    assert alerts_of(store, "B") == ["VENUE_ISSUE"]

    write(then(slow, Change.RESOLVED), then(cost, Change.CLOSED))
    assert alerts_of(store, "A") == ["HIGH_COST", "VENUE_ISSUE"]
    write(then(venue, Change.SEVERITY, order_ids=["B"]), then(twice, Change.RESOLVED))

    assert alerts_of(store, "A") == []
    assert alerts_of(store, "B") == ["VENUE_ISSUE"]
    assert not store.hexists(status_key("A"), "alerts")


def test_a_store_that_was_emptied_has_open_alerts_again_once_they_are_told_again(
    bus, store, status, write
):
    change = raised("AL1", "A1")
    status("A1")
    write(change)
    before = store.hgetall(alert_key("AL1")), store.zrange(OPEN_ALERTS, 0, -1, withscores=True)
    store.flushall()

    status("A1")
    write(msgspec.structs.replace(change, publish=False, notify=False, again=True))

    after = store.hgetall(alert_key("AL1")), store.zrange(OPEN_ALERTS, 0, -1, withscores=True)
    assert after == before
    assert alerts_of(store, "A1") == ["SLOW_EXECUTION"]
    assert len(published(bus).events) == 1


def test_an_order_that_was_not_seen_yet_keeps_its_alerts_for_when_it_is(store, status, write):
    write(raised("AL1", "A"))
    assert 0 < store.ttl(status_key("A")) <= 86_400

    status("A")

    assert alerts_of(store, "A") == ["SLOW_EXECUTION"]
    assert store.ttl(status_key("A")) == -1
    [(_, fed)] = store.xrange(FEED)
    assert json.loads(fed["body"])["alerts"] == ["SLOW_EXECUTION"]


def test_streams_hear_of_an_orders_alerts_at_once_and_with_every_later_status(store, status, write):
    status("A", desk="US-CASH")
    listener = store.pubsub()
    listener.subscribe(updates_channel("A"), ALERT_UPDATES)
    assert listener.get_message(timeout=5)["type"] == "subscribe"
    assert listener.get_message(timeout=5)["type"] == "subscribe"

    first = raised("AL1", "A")
    write(first)
    status("A", events=2)
    acked = then(first, Change.ACKNOWLEDGED)
    write(acked, then(acked, Change.RESOLVED))

    heard = [json.loads(listener.get_message(timeout=5)["data"]) for _ in range(6)]
    changes = [one for one in heard if "alert" in one]
    assert [one["alerts"] for one in heard if "alert" not in one] == [
        ["SLOW_EXECUTION"], ["SLOW_EXECUTION"], [],
    ]  # fmt: skip
    assert [one["transition"]["change"] for one in changes] == [
        "RAISED", "ACKNOWLEDGED", "RESOLVED",
    ]  # fmt: skip
    fed = [entry for _, entry in store.xrange(FEED)]
    assert [(e["seq"], e["desk"]) for e in fed] == [
        ("1", "US-CASH"), ("-1", "US-CASH"), ("2", ""), ("-1", ""),
    ]  # fmt: skip
    assert json.loads(store.hget(status_key("A"), "body"))["alerts"] == []


def test_an_alert_of_an_order_whose_status_is_gone_leaves_nothing_behind(store, status, write):
    status("A", state=OrderState.FILLED)
    first = raised("AL1", "A")
    write(first)
    store.delete(status_key("A"))

    write(then(first, Change.EXPIRED))

    assert store.keys("*:A") == []


def test_an_alert_about_thousands_of_orders_tells_each(store, write):
    orders = [f"O{n}" for n in range(2_500)]
    venue = raised("AL1", "venue:XNAS", kind=AlertType.VENUE_ISSUE, order_ids=orders)
    write(venue)
    assert all(alerts_of(store, order) == ["VENUE_ISSUE"] for order in orders[::500])

    write(then(venue, Change.RESOLVED))

    assert store.keys(status_key("*")) == []


def test_a_change_that_broke_off_half_way_is_finished_by_its_replay(store, write):
    venue = raised("AL1", "venue:XNAS", kind=AlertType.VENUE_ISSUE, order_ids=["A", "B"])
    fewer = then(venue, Change.SEVERITY, order_ids=["B"])
    write(venue, fewer)
    # As a crash leaves it before the orders were told.
    store.hset(alert_key("AL1"), "orders", '["A","B"]')
    store.hset("execution:alerts:order:A", "AL1", "VENUE_ISSUE")
    store.hset(status_key("A"), "alerts", '["VENUE_ISSUE"]')

    write(fewer)

    assert alerts_of(store, "A") == []
    assert json.loads(store.hget(alert_key("AL1"), "orders")) == ["B"]


def test_while_the_bus_is_away_the_store_goes_on_and_nothing_is_lost(own_server, status_server):
    from bus.connect import open_bus

    bus = open_bus(own_server.url)
    bus.set_up(dict.fromkeys(Topic, 2), 16)
    client = redis.Redis.from_url(status_server.url, decode_responses=True)
    client.flushall()
    part = AlertSink(bus, status_server.url).build_part("alerts", "00", None)
    own_server.kill()
    part.write_batch([raised("AL1", "A")])
    part._store.flush()
    assert client.zrange(OPEN_ALERTS, 0, -1) == ["AL1"]

    own_server.restart()
    part.snapshot()

    assert len(published(bus).events) == 1
    part.close()
    bus.close()


def test_a_store_that_forgot_the_scripts_is_taught_again_and_a_refusal_ends_the_flow(
    store, write, sink
):
    write(raised("AL1", "A"))
    store.script_flush()
    write(raised("AL2", "A"))
    assert store.zcard(OPEN_ALERTS) == 2

    store.set(alert_key("AL3"), "text")
    sink.write_batch([raised("AL3", "A")])
    with pytest.raises(ServerError, match=r"refused an alert: .*WRONGTYPE"):
        sink.snapshot()


def test_as_a_step_it_shares_the_groups_among_its_writers(bus, store, status_server):
    sink = AlertSink(bus, status_server.url, parts=2)
    flow = Dataflow("alerts")
    changes = [(GROUP_KEYS[n], raised(f"AL{n}", f"O{n}")) for n in range(16)]
    output("alerts", input_step("in", flow, TestingSource(changes)), sink)

    run_main(flow)

    assert sink.list_parts() == ["00", "01"]
    assert {sink.part_fn(key) % 2 for key in GROUP_KEYS} == {0, 1}
    assert store.zcard(OPEN_ALERTS) == 16
    assert len(published(bus).events) == 16
    kept = Alert(**json.loads(store.hget(alert_key("AL3"), "body")))
    assert kept.scope == "O3"
