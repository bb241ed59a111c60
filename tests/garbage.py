"""Good messages of a desk, and seeded damage whose outcome is known beforehand.

What must be refused is a damaged copy of a good message, ids and all. What may also be taken
carries ids and a symbol of its own, so that it can only touch itself.
"""

import csv
import io
import itertools
import json
import random
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa

from domain.instants import SECOND, format_rfc3339, parse_rfc3339
from sources.simulator.presets import demo_spec
from sources.simulator.script import Simulation

GOOD, BAD = 10_000, 1_000
Record = dict[str, Any]
_IDS = ("order_id", "parent_order_id", "root_order_id", "cl_ord_id", "exec_id", "route_id")
_NEEDED = {
    "quote": ("bid", "ask"), "trade": ("price",), "order_accepted": ("order_qty",),
    "order_filled": ("last_qty",), "order_replaced": ("order_qty",), "route_sent": ("order_qty",),
}  # fmt: skip
_NEGATIVE = {**_NEEDED, "quote": ("bid_size",), "trade": ("size",)}
_AHEAD_S = (60, 7_200)
"""More than the good messages last, so that none of them catches up."""


class Spoilt(NamedTuple):
    """A message that went wrong behind the good one of this number; reasons, if it must."""

    behind: int
    kind: str
    record: Record
    reasons: frozenset[str]


def good_records() -> list[Record]:
    """Quotes, prints, orders and routes of a busy simulated desk, in stored order."""
    spec = demo_spec(events_per_s=150, open_parents=120)
    messages = (m for _, m in Simulation(spec, seed=7).messages() if not isinstance(m, dict))
    return [msgspec.to_builtins(m) for m in itertools.islice(messages, GOOD)]


