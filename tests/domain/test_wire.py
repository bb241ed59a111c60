import json
import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.columns import DETAIL, EVENT, MARKET
from domain.errors import Refused
from domain.events import AlgoParams, Clock, MarketMessage, OrderMessage
from domain.instants import NO_TIME, SECOND, parse_rfc3339
from domain.keys import crc_of, group_of, key_of
from domain.reasons import DeadLetterReason
from domain.vocabulary import (
    INPUT_TOPICS,
    MARKET_EVENT_TYPES,
    ORDER_EVENT_TYPES,
    ROUTE_EVENT_TYPES,
    SIDES,
    AssetClass,
    EventKind,
    Liquidity,
    MarketKind,
    OrderType,
    Schedule,
    Side,
    TimeInForce,
    Topic,
    TradeFlag,
)
from domain.wire import RowBuilder, encode, split_json, topic_of

WHEN = "2026-11-20T14:30:00Z"
NS = parse_rfc3339(WHEN)
ORDER = {
    "type": "order_accepted", "ts_event": WHEN, "order_id": "A", "symbol": "IBM", "side": "BUY",
    "order_qty": 100,
}  # fmt: skip
FILL = {
    "type": "order_filled", "ts_event": WHEN, "order_id": "A", "symbol": "IBM", "side": "BUY",
    "last_qty": 10, "last_px": 185.1, "exec_id": "e1",
}  # fmt: skip
QUOTE = {"type": "quote", "ts_event": WHEN, "symbol": "IBM", "bid": 185.0, "ask": 185.1}
TRADE = {"type": "trade", "ts_event": WHEN, "symbol": "IBM", "price": 185.0, "size": 100}


def build(*messages, topic=None, ts=NO_TIME, **more):
    """Batch of messages: dictionaries are sent as JSON, bytes as they are."""
    builder = RowBuilder(topic, **more)
    for i, message in enumerate(messages):
        raw = message if isinstance(message, bytes) else json.dumps(message).encode()
        builder.add_json(raw, position=f"{i}-0", partition=3, ts=ts, ingest=7)
    return builder.build()


REFUSALS = [
    (b"", "UNREADABLE", "not a JSON object"),
    (b"{", "UNREADABLE", "not a JSON object"),
    (b"\xff\xfe{}", "UNREADABLE", "not a JSON object"),
    (b"8=FIX.4.4\x019=5\x01", "WRONG_TYPE", "Expected `object`, got `int`"),
    (b'{"type": "quote", "bid": NaN}', "UNREADABLE", "not a JSON object"),
    (b"[" * 100_000, "WRONG_TYPE", "object"),
    (b'{"type":"quote","x":' + b"[" * 100_000, "UNREADABLE", "not a JSON object"),
    (b"7", "WRONG_TYPE", "Expected `object`, got `int`"),
    ({}, "UNKNOWN_TYPE", "type must be one of alert_acknowledged"),
    ({"type": "order_filed"}, "UNKNOWN_TYPE", "was 'order_filed'"),
    ({"type": 4}, "WRONG_TYPE", "Expected `str`, got `int` - at `$.type`"),
    ({"type": "clock"}, "MISSING_FIELD", "`ts_event`"),
    ({"type": "clock", "ts_event": "noon"}, "BAD_TIME", "ts_event: expected a time such as"),
    ({**ORDER, "ts_event": None}, "WRONG_TYPE", "$.ts_event"),
    ({"type": "quote", "symbol": "X"}, "MISSING_FIELD", "`ts_event`"),
    ({**ORDER, "ts_event": "2026-13-20T14:30:00Z"}, "BAD_TIME", "month"),
    ({**ORDER, "ts_event": "1800-01-01T00:00:00Z"}, "BAD_TIME", "from 1824 to 2116"),
    ({**ORDER, "ts_event": "2200-01-01T00:00:00Z"}, "BAD_TIME", "from 1824 to 2116"),
    ({**ORDER, "order_id": ""}, "MISSING_FIELD", "order_id is missing or empty"),
    ({**ORDER, "order_id": "A" * 101}, "BAD_ID", "at most 100 characters, has 101"),
    ({**ORDER, "order_id": "A\0"}, "BAD_ID", "order_id must not contain control characters"),
    ({**ORDER, "order_qty": "100"}, "WRONG_TYPE", "Expected `float | null`"),
    ({**ORDER, "order_qty": -1}, "OUT_OF_RANGE", "order_qty must not be negative, was -1"),
    ({**ORDER, "side": "LONG"}, "BAD_SIDE", "side must be one of BUY,"),
    ({**ORDER, "decision_ts": "soon"}, "BAD_TIME", "decision_ts: expected a time"),
    ({**ORDER, "algo_params": {"start": "x"}}, "BAD_TIME", "algo_params.start: expected"),
    ({**ORDER, "algo_params": {"end": "x"}}, "BAD_TIME", "algo_params.end: expected"),
    ({**ORDER, "ord_type": "ICEBERG"}, "OUT_OF_RANGE", "ord_type must be one of UNKNOWN, MARKET"),
    ({**ORDER, "time_in_force": "X"}, "OUT_OF_RANGE", "time_in_force must be one of"),
    ({**ORDER, "asset_class": "X"}, "OUT_OF_RANGE", "asset_class must be one of"),
    ({**FILL, "liquidity": "MAKER"}, "OUT_OF_RANGE", "liquidity must be one of UNKNOWN, ADDED"),
    ({**FILL, "seq": 1 << 70}, "OUT_OF_RANGE", "seq must be 0 or more"),
    ({**QUOTE, "symbol": ""}, "MISSING_FIELD", "symbol is missing or empty"),
    ({**TRADE, "ts_event": "x"}, "BAD_TIME", "ts_event: expected a time"),
]  # fmt: skip


