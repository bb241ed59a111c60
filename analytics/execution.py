"""The analytics of one order, made of the numbers it was shown with: nothing is computed twice.

A status gives everything that is known while an order works. What needs the day's end or the
market afterwards comes from the order's record, once that is written.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from analytics.attribution import Attribution, Part, attribute, paper_notional_ccy, stored
from analytics.benchmark_rows import compare
from domain.reasons import Reason
from domain.rows import LATER_METRICS
from domain.vocabulary import CLOSED_STATES

Record = Mapping[str, Any]
_CLOSED = frozenset(state.name for state in CLOSED_STATES)
SUMMARY = (
    "order_id", "root_order_id", "parent_order_id", "cl_ord_id", "symbol", "side", "state",
    "desk", "trader", "client", "broker", "algo", "strategy", "currency", "asset_class",
    "ord_type", "time_in_force", "schedule", "limit_px", "order_qty", "cum_qty", "leaves_qty",
    "avg_px", "execution_progress", "fill_rate", "performance_score", "fills", "children",
    "decision_ts", "arrival_ts", "first_fill_ts", "last_fill_ts", "closed_ts", "start_ts",
    "end_ts", "first_fill_ms", "completion_ms", "ack_ms", "venue_distribution", "anomalies",
    "restated", "seq", "as_of", "last_updated", "provisional",
)  # fmt: skip


def whole_record(status: Record, record: Record | None) -> dict[str, Any]:
    """The status with the later metrics of the order's record; without one they are PENDING."""
    reasons, caveats = dict(status.get("reasons") or {}), dict(status.get("caveats") or {})
    found = {**status, "reasons": reasons, "caveats": caveats}
    later = record or {}
    for name in LATER_METRICS:
        value = found[name] = later.get(name)
        why = (later.get("reasons") or {}).get(name)
        if value is None:
            reasons[name] = why or Reason.PENDING.name
        elif name in (later.get("caveats") or {}):
            caveats[name] = later["caveats"][name]
    return found


def analytics_of(status: Record, record: Record | None = None) -> dict[str, Any]:
    """`ExecutionAnalytics`: summary, costs, attribution and benchmarks, ready for JSON."""
    whole = whole_record(status, record)
    attribution = attribute(whole)
    return {
        "order_id": whole["order_id"],
        "execution_summary": {name: whole.get(name) for name in SUMMARY},
        "cost_analysis": _costs(whole, attribution),
        "performance_attribution": {
            "parts": [asdict(part) for part in attribution.parts],
            "total": asdict(attribution.total),
            "caveat": attribution.caveat,
        },
        "benchmark_comparison": {"benchmarks": [asdict(row) for row in compare(whole)]},
    }


def _costs(whole: Record, attribution: Attribution) -> dict[str, Any]:
    explicit = attribution.part("explicit")
    total = attribution.total
    implicit = [part for part in attribution.parts if part.name != "explicit"]
    return {
        "currency": whole.get("currency"),
        "explicit": {
            "by_kind": [{**asdict(explicit), "name": "fee"}],
            "total": {**asdict(explicit), "name": "explicit"},
            # Only what the events themselves say: no fee table is known yet.
            "caveat": Reason.PARTIAL_TOTAL.name,
        },
        "implicit": {
            "by_part": [asdict(part) for part in implicit],
            "total": asdict(_implicit(total, explicit)),
        },
        "total": asdict(total),
        "total_caveat": Reason.PARTIAL_TOTAL.name,
        "shortfall": {
            "basis": "ORDER",
            "from_price": "ARRIVAL" if whole.get("decision_px") is None else "DECISION",
            "to_date": whole.get("state") not in _CLOSED,
            "paper_notional_ccy": paper_notional_ccy(whole),
            "executed_basis": {
                "delay": asdict(stored(whole, "delay_exec")),
                "opportunity": asdict(stored(whole, "opportunity_exec")),
            },
        },
    }


def _implicit(total: Part, explicit: Part) -> Part:
    if total.ccy is None or explicit.ccy is None:
        return Part("implicit", None, None, total.reason or explicit.reason)
    bps = None if total.bps is None or explicit.bps is None else total.bps - explicit.bps
    return Part("implicit", total.ccy - explicit.ccy, bps)
