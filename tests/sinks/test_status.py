"""The status store, on a real server: what moves it forward, and that nothing moves it back."""

import itertools
import json
import time

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import BusError, ServerError
from domain.keys import GROUP_KEYS
from domain.topics import FEED, open_orders_key, status_key, updates_channel
from domain.vocabulary import EventKind, OrderState
from sinks.status import StatusSettings, StatusSink


@pytest.fixture
def store(shared_server):
    client = redis.Redis.from_url(shared_server.url, decode_responses=True)
    client.flushall()
    return client


def writer(server, **options):
    return StatusSink(server.url, StatusSettings(**options)).build_part("status", "00", None)


def body(store, order_id="A"):
    return json.loads(store.hget(status_key(order_id), "body"))


def test_the_newest_status_is_stored_whole(store, shared_server, status_row):
    part = writer(shared_server, config_version="v7")
    part.write_batch([status_row("A/1 #ü", desk="US-CASH", order_qty=100.0, venues={"XNAS": 5.0})])
    part.snapshot()

    found = store.hgetall(status_key("A/1 #ü"))
    status = json.loads(found["body"])
    assert found["desk"] == "US-CASH"
    assert status["order_id"] == "A/1 #ü"
    assert status["order_qty"] == 100.0
    assert status["venue_distribution"] == {"XNAS": 1.0}
    assert status["config_version"] == "v7"
    assert status["published_at"]
    assert status["slippage_bps"] is None


states = st.tuples(st.integers(1, 4), st.booleans(), st.integers(0, 3))


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(states, min_size=1, max_size=8))
def test_in_whatever_order_rows_come_the_newest_state_stays(
    store, shared_server, status_row, given_states
):
    store.flushall()
    part = writer(shared_server, conflate_ms=0)

    for events, is_final, t in given_states:
        row = status_row("A", events=events, t=t, provisional=int(not is_final))
        part.write_batch([row])
        part.snapshot()
    part.close()

    events, is_final, t = max(given_states)
    status = body(store)
    assert (status["events"], not status["provisional"]) == (events, is_final)
    assert status["as_of"] == f"2023-11-14T22:13:2{t}Z"


def test_a_replay_changes_nothing_and_publishes_nothing(store, shared_server, status_row):
    rows = [status_row("A", events=n, t=n) for n in (1, 2, 3)]
    first = writer(shared_server, conflate_ms=0)
    for row in rows:
        first.write_batch([row])
        first.snapshot()
    before = store.hgetall(status_key("A"))
    published = store.xlen(FEED)

    again = writer(shared_server, conflate_ms=0)
    for row in rows:
        again.write_batch([row])
        again.snapshot()

    assert store.hgetall(status_key("A")) == before
    assert store.xlen(FEED) == published == 3


def test_a_late_final_row_does_not_replace_a_newer_provisional_one(
    store, shared_server, status_row
):
    part = writer(shared_server, conflate_ms=0)
    part.write_batch([status_row("A", events=2, t=2, provisional=1)])
    part.snapshot()

    part.write_batch([status_row("A", events=1, t=1)])
    part.snapshot()
    assert body(store)["provisional"] is True

    part.write_batch([status_row("A", events=2, t=2)])
    part.snapshot()
    assert body(store)["provisional"] is False


def test_updates_of_one_order_at_once_become_one(store, shared_server, status_row):
    part = writer(shared_server, conflate_ms=60_000)
    part.write_batch([status_row("A", events=n) for n in range(1, 50)])
    part.write_batch([status_row("A", events=n) for n in range(50, 100)])
    part.snapshot()

    assert body(store)["events"] == 99
    assert store.xlen(FEED) <= 3


def test_the_first_of_equal_rows_stays_whether_it_was_sent_already_or_not(
    store, shared_server, status_row
):
    """A status that is asked for again is no newer than the row it repeats."""
    found = []
    for wait in (True, False):
        store.flushall()
        part = writer(shared_server, conflate_ms=0 if wait else 60_000)
        part.write_batch([status_row("B")])
        part.snapshot()
        part.write_batch([status_row("B", events=2), status_row("A", restated=1)])
        if wait:
            part.snapshot()
        part.write_batch([status_row("A", restated=0)])
        part.snapshot()
        found.append(body(store)["restated"])

    assert found == [True, True]


def test_open_orders_are_ranked_by_attention_for_all_and_for_their_desk(
    store, shared_server, status_row
):
    part = writer(shared_server)
    known = {"bid": 9.0, "ask": 11.0, "leaves_qty": 1_000.0}
    part.write_batch(
        [
            status_row("CHEAP", desk="US", expected_cost_bps=1.0, **known),
            status_row("DEAR", desk="US", expected_cost_bps=20.0, slippage_ccy=5.0, **known),
            status_row("BLIND", desk="EU"),
        ]
    )
    part.snapshot()

    assert store.zrevrange(open_orders_key(), 0, -1, withscores=True) == [
        ("DEAR", 25.0),
        ("CHEAP", 1.0),
        ("BLIND", 0.0),
    ]
    assert store.zrevrange(open_orders_key("US"), 0, -1) == ["DEAR", "CHEAP"]
    assert store.zrange(open_orders_key("EU"), 0, -1) == ["BLIND"]


def test_attention_is_in_the_reporting_currency(store, shared_server, status_row):
    part = writer(shared_server, rates={"EUR": 1.1})
    part.write_batch(
        [
            status_row("E", currency="EUR", slippage_ccy=100.0),
            status_row("U", currency="USD", slippage_ccy=100.0),
        ]
    )
    part.snapshot()

    assert store.zscore(open_orders_key(), "E") == pytest.approx(110.0)
    assert store.zscore(open_orders_key(), "U") == 100.0


