"""Evaluations of orders as they are published, and a way to store them."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from domain.instants import SECOND, format_rfc3339, parse_rfc3339
from sinks.history.events import rows_of
from sinks.history.writer import HistoryClient, Origin, Sourced, pack
from tests import history_data as data

T0 = parse_rfc3339("2026-11-20T14:40:00Z")
STEP_S = 5.0
_CALM = {
    "side": "BUY", "asset_class": "EQUITY", "symbol": "AMZN", "market_flags": 0, "fills": 3,
    "order_qty": 10_000.0, "cum_qty": 3_000.0, "bid": 99.99, "ask": 100.01, "lot": 100.0,
    "usual_spread_bps": 2.0, "execution_progress": 0.3, "expected_progress": 0.32,
    "participation_rate": 0.12, "market_impact_bps": 4.0, "expected_cost_bps": 6.0,
    "risk_bps": 5.0, "z_cost": 0.5, "slippage_bps": 4.0, "slippage_index_adjusted_bps": 4.0,
}  # fmt: skip
"""An order by which nobody would be alarmed."""


def impact_bps(z: float) -> float:
    """The impact of the calm order that is z standard deviations beyond what it caused."""
    return z * 3**0.5 * 5.0 + 1.5 * 5.0 * 0.3**0.5


def behind(gap: float) -> dict[str, float]:
    """So far behind its schedule."""
    return {"expected_progress": 0.3 + gap}


def stretch(
    order_id: str, each: Sequence[dict[str, Any]], *, t: float = 0.0, ends: bool = True,
    **more: Any,
) -> list[dict[str, Any]]:  # fmt: skip
    """A stretch of kept evaluations that begins `t` s after 14:40, then the order's end."""
    found: list[dict[str, Any]] = []
    for i, one in enumerate([*each, *([each[-1]] if ends else [])]):
        is_end = ends and i == len(each)
        known = T0 + round((t + STEP_S * i) * SECOND)
        found.append({
            "kind": "evaluation", "event_id": f"{order_id}/{known}", "order_id": order_id,
            "root_order_id": order_id, "known_at": format_rfc3339(known), "seq": i + 1,
            "part": "ENDS" if is_end else "KEPT" if i else "BEGINS", **_CALM, **more, **one,
        })  # fmt: skip
    return found


def example_evaluations() -> list[dict[str, Any]]:
    """An order that moved the market a little, and one of the day before."""
    moved = [{"market_impact_bps": impact_bps(z)} for z in (1.1, 2.4, 2.4, 2.4, 2.3)]
    return [
        *stretch(data.PARENT, moved, desk=data.US),
        *stretch(data.OTHERS, moved, desk=data.EU, symbol="SAP"),
        *stretch("A0", [{"z_cost": 0.9}], t=-86_400.0, desk=data.US),
    ]


def store_evaluations(url: str, events: Iterable[dict[str, Any]]) -> None:
    """Write them into a history store."""
    rows = [row for event in events for row in rows_of(msgspec.json.encode(event))]
    client = HistoryClient(url, _refuse)
    client.send(pack([Sourced(row, Origin(0, "0-1", b"", 0)) for row in rows]))
    client.close()


def _refuse(sourced: Sourced, words: str) -> None:
    raise AssertionError(f"{sourced.row.table.name}: {words}")
