import math

import pytest

from metrics.markout import (
    markout_adjusted_bps,
    markout_cost_bps,
    reversion_adjusted_bps,
    reversion_bps,
)

nan = math.nan


def test_a_purchase_before_a_fall_and_a_sale_before_a_rise_have_a_markout_cost() -> None:
    assert markout_cost_bps(100.0, mid_later=99.9, side=1) == pytest.approx(10)
    assert markout_cost_bps(100.0, mid_later=100.1, side=-1) == pytest.approx(10)


def test_a_horizon_that_has_not_passed_has_no_markout() -> None:
    assert math.isnan(markout_cost_bps(100.0, mid_later=nan, side=1))
    assert math.isnan(markout_cost_bps(0.0, mid_later=1.0, side=1))
    assert math.isnan(reversion_bps(100.0, mid_later=nan, side=1))


def test_reversion_is_positive_when_the_price_comes_back() -> None:
    assert reversion_bps(100.0, mid_later=99.9, side=1) == pytest.approx(10)
    assert reversion_bps(100.0, mid_later=100.1, side=-1) == pytest.approx(10)


@pytest.mark.parametrize("adjusted", [markout_adjusted_bps, reversion_adjusted_bps])
def test_what_the_index_explains_is_no_markout_and_no_reversion(adjusted) -> None:
    for side in (1, -1):
        explained = adjusted(100.0, mid_later=100.3, side=side, beta=1.5, index_return=0.002)
        assert explained == pytest.approx(0, abs=1e-9)
    assert math.isnan(adjusted(100.0, mid_later=100.3, side=1, beta=nan, index_return=0.002))
    assert math.isnan(adjusted(100.0, mid_later=100.3, side=1, beta=1, index_return=nan))
