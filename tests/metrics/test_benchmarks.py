import math

import numpy as np
import pytest

from metrics.benchmarks import (
    adjusted_close,
    average_px,
    far_touch,
    mid,
    near_touch,
    pwp,
    rpm,
    time_weighted_mid,
    twap,
    vwap,
    vwap_ex_own,
)
from metrics.tape import ratio_of_sums

nan = math.nan


def test_a_locked_quote_has_a_mid_and_a_crossed_one_has_none() -> None:
    assert mid(10.0, ask=10.0) == 10.0
    assert math.isnan(mid(10.01, ask=10.0))
    assert math.isnan(mid(nan, ask=10.0))
    assert math.isnan(mid(10.0, ask=nan))


def test_touches_change_places_with_the_side() -> None:
    quote = {"ask": 10.02}

    assert (near_touch(10.0, **quote, side=1), far_touch(10.0, **quote, side=1)) == (10.0, 10.02)
    assert (near_touch(10.0, **quote, side=-1), far_touch(10.0, **quote, side=-1)) == (10.02, 10.0)


@pytest.mark.parametrize(("bid", "side"), [(10.03, 1), (nan, 1), (10.0, 0)])
def test_no_touch_in_a_crossed_or_missing_quote_or_for_an_unknown_side(bid, side) -> None:
    assert math.isnan(near_touch(bid, ask=10.02, side=side))
    assert math.isnan(far_touch(bid, ask=10.02, side=side))


def test_nothing_traded_has_no_average() -> None:
    assert math.isnan(average_px(0.0, qty=0))
    assert math.isnan(vwap(0.0, volume=0))
    assert math.isnan(twap(0.0, seconds=0))


def test_a_market_that_was_all_ours_has_no_vwap_of_others() -> None:
    assert math.isnan(vwap_ex_own(1000.0, volume=100, own_pv=1000.0, own_volume=100))


def test_yesterdays_close_is_told_in_todays_shares() -> None:
    assert adjusted_close(700.0, split_ratio=7) == 100.0
    assert math.isnan(adjusted_close(700.0, split_ratio=0))


def test_participation_price_ends_inside_the_print_that_completes_it() -> None:
    prices, sizes = np.array([10.0, 20.0]), np.array([100.0, 100.0])

    assert pwp(prices, sizes=sizes, needed_qty=100) == 10.0
    assert pwp(prices, sizes=sizes, needed_qty=125) == pytest.approx((1000 + 500) / 125)
    assert pwp(prices, sizes=sizes, needed_qty=200) == 15.0


def test_participation_price_is_missing_until_the_volume_is_reached() -> None:
    prices, sizes = np.array([10.0, 20.0]), np.array([100.0, 100.0])

    assert math.isnan(pwp(prices, sizes=sizes, needed_qty=201))
    assert math.isnan(pwp(np.empty(0), sizes=np.empty(0), needed_qty=1))
    assert math.isnan(pwp(prices, sizes=sizes, needed_qty=0))


def test_a_print_at_our_own_average_counts_half() -> None:
    average = (10.1 * 300 + 10.1 * 700) / 1000

    assert rpm(np.array([10.1]), sizes=np.array([500.0]), avg_px=average, side=1) == 0.5


def test_relative_performance_needs_prints_fills_and_a_side() -> None:
    prices, sizes = np.array([10.0]), np.array([100.0])

    assert math.isnan(rpm(np.empty(0), sizes=np.empty(0), avg_px=10, side=1))
    assert math.isnan(rpm(prices, sizes=sizes, avg_px=nan, side=1))
    assert math.isnan(rpm(prices, sizes=sizes, avg_px=10, side=0))


def test_a_halt_counts_neither_in_the_integral_nor_in_the_time() -> None:
    times, mids = np.array([0.0, 4.0, 6.0]), np.array([10.0, nan, 13.0])

    assert time_weighted_mid(times, mids=mids, start=0, end=8) == pytest.approx(
        (10 * 4 + 13 * 2) / 6
    )


def test_the_mid_before_the_window_counts_from_its_start() -> None:
    times, mids = np.array([0.0, 10.0]), np.array([10.0, 12.0])

    assert time_weighted_mid(times, mids=mids, start=6, end=14) == pytest.approx(11.0)
    assert time_weighted_mid(times, mids=mids, start=-9, end=5) == 10.0


def test_no_mid_in_the_window_is_no_average() -> None:
    assert math.isnan(time_weighted_mid(np.array([5.0]), mids=np.array([1.0]), start=0, end=5))
    assert math.isnan(time_weighted_mid(np.empty(0), mids=np.empty(0), start=0, end=5))


def test_an_aggregate_is_a_ratio_of_sums_over_rows_that_have_both() -> None:
    cost, notional = np.array([1.0, 30.0, nan, 4.0]), np.array([10.0, 100.0, 50.0, nan])

    assert ratio_of_sums(cost, denominators=notional) == pytest.approx(31 / 110)
    assert math.isnan(ratio_of_sums(np.array([nan]), denominators=np.array([1.0])))