@pytest.mark.parametrize(("message", "reason", "words"), REFUSALS)
def test_each_refusal_says_what_was_wrong_and_keeps_the_message(message, reason, words):
    batch = build(message, FILL)

    (letter,) = batch.dead
    assert letter.reason.name == reason
    assert words in letter.words
    assert letter.message == (
        message if isinstance(message, bytes) else json.dumps(message).encode()
    )
    assert (letter.topic, letter.partition, letter.position) == ("file", 3, "0-0")
    assert len(batch.events) == 1, "the good message is taken"


def test_a_message_on_the_wrong_topic_is_refused():
    batch = build(QUOTE, ORDER, topic=Topic.MARKET_DATA)

    assert len(batch.market) == 1
    (letter,) = batch.dead
    assert letter.reason is DeadLetterReason.WRONG_TOPIC
    assert letter.words == "order_accepted belongs on topic orders, came on market-data"
    assert letter.topic == "market-data"


def test_an_event_dated_ahead_of_its_publication_is_refused():
    tomorrow = {**FILL, "ts_event": "2099-01-01T00:00:00Z"}
    just = {**FILL, "ts_event": "2026-11-20T14:30:01Z"}
    beyond = {**TRADE, "ts_event": "2026-11-20T14:30:01.000000001Z"}

    batch = build(tomorrow, just, beyond, ts=NS)

    assert len(batch.events) == 1
    assert [d.reason for d in batch.dead] == [DeadLetterReason.FUTURE] * 2
    assert "s after the message was published; at most 1 s is allowed" in batch.dead[0].words
    assert batch.dead[0].ts == NS
    assert len(build(tomorrow).events) == 1, "a file has no publication time"


def test_every_type_of_event_has_its_topic():
    for type_ in ORDER_EVENT_TYPES:
        assert topic_of(type_) is Topic.ORDERS
    for type_ in ROUTE_EVENT_TYPES:
        assert topic_of(type_) is Topic.ROUTES
    for type_ in MARKET_EVENT_TYPES:
        assert topic_of(type_) is Topic.MARKET_DATA
    assert topic_of("reference") is Topic.REFERENCE
    for type_ in ("thresholds_changed", "silence_set", "status_republish_requested"):
        assert topic_of(type_) is Topic.CONTROL
    with pytest.raises(Refused, match="was 'clock'"):
        topic_of("clock")


WHOLE = OrderMessage(
    type="order_accepted", ts_event=WHEN, order_id="A/1 #ü", parent_order_id="P",
    root_order_id="R", cl_ord_id="c", exec_id="e", exec_ref_id="x", route_id="r",
    symbol="IBM", side="SELL_SHORT", order_qty=100.0, last_qty=10.0, last_px=185.1,
    cum_qty=20.0, leaves_qty=80.0, avg_px=185.05, ord_type="LIMIT", limit_px=186.0,
    time_in_force="GTC", venue="XNYS", broker="BRK", algo="VWAP",
    algo_params=AlgoParams("IS", "2026-11-20T14:31:00Z", "2026-11-20T15:31:00Z", 0.1, "high"),
    strategy="s", trader="t", desk="d", client="cl", currency="USD", asset_class="EQUITY",
    liquidity="ADDED", fee=-0.5, reject_reason=3, displayed_qty=50.0,
    decision_ts="2026-11-20T14:29:00Z", decision_px=185.0, ts_received=WHEN, seq=5,
    market_seq=6, text="as asked",
)  # fmt: skip


