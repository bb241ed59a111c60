"""Every metric of an order with its unit, its reason, and on request what it was made of."""

from collections.abc import Iterator, Mapping
from typing import Any

from analytics.definitions import definitions_of
from domain.rows import (
    BENCHMARKS,
    LATER_BENCHMARKS,
    MARKOUT_HORIZONS,
    NEXT_CLOSE,
    ORDER_METRICS,
    REALIZED_HORIZONS,
    REVERSION_HORIZONS,
)

Record = Mapping[str, Any]
_UNITS = {"_bps": "bps", "_ccy": "currency", "_ms": "ms", "_pct": "percent 0-100",
          "_rate": "share 0-1"}  # fmt: skip
_OTHER_UNITS = {
    **dict.fromkeys(("decision_px", "arrival_mid", *BENCHMARKS[1:], *LATER_BENCHMARKS), "price"),
    "execution_progress": "share",
    "expected_progress": "share",
    "execution_speed": "ratio 0-2",
    "fill_qty_per_s": "quantity per second",
    "own_matched_qty": "quantity",
    "eq_ratio": "ratio",
    "spread_capture": "share",
    "rpm": "share 0-1",
    "z_cost": "standard deviations",
    "cost_efficiency": "share 0-1",
    "performance_score": "points 0-100",
}

ORDER, MARKET, REFERENCE = "order events", "market data", "reference data"
FILLS, ROUTES, METRIC = "fills", "route events", "metric"
_ROWS = {FILLS: "fills", ROUTES: "timeline"}
"""Sources that are rows of their own, and the path of the order under which they are."""
_SOURCES = {
    **dict.fromkeys(("side", "order_qty", "limit_px", "arrival_ts", "decision_ts", "start_ts",
                     "end_ts", "closed_ts", "schedule", "decision_px"), ORDER),
    **dict.fromkeys(("cum_qty", "avg_px", "fee", "first_fill_ts", "last_fill_ts"), FILLS),
    **dict.fromkeys(("bid", "ask", "market_qty", "arrival_mid", "own_matched_qty"), MARKET),
    "routed_qty": ROUTES,
}  # fmt: skip
_SHORTFALL = ("decision_px", "arrival_mid", "avg_px", "cum_qty", "order_qty", "bid", "ask", "fee",
              "side")  # fmt: skip
