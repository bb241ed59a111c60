import math

import numpy as np
import pytest

from domain.errors import InputError
from domain.instants import NO_TIME
from metrics.venues import (
    cancel_rate,
    censored_percentile,
    elapsed_ms,
    fade_rate,
    reject_rate,
    venue_distribution,
)

nan = math.nan


def test_elapsed_time_keeps_its_nanoseconds() -> None:
    now = 1_700_000_000_000_000_001

    assert elapsed_ms(now, end_ns=now + 1) == 1e-6
    assert elapsed_ms(np.array([now]), end_ns=np.array([now + 2_500_000])).tolist() == [2.5]


def test_a_first_fill_that_never_came_has_no_time() -> None:
    assert math.isnan(elapsed_ms(1, end_ns=NO_TIME))
    assert math.isnan(elapsed_ms(NO_TIME, end_ns=1))


def test_rates_of_a_venue_without_routes_are_missing() -> None:
    assert reject_rate(3, routes=20) == 0.15
    assert cancel_rate(5, routes=20) == 0.25
    assert math.isnan(reject_rate(0, routes=0))
    assert math.isnan(cancel_rate(0, routes=0))


def test_fade_is_what_was_shown_and_gone() -> None:
    assert fade_rate(300, routed_qty=1000, displayed_qty=400) == 0.25
    assert fade_rate(300, routed_qty=300, displayed_qty=400) == 0.0
    assert fade_rate(500, routed_qty=1000, displayed_qty=400) == -0.25


@pytest.mark.parametrize(("routed", "shown"), [(0, 1), (1, 0), (nan, 1), (1, nan)])
def test_nothing_shown_or_routed_cannot_fade(routed: float, shown: float) -> None:
    assert math.isnan(fade_rate(0, routed_qty=routed, displayed_qty=shown))


def test_venue_shares_add_up_and_the_largest_comes_first() -> None:
    shares = venue_distribution({"B": 100, "A": 100, "XNAS": 300, "DARK": 0})

    assert list(shares) == ["XNAS", "A", "B"]
    assert sum(shares.values()) == pytest.approx(1.0)
    assert venue_distribution({}) == {}
    assert venue_distribution({"XNAS": 0}) == {}


def test_orders_that_still_wait_make_the_percentile_longer() -> None:
    times = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    all_done = np.ones(6, bool)
    some_wait = np.array([True, False, True, False, True, True])

    assert censored_percentile(times, all_done, pct=50) == 3.0
    assert censored_percentile(times, some_wait, pct=50) == 5.0


def test_a_percentile_beyond_what_was_seen_is_not_known() -> None:
    times, finished = np.array([1.0, 2.0, 3.0]), np.array([True, False, False])

    assert censored_percentile(times, finished, pct=30) == 1.0
    assert math.isnan(censored_percentile(times, finished, pct=95))


def test_times_that_are_missing_are_left_out() -> None:
    assert censored_percentile(np.array([nan, 7.0]), np.array([True, True]), pct=50) == 7.0
    assert math.isnan(censored_percentile(np.array([nan]), np.array([True]), pct=50))
    assert math.isnan(censored_percentile(np.empty(0), np.empty(0, bool), pct=50))


@pytest.mark.parametrize("pct", [0, 100, nan])
def test_a_percentile_that_is_none_is_refused(pct: float) -> None:
    with pytest.raises(InputError, match="pct must be between 0 and 100, such as 95"):
        censored_percentile(np.array([1.0]), np.array([True]), pct=pct)
