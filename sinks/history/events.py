"""Events of topic `execution-updates` as rows of the history's tables."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec

from domain.errors import Refused
from domain.evaluations import Part
from domain.instants import parse_rfc3339
from domain.reasons import DeadLetterReason
from domain.wire import split_json
from sinks.history import shapes, tables
from sinks.history.table import Table, Values

_time = lru_cache(maxsize=1 << 16)(parse_rfc3339)


@dataclass(frozen=True, slots=True)
class Row:
    """One row for a table, and the number of its event in the message."""

    table: Table
    values: Values
    event: int


_HEADS = msgspec.json.Decoder(list[msgspec.Raw])
_HEAD = msgspec.json.Decoder(shapes.Head)
_STATUS = msgspec.json.Decoder(shapes.Status)
_RECORD = msgspec.json.Decoder(shapes.Record)
_FILL = msgspec.json.Decoder(shapes.Fill)
_EVENT = msgspec.json.Decoder(shapes.Event)
_EVALUATION = msgspec.json.Decoder(shapes.Evaluation)
_BAR = msgspec.json.Decoder(shapes.Bar)
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_HEAD_MEMBERS = frozenset({"kind", "event_id"})


def rows_of(raw: bytes | msgspec.Raw, event: int = 0) -> list[Row]:
    """The rows of one JSON event. Raises Refused with what is wrong."""
    with in_words():
        head = _HEAD.decode(raw)
        make = _MAKERS.get(head.kind)
        if make is None:
            raise Refused(
                DeadLetterReason.UNKNOWN_TYPE,
                f"kind must be one of {', '.join(_MAKERS)}, was {head.kind!r}",
            )
        return [Row(table, values, event) for table, values in make(raw, head)]


@contextmanager
def in_words() -> Generator[None]:
    """Turn what decoding raises into Refused."""
    try:
        yield
    except msgspec.ValidationError as error:
        words = str(error)
        missing = "missing required" in words
        reason = DeadLetterReason.MISSING_FIELD if missing else DeadLetterReason.WRONG_TYPE
        raise Refused(reason, words) from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Refused(DeadLetterReason.UNREADABLE, f"not a JSON object: {error}") from error
    except ValueError as error:
        raise Refused(DeadLetterReason.BAD_TIME, str(error)) from error


def events_of(body: bytes) -> Sequence[bytes | msgspec.Raw]:
    """The events of a message. Raises Refused for one that is no JSON array or object."""
    if body[:1] == b"[":
        try:
            return _HEADS.decode(body)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise Refused(DeadLetterReason.UNREADABLE, f"not a JSON array: {error}") from error
    return split_json(body)


def _ns(text: str | None) -> int | None:
    return None if text is None else _time(text)


def _needed(name: str, text: str | None) -> int:
    if text is None:
        raise Refused(DeadLetterReason.MISSING_FIELD, f"{name} is missing")
    return _time(text)


_tca_texts = attrgetter(*tables.TCA_TEXTS)
_tca_numbers = attrgetter(*tables.TCA_NUMBERS)
_fill_texts = attrgetter(*tables.FILL_TEXTS)
_fill_numbers = attrgetter(*tables.FILL_NUMBERS)
_mids = attrgetter(*tables.MIDS)
_event_texts = attrgetter(*tables.EVENT_TEXTS)
_event_numbers = attrgetter(*tables.EVENT_NUMBERS)
_evaluation_texts = attrgetter(*tables.EVALUATION_TEXTS)
_evaluation_numbers = attrgetter(*tables.EVALUATION_NUMBERS)
_bar_numbers = attrgetter(*tables.BAR_NUMBERS)

Made = list[tuple[Table, Values]]


def _status(_: Any, head: shapes.Head) -> Made:
    if not bytes(head.status):
        raise Refused(DeadLetterReason.MISSING_FIELD, "a status event needs member status")
    body = head.status
    s = _STATUS.decode(body)
    ts = _needed("status.as_of", s.as_of)
    known = _needed("status.last_updated", s.last_updated)
    _state(s.state)
    arrival, closed = _ns(s.arrival_ts), _ns(s.closed_ts)
    row = (
        ts, s.order_id, s.execution_progress, s.fill_rate, s.avg_px, s.market_impact_bps,
        s.cost_efficiency, s.slippage_bps, _bytes(s.venue_distribution), _bytes(s.alerts),
        s.seq, ts, known, bytes(body),
    )  # fmt: skip
    sort = ts if arrival is None else arrival
    order = tables.OrderRow(s.order_id, known, s.seq, sort, arrival, closed, ts, s)
    made: Made = [(tables.STATUSES, row), (tables.ORDERS, order)]
    if s.restated:
        made.append((tables.RESTATEMENTS, (s.order_id, ts, s.seq, ts, known, s.cause)))
    return made


def _record(raw: Any, _: shapes.Head) -> Made:
    r = _RECORD.decode(raw)
    ts = _needed("as_of", r.as_of)
    _state(r.state)
    arrival, closed = _ns(r.arrival_ts), _ns(r.closed_ts)
    values = (
        r.order_id, *_tca_texts(r), *_tca_numbers(r), arrival, closed, ts, arrival, closed,
        bool(r.restated), _without_head(raw), _ns(r.known_at) or ts, r.seq, len(r.reasons or ()),
    )  # fmt: skip
    return [(tables.TCA, values)]


def _without_head(raw: Any) -> bytes:
    """The record alone, every number as it was written."""
    members = _MEMBERS.decode(raw)
    return msgspec.json.encode({k: v for k, v in members.items() if k not in _HEAD_MEMBERS})


def _fill(raw: Any, _: shapes.Head) -> Made:
    f = _FILL.decode(raw)
    ts = _time(f.ts_event)
    if f.status not in tables.RANKS:
        raise Refused(
            DeadLetterReason.OUT_OF_RANGE,
            f"status of a fill must be one of {', '.join(tables.RANKS)}, was {f.status!r}",
        )
    values = (
        f.order_id, *_fill_texts(f), ts, _ns(f.known_at), f.seq, f.pos, _ns(f.quote_ts),
        f.source, *_fill_numbers(f), _bytes(f.anomalies) or b"[]", ts, *_mids(f),
    )  # fmt: skip
    return [(tables.FILLS, values)]


def _event(raw: Any, _: shapes.Head) -> Made:
    e = _EVENT.decode(raw)
    ts = _time(e.ts_event)
    values = (
        e.order_id, *_event_texts(e), ts, _ns(e.known_at), e.seq, e.market_seq, e.pos,
        e.source, *_event_numbers(e), ts,
    )  # fmt: skip
    return [(tables.EVENTS, values)]


def _evaluation(raw: Any, _: shapes.Head) -> Made:
    e = _EVALUATION.decode(raw)
    known = _time(e.known_at)
    if e.part not in Part.__members__:
        raise Refused(
            DeadLetterReason.OUT_OF_RANGE,
            f"part of an evaluation must be one of {', '.join(Part.__members__)}, was {e.part!r}",
        )
    values = (
        e.order_id, known, known, -1 if e.seq is None else e.seq, e.market_flags, e.fills,
        *_evaluation_texts(e), *_evaluation_numbers(e), _bytes(e.configured), _bytes(e.asked),
    )  # fmt: skip
    return [(tables.EVALUATIONS, values)]


def _bar(raw: Any, _: shapes.Head) -> Made:
    b = _BAR.decode(raw)
    ts = _time(b.ts)
    interval = 1_000 if b.interval_ms is None else b.interval_ms
    return [(tables.BARS, (b.symbol, ts, interval, ts, b.trades, *_bar_numbers(b)))]


def _state(text: str | None) -> str:
    if text is None:
        raise Refused(DeadLetterReason.MISSING_FIELD, "state is missing")
    return text


def _bytes(raw: msgspec.Raw) -> bytes | None:
    """The text of a member, None where it is absent or null."""
    text = bytes(raw)
    return None if text in {b"", b"null"} else text


_MAKERS = {
    "status": _status,
    "order": _record,
    "fill": _fill,
    "order_event": _event,
    "bar": _bar,
    "evaluation": _evaluation,
}
