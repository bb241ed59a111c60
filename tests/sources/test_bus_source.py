"""The bus as a source, on a real server: nothing lost, nothing twice, nothing guessed."""

import gc
import io
import time
from datetime import timedelta

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from bytewax import operators as op
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, run_main
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.base import START, Outgoing
from bus.clock import ClockWriter
from bus.connect import open_bus
from bus.publish import Publisher, publish, publish_columns
from domain.batch import Input
from domain.errors import BusError, RecoveryError
from domain.instants import NO_TIME, SECOND, format_rfc3339
from domain.reasons import DeadLetterReason
from domain.vocabulary import Topic
from runtime.servers import EmbeddedServer
from sources.bus_source import BusSource, bus_inputs
from sources.market_gate import MarketGate

T0 = 1_700_000_000 * SECOND
ORDERS = Input(0, Topic.ORDERS, 0)
MARKET = Input(1, Topic.MARKET_DATA, 0)


@pytest.fixture(scope="module")
def shared_server():
    with EmbeddedServer("bus", durable=False) as server:
        yield server


@pytest.fixture
def own_server():
    with EmbeddedServer("bus", durable=True) as server:
        yield server


@pytest.fixture
def bus(shared_server):
    found = open_bus(shared_server.url)
    found._client.flushall()
    found.set_up(dict.fromkeys(Topic, 1), 16)
    yield found
    found.close()


def at(seconds):
    return format_rfc3339(T0 + round(seconds * SECOND))


def accepted(order_id="A", t=0.0, **more):
    return {
        "type": "order_accepted", "order_id": order_id, "symbol": "IBM", "side": "BUY",
        "order_qty": 100.0, "ts_event": at(t), **more,
    }  # fmt: skip


def quote(t=0.0, bid=9.0):
    return {"type": "quote", "symbol": "IBM", "bid": bid, "ask": 10.0, "ts_event": at(t)}


def collect(part, enough, seconds=10.0):
    """Batches of a partition until `enough(batches)` or its end."""
    batches = []
    deadline = time.monotonic() + seconds
    while not enough(batches):
        try:
            batches.extend(part.next_batch())
        except StopIteration:
            return batches
        assert time.monotonic() < deadline, "nothing more came"
        time.sleep(0.001)
    return batches


def order_ids(batches):
    names = {k: v for b in batches for k, v in b.names.items()}
    return [names[k] for b in batches for k in b.events["order"].tolist()]


def whole(bus, inputs, **options):
    """Everything stored in the inputs, partition by partition."""
    source = BusSource(bus, inputs, stop_at_end=True, **options)
    parts = [source.build_part("source", name, None) for name in source.list_parts()]
    found = {part: [] for part in parts}
    deadline = time.monotonic() + 10
    open_parts = list(parts)
    while open_parts:
        for part in list(open_parts):
            try:
                found[part].extend(part.next_batch())
            except StopIteration:
                open_parts.remove(part)
        assert time.monotonic() < deadline, "the partitions did not end"
    return list(found.values())


def test_inputs_are_numbered_topic_by_topic(bus):
    inputs = bus_inputs(bus)

    assert [i.index for i in inputs] == list(range(5))
    assert inputs[2] == Input(2, Topic.MARKET_DATA, 0)


def test_events_come_in_stored_order_with_their_ordinals(bus):
    publish(bus, [accepted(f"A{i}") for i in range(5)])

    [batches] = whole(bus, [ORDERS])

    events = np.concatenate([b.events for b in batches])
    assert order_ids(batches) == ["A0", "A1", "A2", "A3", "A4"]
    assert events["pos"].tolist() == [0, 1, 2, 3, 4]
    assert (events["source"] == 0).all()
    assert (events["ts_ingest"] > T0).all()
    assert batches[-1].ended
    assert not any(b.ended for b in batches[:-1])


def test_effective_times_never_go_back_and_follow_the_clock(bus):
    publish(bus, [accepted("A", 1.0)])
    with ClockWriter(bus, kind="event") as clock:
        clock.tick(T0 + 5 * SECOND)
    publish(bus, [accepted("B", 2.0), accepted("C", 7.0)])

    [batches] = whole(bus, [ORDERS])

    events = np.concatenate([b.events for b in batches])
    assert ((events["t_eff"] - T0) / SECOND).tolist() == [1.0, 5.0, 7.0]
    assert ((events["ts_event"] - T0) / SECOND).tolist() == [1.0, 2.0, 7.0]
    assert batches[-1].watermark == T0 + 7 * SECOND


