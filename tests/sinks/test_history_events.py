"""Events of the bus as rows: nothing renamed, nothing rounded, and refusals in words."""

import msgspec
import pytest

from bus.base import Stored
from domain.errors import Refused
from domain.reasons import DeadLetterReason
from domain.record_fields import EVENT_FIELDS, FILL_FIELDS
from domain.rows import FillStatus
from sinks.history import tables
from sinks.history.events import events_of, rows_of
from sinks.history.sink import decode
from sinks.history.tables import ORDERS, STATUSES
from sinks.updates import updates_of

NS = 1_700_000_000_000_000_123
CUT = "2023-11-14T22:13:20.000000123Z"


def events(rows):
    return list(updates_of(rows, NS, "v1"))


def as_dict(row):
    values = row.table.finish(row.values) if row.table.finish else row.values
    return dict(zip([name for name, _ in row.table.columns], values, strict=True))


def event_of(kind, rows):
    [event] = [e for e in events(rows) if msgspec.json.decode(e)["kind"] == kind]
    return event


def changed(event, **members):
    found = msgspec.json.decode(event)
    for name, value in members.items():
        found[name] = value
        if value is None:
            del found[name]
    return msgspec.json.encode(found)


def stored(body, content_type="application/json"):
    return Stored("17-0", NS, body, content_type, {})


def test_a_status_is_a_row_of_the_specified_table_and_of_the_orders(status_row):
    event = event_of(
        "status",
        status_row("A/1 #ü", events=3, t=1.5, desk="US", fill_rate=0.5, slippage_bps=-0.0,
                   avg_px=0.1 + 0.2, market_impact_bps=1e-7, venues={"XNAS": 1.0}),
    )  # fmt: skip

    status, order = rows_of(event)

    found = as_dict(status)
    assert status.table is STATUSES
    assert found["order_id"] == "A/1 #ü"
    assert found["ts_ns"] == found["timestamp"] == found["known_ns"] == 1_700_000_001_500_000_000
    assert (found["average_price"], found["fill_rate"]) == (0.1 + 0.2, 0.5)
    assert (found["market_impact"], str(found["slippage"])) == (1e-7, "-0.0")
    assert (found["venue_distribution"], found["alerts"]) == (b'{"XNAS":1.0}', b"[]")
    assert found["body"] in event, "the very bytes that were published"
    newest = as_dict(order)
    assert order.table is ORDERS
    assert (newest["desk"], newest["state"], newest["seq"]) == ("US", "NEW", 3)
    assert newest["is_closed"] is False
    assert newest["sort_ns"] == newest["ts_ns"]


def test_a_restated_status_is_also_noted_as_one(status_row):
    rows = rows_of(event_of("status", status_row("A", restated=1)))

    assert [row.table.name for row in rows] == ["execution_monitoring_ts", "orders", "restatements"]


def test_every_field_of_a_fill_and_of_an_event_has_its_column(full_rows):
    renamed = {"ts_event": "ts_ns", "known_at": "known_ns", "quote_ts": "quote_ns"}
    for fields, table in ((FILL_FIELDS, tables.FILLS), (EVENT_FIELDS, tables.EVENTS)):
        wanted = {renamed.get(field.name, field.name) for field in fields}
        assert wanted | {"ts"} == {name for name, _ in table.columns}

    rows = full_rows("A")
    rows.fills["mid_1s"] = 9.25
    fill = as_dict(*rows_of(event_of("fill", rows)))

    assert (fill["mid_1s"], fill["mid_60s"]) == (9.25, None)
    assert (fill["exec_id"], fill["venue"], fill["last_qty"], fill["pos"]) == ("E1", "XNAS", 400, 7)
    event = as_dict(*rows_of(event_of("order_event", full_rows("A"))))
    assert (event["type"], event["exec_id"], event["ts"]) == ("order_filled", "E1", event["ts_ns"])


def test_the_record_is_kept_whole_and_counts_what_it_lacks(full_rows):
    event = event_of("order", full_rows("A"))

    record = as_dict(*rows_of(event))

    published = msgspec.json.decode(event)
    del published["kind"], published["event_id"]
    assert msgspec.json.decode(record["body"]) == published
    assert list(msgspec.json.decode(record["body"])) == list(published)
    assert record["missing"] == len(published["reasons"]) > 0
    assert (record["avg_px"], record["state"]) == (9.5, "FILLED")


