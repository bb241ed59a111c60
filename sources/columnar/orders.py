"""Order and route events from columns."""

from typing import NamedTuple

import numpy as np

from domain.columns import DETAIL, DETAIL_NAMES, EVENT, EVENT_NUMBERS, blank
from domain.instants import NO_TIME
from domain.vocabulary import (
    SIDES,
    URGENCY_KAPPA_T,
    AssetClass,
    EventKind,
    Liquidity,
    OrderType,
    Schedule,
    TimeInForce,
)
from sources.columnar.block import Block
from sources.columnar.convert import Names
from sources.columnar.kernels import doubt_events, fill_events
from sources.columnar.market import Doubts, Rows
from sources.hashing import Hashed

_SIDE_CODES = {str(side): i + 1 for i, side in enumerate(SIDES)}
_COLUMN_OF = {"reported_avg_px": "avg_px"}
_NAMES_OF_DETAIL = {"cl_ord": "cl_ord_id"}
_NAMES = tuple(field for field in DETAIL_NAMES if field != "profile")
_ENUMS = {"ord_type": OrderType, "time_in_force": TimeInForce, "asset_class": AssetClass}
_TIMES = {"decision_ts": "decision_ts", "start_ts": "start", "end_ts": "end"}
_NUMBERS = ("decision_px", "participation", "kappa_t")
_URGENCY_CODES = {text: i for i, text in enumerate(URGENCY_KAPPA_T, 1)}
_KAPPA_T_OF_CODE = np.full(256, np.nan)
_KAPPA_T_OF_CODE[1 : 1 + len(URGENCY_KAPPA_T)] = list(URGENCY_KAPPA_T.values())
_NO_CODES = np.empty(0, np.uint8)
_NO_KEYS = np.empty(0, np.uint64)
ORDER_NAMES = ("order_id", "root_order_id", "parent_order_id", "symbol", "venue")
EXEC_NAMES = ("exec_id", "exec_ref_id", "route_id")


class Events(NamedTuple):
    """EVENT rows, their DETAIL rows, and which events are doubtful."""

    rows: np.ndarray
    details: np.ndarray
    doubts: Doubts


def event_rows(block: Block, rows: Rows, source: int, groups: int, pos: int) -> Events:
    """Events of some rows of a block; `pos` is the first one's."""
    doubts = Doubts(block, rows)
    n = len(doubts.bad)
    order, root, parent = _family(doubts, rows, n)
    symbol = _hashed(doubts.names("symbol"), rows, n)
    ts = doubts.times("ts_event")
    side = doubts.codes("side", _SIDE_CODES)
    kind = np.zeros(n, np.uint8) if block.kind is None else np.ascontiguousarray(block.kind[rows])
    out = np.empty(n, EVENT)
    wide = np.uint32(groups)
    fill_events(
        out, doubts.bad, source, kind, _NO_CODES if side is None else side,
        (order.key, (root.crc % wide).astype(np.uint8), root.crc), root.key, parent,
        (symbol.key, (symbol.crc % wide).astype(np.uint8)),
        np.full(n, NO_TIME) if ts is None else ts, pos,
    )  # fmt: skip
    _fill_told(out, doubts, rows)
    doubt_events(out, doubts.bad)
    return Events(out, _detail_rows(block, doubts, rows, out), doubts)


def _family(doubts: Doubts, rows: Rows, n: int) -> tuple[Hashed, Hashed, np.ndarray]:
    """Order, root (the parent, else the order itself, where not said) and parent."""
    order = _hashed(doubts.names("order_id"), rows, n)
    root, parent = order, _NO_KEYS
    for name in ("parent_order_id", "root_order_id"):
        found = doubts.names(name)
        if found is not None:
            above = found.hashed.take(rows)
            said = above.key != 0
            root = Hashed(*(np.where(said, a, r) for a, r in zip(above, root, strict=True)))
            if name == "parent_order_id":
                parent = above.key
    return order, root, parent