@pytest.mark.parametrize("type_", [*ORDER_EVENT_TYPES, *ROUTE_EVENT_TYPES])
def test_every_member_of_an_order_event_reaches_its_column(type_):
    message = msgspec.structs.replace(WHOLE, type=type_)
    batch = build(encode(message), source=2, ordinal=40)

    assert not batch.dead
    (row,) = batch.events
    is_route = type_ in ROUTE_EVENT_TYPES
    expected = {
        "kind": {**ORDER_EVENT_TYPES, **ROUTE_EVENT_TYPES}[type_],
        "side": -1, "side_code": SIDES.index(Side.SELL_SHORT), "liquidity": Liquidity.ADDED,
        "reason": 3, "market_group": group_of("IBM"), "order_group": group_of("R"),
        "source": 2, "flags": 0, "phase": crc_of("R"), "order": key_of("A/1 #ü"),
        "root": key_of("R"), "parent": key_of("P"), "symbol": key_of("IBM"),
        "venue": key_of("XNYS"), "exec": key_of("r" if is_route else "e"),
        "exec_ref": key_of("x"), "ts_event": NS, "t_eff": NO_TIME, "ts_ingest": 7,
        "seq": 5, "market_seq": 6, "pos": 40, "order_qty": 100.0, "limit_px": 186.0,
        "last_qty": 10.0, "last_px": 185.1, "cum_qty": 20.0, "leaves_qty": 80.0, "fee": -0.5,
        "reported_avg_px": 185.05,
    }  # fmt: skip
    assert {name: row[name].item() for name in EVENT.names} == expected
    (detail,) = batch.details
    expected = {
        "order": key_of("A/1 #ü"), "pos": 40, "source": 2, "ord_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.GTC, "asset_class": AssetClass.EQUITY,
        "schedule": Schedule.IS, "order_group": 0, "reserved": [0, 0], "cl_ord": key_of("c"),
        "broker": key_of("BRK"), "algo": key_of("VWAP"), "strategy": key_of("s"),
        "trader": key_of("t"), "desk": key_of("d"), "client": key_of("cl"),
        "currency": key_of("USD"), "decision_ts": NS - 60 * SECOND,
        "start_ts": NS + 60 * SECOND, "end_ts": NS + 3660 * SECOND, "decision_px": 185.0,
        "participation": 0.1, "kappa_t": 6.0, "profile": 0,
    }  # fmt: skip
    assert {name: detail[name].tolist() for name in DETAIL.names} == expected
    keys = {int(row[n]) for n in ("order", "root", "parent", "symbol", "venue", "exec")}
    assert keys <= set(batch.names)
    assert all(key_of(name) == key for key, name in batch.names.items())


def test_what_an_order_event_leaves_out_is_missing_not_zero():
    batch = build({"type": "order_cancelled", "ts_event": WHEN, "order_id": "A", "symbol": "X"})

    (row,) = batch.events
    for name in ("order_qty", "limit_px", "last_qty", "last_px", "cum_qty", "leaves_qty", "fee"):
        assert math.isnan(row[name])
    assert (row["seq"], row["market_seq"], row["side"], row["venue"]) == (-1, -1, 0, 0)
    assert row["root"] == row["order"] == key_of("A")
    assert not len(batch.details)


@pytest.mark.parametrize(
    ("more", "schedule"),
    [
        ({"algo": "TWAP"}, Schedule.TWAP),
        ({"algo": "SNIPER"}, Schedule.NONE),
        ({"algo": "SNIPER", "algo_params": {"schedule": "POV"}}, Schedule.POV),
        ({"algo": "VWAP", "algo_params": {}}, Schedule.VWAP),
    ],
)
def test_the_schedule_is_what_the_parameters_say_or_the_algorithms_name(more, schedule):
    batch = build({**ORDER, **more})

    assert batch.details["schedule"].tolist() == [schedule]
    assert math.isnan(batch.details["participation"][0])


