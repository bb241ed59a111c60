"""How rows are written outside: which member each column becomes, and what its codes mean.

Files, the bus and the terminal share these shapes. Missing is null outside: NaN, `NO_TIME`,
key 0 and a sequence of −1 all become None.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum, auto
from functools import lru_cache
from math import isnan
from typing import Any

import numpy as np

from domain.instants import NO_TIME, format_rfc3339
from domain.reasons import Reason
from domain.rows import HORIZON_NAMES, ORDER_METRICS, FillStatus, Venues
from domain.vocabulary import (
    SIDES,
    Anomaly,
    AssetClass,
    EventKind,
    Liquidity,
    OrderState,
    OrderType,
    RejectReason,
    Schedule,
    TimeInForce,
)

WALL_CLOCK_FIELDS = frozenset({"published_at"})
"""Members of what we publish that depend on when it was computed, and on nothing else.

Two runs over one input agree in every other byte.
"""


class Kind(Enum):
    """What a column holds, so what it becomes."""

    NAME = auto()
    TIME = auto()
    CODE = auto()
    FLAG = auto()
    WHOLE = auto()
    NUMBER = auto()
    ANOMALIES = auto()


@dataclass(frozen=True, slots=True)
class Field:
    """Member `name` of a record, from the column of the same row kind."""

    name: str
    column: str
    kind: Kind
    words: Mapping[int, str | None] | None = None
    """Text of each code, for `Kind.CODE`."""


def _names(*pairs: str) -> list[Field]:
    split = (pair.partition("=") for pair in pairs)
    return [Field(name, column or name, Kind.NAME) for name, _, column in split]


def _plain(kind: Kind, *pairs: str) -> list[Field]:
    split = (pair.partition("=") for pair in pairs)
    return [Field(name, column or name, kind) for name, _, column in split]


def _code(name: str, words: type[IntEnum], column: str = "", unknown: str | None = None) -> Field:
    table: dict[int, str | None] = {member.value: member.name for member in words}
    if unknown is None and 0 in table and words is not OrderState:
        table[0] = None
    return Field(name, column or name, Kind.CODE, table)


_KIND_WORDS: dict[int, str | None] = {k.value: k.name.lower() for k in EventKind}
_SIDE_WORDS: dict[int, str | None] = {i: str(side) for i, side in enumerate(SIDES)}
_SIGN_WORDS: dict[int, str | None] = {1: "BUY", -1: "SELL", 0: None}
_FILL_STATUS: dict[int, str | None] = {
    FillStatus.COUNTED: "COUNTED",
    FillStatus.REPEATED: "REPEATED",
    FillStatus.BUSTED: "BUSTED",
    FillStatus.CORRECTED: "CORRECTED",
}

ORDER_FIELDS: tuple[Field, ...] = (
    *_names(
        "order_id=order", "root_order_id=root", "parent_order_id=parent", "cl_ord_id=cl_ord",
        "symbol",
    ),
    Field("side", "side_code", Kind.CODE, _SIDE_WORDS),
    _code("state", OrderState),
    *_plain(Kind.TIME, "as_of=ts", "known_at=known"),
    *_plain(Kind.WHOLE, "seq"),
    *_plain(Kind.FLAG, "provisional", "restated", "has_children"),
    Field("cause", "kind", Kind.CODE, _KIND_WORDS),
    *_plain(
        Kind.NUMBER, "order_qty", "cum_qty", "leaves_qty", "avg_px", "last_qty", "last_px",
        "limit_px", "routed_qty", "fee", "bid", "ask", "market_qty", "reported_cum_qty",
        "reported_avg_px",
    ),
    *_plain(Kind.WHOLE, "fills", "children", "events"),
    *_plain(
        Kind.TIME, "quote_ts", "decision_ts", "arrival_ts", "first_fill_ts", "last_fill_ts",
        "closed_ts", "start_ts", "end_ts",
    ),
    _code("ord_type", OrderType),
    _code("time_in_force", TimeInForce),
    _code("asset_class", AssetClass),
    _code("schedule", Schedule),
    *_names("desk", "trader", "client", "broker", "algo", "strategy", "currency"),
    *_plain(Kind.ANOMALIES, "anomalies"),
)  # fmt: skip
"""What every row of an order begins with."""

FILL_FIELDS: tuple[Field, ...] = (
    *_names("order_id=order", "root_order_id=root", "symbol", "venue", "exec_id=exec"),
    Field("side", "side", Kind.CODE, _SIGN_WORDS),
    Field("status", "status", Kind.CODE, _FILL_STATUS),
    *_plain(Kind.TIME, "ts_event=ts", "known_at=known"),
    *_plain(Kind.WHOLE, "seq", "pos", "source"),
    *_plain(Kind.NUMBER, "last_qty", "last_px", "fee", "cum_qty"),
    _code("liquidity", Liquidity),
    *_plain(Kind.NUMBER, "bid", "ask", "mid", "arrival_mid"),
    *_plain(Kind.TIME, "quote_ts"),
    *_plain(Kind.NUMBER, *(f"mid_{name}" for name in HORIZON_NAMES)),
    *_plain(Kind.ANOMALIES, "anomalies"),
)
"""An execution with the market it met and the mids before and after it."""

EVENT_FIELDS: tuple[Field, ...] = (
    Field("type", "kind", Kind.CODE, _KIND_WORDS),
    *_names(
        "order_id=order", "root_order_id=root", "parent_order_id=parent", "symbol", "venue",
        "exec_id=exec", "exec_ref_id=exec_ref",
    ),
    Field("side", "side_code", Kind.CODE, _SIDE_WORDS),
    *_plain(Kind.TIME, "ts_event", "known_at=t_eff"),
    *_plain(Kind.WHOLE, "seq", "market_seq", "pos", "source"),
    *_plain(
        Kind.NUMBER, "order_qty", "limit_px", "last_qty", "last_px", "cum_qty", "leaves_qty",
        "fee", "avg_px=reported_avg_px",
    ),
    _code("liquidity", Liquidity),
    _code("reject_reason", RejectReason, "reason"),
)  # fmt: skip
"""An order or route event of the timeline, under the names it came with."""


@lru_cache(maxsize=4096)
def anomaly_names(bits: int) -> tuple[str, ...]:
    """Names of the anomalies that are set."""
    return tuple(member.name for member in Anomaly if bits & member)


_REASON_NAMES = {reason.value: reason.name for reason in Reason}
Names = Mapping[int, str]


def name_of(key: int, names: Names) -> str | None:
    """Text of a key; one whose text is not known shows itself in hexadecimal after `#`."""
    if not key:
        return None
    return names.get(key) or f"#{key:016x}"


@lru_cache(maxsize=1 << 14)
def _time_text(ns: int) -> str | None:
    return None if ns == NO_TIME else format_rfc3339(ns)


def _converter(field: Field) -> Callable[[Any], Any] | None:
    by_kind: dict[Kind, Callable[[Any], Any]] = {
        Kind.TIME: _time_text,
        Kind.CODE: dict(field.words or {}).get,
        Kind.FLAG: bool,
        Kind.WHOLE: lambda n: None if n < 0 else n,
        Kind.ANOMALIES: anomaly_names,
    }
    return by_kind.get(field.kind)


class Shape:
    """Turns rows of one kind into lists of members, `metrics` and NaN left as numbers."""

    def __init__(self, fields: Sequence[Field], metrics: Sequence[str] = ()) -> None:
        self.fields = tuple(fields)
        self.metrics = tuple(metrics)
        self.names = (*(f.name for f in self.fields), *self.metrics)
        self._columns = [*(f.column for f in self.fields), *self.metrics]
        self._names_at = [i for i, f in enumerate(self.fields) if f.kind is Kind.NAME]
        self._convert = [
            (i, convert) for i, f in enumerate(self.fields) if (convert := _converter(f))
        ]

    def values(self, rows: np.ndarray, names: Names) -> list[list[Any]]:
        """One list of members a row, in the order of `names`; numbers may be NaN."""
        found = [list(row) for row in rows[self._columns].tolist()]
        for values in found:
            for i in self._names_at:
                key = values[i]
                values[i] = (names.get(key) or name_of(key, names)) if key else None
            for i, convert in self._convert:
                values[i] = convert(values[i])
        return found


ORDER_SHAPE = Shape(ORDER_FIELDS, ORDER_METRICS)
FILL_SHAPE = Shape(FILL_FIELDS)
EVENT_SHAPE = Shape(EVENT_FIELDS)


def reasons_of(
    codes: np.ndarray, metrics: Sequence[str], values: Sequence[float]
) -> tuple[dict[str, str], dict[str, str]]:
    """(why a metric is null, what to bear in mind of one that is not), by metric name."""
    null: dict[str, str] = {}
    caveats: dict[str, str] = {}
    for i in codes.nonzero()[0].tolist():
        value = values[i]
        (null if isnan(value) else caveats)[metrics[i]] = _REASON_NAMES[int(codes[i])]
    return null, caveats


def venue_shares(venues: Venues, row: int, names: Names) -> dict[str, float]:
    """Share of a row's executed quantity at each venue, by name; the shares sum to 1.

    Empty where nothing was executed or the row came without venues. An execution without a
    venue counts under `-`.
    """
    if row + 1 >= len(venues.start):
        return {}
    parts = [(name_of(key, names) or "-", qty) for key, qty in venues.of(row)]
    total = sum(qty for _, qty in parts)
    return {name: qty / total for name, qty in sorted(parts)} if total > 0 else {}


def _nulled(values: list[Any]) -> list[Any]:
    return [None if v.__class__ is float and isnan(v) else v for v in values]


def order_record(row: np.void, names: Names, venues: Venues, at: int = 0) -> dict[str, Any]:
    """The record of an order from one ORDER row, whose venues are those of row `at`.

    Metrics are in the units their names give, costs positive when bad for us; `reasons`
    says why a metric is null, `caveats` what to bear in mind of one that is not.
    """
    [values] = ORDER_SHAPE.values(row.reshape(1), names)
    metrics = values[len(ORDER_FIELDS) :]
    null, caveats = reasons_of(row["reasons"], ORDER_METRICS, metrics)
    return {
        **dict(zip(ORDER_SHAPE.names, _nulled(values), strict=True)),
        "venue_distribution": venue_shares(venues, at, names),
        "reasons": null,
        "caveats": caveats,
    }


def fill_record(row: np.void, names: Names) -> dict[str, Any]:
    """The record of an execution from one FILL row: prices in quote currency."""
    [values] = FILL_SHAPE.values(row.reshape(1), names)
    return dict(zip(FILL_SHAPE.names, _nulled(values), strict=True))


def event_record(row: np.void, names: Names) -> dict[str, Any]:
    """The record of an order or route event from one EVENT row."""
    [values] = EVENT_SHAPE.values(row.reshape(1), names)
    return dict(zip(EVENT_SHAPE.names, _nulled(values), strict=True))
