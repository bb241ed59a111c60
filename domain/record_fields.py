"""Which member each column becomes outside, and what its codes mean."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum, auto

from domain.evaluations import EVALUATED_METRICS, Part
from domain.rows import HORIZON_NAMES, FillStatus
from domain.vocabulary import (
    SIDES,
    AssetClass,
    EventKind,
    Liquidity,
    OrderState,
    OrderType,
    RejectReason,
    Schedule,
    TimeInForce,
)


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
        "reported_avg_px", "usual_spread_bps",
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

EVALUATION_FIELDS: tuple[Field, ...] = (
    *_names(
        "order_id=order", "root_order_id=root", "parent_order_id=parent", "symbol", "desk"
    ),
    *_plain(Kind.TIME, "known_at=known"),
    _code("part", Part),
    Field("side", "side", Kind.CODE, _SIGN_WORDS),
    _code("asset_class", AssetClass),
    _code("schedule", Schedule),
    *_plain(Kind.WHOLE, "seq", "market_flags", "fills"),
    *_plain(
        Kind.NUMBER, "order_qty", "cum_qty", "limit_px", "bid", "ask", "participation", "lot",
        "usual_spread_bps", *EVALUATED_METRICS,
    ),
)  # fmt: skip
"""The numbers by which the rules judged an order at one time."""

BAR_FIELDS: tuple[Field, ...] = (
    *_names("symbol"),
    *_plain(Kind.TIME, "ts"),
    *_plain(Kind.WHOLE, "trades"),
    *_plain(Kind.NUMBER, "bid", "ask", "open", "high", "low", "close", "volume", "vwap"),
)
"""What traded of a symbol in one second."""