@pytest.mark.parametrize("type_", MARKET_EVENT_TYPES)
def test_every_member_of_a_market_event_reaches_its_column(type_):
    message = MarketMessage(
        type=type_, ts_event=WHEN, symbol="IBM", bid=1.0, ask=2.0, bid_size=3.0, ask_size=4.0,
        price=5.0, size=6.0, venue="XNYS", exec_id="e1", seq=9,
    )  # fmt: skip
    batch = build(encode(message), source=4)

    assert not batch.dead
    (row,) = batch.market
    printed = type_ in {"trade", "auction"}
    expected = {
        "kind": MARKET_EVENT_TYPES[type_], "flags": TradeFlag.ELIGIBLE if printed else 0,
        "group": group_of("IBM"), "source": 4, "reserved": 0, "symbol": key_of("IBM"),
        "venue": key_of("XNYS"), "exec": key_of("e1"), "ts_event": NS, "t_eff": NO_TIME,
        "seq": 9, "bid": 1.0, "ask": 2.0, "bid_size": 3.0, "ask_size": 4.0, "price": 5.0,
        "size": 6.0,
    }  # fmt: skip
    assert {name: row[name].item() for name in MARKET.names} == expected


COUNTS, OPENS, CLOSES = TradeFlag.ELIGIBLE, TradeFlag.OPENING, TradeFlag.CLOSING
LATE, AFTER = TradeFlag.OUT_OF_SEQUENCE, TradeFlag.EXTENDED_HOURS


@pytest.mark.parametrize(
    ("more", "flags"),
    [
        ({}, COUNTS),
        ({"conditions": ["REGULAR"]}, COUNTS),
        ({"conditions": ["OPENING"]}, COUNTS | OPENS),
        ({"conditions": ["CLOSING"]}, COUNTS | CLOSES),
        ({"auction": "opening", "type": "auction"}, COUNTS | OPENS),
        ({"auction": "closing", "type": "auction"}, COUNTS | CLOSES),
        ({"conditions": ["OUT_OF_SEQUENCE"]}, COUNTS | LATE),
        ({"conditions": ["EXTENDED_HOURS"]}, AFTER),
        ({"conditions": ["SUSPICIOUS"]}, TradeFlag.SUSPICIOUS),
        ({"conditions": ["CORRECTED"]}, TradeFlag.SUSPICIOUS),
        ({"conditions": ["AVERAGE_PRICE"]}, 0),
        ({"conditions": ["DERIVATIVELY_PRICED"]}, 0),
        ({"conditions": ["PRIOR_REFERENCE", "OPENING"]}, OPENS),
        ({"conditions": ["AVERAGE_PRICE"], "eligible": True}, COUNTS),
        ({"eligible": False}, 0),
    ],
)
def test_conditions_decide_whether_a_print_counts(more, flags):
    assert build({**TRADE, **more}).market["flags"].tolist() == [flags]


def test_only_the_builder_of_orders_knows_order_events():
    builder = RowBuilder(None)
    with pytest.raises(Refused, match="no order event is called 'quote'"):
        builder.add_order(OrderMessage(type="quote", ts_event=WHEN))


def test_clock_messages_move_the_watermark_and_leave_no_row():
    later = encode(Clock(type="clock", ts_event="2026-11-20T14:31:00Z"))
    earlier = encode(Clock(type="clock", ts_event=WHEN, topic="orders"))

    batch = build(FILL, later, earlier, FILL, QUOTE, topic=None)

    assert batch.watermark == NS + 60 * SECOND
    assert batch.events["t_eff"].tolist() == [NO_TIME, NS + 60 * SECOND]
    assert batch.market["t_eff"].tolist() == [NS + 60 * SECOND]
    for topic in INPUT_TOPICS:
        assert not build(later, topic=topic).dead


def test_reference_and_control_records_travel_whole():
    records = [b'{"type":"reference","symbol":"IBM"}', b'{"type":"silence_set","x":1}']

    assert build(*records).references == records


def test_a_builder_starts_anew_after_each_batch_but_goes_on_counting():
    builder = RowBuilder(Topic.ORDERS, 1)
    for n in (2, 3):
        for _ in range(n):
            builder.add_json(encode(FILL), position="0", partition=0, ts=NO_TIME, ingest=0)
        builder.add_json(b"x", position="0", partition=0, ts=NO_TIME, ingest=0)
        assert len(builder) == n
        batch = builder.build()
        assert len(batch.events) == n
        assert len(batch.dead) == 1
        assert len(builder) == 0
    assert batch.events["pos"].tolist() == [2, 3, 4]
    empty = builder.build()
    assert (len(empty.market), len(empty.events), len(empty.details)) == (0, 0, 0)
    assert (empty.market.dtype, empty.watermark) == (MARKET, NO_TIME)


def test_a_json_array_holds_several_events():
    assert split_json(b' {"a": 1}') == [b' {"a": 1}']
    assert split_json(b' [{"a": 1}, 2,"x"]') == [b'{"a": 1}', b"2", b'"x"']
    assert split_json(b"[]") == []
    assert split_json(b"") == [b""]
    for broken in (b"[1, ", b"[1] 2", b"[\xff]"):
        with pytest.raises(Refused, match="not a JSON array") as refused:
            split_json(broken)
        assert refused.value.reason is DeadLetterReason.UNREADABLE