def spoilt_records(good: list[Record], seed: int, count: int = BAD) -> list[Spoilt]:
    """Damaged copies of messages anywhere but among the last, in order of their places."""
    rng = random.Random(seed)
    kinds = list(_KINDS.items())
    found: list[Spoilt] = []
    while len(found) < count:
        name, (spoil, reasons) = kinds[len(found) % len(kinds)]
        behind = rng.randrange(len(good) * 99 // 100)
        record = dict(good[behind])
        if not reasons:
            own(record, len(found))
        if (damaged := spoil(record, rng)) is not None:
            found.append(Spoilt(behind, name, damaged, frozenset(reasons)))
    return sorted(found, key=lambda s: s.behind)


def own(record: Record, number: int) -> None:
    """Give the message ids and a symbol that no other has."""
    for name in _IDS:
        if name in record:
            record[name] = f"G{number}"
    record["symbol"] = f"GARBAGE{number}"


def _missing(name: str) -> Callable[..., Record | None]:
    def spoil(record: Record, rng: random.Random) -> Record | None:
        return {k: v for k, v in record.items() if k != name} if name in record else None

    return spoil


def _set(name: str, value: Any) -> Callable[..., Record | None]:
    def spoil(record: Record, rng: random.Random) -> Record | None:
        return {**record, name: value} if name in record else None

    return spoil


def _numbers(value: Any, names: dict[str, tuple[str, ...]] = _NEEDED) -> Callable[..., Any]:
    def spoil(record: Record, rng: random.Random) -> Record | None:
        wanted = names.get(record["type"])
        return {**record, **dict.fromkeys(wanted, value)} if wanted else None

    return spoil


def _moved(sign: int) -> Callable[..., Record]:
    def spoil(record: Record, rng: random.Random) -> Record:
        t = parse_rfc3339(record["ts_event"]) + sign * rng.randrange(*_AHEAD_S) * SECOND
        return {**record, "ts_event": format_rfc3339(t)}

    return spoil


def _unlike(record: Record, rng: random.Random) -> Record:
    """Values that mean nothing, some of which can still be read."""
    values = ("", "x", "-1", 0, -7.5, 1e300, True, "NaN", "ü" * 60, " ", "2026-11-20", "a\tb")
    names = [n for n in record if n not in {"ts_event", "type", *_IDS}]
    return {**record, rng.choice(names): rng.choice(values)}


_WRONG = ("WRONG_TYPE", "MISSING_FIELD")
_KINDS: dict[str, tuple[Callable[..., Record | None], tuple[str, ...]]] = {
    "no time": (_missing("ts_event"), ("MISSING_FIELD", "BAD_TIME")),
    "no symbol": (_missing("symbol"), ("MISSING_FIELD",)),
    "no order": (_missing("order_id"), ("MISSING_FIELD",)),
    "no type": (_missing("type"), ("UNKNOWN_TYPE",)),
    "wrong type": (_set("type", "order_felled"), ("UNKNOWN_TYPE",)),
    "wrong side": (_set("side", "SIDEWAYS"), ("BAD_SIDE",)),
    "wrong liquidity": (_set("liquidity", "SOLID"), ("OUT_OF_RANGE",)),
    "NUL": (_set("order_id", "a\0b"), ("BAD_ID",)),
    "NUL in a symbol": (_set("symbol", "I\0BM"), ("BAD_ID",)),
    "too long": (_set("order_id", "x" * 101), ("BAD_ID",)),
    "too long a symbol": (_set("symbol", "ü" * 101), ("BAD_ID",)),
    "not a number": (_numbers("many"), _WRONG),
    "NaN": (_numbers(float("nan")), ("UNREADABLE", "MISSING_FIELD", "OUT_OF_RANGE")),
    "negative": (_numbers(-100.0, _NEGATIVE), ("OUT_OF_RANGE",)),
    "huge": (_numbers(float("inf")), ("UNREADABLE", "OUT_OF_RANGE")),
    "huge sequence": (_set("seq", 1 << 62), ("OUT_OF_RANGE",)),
    "no such day": (_set("ts_event", "2026-02-31T14:30:00Z"), ("BAD_TIME",)),
    "not a time": (_set("ts_event", "whenever"), ("BAD_TIME",)),
    "2099": (_set("ts_event", "2099-01-01T00:00:00Z"), ("FUTURE",)),
    "ahead": (_moved(1), ("FUTURE",)),
    "behind": (_moved(-1), ()),
    "unlike": (_unlike, ()),
}


def merged(good: list[Any], spoilt: Iterable[tuple[int, Any]]) -> tuple[list[Any], list[int]]:
    """The good with each spoilt one behind its place, and the indexes of those."""
    behind: dict[int, list[Any]] = {}
    for place, message in spoilt:
        behind.setdefault(place, []).append(message)
    out: list[Any] = []
    where: list[int] = []
    for i, message in enumerate(good):
        out.append(message)
        for other in behind.get(i, ()):
            where.append(len(out))
            out.append(other)
    return out, where


def flipped(raw: bytes, rng: random.Random, first: int = 0) -> bytes:
    """Some bytes changed into any others, from `first` on; no line is begun."""
    out = bytearray(raw)
    for _ in range(rng.randint(1, 4)):
        out[rng.randrange(first, len(out))] = rng.randrange(256)
    return bytes(out).replace(b"\n", b" ").replace(b"\r", b" ")


def as_json(record: Record) -> bytes:
    """The record with its time first; numbers that JSON cannot hold as they are often written."""
    record = {"ts_event": record["ts_event"], **record} if "ts_event" in record else record
    return json.dumps(record, ensure_ascii=False).encode()


class Line(NamedTuple):
    """A damaged message as bytes."""

    behind: int
    kind: str
    raw: bytes
    reasons: frozenset[str]


def spoilt_json(good: list[Record], seed: int) -> list[Line]:
    """Damaged JSON messages: half by their members, half by their bytes."""
    rng = random.Random(seed)
    lines = [
        Line(s.behind, s.kind, as_json(s.record), s.reasons)
        for s in spoilt_records(good, seed, BAD // 2)
    ]
    unreadable = frozenset({"UNREADABLE"})
    for number in range(BAD - len(lines)):
        behind = rng.randrange(len(good) * 99 // 100)
        record = dict(good[behind])
        raw, reasons = as_json(record), unreadable
        match number % 5:
            case 0:
                kind, raw = "cut", raw[: rng.randrange(1, len(raw))]
            case 1:
                kind = "noise"
                raw = b"\xff" + rng.randbytes(rng.randrange(60)).replace(b"\n", b"\r")
            case 2:
                kind, raw = "not UTF-8", raw.replace(b'"symbol": "', b'"symbol": "\xe4')
            case 3:
                kind, raw = "raw NUL", raw.replace(b'"symbol": "', b'"symbol": "\0')
            case _:
                own(record, BAD + number)
                raw = as_json(record)
                kind, reasons = "flipped", frozenset[str]()
                raw = flipped(raw, rng, raw.index(b",") + 1)
        lines.append(Line(behind, kind, raw, reasons))
    return sorted(lines, key=lambda line: line.behind)


_FLOATS = frozenset({"bid", "ask", "bid_size", "ask_size", "price", "size", "order_qty", "last_qty",
                     "last_px", "cum_qty", "leaves_qty", "avg_px", "limit_px", "fee", "decision_px",
                     "participation", "displayed_qty"})  # fmt: skip
_WHOLE = frozenset({"seq", "market_seq", "reject_reason"})


def flat(record: Record) -> Record:
    """The record as columns name it: no topic, and members of `algo_params` on their own."""
    params = record.get("algo_params")
    found = {k: v for k, v in record.items() if k not in {"topic", "algo_params", "urgency"}}
    if isinstance(params, dict):
        return {**found, **{k: v for k, v in params.items() if k != "urgency"}}
    return found


def columns_of(records: list[Record]) -> list[str]:
    """Names of all columns, the time first."""
    names = dict.fromkeys(name for record in records for name in record)
    return ["ts_event", *(name for name in names if name != "ts_event")]


def csv_line(record: Record, names: list[str]) -> bytes:
    """One line without its end."""
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow([record.get(name, "") for name in names])
    return out.getvalue().encode()


def spoilt_csv(good: list[Record], names: list[str], seed: int) -> list[Line]:
    """Damaged lines of CSV: half by their fields, half by their bytes."""
    rng = random.Random(seed)
    lines = [
        Line(s.behind, s.kind, csv_line(flat(s.record), names), s.reasons)
        for s in spoilt_records(good, seed, BAD // 2)
    ]
    unreadable = frozenset({"UNREADABLE"})
    for number in range(BAD - len(lines)):
        behind = rng.randrange(len(good) * 99 // 100)
        record = flat(good[behind])
        raw = csv_line(record, names)
        symbol = record["symbol"].encode()
        match number % 6:
            case 0:
                cut = raw[: rng.randrange(4, raw.rindex(b","))]
                lines.append(Line(behind, "cut", cut, unreadable))
            case 1:
                noise = b"\xff" + rng.randbytes(rng.randrange(60)).replace(b"\n", b",")
                lines.append(Line(behind, "noise", noise.replace(b"\r", b","), unreadable))
            case 2:
                raw = raw.replace(symbol, b"\xe4" + symbol)
                lines.append(Line(behind, "not UTF-8", raw, unreadable))
            case 3:
                raw = raw.replace(symbol, b"\0" + symbol)
                lines.append(Line(behind, "raw NUL", raw, frozenset({"BAD_ID"})))
            case 4:
                lines.append(Line(behind, "stray quote", b'"' + raw, unreadable))
            case _:
                own(record, BAD + number)
                raw = csv_line(record, names)
                first = raw.index(b",") + 1
                lines.append(Line(behind, "flipped", flipped(raw, rng, first), frozenset()))
    return sorted(lines, key=lambda line: line.behind)


def table_of(records: list[Record], names: list[str], *, typed: bool) -> pa.Table:
    """The records as a table: numbers and times as such, or every column as text.

    What no column of numbers can hold is missing in it; a time that is none is the last of
    all. A byte string is stored as it is.
    """
    arrays: list[pa.Array] = []
    for name in names:
        values = [record.get(name) for record in records]
        if typed and name in _FLOATS:
            arrays.append(pa.array([_number(v, float) for v in values], pa.float64()))
        elif typed and name in _WHOLE:
            arrays.append(pa.array([_number(v, int) for v in values], pa.int64()))
        elif typed and name == "ts_event":
            arrays.append(pa.array(map(_instant, values), pa.int64()))
        else:
            texts = [None if v is None else v if isinstance(v, bytes) else str(v).encode()
                     for v in values]  # fmt: skip
            arrays.append(pa.array(texts, pa.binary()).view(pa.string()))
    return pa.table(arrays, names)


def _number(value: Any, kind: type[float] | type[int]) -> float | int | None:
    try:
        number = None if value is None else kind(value)
    except ValueError:
        return None
    return None if isinstance(number, int) and abs(number) >= 1 << 63 else number


def _instant(text: str | None) -> int | None:
    try:
        return None if text is None else parse_rfc3339(text)
    except ValueError:
        return (1 << 63) - 1


Tags = list[tuple[str, str]]


def good_fix() -> list[Tags]:
    """Ten messages of each of a thousand orders, five of them working at a time."""
    found: list[tuple[int, Tags]] = []
    start = parse_rfc3339("2026-11-20T14:30:00Z")
    for order in range(GOOD // 10):
        begin = start + order * SECOND // 2
        found += [(begin + k * SECOND // 4 + order, _fix(order, k)) for k in range(10)]
    found.sort(key=lambda pair: pair[0])
    return [_timed(tags, t, number) for number, (t, tags) in enumerate(found)]


def _fix(order: int, step: int) -> Tags:
    """A new order, its acknowledgement, then fills; the last of odd orders cancels the rest."""
    ids = [("11", f"C{order}"), ("55", "IBM"), ("54", "1" if order % 3 else "2"), ("38", "800")]
    if step == 0:
        return [("35", "D"), *ids, ("40", "2"), ("44", "10.5")]
    cum = 100 * (step - 1)
    report = [("35", "8"), *ids, ("37", f"B{order}"), ("17", f"E{order}.{step}")]
    if step == 9 and order % 2:
        return [*report, ("150", "4"), ("39", "4"), ("14", "700"), ("6", "10.25"), ("151", "0")]
    if step == 1:
        return [*report, ("150", "0"), ("39", "0"), ("14", "0"), ("6", "0"), ("151", "800")]
    state = "2" if cum == 800 else "1"
    return [*report, ("150", "F"), ("39", state), ("32", "100"), ("31", "10.25"),
            ("14", str(cum)), ("6", "10.25"), ("151", str(800 - cum))]  # fmt: skip


def _timed(tags: Tags, t: int, number: int) -> Tags:
    kind, *rest = tags
    desk, broker = ("DESK", "BROKER") if kind[1] == "D" else ("BROKER", "DESK")
    stamp = _fix_time(t)
    return [kind, ("49", desk), ("56", broker), ("34", str(number)), ("52", stamp), *rest,
            ("60", stamp)]  # fmt: skip


def _fix_time(t: int) -> str:
    return format_rfc3339(t + 1_000_000).replace("-", "").replace("T", "-")[:21]


def fix_line(tags: Tags) -> bytes:
    """The message with right length and checksum."""
    body = "".join(f"{tag}={value}\x01" for tag, value in tags).encode()
    start = b"8=FIX.4.4\x019=%d\x01%s" % (len(body), body)
    return start + b"10=%03d\x01" % (sum(start) % 256)


def with_tags(tags: Tags, **values: str | None) -> Tags:
    """The message with other values (`t38="5"`), or without where None."""
    return [
        (tag, str(values.get(f"t{tag}", value)))
        for tag, value in tags
        if values.get(f"t{tag}", value) is not None
    ]


def spoilt_fix(good: list[Tags], seed: int) -> list[Line]:
    """Damaged messages of a log; those that must be refused would speak of good orders."""
    rng = random.Random(seed)
    found: list[Line] = []
    kinds = list(_FIX_KINDS.items())
    while len(found) < BAD:
        name, (wanted, spoil, reasons) = kinds[len(found) % len(kinds)]
        behind = rng.randrange(len(good) * 99 // 100)
        tags = good[behind]
        if wanted and tags[0][1] != wanted:
            continue
        if not reasons:
            own_id = f"G{len(found)}"
            tags = with_tags(tags, t11=own_id, t37=f"{own_id}B", t17=f"{own_id}E")
        raw = spoil(tags, rng)
        found.append(Line(behind, name, raw, frozenset(reasons)))
    return sorted(found, key=lambda line: line.behind)


def _tags(**values: str | None) -> Callable[..., bytes]:
    return lambda tags, rng: fix_line(with_tags(tags, **values))


def _cut_fix(tags: Tags, rng: random.Random) -> bytes:
    raw = fix_line(tags)
    return raw[: rng.randrange(len(b"8=FIX.4.4\x01"), len(raw) - 5)]


def _later_fix(tags: Tags, rng: random.Random) -> bytes:
    stamp = dict(tags)["60"]
    day, clock = stamp[:8], stamp[9:]
    t = parse_rfc3339(f"{day[:4]}-{day[4:6]}-{day[6:]}T{clock}Z")
    later = _fix_time(t + rng.randrange(600, 7_200) * SECOND)
    return fix_line(with_tags(tags, t60=later, t52=later))


def _flipped_fix(tags: Tags, rng: random.Random) -> bytes:
    raw = fix_line(tags)
    return (
        flipped(raw[: raw.index(b"\x0160=")], rng, raw.index(b"\x0155="))
        + raw[raw.index(b"\x0160=") :]
    )


_FIX_KINDS: dict[str, tuple[str, Callable[..., bytes], tuple[str, ...]]] = {
    "cut": ("", _cut_fix, ("UNREADABLE",)),
    "no start": ("", lambda tags, rng: fix_line(tags)[5:], ("UNREADABLE",)),
    "no type": ("", _tags(t35=None), ("UNREADABLE",)),
    "no ids": ("", _tags(t11=None, t37=None), ("MISSING_FIELD",)),
    "no time": ("", _tags(t60=None, t52=None), ("BAD_TIME",)),
    "not a time": ("", _tags(t60="whenever"), ("BAD_TIME",)),
    "no such day": ("", _tags(t60="20260231-14:30:00"), ("BAD_TIME",)),
    "2099": ("", _tags(t60="20990101-00:00:00"), ("FUTURE",)),
    "sent in 2099": ("", _tags(t60="20990101-00:00:00", t52="20990101-00:00:00"), ("FUTURE",)),
    "ahead": ("", _later_fix, ("FUTURE",)),
    "not a number": ("", _tags(t38="many"), ("WRONG_TYPE",)),
    "NaN": ("8", _tags(t14="NaN"), ("WRONG_TYPE",)),
    "exponent": ("8", _tags(t151="1e999"), ("WRONG_TYPE",)),
    "huge": ("8", _tags(t151="9" * 400), ("OUT_OF_RANGE",)),
    "negative": ("8", _tags(t14="-5"), ("OUT_OF_RANGE",)),
    "other order's quantity": ("8", _tags(t38="77", t14="-5", t41="C3"), ("OUT_OF_RANGE",)),
    "NUL": ("8", _tags(t17="E\0"), ("BAD_ID",)),
    "too long": ("8", _tags(t17="x" * 101), ("BAD_ID",)),
    "too long an order": ("D", _tags(t11="x" * 101), ("BAD_ID",)),
    "wrong side": ("D", _tags(t11="SIDEWAYS", t54="Z"), ("BAD_SIDE",)),
    "flipped": ("", _flipped_fix, ()),
    "not UTF-8": ("", lambda tags, rng: fix_line(tags).replace(b"IBM", b"I\xffM"), ()),
}
