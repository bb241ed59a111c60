import numpy as np
import pytest

from rules.levels import (
    COST_Z,
    IMPACT_Z,
    ONE_LEVEL,
    SLOW_GAP,
    limits_of,
    scaled,
    severity_above,
)


def severities(value, levels):
    return severity_above(
        value, low=levels[0], medium=levels[1], high=levels[2], critical=levels[3]
    )


@pytest.mark.parametrize(
    ("gap", "severity"), [(0.10, 0), (0.1001, 1), (0.20, 1), (0.25, 2), (0.36, 3), (0.51, 4)]
)
def test_a_value_has_the_severity_of_the_greatest_level_it_exceeds(gap, severity):
    assert severities(gap, SLOW_GAP) == severity


def test_a_missing_value_has_none_and_a_missing_level_is_never_exceeded():
    assert severities(np.nan, SLOW_GAP) == 0
    assert severities(9.0, (1.0, 2.0, np.nan, np.nan)) == 2


def test_whole_columns_have_theirs():
    assert severities(np.array([0.0, 0.15, 0.3, 0.4, 0.9]), SLOW_GAP).tolist() == [0, 1, 2, 3, 4]


def test_the_other_levels_scale_with_the_medium_that_was_asked_for():
    assert scaled("HIGH_COST", 5.0) == pytest.approx((4.0, 5.0, 6.0, 8.0))
    assert scaled("SLOW_EXECUTION", 0.10) == pytest.approx((0.05, 0.10, 0.175, 0.25))


def test_scaled_levels_stay_in_the_range_of_their_key():
    assert scaled("SLOW_EXECUTION", 0.8) == pytest.approx((0.4, 0.8, 1.0, 1.0))
    assert scaled("MARKET_IMPACT", 1.0) == pytest.approx((1.0, 1.0, 1.2, 1.6))


def test_without_a_wish_the_limits_are_the_defaults_and_no_cap_is_set():
    row = limits_of({})[0]
    assert tuple(row["slow"]) == SLOW_GAP
    assert tuple(row["cost"]) == COST_Z
    assert tuple(row["impact"]) == IMPACT_Z
    assert all(np.isnan(row[name]) for name in ONE_LEVEL)
    assert row["slow_is_asked"] == 0


def test_what_was_asked_stands_in_its_own_place():
    row = limits_of({"SLOW_EXECUTION": 0.1, "SLIPPAGE": 30.0, "FILL_RATE": 0.4})[0]
    assert row["slow"][1] == 0.1
    assert row["slow_is_asked"] == 1
    assert (row["SLIPPAGE"], row["FILL_RATE"]) == (30.0, 0.4)
    assert tuple(row["cost"]) == COST_Z