def test_a_clock_moves_a_silent_partition(bus):
    with ClockWriter(bus, kind="event") as clock:
        clock.tick(T0)

    [batches] = whole(bus, [ORDERS])

    assert len(batches[0].events) == 0
    assert batches[0].watermark == T0


def test_resuming_from_any_snapshot_loses_and_repeats_nothing(bus):
    publish(bus, [accepted(f"A{i}", i) for i in range(30)])
    source = BusSource(bus, [ORDERS])
    first = source.build_part("source", "orders/0", None)
    collect(first, lambda found: sum(len(b.events) for b in found) == 30)
    assert first.snapshot()[2:] == (30, T0 + 29 * SECOND)
    publish(bus, [accepted(f"B{i}", 0) for i in range(3)])

    second = BusSource(bus, [ORDERS], stop_at_end=True).build_part(
        "source", "orders/0", first.snapshot()
    )
    batches = collect(second, lambda _: False)

    assert order_ids(batches) == ["B0", "B1", "B2"]
    events = np.concatenate([b.events for b in batches])
    assert events["pos"].tolist() == [30, 31, 32]
    assert set(events["t_eff"].tolist()) == {T0 + 29 * SECOND}


def test_an_ended_partition_that_is_resumed_says_again_that_it_ended(bus):
    publish(bus, [accepted()])
    part = BusSource(bus, [ORDERS], stop_at_end=True).build_part("source", "orders/0", None)
    collect(part, lambda _: False)

    again = BusSource(bus, [ORDERS], stop_at_end=True).build_part(
        "source", "orders/0", part.snapshot()
    )

    [batch] = collect(again, lambda _: False)
    assert batch.ended
    assert batch.watermark == T0


def test_messages_stored_after_the_start_are_not_part_of_a_replay(bus):
    publish(bus, [accepted("A")])
    part = BusSource(bus, [ORDERS], stop_at_end=True).build_part("source", "orders/0", None)
    collect(part, lambda found: found)
    publish(bus, [accepted("B")])

    assert order_ids(collect(part, lambda _: False)) == []


def test_a_snapshot_of_another_version_is_refused(bus):
    with pytest.raises(RecoveryError, match="has version 9"):
        BusSource(bus, [ORDERS]).build_part("source", "orders/0", (9, START, 0, NO_TIME))


def test_an_array_and_columns_give_the_same_rows_as_single_events(bus):
    events = [
        accepted("A", 0, limit_px=9.5, algo_params={"start": at(0), "participation": 0.1}),
        accepted("B/1 #ü", 1),
    ]
    publish(bus, events)
    [single] = whole(bus, [ORDERS])
    bus._client.flushall()
    bus.set_up(dict.fromkeys(Topic, 1), 16)
    publisher = Publisher(bus, batch=10)
    for event in events:
        publisher.add(event)
    publisher.flush()
    [array] = whole(bus, [ORDERS])
    bus._client.flushall()
    bus.set_up(dict.fromkeys(Topic, 1), 16)
    columns = pa.table(
        {
            "type": pa.array(["order_accepted"] * 2).dictionary_encode(),
            "order_id": ["A", "B/1 #ü"],
            "symbol": ["IBM"] * 2,
            "side": ["BUY"] * 2,
            "order_qty": [100.0, 100.0],
            "limit_px": [9.5, float("nan")],
            "algo_params.start": pa.array([T0, None], pa.timestamp("ns", "UTC")),
            "algo_params.participation": [0.1, None],
            "ts_event": pa.array([T0, T0 + SECOND]),
        }
    )
    out = io.BytesIO()
    with pa.ipc.new_stream(out, columns.schema) as stream:
        stream.write_table(columns)
    publish_columns(bus, Topic.ORDERS, 0, out.getvalue())
    [arrow] = whole(bus, [ORDERS])

    for other in (array, arrow):
        for kind in ("events", "details"):
            mine, theirs = (
                np.concatenate([getattr(b, kind) for b in found]) for found in (single, other)
            )
            for name in mine.dtype.names:
                if name != "ts_ingest":
                    np.testing.assert_array_equal(mine[name], theirs[name], err_msg=name)
        assert {k for b in single for k in b.names} == {k for b in other for k in b.names}