_EACH_FILL = ("last_qty", "last_px", "side")
_INPUTS: dict[str, tuple[str, ...]] = {
    "execution_progress": ("cum_qty", "order_qty"),
    "expected_progress": ("schedule", "start_ts", "end_ts", "as_of", "order_qty", "market_qty",
                          "own_matched_qty", "reference:volume_curve"),
    "execution_speed": ("execution_progress", "expected_progress"),
    "fill_rate": ("cum_qty", "routed_qty", "order_qty"),
    "fill_qty_per_s": ("as_of", "fills:last_qty"),
    "window_slippage_bps": ("as_of", "arrival_mid", "side", "fills:last_qty", "fills:last_px"),
    "participation_rate": ("cum_qty", "market_qty"),
    "participation_ex_own_rate": ("cum_qty", "market_qty", "own_matched_qty"),
    "own_matched_qty": ("fills:exec_id", "market:own prints"),
    "decision_px": ("decision_ts", "market:quote at decision_ts"),
    "arrival_mid": ("arrival_ts", "market:quote at arrival_ts"),
    "open": ("market:opening auction, else first print",),
    "close": ("market:closing auction, else last print",),
    "prev_close": ("reference:splits", "market:close of the session before"),
    "near_touch": ("side", "arrival_ts", "market:quote at arrival_ts"),
    "far_touch": ("side", "arrival_ts", "market:quote at arrival_ts"),
    "interval_vwap": ("arrival_ts", "last_fill_ts", "as_of", "market_qty", "market:prints"),
    "vwap_ex_own": ("interval_vwap", "market_qty", "own_matched_qty", "market:prints"),
    "twap": ("arrival_ts", "last_fill_ts", "as_of", "market:mids"),
    "day_vwap": ("market:prints of the session",),
    "pwp_10": ("arrival_ts", "cum_qty", "market:prints"),
    "pwp_20": ("arrival_ts", "cum_qty", "market:prints"),
    "limit": ("limit_px",),
    "slippage_bps": ("avg_px", "arrival_mid", "side"),
    "slippage_ccy": ("avg_px", "arrival_mid", "cum_qty", "side"),
    "slippage_index_adjusted_bps": ("slippage_bps", "side", "reference:beta", "market:index"),
    "rpm": ("avg_px", "side", "market:prints"),
    "first_fill_ms": ("arrival_ts", "first_fill_ts"),
    "completion_ms": ("arrival_ts", "closed_ts"),
    "ack_ms": ("routes:ack_ms",),
    "market_impact_bps": ("bid", "ask", "arrival_mid", "side", "reference:beta"),
    "expected_cost_bps": ("order_qty", "reference:adv_qty", "reference:sigma_daily_bps",
                          "reference:spread_bps"),
    "risk_bps": ("arrival_ts", "as_of", "reference:sigma_daily_bps", "reference:spread_bps",
                 "reference:tick", "reference:volatility_curve"),
    "z_cost": ("slippage_bps", "expected_cost_bps", "risk_bps"),
    "cost_efficiency": ("z_cost",),
    "performance_score": ("cost_efficiency", "execution_speed"),
    "quoted_spread_bps": ("fills:last_qty", "market:quote at receipt"),
    "effective_spread_bps": tuple(f"fills:{n}" for n in (*_EACH_FILL, "arrival_mid")),
    "effective_spread_exec_mid_bps": tuple(f"fills:{n}" for n in (*_EACH_FILL, "mid")),
    "eq_ratio": ("effective_spread_bps", "quoted_spread_bps"),
    **{
        name: tuple(f"fills:{n}" for n in (*_EACH_FILL, "bid", "ask"))
        for name in ("price_improvement_bps", "spread_capture", "at_mid_pct", "near_side_pct",
                     "far_side_pct")
    },
    "half_spread_paid_bps": ("arrival_mid", *(f"fills:{n}" for n in (*_EACH_FILL, "mid"))),
    "drift_bps": ("arrival_mid", "side", "fills:last_qty", "fills:mid"),
    **{
        f"slippage_{name}_bps": ("avg_px", "decision_px" if name == "decision" else name, "side")
        for name in (*BENCHMARKS, *LATER_BENCHMARKS)
    },
    **{name: _SHORTFALL for name in ORDER_METRICS if name.startswith("shortfall_")},
    **{
        f"{kind}_{h}_bps": tuple(f"fills:{n}" for n in (*_EACH_FILL, "mid", f"mid_{h}"))
        for kind in ("realized_spread", "price_impact")
        for h in REALIZED_HORIZONS
    },
    **{
        f"markout_cost_{h}_bps": tuple(f"fills:{n}" for n in (*_EACH_FILL, f"mid_{h}"))
        for h in (*MARKOUT_HORIZONS, NEXT_CLOSE)
    },
    **{
        f"reversion_{h}_bps": ("side", "fills:mid_0s", f"fills:mid_{h}")
        for h in REVERSION_HORIZONS
    },
}  # fmt: skip
"""What each metric is made of: members of the record, or `source:what` outside it."""
_OUTSIDE = {"fills": FILLS, "routes": ROUTES, "market": MARKET, "reference": REFERENCE}


def unit_of(metric: str) -> str:
    """Unit of a metric, in words; costs are positive when bad for us."""
    other = _OTHER_UNITS.get(metric)
    if other:
        return other
    return next(unit for ending, unit in _UNITS.items() if metric.endswith(ending))


def metrics_of(record: Record, *, explain: bool = False) -> Iterator[dict[str, Any]]:
    """Every metric of a whole record, in a fixed order."""
    reasons, caveats = record["reasons"], record["caveats"]
    for name in ORDER_METRICS:
        value = record.get(name)
        found: dict[str, Any] = {
            "name": name,
            "value": value,
            "unit": unit_of(name),
            "reason": reasons.get(name) if value is None else None,
            "caveat": caveats.get(name),
        }
        if explain:
            found["explanation"] = _explanation(name, record)
        yield found


def _explanation(metric: str, record: Record) -> dict[str, Any]:
    words, entries = definitions_of(metric)
    return {
        "definition": words,
        "formulas": [
            {
                "name": entry.name,
                "signature": entry.signature,
                "title": entry.title,
                "formula": entry.formula,
                **{key.lower(): entry.keyed.get(key) for key in ("Unit", "Sign", "Edges")},
            }
            for entry in entries
        ],
        "inputs": [_input(text, record) for text in _INPUTS[metric]],
    }


def _input(text: str, record: Record) -> dict[str, Any]:
    outside, _, what = text.partition(":")
    if what:
        source = _OUTSIDE[outside]
        return {"name": what, "value": None, "source": source, "rows": _ROWS.get(source)}
    source = _SOURCES.get(text, METRIC if text in ORDER_METRICS else ORDER)
    return {"name": text, "value": record.get(text), "source": source, "rows": None}
