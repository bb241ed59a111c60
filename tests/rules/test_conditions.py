import math

import numpy as np
import pytest

from rules.conditions import (
    away_from_limit_bps,
    high_cost,
    is_drift,
    is_late,
    market_impact,
    over_cap,
    slow_by_gap,
    slow_by_share,
    under_floor,
    z_impact,
)

NAN = math.nan
GAP = {"low": 0.10, "medium": 0.20, "high": 0.35, "critical": 0.50}
SHARE = {"low": 0.8, "medium": 0.6, "high": 0.4, "critical": 0.2}
Z = {"low": 2.0, "medium": 2.5, "high": 3.0, "critical": 4.0}


def slow(progress, expected=0.70, **more):
    told = {
        "order_qty": 10_000, "least_qty": 100, "tau": 0.05, "done_by_end": NAN, "time_left": NAN,
        "ease": 1.0, **GAP, **more,
    }  # fmt: skip
    return slow_by_gap(progress, expected=expected, **told)


def share(participation, **more):
    told = {
        "expected": 0.6, "order_qty": 10_000, "least_qty": 100, "tau": 0.05, "target": 0.10,
        "ease": 1.0, **SHARE, **more,
    }  # fmt: skip
    return slow_by_share(0.3, participation=participation, **told)


def cost(z, **more):
    told = {"twin_z": 2.0, "filled": 0.5, "cost_bps": 30.0, "spread_bps": 2.0, "ease": 1.0, **Z}
    return high_cost(z, **{**told, **more})


def test_the_specifications_own_example_is_medium():
    assert slow(0.45) == 2


@pytest.mark.parametrize(
    ("progress", "severity"), [(0.65, 0), (0.59, 1), (0.45, 2), (0.30, 3), (0.19, 4)]
)
def test_a_wider_gap_is_more_severe(progress, severity):
    assert slow(progress) == severity


def test_nobody_is_late_before_a_twentieth_is_due():
    assert slow(0.0, expected=0.049, low=0.0, medium=0.01) == 0
    assert is_late(0.0, expected=0.051, order_qty=1e6, least_qty=1, tau=0.0) == 1


def test_what_is_usual_for_the_cohort_is_not_late():
    assert slow(0.45, tau=0.26) == 0
    assert slow(0.45, tau=0.24) == 2


def test_less_than_a_slice_or_a_lot_is_not_missing():
    assert slow(0.45, least_qty=2501) == 0
    assert slow(0.45, least_qty=2499) == 2


def test_an_order_that_is_all_but_done_is_not_late():
    assert slow(0.96, expected=1.0, low=0.0, medium=0.01) == 0


def test_without_a_schedule_or_a_progress_there_is_no_alert():
    assert slow(0.45, expected=NAN) == 0
    assert slow(NAN) == 0


def test_an_end_that_comes_too_soon_is_critical():
    assert slow(0.45, done_by_end=0.19, time_left=0.24) == 4
    assert slow(0.45, done_by_end=0.19, time_left=0.26) == 2
    assert slow(0.45, done_by_end=0.21, time_left=0.24) == 2


def test_easing_asks_for_four_fifths_of_a_level():
    assert slow(0.53) == 1
    assert slow(0.53, ease=0.8) == 2
    assert share(0.07) == 1
    assert share(0.07, ease=0.8) == 2
    assert cost(2.1) == 1
    assert cost(2.1, ease=0.8) == 2


@pytest.mark.parametrize(
    ("participation", "severity"), [(0.081, 0), (0.079, 1), (0.059, 2), (0.039, 3), (0.019, 4)]
)
def test_an_order_that_keeps_a_share_is_slow_by_that_share(participation, severity):
    assert share(participation) == severity


def test_a_share_is_not_judged_without_volume_target_or_delay():
    assert share(NAN) == 0
    assert share(0.01, target=NAN) == 0
    assert share(0.01, expected=0.32) == 0


@pytest.mark.parametrize(("z", "severity"), [(1.9, 0), (2.1, 1), (2.6, 2), (3.1, 3), (4.1, 4)])
def test_a_cost_is_judged_by_its_z(z, severity):
    assert cost(z) == severity


def test_a_bare_cost_level_never_fires():
    assert cost(1.0, cost_bps=500.0) == 0


def test_little_filled_or_a_cost_within_a_spread_is_no_alert():
    assert cost(5.0, filled=0.09) == 0
    assert cost(5.0, cost_bps=4.9) == 0
    assert cost(5.0, cost_bps=8.0, spread_bps=9.0) == 0
    assert cost(5.0, cost_bps=8.0, spread_bps=NAN) == 4


def test_what_the_index_explains_is_no_alert_and_without_one_medium_is_the_most():
    assert cost(5.0, twin_z=1.5) == 0
    assert cost(5.0, twin_z=NAN) == 2
    assert cost(2.1, twin_z=NAN) == 1


def test_an_impact_is_what_the_trading_should_not_have_caused():
    still = {"expected_cost_bps": 12.0, "half_spread_bps": 2.0, "risk_bps": 6.0}
    assert z_impact(15.0, progress=1.0, **still) == 0.0
    assert z_impact(15.0, progress=0.25, **still) == pytest.approx(7.5 / (6 * math.sqrt(3)))
    assert z_impact(15.0, progress=4.0, **still) == 0.0
    assert z_impact(-15.0, progress=0.0, **still) < 0


def test_an_impact_without_a_risk_or_a_progress_is_missing():
    assert math.isnan(
        z_impact(15.0, expected_cost_bps=1, half_spread_bps=0, progress=1, risk_bps=0)
    )
    assert math.isnan(
        z_impact(15.0, expected_cost_bps=1, half_spread_bps=0, progress=NAN, risk_bps=3)
    )


def test_a_move_without_us_is_drift_and_no_alert():
    assert market_impact(2.7, participation=0.049, ease=1.0, **Z) == 0
    assert is_drift(2.7, participation=0.049) == 1
    assert market_impact(2.7, participation=0.05, ease=1.0, **Z) == 2
    assert is_drift(2.7, participation=0.05) == 0
    assert is_drift(1.9, participation=0.01) == 0
    assert market_impact(2.7, participation=NAN, ease=1.0, **Z) == 0


def test_caps_and_floors_are_medium_and_only_where_they_are_set():
    assert over_cap(31.0, cap=30.0, ease=1.0) == 2
    assert over_cap(29.0, cap=30.0, ease=1.0) == 0
    assert over_cap(25.0, cap=30.0, ease=0.8) == 2
    assert over_cap(31.0, cap=NAN, ease=1.0) == 0
    assert under_floor(0.69, floor=0.7, ease=1.0) == 2
    assert under_floor(0.75, floor=0.7, ease=0.8) == 2
    assert under_floor(0.9, floor=0.7, ease=0.8) == 0
    assert under_floor(NAN, floor=0.7, ease=1.0) == 0


def test_a_buyer_and_a_seller_stand_at_their_limits_on_either_side():
    assert away_from_limit_bps(1, mid=50.05, limit_px=50.0) > 0
    assert away_from_limit_bps(-1, mid=50.05, limit_px=50.0) < 0
    assert math.isnan(away_from_limit_bps(1, mid=NAN, limit_px=50.0))


def test_columns_are_judged_like_single_orders():
    z = np.array([1.0, 2.2, 2.7, 5.0])
    assert cost(z).tolist() == [cost(float(one)) for one in z]