def test_a_bar_is_a_row_of_the_market():
    bar = {"kind": "bar", "symbol": "IBM", "ts": CUT, "open": 1.0, "close": 2.0, "volume": 3.0}

    found = as_dict(*rows_of(msgspec.json.encode(bar)))

    assert (found["symbol"], found["ts_ns"], found["interval_ms"]) == ("IBM", NS, 1000)
    assert (found["open"], found["close"], found["vwap"]) == (1.0, 2.0, None)


EVALUATION = {"kind": "evaluation", "order_id": "A", "known_at": CUT, "part": "KEPT"}


def test_an_evaluation_is_a_row_with_the_thresholds_it_met():
    more = {"z_cost": 2.25, "seq": 7, "configured": {"HIGH_COST": 3.0}, "asked": {}}

    found = as_dict(*rows_of(msgspec.json.encode({**EVALUATION, **more})))
    [plain] = rows_of(msgspec.json.encode(EVALUATION))

    assert (found["known_ns"], found["seq"], found["part"]) == (NS, 7, "KEPT")
    assert (found["z_cost"], found["risk_bps"]) == (2.25, None)
    assert (found["configured"], found["asked"]) == (b'{"HIGH_COST":3.0}', b"{}")
    assert (as_dict(plain)["seq"], as_dict(plain)["configured"]) == (-1, None)


def test_an_evaluation_of_no_known_part_is_refused():
    with pytest.raises(Refused, match="BEGINS, KEPT, ENDS, SHORT, was 'MIDDLE'"):
        rows_of(msgspec.json.encode({**EVALUATION, "part": "MIDDLE"}))


@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        ({"kind": "rumour"}, DeadLetterReason.UNKNOWN_TYPE, "kind must be one of status, order"),
        ({"order_id": "x" * 101}, DeadLetterReason.WRONG_TYPE, "length <= 100"),
        ({"order_id": None}, DeadLetterReason.MISSING_FIELD, "order_id"),
        ({"ts_event": "yesterday"}, DeadLetterReason.BAD_TIME, "expected a time such as"),
        ({"last_px": "9.5"}, DeadLetterReason.WRONG_TYPE, "last_px"),
        ({"pos": 1 << 63}, DeadLetterReason.WRONG_TYPE, "pos"),
        ({"status": "GUESSED"}, DeadLetterReason.OUT_OF_RANGE, "was 'GUESSED'"),
    ],
)
def test_a_fill_that_cannot_be_read_says_why(full_rows, change, reason, words):
    with pytest.raises(Refused, match=words) as refused:
        rows_of(changed(event_of("fill", full_rows("A")), **change))
    assert refused.value.reason is reason


@pytest.mark.parametrize(
    ("kind", "words"),
    [("status", "needs member status"), ("order", "order_id"), ("order_event", "order_id"),
     ("bar", "symbol"), ("evaluation", "order_id")],
)  # fmt: skip
def test_an_empty_event_says_what_it_lacks(kind, words):
    with pytest.raises(Refused, match=words):
        rows_of(msgspec.json.encode({"kind": kind}))


@pytest.mark.parametrize("member", ["as_of", "last_updated", "state"])
def test_a_status_without_its_place_is_refused(status_row, member):
    event = msgspec.json.decode(event_of("status", status_row("A")))
    del event["status"][member]

    with pytest.raises(Refused, match=f"{member} is missing"):
        rows_of(msgspec.json.encode(event))


def test_one_bad_event_of_a_message_costs_only_itself(status_row, full_rows):
    good, more = event_of("status", status_row("A")), events(full_rows("B"))
    body = b"[" + b",".join([good, b'{"kind":"rumour"}', b"7", *more]) + b"]"

    update, dead = decode(2, stored(body))

    assert len(update.rows) == 2 + 5
    assert [letter.position for letter in dead] == ["17-0/1", "17-0/2"]
    assert [letter.message for letter in dead] == [b'{"kind":"rumour"}', b"7"]
    assert {(letter.topic, letter.partition) for letter in dead} == {("execution-updates", 2)}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b"[1,", "application/json"), (b"\xff", "application/json"), (b"[]", "text/plain")],
)
def test_a_message_that_is_no_json_is_one_dead_letter(body, content_type):
    update, [letter] = decode(0, stored(body, content_type))

    assert not update.rows
    assert (letter.position, letter.message) == ("17-0", body)
    assert letter.reason is DeadLetterReason.UNREADABLE


def test_a_message_may_be_one_event_alone(status_row):
    event = event_of("status", status_row("A"))

    update, dead = decode(0, stored(event))

    assert len(events_of(event)) == 1
    assert len(update.rows) == 2
    assert not dead


def test_every_fill_status_has_its_rank():
    assert set(tables.RANKS) == {n for n in vars(FillStatus) if n.isupper()}