TYPES = [*ORDER_EVENT_TYPES, *ROUTE_EVENT_TYPES, *MARKET_EVENT_TYPES, "clock", "reference", "?"]
ANY = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-1, 300), st.floats(), st.text(),
    st.sampled_from(["BUY", "OPENING", WHEN, "2026-11-20T14:30:00+05:30", "TWAP", "LIMIT"]),
    st.lists(st.text(), max_size=2), st.dictionaries(st.text(), st.integers(), max_size=2),
)  # fmt: skip
FIELDS = st.sampled_from(
    sorted({*OrderMessage.__struct_fields__, *MarketMessage.__struct_fields__})
)
PLAUSIBLE = st.fixed_dictionaries(
    {
        "type": st.sampled_from(TYPES),
        "ts_event": st.sampled_from([WHEN, "1969-12-31T23:59:59Z", "x"]),
    },
    optional={"symbol": st.text(max_size=4), "order_id": st.text(max_size=4)},
)


def check_garbage(raw):
    builder = RowBuilder(None, 1)
    for message in (raw, json.dumps(FILL).encode(), json.dumps(QUOTE).encode()):
        builder.add_json(message, position="0", partition=0, ts=NO_TIME, ingest=0)
    batch = builder.build()
    good = build(FILL, QUOTE, source=1)
    for letter in batch.dead:
        assert letter.message == raw
        assert letter.words
    for name in ("last_qty", "last_px", "order", "symbol", "exec", "ts_event"):
        assert batch.events[name][-1] == good.events[name][0]
    assert batch.market[-1:]["bid"] == good.market["bid"]
    taken = len(batch.events) + len(batch.market) + len(batch.references)
    moved = batch.watermark != NO_TIME
    assert taken - 2 + len(batch.dead) + moved == 1, "taken, refused, or a clock: never lost"


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80))
def test_random_bytes_become_dead_letters_and_harm_nobody(raw):
    check_garbage(raw)


@settings(max_examples=400, deadline=None)
@given(PLAUSIBLE, st.dictionaries(FIELDS, ANY, max_size=6))
def test_random_members_become_rows_or_dead_letters(base, more):
    check_garbage(json.dumps({**base, **more}).encode())


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_good_message_with_a_byte_changed_is_taken_or_refused(data):
    raw = bytearray(encode(WHOLE))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    check_garbage(bytes(raw))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["BUY", "SELL", "SELL_SHORT"]),
    st.floats(0, 1e12),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(min_size=1, max_size=100).filter(str.isprintable),
)
def test_numbers_and_names_come_back_as_they_were_sent(side, qty, px, name):
    message = OrderMessage(
        type="order_replaced", ts_event=WHEN, order_id=name, symbol="X", side=side,
        order_qty=qty, limit_px=px,
    )  # fmt: skip
    batch = build(encode(message))
    (row,) = batch.events
    assert (row["order_qty"], row["limit_px"]) == (qty, px)
    assert batch.names[int(row["order"])] == name
    assert row["side"] == Side(side).sign


def test_the_numbers_of_the_wire_are_those_of_the_vocabulary():
    kinds = {t: build({**FILL, "type": t, "order_qty": 1, "exec_ref_id": "e"}).events["kind"][0]
             for t in ORDER_EVENT_TYPES}  # fmt: skip
    assert kinds == {t: np.uint8(k) for t, k in ORDER_EVENT_TYPES.items()}
    assert EventKind.ORDER_FILLED in ORDER_EVENT_TYPES.values()
    assert MarketKind.QUOTE == 1


def test_a_record_is_known_from_its_own_place_among_the_clocks():
    clock = b'{"type":"clock","ts_event":"2026-11-20T14:30:0%dZ"}'
    record = b'{"type":"status_republish_requested"}'
    builder = RowBuilder(Topic.CONTROL, 3)
    for raw in (record, clock % 1, record, clock % 2, record, clock % 5):
        builder.add_json(raw, position="1", partition=0, ts=NO_TIME, ingest=NO_TIME)
    start = parse_rfc3339("2026-11-20T14:30:00Z")

    whole = builder.build()

    for before, known in ((NO_TIME, (NO_TIME, 1, 2)), (start + 10**9, (1, 1, 2))):
        expected = [k if k == NO_TIME else start + k * 10**9 for k in known]
        assert whole.records_since(before) == [(k, record) for k in expected]