def _hashed(names: Names | None, rows: Rows, n: int) -> Hashed:
    if names is None:
        return Hashed(np.zeros(n, np.uint64), np.zeros(n, np.uint32), np.zeros(n, np.bool_))
    return names.hashed.take(rows)


def _fill_told(out: np.ndarray, doubts: Doubts, rows: Rows) -> None:
    """Write the columns that the file has; numbers that it lacks are NaN."""
    for name in EVENT_NUMBERS:
        values = doubts.numbers(_COLUMN_OF.get(name, name))
        out[name] = np.nan if values is None else values
    for name in ("seq", "market_seq"):
        values = doubts.sequences(name)
        if values is not None:
            out[name] = values
    is_route = out["kind"] >= EventKind.ROUTE_SENT
    for field, name, of_routes in (
        ("venue", "venue", None),
        ("exec", "exec_id", False),
        ("exec", "route_id", True),
        ("exec_ref", "exec_ref_id", None),
    ):
        found = doubts.names(name)
        if found is not None:
            keys = found.hashed.key[rows]
            out[field] = (
                keys if of_routes is None else np.where(is_route == of_routes, keys, out[field])
            )
    liquidity = doubts.codes("liquidity", {m.name: int(m) for m in Liquidity})
    if liquidity is not None:
        out["liquidity"] = liquidity
    reason = doubts.sequences("reject_reason")
    if reason is not None:
        doubts.bad |= reason > 255
        out["reason"] = np.clip(reason, 0, 255)


def _detail_rows(  # noqa: PLR0912
    block: Block, doubts: Doubts, rows: Rows, events: np.ndarray
) -> np.ndarray:
    """DETAIL rows of the events that say anything of the kind."""
    said = np.zeros(len(events), np.bool_)
    told: dict[str, np.ndarray] = {}
    for field in _NAMES:
        found = doubts.names(_NAMES_OF_DETAIL.get(field, field))
        if found is not None:
            told[field] = found.hashed.key[rows]
            said |= told[field] != 0
    for field, enum in _ENUMS.items():
        codes = doubts.codes(field, {m.name: int(m) for m in enum})
        if codes is not None:
            told[field] = codes
            said |= codes != 0
    for field, name in _TIMES.items():
        values = doubts.times(name)
        if values is not None:
            told[field] = values
            said |= values != NO_TIME
    for field in _NUMBERS:
        values = doubts.numbers(field)
        if values is not None:
            told[field] = values
            said |= values == values  # noqa: PLR0124
            doubts.bad |= np.isinf(values)
    schedule = _schedule(block, rows)
    if schedule is not None:
        told["schedule"] = schedule
    profiles = block.profiles()
    if profiles is not None:
        keys = told["profile"] = profiles.keys[rows]
        own = keys != 0
        said |= own
        doubts.bad |= profiles.lost[rows]
        told["schedule"] = np.where(own, Schedule.CUSTOM, told.get("schedule", 0))
    rate = told.get("participation")
    if rate is not None:
        doubts.bad |= (rate <= 0) | (rate > 1)
    if "kappa_t" in told:
        doubts.bad |= told["kappa_t"] < 0
    urgency = block.codes("urgency", _URGENCY_CODES)
    if urgency is not None:
        by_urgency = _KAPPA_T_OF_CODE[urgency.values[rows]]
        given = told.get("kappa_t", by_urgency)
        told["kappa_t"] = np.where(np.isnan(given), by_urgency, given)
        said |= ~np.isnan(by_urgency)
    out = blank(DETAIL, int(said.sum()))
    out["order"], out["pos"] = events["order"][said], events["pos"][said]
    out["source"] = events["source"][said]
    for field, values in told.items():
        out[field] = values[said]
    return out


def _schedule(block: Block, rows: Rows) -> np.ndarray | None:
    """The stated schedule, else the algorithm's name where it is one."""
    meaning = {m.name: int(m) for m in Schedule}
    found: np.ndarray | None = None
    for name in ("algo", "schedule"):
        codes = block.codes(name, meaning)
        if codes is not None:
            values = np.where(codes.values == 255, 0, codes.values)[rows]
            found = values if found is None else np.where(values != 0, values, found)
    return found
