"""The status metrics in Polars: expressions over rows that carry an order's running sums.

Costs in bps, positive when bad for us. Null where a value does not exist.
"""

import polars as pl

KAPPA_T = 3.0
"""κT of an implementation-shortfall schedule that says no urgency; low is 1, high is 6."""
BENCHMARKS = (
    "decision", "open", "near_touch", "far_touch", "interval_vwap", "vwap_ex_own", "twap", "limit",
)  # fmt: skip
_c = pl.col


def _where(condition: pl.Expr, value: pl.Expr) -> pl.Expr:
    return pl.when(condition).then(value)


def _over(value: pl.Expr, base: pl.Expr) -> pl.Expr:
    return _where(base > 0, value / base)


def _slippage(price: pl.Expr, benchmark: pl.Expr) -> pl.Expr:
    return _where(benchmark > 0, _c("side") * (price - benchmark) / benchmark * 1e4)


def prices() -> list[pl.Expr]:
    """Average price, mid, reference prices and the market's volume in the window."""
    buys = _c("side") > 0
    volume = _c("vol_close") - _c("arrival_vol")
    paid = _c("pv_close") - _c("arrival_pv")
    held_s = _c("open_s") - _c("arrival_open_s")
    return [
        _over(_c("notional"), _c("cum_qty")).alias("avg_px"),
        _where(_c("bid") <= _c("ask"), (_c("bid") + _c("ask")) / 2).alias("mid"),
        volume.alias("market_qty"),
        _c("open_px").alias("open"),
        pl.when(buys).then("arrival_bid").otherwise("arrival_ask").alias("near_touch"),
        pl.when(buys).then("arrival_ask").otherwise("arrival_bid").alias("far_touch"),
        _over(paid, volume).alias("interval_vwap"),
        _over(paid - _c("own_notional"), volume - _c("own_qty")).alias("vwap_ex_own"),
        _over(_c("mid_s") - _c("arrival_mid_s"), held_s).alias("twap"),
        _c("limit_px").alias("limit"),
        _c("decision_px").alias("decision"),
    ]


def progress() -> list[pl.Expr]:
    """How far the order is and how far its schedule says it should be by now."""
    q, total = _c("cum_qty"), _c("order_qty")
    length = (_c("end") - _c("start")).cast(pl.Float64)
    passed = ((_c("ts_event") - _c("start")).cast(pl.Float64) / length).clip(0.0, 1.0)
    rate = _c("participation")
    others = _c("market_qty") - _c("own_qty")
    others_now = _c("vol_now") - _c("arrival_vol") - _c("own_qty")
    of_volume = (rate / (1 - rate) * others_now / total).clip(upper_bound=1.0)
    urgent = 1 - (_c("kappa_t") * (1 - passed)).sinh() / _c("kappa_t").sinh()
    expected = (
        pl.when(_c("algo") == "TWAP").then(passed)
        .when(_c("algo") == "VWAP").then(_c("curve_share"))
        .when(_c("algo") == "POV").then(of_volume)
        .when(_c("algo") == "IS").then(urgent)
    )  # fmt: skip
    return [
        _over(q, total).alias("execution_progress"),
        expected.alias("expected_progress"),
        _over(q, pl.when(_c("routed_total") > 0).then("routed_total").otherwise(total)).alias(
            "fill_rate"
        ),
        (_c("window_qty") / 60.0).alias("fill_qty_per_s"),
        _slippage(_over(_c("window_notional"), _c("window_qty")), _c("arrival_mid")).alias(
            "window_slippage_bps"
        ),
        _over(q, _c("market_qty")).alias("participation_rate"),
        _over(q, others).alias("participation_ex_own_rate"),
        _c("own_qty").alias("own_matched_qty"),
    ]


def speed() -> pl.Expr:
    """Progress against what was expected."""
    expected = _c("expected_progress")
    ratio = _c("execution_progress") / expected
    return _where(expected >= 0.05, ratio.clip(0.0, 2.0)).alias("execution_speed")


def slippages() -> list[pl.Expr]:
    """Slippage against arrival and every other benchmark."""
    average = _c("avg_px")
    return [
        _slippage(average, _c("arrival_mid")).alias("slippage_bps"),
        (_c("side") * _c("cum_qty") * (average - _c("arrival_mid"))).alias("slippage_ccy"),
        *(_slippage(average, _c(name)).alias(f"slippage_{name}_bps") for name in BENCHMARKS),
        pl.lit(None, pl.Float64).alias("slippage_index_adjusted_bps"),
    ]