def test_every_refused_message_becomes_a_dead_letter_with_its_place(bus):
    bad = [
        (b"not json", "application/json", DeadLetterReason.UNREADABLE),
        (b"[1, 2", "application/json", DeadLetterReason.UNREADABLE),
        (b"\xff\x00", "text/csv", DeadLetterReason.UNREADABLE),
        (b"ARROW1", "application/vnd.apache.arrow.stream", DeadLetterReason.UNREADABLE),
        (msgspec.json.encode(quote()), "application/json", DeadLetterReason.WRONG_TOPIC),
        (msgspec.json.encode(accepted("x" * 101)), "application/json", DeadLetterReason.BAD_ID),
    ]
    positions = bus.append([Outgoing(Topic.ORDERS, 0, raw, kind) for raw, kind, _ in bad])
    publish(bus, [accepted("GOOD")])

    [batches] = whole(bus, [ORDERS])

    dead = [d for b in batches for d in b.dead]
    assert [(d.message, d.reason) for d in dead] == [(raw, reason) for raw, _, reason in bad]
    assert [d.position for d in dead] == positions
    assert all(d.topic == "orders" and d.partition == 0 and d.words for d in dead)
    assert order_ids(batches) == ["GOOD"]


def test_a_bad_member_of_an_array_is_named_by_its_number(bus):
    body = b"[" + msgspec.json.encode(accepted("A")) + b',{"type":"guess"}]'
    [position] = bus.append([Outgoing(Topic.ORDERS, 0, body)])

    [batches] = whole(bus, [ORDERS])

    [dead] = [d for b in batches for d in b.dead]
    assert dead.position == f"{position}/1"
    assert order_ids(batches) == ["A"]


def test_an_event_or_clock_of_2099_moves_nothing(bus):
    publish(bus, [accepted("A", 0), {**accepted("B"), "ts_event": "2099-01-01T00:00:00Z"}])
    with ClockWriter(bus, kind="event") as clock:
        clock.tick(4_070_908_800 * SECOND)
    publish(bus, [accepted("C", 1)])

    [batches] = whole(bus, [ORDERS])

    assert [d.reason for b in batches for d in b.dead] == [DeadLetterReason.FUTURE] * 2
    assert order_ids(batches) == ["A", "C"]
    assert batches[-1].watermark == T0 + SECOND


def test_nothing_is_lost_when_the_server_dies_and_comes_back(own_server):
    bus = open_bus(own_server.url)
    bus.set_up(dict.fromkeys(Topic, 1), 16)
    publish(bus, [accepted(f"A{i}") for i in range(10)])
    part = BusSource(bus, [ORDERS]).build_part("source", "orders/0", None)
    before = collect(part, lambda found: sum(len(b.events) for b in found) == 10)

    own_server.kill()
    for _ in range(20):
        assert part.next_batch() == []
        time.sleep(0.005)
    own_server.restart()
    publish(bus, [accepted(f"B{i}") for i in range(10)])
    after = collect(part, lambda found: sum(len(b.events) for b in found) == 10)

    assert order_ids(before) == [f"A{i}" for i in range(10)]
    assert order_ids(after) == [f"B{i}" for i in range(10)]


def test_a_bus_that_comes_back_empty_is_noticed(own_server):
    bus = open_bus(own_server.url)
    bus.set_up(dict.fromkeys(Topic, 1), 16)
    publish(bus, [accepted()])
    part = BusSource(bus, [ORDERS]).build_part("source", "orders/0", None)
    collect(part, lambda found: found)
    bus._client.flushall()
    own_server.kill()
    own_server.restart()

    with pytest.raises(BusError, match="another bus, or it was emptied"):
        collect(part, lambda _: False)


def test_a_snapshot_older_than_the_trimmed_messages_is_noticed(bus):
    positions = bus.append([Outgoing(Topic.ORDERS, 0, b"{}") for _ in range(3)])
    bus.trim((Topic.ORDERS, 0), positions[2])
    state = (1, positions[0], 1, T0)

    part = BusSource(bus, [ORDERS]).build_part("source", "orders/0", state)

    with pytest.raises(BusError, match="are gone"):
        collect(part, lambda _: False)


