"""Which definition stands behind each column of an order's record."""

from domain.rows import (
    BENCHMARKS,
    LATER_BENCHMARKS,
    MARKOUT_HORIZONS,
    NEXT_CLOSE,
    REALIZED_HORIZONS,
    REVERSION_HORIZONS,
)

_PRICES = {
    "decision_px": "given by the user, else `mid` at the decision",
    "arrival_mid": "`mid` when the order was received",
    "open": "official price of the opening auction, else the first regular print",
    "close": "official price of the closing auction, else the last regular print",
    "prev_close": "`adjusted_close`",
    "near_touch": "`near_touch` at arrival",
    "far_touch": "`far_touch` at arrival",
    "interval_vwap": "`vwap` from arrival to the last fill, or to now",
    "day_vwap": "`vwap` of the session",
    "vwap_ex_own": "`vwap_ex_own` from arrival to the last fill, or to now",
    "twap": "`twap` from arrival to the last fill, or to now",
    "pwp_10": "`pwp` at 10 %",
    "pwp_20": "`pwp` at 20 %",
    "limit": "the order's limit price",
}

_SPREADS = {
    "quoted_spread_bps": "`quoted_spread`, by `ratio_bps` of the mids",
    "effective_spread_bps": "`effective_spread`, mid at receipt, by `ratio_bps` of the mids",
    "effective_spread_exec_mid_bps": "`effective_spread`, mid at execution, by `ratio_bps`",
    "eq_ratio": "`ratio` of effective to quoted, each weighted by quantity",
    "price_improvement_bps": "`price_improvement`, by `ratio_bps` of the mids",
    "spread_capture": "`spread_capture`, weighted by quantity",
    "at_mid_pct": "`price_side` 1, share of the quantity × 100",
    "near_side_pct": "`price_side` 2, share of the quantity × 100",
    "far_side_pct": "`price_side` 3, share of the quantity × 100",
    "half_spread_paid_bps": "`half_spread_ccy`, by `ratio_bps`",
    "drift_bps": "`drift_ccy`, by `ratio_bps`",
}

_DIRECT = (
    "execution_progress",
    "execution_speed",
    "fill_rate",
    "fill_qty_per_s",
    "participation_rate",
    "participation_ex_own_rate",
    "market_impact_bps",
    "expected_cost_bps",
    "risk_bps",
    "z_cost",
    "cost_efficiency",
    "performance_score",
    "rpm",
)

_OTHERS = {
    "expected_progress": "`expected_twap`, `expected_vwap_live`, `expected_pov`, `expected_is` "
    "or `expected_close`, by the order's schedule; `expected_vwap` along a profile of its own",
    "window_slippage_bps": "`slippage_bps` vs arrival of the window's fills",
    "own_matched_qty": "quantity of our own prints that were found on the tape",
    "slippage_bps": "`slippage_bps` vs `arrival_mid`",
    "slippage_ccy": "`cost_ccy` vs `arrival_mid`",
    "slippage_index_adjusted_bps": "`index_adjusted_bps`",
    "first_fill_ms": "`elapsed_ms` from arrival",
    "completion_ms": "`elapsed_ms` from arrival",
    "ack_ms": "`elapsed_ms` from route to acknowledgement",
}


def column_definitions() -> dict[str, str]:
    """Each metric column of an order's record and the definition that fills it.

    the names of `domain.rows`, without the header

    Unit: text; a name in backticks is an entry of the glossary

    >>> column_definitions()["slippage_twap_bps"]
    '`slippage_bps` vs `twap`'
    """
    names = {name: f"`{name}`" for name in _DIRECT}
    names |= _PRICES | _SPREADS | _OTHERS
    for benchmark in (*BENCHMARKS, *LATER_BENCHMARKS):
        price = "decision_px" if benchmark == "decision" else benchmark
        names[f"slippage_{benchmark}_bps"] = f"`slippage_bps` vs `{price}`"
    for part in ("delay", "trading", "opportunity", "explicit", "total"):
        for suffix in ("ccy", "bps"):
            names[f"shortfall_{part}_{suffix}"] = "`implementation_shortfall`"
            if part in {"delay", "opportunity"}:
                names[f"shortfall_{part}_exec_{suffix}"] = (
                    "`implementation_shortfall`, executed basis"
                )
    for h in REALIZED_HORIZONS:
        names[f"realized_spread_{h}_bps"] = f"`realized_spread` after {h}, by `ratio_bps`"
        names[f"price_impact_{h}_bps"] = f"`price_impact` after {h}, by `ratio_bps`"
    for h in (*MARKOUT_HORIZONS, NEXT_CLOSE):
        names[f"markout_cost_{h}_bps"] = f"`markout_cost_bps` at {h}"
    for h in REVERSION_HORIZONS:
        names[f"reversion_{h}_bps"] = f"`reversion_bps` at {h}"
    return names