def spreads() -> list[pl.Expr]:
    """Spreads paid, against the mid at receipt and at execution, as ratios of sums."""
    side = _c("side")
    base = _c("receipt_mid_notional")
    effective = 2 * side * (_c("receipt_notional") - base)
    quoted, mids = _c("quoted_qty"), _c("mid_notional")
    executed = _c("quoted_notional")
    paper = _where(quoted > 0, quoted * _c("arrival_mid"))
    return [
        (_over(_c("receipt_spread"), base) * 1e4).alias("quoted_spread_bps"),
        (_over(effective, base) * 1e4).alias("effective_spread_bps"),
        (_over(2 * side * (executed - mids), mids) * 1e4).alias("effective_spread_exec_mid_bps"),
        _over(effective, _c("receipt_spread")).alias("eq_ratio"),
        (_over(_c("receipt_improvement"), base) * 1e4).alias("price_improvement_bps"),
        _over(_c("capture"), _c("capture_qty")).alias("spread_capture"),
        (_over(_c("at_mid_qty"), quoted) * 100).alias("at_mid_pct"),
        (_over(_c("near_qty"), quoted) * 100).alias("near_side_pct"),
        (_over(_c("far_qty"), quoted) * 100).alias("far_side_pct"),
        (_over(side * (executed - mids), paper) * 1e4).alias("half_spread_paid_bps"),
        (_over(side * (mids - paper), paper) * 1e4).alias("drift_bps"),
    ]


def shortfall() -> list[pl.Expr]:
    """Parts of the implementation shortfall, order basis, in currency."""
    side, q, total = _c("side"), _c("cum_qty"), _c("order_qty")
    arrival = _c("arrival_mid")
    left = (total - q).clip(lower_bound=0.0)
    lost = pl.when(left > 0).then(side * left * (_c("mid") - arrival)).otherwise(0.0 * arrival)
    return [
        (side * total * (arrival - _c("decision"))).alias("shortfall_delay_ccy"),
        (side * (_c("notional") - q * arrival)).alias("shortfall_trading_ccy"),
        lost.alias("shortfall_opportunity_ccy"),
        _c("fee_total").alias("shortfall_explicit_ccy"),
        (total * pl.coalesce("decision", arrival)).alias("paper"),
    ]


def shortfall_total() -> pl.Expr:
    """Sum of the parts; market-only where no decision price was given."""
    trading, lost = _c("shortfall_trading_ccy"), _c("shortfall_opportunity_ccy")
    delay = _c("shortfall_delay_ccy").fill_null(0.0)
    return (delay + trading + lost + _c("shortfall_explicit_ccy")).alias("shortfall_total_ccy")


def shortfall_bps() -> list[pl.Expr]:
    """The parts and the total in bps of the paper notional."""
    parts = ("delay", "trading", "opportunity", "explicit", "total")
    return [
        (_over(_c(f"shortfall_{part}_ccy"), _c("paper")) * 1e4).alias(f"shortfall_{part}_bps")
        for part in parts
    ]


def times() -> list[pl.Expr]:
    """Waits in ms, and the market's own move."""
    first = (_c("first_fill_ts") - _c("arrival_ts")).cast(pl.Float64) * 1e-6
    done = (_c("end_ts") - _c("arrival_ts")).cast(pl.Float64) * 1e-6
    return [
        _where(_c("fills") > 0, first).alias("first_fill_ms"),
        _where(_c("cum_qty") >= _c("order_qty"), done).alias("completion_ms"),
        _over(_c("ack_ms_sum"), _c("acks")).alias("ack_ms"),
        _slippage(_c("mid"), _c("arrival_mid")).alias("market_impact_bps"),
    ]


def expectations() -> list[pl.Expr]:
    """What such an order should cost and how far a fair cost may stray."""
    elapsed_s = (_c("end_ts") - _c("arrival_ts")).cast(pl.Float64) * 1e-9
    impact = _c("sigma_daily_bps") * (_c("order_qty") / _c("adv_qty")).sqrt() / 1.5
    risk = pl.max_horizontal(
        _c("sigma") * (elapsed_s / 3).sqrt(),
        _c("spread_bps") / 2,
        _c("tick") / _c("arrival_mid") * 1e4,
    )
    known = _c("sigma").is_not_null() & _c("arrival_mid").is_not_null()
    expected = _where(_c("arrival_mid").is_not_null(), _c("spread_bps") / 2 + impact)
    return [expected.alias("expected_cost_bps"), _where(known, risk).alias("risk_bps")]


def z_cost() -> pl.Expr:
    """The cost in standard deviations from what was expected."""
    return _over(_c("slippage_bps") - _c("expected_cost_bps"), _c("risk_bps")).alias("z_cost")


def score() -> pl.Expr:
    """The parts known without a cohort, weighted .40 and .20: cost efficiency and adherence."""
    efficiency = _c("cost_efficiency")
    adherence = _c("execution_speed").clip(upper_bound=1.0)
    earned = 0.4 * efficiency.fill_null(0.0) + 0.2 * adherence.fill_null(0.0)
    weighed = 0.4 * efficiency.is_not_null() + 0.2 * adherence.is_not_null()
    return _over(100 * earned, weighed).alias("performance_score")