def test_an_order_that_changes_desk_leaves_the_old_list(store, shared_server, status_row):
    part = writer(shared_server, conflate_ms=0)
    for events, desk in enumerate(("", "US", "EU"), start=1):
        part.write_batch([status_row("A", events=events, desk=desk)])
        part.snapshot()

    assert store.zrange(open_orders_key("US"), 0, -1) == []
    assert store.zrange(open_orders_key("EU"), 0, -1) == ["A"]
    assert store.zrange(open_orders_key(), 0, -1) == ["A"]


@pytest.mark.parametrize("state", ["FILLED", "CANCELLED", "REJECTED", "EXPIRED"])
def test_a_closed_order_leaves_the_lists_and_expires(store, shared_server, status_row, state):
    part = writer(shared_server, ttl_s=100.0, conflate_ms=0)
    part.write_batch([status_row("A", desk="US")])
    part.snapshot()
    assert store.ttl(status_key("A")) == -1

    part.write_batch([status_row("A", events=2, desk="US", state=OrderState[state])])
    part.snapshot()

    assert store.zcard(open_orders_key()) == store.zcard(open_orders_key("US")) == 0
    assert 90 <= store.ttl(status_key("A")) <= 100
    assert body(store)["state"] == state


def test_a_bust_after_the_close_opens_the_order_again(store, shared_server, status_row):
    part = writer(shared_server, conflate_ms=0)
    part.write_batch([status_row("A", events=2, state=OrderState.FILLED)])
    part.snapshot()

    part.write_batch([status_row("A", events=3, state=OrderState.PARTIALLY_FILLED)])
    part.snapshot()

    assert store.ttl(status_key("A")) == -1
    assert store.zrange(open_orders_key(), 0, -1) == ["A"]


def test_each_update_is_published_and_fed_with_its_sequence(store, shared_server, status_row):
    listener = store.pubsub()
    listener.subscribe(updates_channel("A"))
    assert listener.get_message(timeout=5)["type"] == "subscribe"
    part = writer(shared_server)

    part.write_batch([status_row("A", events=4, desk="US")])
    part.snapshot()

    message = listener.get_message(timeout=5)
    stored = store.hget(status_key("A"), "body")
    assert message["data"] == stored
    [(_, fed)] = store.xrange(FEED)
    assert fed == {"order_id": "A", "desk": "US", "seq": "4", "body": stored}


def test_the_feed_is_bounded(store, shared_server, status_row):
    part = writer(shared_server, feed_length=100)
    for n in range(5):
        part.write_batch([status_row(f"{n}-{i}") for i in range(200)])
        part.snapshot()

    assert 100 <= store.xlen(FEED) < 400


def test_the_alerts_of_another_writer_are_left_alone(store, shared_server, status_row):
    store.hset(status_key("A"), "alerts", '["HIGH_COST"]')
    part = writer(shared_server)

    part.write_batch([status_row("A")])
    part.snapshot()

    assert store.hget(status_key("A"), "alerts") == '["HIGH_COST"]'
    assert body(store)["alerts"] == []


def test_nothing_is_lost_when_the_server_dies_in_between(own_server, status_row):
    part = writer(own_server)
    part.write_batch([status_row("A", events=1)])
    part.snapshot()
    own_server.kill()

    part.write_batch([status_row("A", events=2), status_row("B")])
    time.sleep(0.1)
    own_server.restart()
    part.snapshot()

    client = redis.Redis.from_url(own_server.url, decode_responses=True)
    assert body(client, "A")["events"] == 2
    assert body(client, "B")["events"] == 1


def test_a_server_that_forgot_the_script_is_taught_again(store, shared_server, status_row):
    part = writer(shared_server, conflate_ms=0)
    part.write_batch([status_row("A")])
    part.snapshot()
    store.script_flush()

    part.write_batch([status_row("A", events=2)])
    part.snapshot()

    assert body(store)["events"] == 2


def test_a_refusal_of_the_server_ends_the_flow_in_words(store, shared_server, status_row):
    store.set(status_key("A"), "text")
    part = writer(shared_server)
    part.write_batch([status_row("A")])

    with pytest.raises(ServerError, match=r"refused a write: .*WRONGTYPE"):
        part.snapshot()


def test_an_address_that_cannot_be_read_is_refused_at_once():
    with pytest.raises(BusError, match="in the address"):
        StatusSink("redis://host:port").build_part("status", "00", None)


def test_an_event_is_timed_when_it_is_first_shown_and_a_mark_never(
    store, shared_server, status_row
):
    told = []
    part = writer(shared_server, conflate_ms=0, on_latency_ns=told.extend)
    now = time.time_ns()
    for row in (
        status_row("A", events=1, provisional=1, ts_ingest=now),
        status_row("A", events=1, ts_ingest=now),
        status_row("A", events=1, t=5, ts_ingest=now, kind=EventKind.MARK),
        status_row("A", events=2, t=6, ts_ingest=now, state=OrderState.FILLED),
    ):
        part.write_batch([row])
        part.snapshot()

    assert len(told) == 2
    assert all(0 <= ns < 60e9 for ns in told)


def test_every_group_has_one_of_the_writers():
    sink = StatusSink("unix:///none", parts=3)

    assert sink.list_parts() == ["00", "01", "02"]
    taken = [sink.part_fn(key) % 3 for key in GROUP_KEYS]
    assert [len(list(g)) for _, g in itertools.groupby(sorted(taken))] == [6, 5, 5]
    assert sink.part_fn("other") == sink.part_fn("other")
