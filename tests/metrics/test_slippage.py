import math

import pytest

from metrics.slippage import (
    cost_ccy,
    drift_ccy,
    half_spread_ccy,
    market_drift_ccy,
    signed,
    slippage_bps,
)


def test_a_purchase_above_the_benchmark_and_a_sale_below_it_both_cost() -> None:
    assert slippage_bps(50.10, benchmark=50.0, side=1) == pytest.approx(20)
    assert slippage_bps(49.90, benchmark=50.0, side=-1) == pytest.approx(20)


@pytest.mark.parametrize("benchmark", [math.nan, 0.0, -1.0])
def test_without_a_positive_benchmark_there_is_no_slippage(benchmark: float) -> None:
    assert math.isnan(slippage_bps(50.10, benchmark=benchmark, side=1))


@pytest.mark.parametrize("side", [0, 2, math.nan])
def test_an_unknown_side_is_missing_and_not_free(side: float) -> None:
    assert math.isnan(signed(5.0, side=side))
    assert math.isnan(slippage_bps(50.10, benchmark=50.0, side=side))
    assert math.isnan(cost_ccy(50.10, benchmark=50.0, qty=100, side=side))


def test_trading_cost_splits_into_half_spread_and_drift() -> None:
    bought = {"qty": 3000, "side": 1}

    whole = cost_ccy(50.25, benchmark=50.10, **bought)
    spread = half_spread_ccy(50.25, mid=50.24, **bought)
    drift = drift_ccy(50.24, arrival=50.10, **bought)

    assert (whole, spread, drift) == pytest.approx((450, 30, 420))


def test_an_index_that_falls_hurts_a_sale() -> None:
    assert market_drift_ccy(50.0, qty=100, side=-1, beta=2, index_return=-0.01) == pytest.approx(
        100
    )
    assert math.isnan(market_drift_ccy(50.0, qty=100, side=-1, beta=math.nan, index_return=-0.01))