def test_market_data_waits_for_orders_that_are_far_behind(bus):
    publish(bus, [accepted("A", 0)])
    publish(bus, [quote(t) for t in (10, 20, 40)])
    source = BusSource(bus, [ORDERS, MARKET], market_ahead_s=30)
    market = source.build_part("source", "market-data/0", None)
    orders = source.build_part("source", "orders/0", None)
    for _ in range(20):
        assert market.next_batch() == []
        time.sleep(0.002)

    collect(orders, lambda found: found)
    ticks = collect(market, lambda found: sum(len(b.market) for b in found) == 3)
    assert ticks[-1].watermark == T0 + 40 * SECOND
    publish(bus, [quote(50)])
    for _ in range(50):
        assert market.next_batch() == []
        time.sleep(0.002)
    publish(bus, [accepted("B", 15)])
    collect(orders, lambda found: found)

    assert len(collect(market, lambda found: found)[0].market) == 1


def test_market_data_does_not_wait_for_orders_that_never_were(bus):
    publish(bus, [quote(t) for t in (0, 100)])
    source = BusSource(bus, [ORDERS, MARKET])
    orders = source.build_part("source", "orders/0", None)
    market = source.build_part("source", "market-data/0", None)

    found = []
    deadline = time.monotonic() + 10
    while not found and time.monotonic() < deadline:
        assert orders.next_batch() == []
        found = market.next_batch()

    assert len(found[0].market) == 2


@given(
    orders=st.dictionaries(st.integers(0, 3), st.integers(0, 100)),
    market=st.integers(0, 200),
)
def test_the_gate_is_open_exactly_up_to_the_allowed_distance(orders, market):
    gate = MarketGate(30)
    for index, watermark in orders.items():
        gate.note_orders(index, watermark)

    assert gate.is_open(market) == (not orders or market <= min(orders.values()) + 30)


@settings(max_examples=15, deadline=None)
@given(times=st.lists(st.integers(0, 50), min_size=1, max_size=30), batch=st.integers(1, 7))
def test_how_events_were_packed_into_messages_changes_no_row(shared_server, times, batch):
    rows = []
    for size in (1, batch):
        bus = open_bus(shared_server.url)
        bus._client.flushall()
        bus.set_up(dict.fromkeys(Topic, 1), 16)
        publisher = Publisher(bus, batch=size)
        for i, t in enumerate(times):
            publisher.add(accepted(f"A{i}", t))
        publisher.flush()
        [batches] = whole(bus, [ORDERS])
        found = np.concatenate([b.events for b in batches])
        found["ts_ingest"] = 0
        rows.append(found.tobytes())
        bus.close()

    assert rows[0] == rows[1]


def test_the_reading_thread_ends_with_its_partitions(bus):
    source = BusSource(bus, [ORDERS])
    part = source.build_part("source", "orders/0", None)
    thread = source._fetcher._thread
    assert thread is not None

    del part
    gc.collect()
    thread.join(5)

    assert not thread.is_alive()


def test_a_flow_reads_every_partition_to_its_end(bus):
    publish(bus, [accepted(f"A{i}", i) for i in range(100)])
    publish(bus, [quote(i / 10) for i in range(1000)])
    flow = Dataflow("read")
    seen = []
    stream = op.input("source", flow, BusSource(bus, stop_at_end=True))
    op.output("out", stream, TestingSink(seen))

    run_main(flow, epoch_interval=timedelta(seconds=5))

    assert sum(len(b.events) for b in seen) == 100
    assert sum(len(b.market) for b in seen) == 1000
    assert sorted(b.source for b in seen if b.ended) == [0, 1, 2, 3, 4]


def test_a_replay_ends_at_its_end_even_inside_one_read(bus):
    publish(bus, [accepted("A"), accepted("B")])
    part = BusSource(bus, [ORDERS], stop_at_end=True).build_part("source", "orders/0", None)
    deadline = time.monotonic() + 10
    while part._buffer.end is None or len(part._buffer) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    publish(bus, [accepted("C")])
    while len(part._buffer) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.001)

    batches = collect(part, lambda _: False)

    assert order_ids(batches) == ["A", "B"]
    assert part.snapshot()[2] == 2
    part.close()
