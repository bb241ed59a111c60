"""Rows of the history store in the shapes that are answered: times as text, names as specified."""

from collections.abc import Mapping
from typing import Any

import msgspec

from api.history.rollup_models import RollupRow
from domain.instants import format_rfc3339
from domain.rows import HORIZON_NAMES
from domain.vocabulary import CLOSED_STATES

Row = Mapping[str, Any]
ORDER_TEXTS = (
    "order_id", "root_order_id", "parent_order_id", "cl_ord_id", "symbol", "side", "state",
    "desk", "trader", "client", "broker", "algo", "strategy", "currency", "asset_class",
    "ord_type", "time_in_force", "order_qty", "cum_qty", "leaves_qty", "avg_px", "limit_px",
    "execution_progress", "performance_score", "slippage_bps", "fills", "children", "seq",
)  # fmt: skip
_FILL_MEMBERS = (
    "order_id", "root_order_id", "symbol", "venue", "exec_id", "side", "status", "settled", "seq",
    "last_qty", "last_px", "fee", "cum_qty", "liquidity", "bid", "ask", "mid", "arrival_mid",
    *(f"mid_{name}" for name in HORIZON_NAMES), "anomalies",
)  # fmt: skip
_STATUS_MEMBERS = (
    "order_id", "execution_progress", "fill_rate", "average_price", "market_impact",
    "cost_efficiency", "slippage", "venue_distribution", "alerts", "seq",
)  # fmt: skip
_CLOSED = frozenset(state.name for state in CLOSED_STATES)


def time_text(ns: int | None) -> str | None:
    """RFC 3339 of a time that may be missing."""
    return None if ns is None else format_rfc3339(ns)


def order_row(row: Row) -> dict[str, Any]:
    """An `OrderRow` from a row of `orders`."""
    return {
        **{name: row[name] for name in ORDER_TEXTS},
        "is_open": not row["is_closed"],
        "has_children": row["has_children"],
        "arrival_ts": time_text(row["arrival_ns"]),
        "closed_ts": time_text(row["closed_ns"]),
        "as_of": time_text(row["ts_ns"]),
        "last_updated": time_text(row["known_ns"]),
        "attention": None,
    }


def order_row_of_status(status: Row, attention: float | None) -> dict[str, Any]:
    """The same from a live status."""
    return {
        **{name: status.get(name) for name in ORDER_TEXTS},
        "is_open": status["state"] not in _CLOSED,
        "has_children": bool(status.get("has_children")),
        **{name: status.get(name) for name in ("arrival_ts", "closed_ts", "as_of")},
        "last_updated": status.get("last_updated"),
        "attention": attention,
    }


def status_row(row: Row, *, full: bool) -> dict[str, Any]:
    """A `StatusRow`; with `full` the status as the very bytes that were published."""
    found = {
        "timestamp": format_rfc3339(row["ts_ns"]),
        **{name: row[name] for name in _STATUS_MEMBERS},
        "known_at": format_rfc3339(row["known_ns"]),
    }
    if full:
        found["status"] = msgspec.Raw(row["body"].encode())
    return found


def fill_row(row: Row) -> dict[str, Any]:
    """A `FillRow`."""
    return {
        **{name: row[name] for name in _FILL_MEMBERS},
        "ts_event": format_rfc3339(row["ts_ns"]),
        "known_at": time_text(row["known_ns"]),
        "quote_ts": time_text(row["quote_ns"]),
    }


def restatement_row(row: Row) -> dict[str, Any]:
    """A `Restatement`."""
    return {
        "seq": row["seq"],
        "ts": format_rfc3339(row["ts_ns"]),
        "known_at": format_rfc3339(row["known_ns"]),
        "cause": row["cause"],
        "changes": row["changes"],
    }


def rollup_row(row: Row) -> dict[str, Any]:
    """A `RollupRow`; what only the other dimensions have is null."""
    return {name: row.get(name) for name in RollupRow.model_fields}
