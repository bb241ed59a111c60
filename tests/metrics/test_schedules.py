import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.schedules import (
    expected_close,
    expected_is,
    expected_pov,
    expected_rebased,
    expected_twap,
    expected_vwap,
    expected_vwap_live,
    remaining_volume,
)

nan = math.nan


def test_an_even_schedule_stays_within_its_window() -> None:
    assert expected_twap(-1.0, start=0, end=10) == 0.0
    assert expected_twap(2.5, start=0, end=10) == 0.25
    assert expected_twap(11.0, start=0, end=10) == 1.0


@pytest.mark.parametrize(("t", "start", "end"), [(1, 5, 5), (1, 6, 5), (nan, 0, 1), (1, nan, 2)])
def test_no_window_is_no_schedule(t: float, start: float, end: float) -> None:
    assert math.isnan(expected_twap(t, start=start, end=end))
    assert math.isnan(expected_is(t, start=start, end=end, kappa_t=3))


def test_a_volume_schedule_follows_the_curve() -> None:
    assert expected_vwap(0.40, curve_start=0.25, curve_end=0.75) == pytest.approx(0.3)
    assert math.isnan(expected_vwap(0.40, curve_start=0.5, curve_end=0.5))
    assert math.isnan(expected_vwap(nan, curve_start=0.25, curve_end=0.75))


def test_a_busy_day_expects_more_to_come() -> None:
    normal = remaining_volume(400_000, curve_t=0.4, curve_end=0.8)
    busy = remaining_volume(800_000, curve_t=0.4, curve_end=0.8)

    assert (normal, busy) == pytest.approx((400_000, 800_000))
    assert remaining_volume(400_000, curve_t=0.9, curve_end=0.8) == 0.0
    assert math.isnan(remaining_volume(0.0, curve_t=0.0, curve_end=0.8))
    assert math.isnan(remaining_volume(1.0, curve_t=0.4, curve_end=nan))


def test_live_volume_leads_the_schedule() -> None:
    assert expected_vwap_live(300_000, remaining=700_000) == 0.3
    assert math.isnan(expected_vwap_live(0.0, remaining=0.0))
    assert math.isnan(expected_vwap_live(1.0, remaining=nan))


def test_a_share_of_volume_is_of_the_whole_and_stops_at_the_order() -> None:
    assert expected_pov(0.20, volume_others=800, order_qty=1000) == pytest.approx(0.2)
    assert expected_pov(0.20, volume_others=1e9, order_qty=1000) == 1.0


@pytest.mark.parametrize(
    ("rate", "others", "order_qty"),
    [(0.0, 1, 1), (1.0, 1, 1), (nan, 1, 1), (0.1, nan, 1), (0.1, 1, 0), (0.1, 1, nan)],
)
def test_no_share_of_volume_without_a_rate_between_0_and_1(rate, others, order_qty) -> None:
    assert math.isnan(expected_pov(rate, volume_others=others, order_qty=order_qty))


@given(st.floats(0.0, 1.0), st.floats(0.01, 20.0))
@settings(deadline=None, max_examples=60)
def test_a_shortfall_schedule_is_the_ratio_of_hyperbolic_sines(t: float, kappa_t: float) -> None:
    by_definition = 1.0 - math.sinh(kappa_t * (1.0 - t)) / math.sinh(kappa_t)

    assert expected_is(t, start=0, end=1, kappa_t=kappa_t) == pytest.approx(by_definition, abs=1e-9)


def test_an_urgent_order_is_ahead_of_a_patient_one() -> None:
    low, medium, high = (expected_is(1.0, start=0, end=4, kappa_t=k) for k in (1, 3, 6))

    assert 0.25 < low < medium < high < 1
    assert expected_is(1.0, start=0, end=4, kappa_t=0) == 0.25
    assert expected_is(1.0, start=0, end=4, kappa_t=5000) == pytest.approx(1.0)
    assert math.isnan(expected_is(1.0, start=0, end=4, kappa_t=-1))
    assert math.isnan(expected_is(1.0, start=0, end=4, kappa_t=nan))


def test_every_schedule_begins_at_nothing_and_ends_at_all() -> None:
    t = np.array([0.0, 1.0])

    assert expected_twap(t, start=0, end=1).tolist() == [0.0, 1.0]
    assert expected_is(t, start=0, end=1, kappa_t=3) == pytest.approx([0.0, 1.0], abs=1e-12)


def test_an_auction_order_expects_nothing_before_the_auction() -> None:
    assert expected_close(15.9, auction_t=16.0) == 0.0
    assert expected_close(16.0, auction_t=16.0) == 1.0
    assert math.isnan(expected_close(nan, auction_t=16.0))
    assert math.isnan(expected_close(15.9, auction_t=nan))


def test_an_amended_order_starts_again_from_what_was_done() -> None:
    assert expected_rebased(0.0, cum_qty_then=2000, order_qty=10_000) == 0.2
    assert expected_rebased(1.0, cum_qty_then=2000, order_qty=10_000) == 1.0
    assert expected_rebased(0.0, cum_qty_then=12_000, order_qty=10_000) == 1.0


@pytest.mark.parametrize(("e", "then", "order_qty"), [(nan, 1, 2), (0.5, nan, 2), (0.5, 1, 0)])
def test_nothing_can_be_rebased_without_all_three(e, then, order_qty) -> None:
    assert math.isnan(expected_rebased(e, cum_qty_then=then, order_qty=order_qty))
