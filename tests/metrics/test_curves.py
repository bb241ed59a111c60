import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.curves import curve_at, multiplier_at, sigma_bps_per_sqrt_s

CUMULATIVE = np.array([0.0, 0.2, 0.3, 1.0, np.nan])
MULTIPLIERS = np.array([1.5, 0.5, np.nan])


def test_volatility_of_a_whole_average_session_is_the_daily_volatility():
    per_root_second = sigma_bps_per_sqrt_s(150.0, multiplier=1.0, session_seconds=23400)

    assert per_root_second * math.sqrt(23400) == pytest.approx(150.0)


def test_without_a_multiplier_the_day_average_stands():
    assert sigma_bps_per_sqrt_s(
        150.0, multiplier=math.nan, session_seconds=23400
    ) == sigma_bps_per_sqrt_s(150.0, multiplier=1.0, session_seconds=23400)


@pytest.mark.parametrize(
    ("sigma", "seconds"), [(math.nan, 1.0), (-1.0, 1.0), (1.0, 0.0), (1.0, math.nan)]
)
def test_volatility_without_its_parts_is_missing(sigma: float, seconds: float):
    assert math.isnan(sigma_bps_per_sqrt_s(sigma, multiplier=1.0, session_seconds=seconds))


@pytest.mark.parametrize(
    ("fraction", "share"),
    [(-1, 0), (0, 0), (1 / 6, 0.1), (1 / 3, 0.2), (0.5, 0.25), (1, 1), (7, 1)],
)
def test_the_volume_curve_is_linear_between_its_edges(fraction: float, share: float):
    assert curve_at(CUMULATIVE, slots=3, fraction=fraction) == pytest.approx(share)


@pytest.mark.parametrize(
    ("fraction", "value"), [(-1, 1.5), (0, 1.5), (0.49, 1.5), (0.5, 0.5), (1, 0.5)]
)
def test_the_volatility_curve_is_constant_within_a_part(fraction: float, value: float):
    assert multiplier_at(MULTIPLIERS, slots=2, fraction=fraction) == value


def test_no_curve_and_no_time_are_missing():
    assert math.isnan(curve_at(CUMULATIVE, slots=0, fraction=0.5))
    assert math.isnan(curve_at(CUMULATIVE, slots=3, fraction=math.nan))
    assert math.isnan(multiplier_at(MULTIPLIERS, slots=0, fraction=0.5))
    assert math.isnan(multiplier_at(MULTIPLIERS, slots=2, fraction=math.nan))


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=48), st.floats(0, 1), st.floats(0, 1))
def test_the_volume_curve_never_falls(shares: list[float], one: float, other: float):
    cumulative = np.concatenate([[0.0], np.cumsum(shares) / sum(shares)])

    early, late = sorted([one, other])

    assert curve_at(cumulative, slots=len(shares), fraction=early) <= curve_at(
        cumulative, slots=len(shares), fraction=late
    )
