import math

import pytest

from metrics.spreads import (
    AT_MID,
    FAR_SIDE,
    NEAR_SIDE,
    OUTSIDE,
    effective_spread,
    price_improvement,
    price_side,
    quoted_spread,
    ratio,
    ratio_bps,
    spread_capture,
)

nan = math.nan
QUOTE = {"bid": 10.00, "ask": 10.04}


def test_a_resting_order_earns_the_spread() -> None:
    assert effective_spread(10.00, mid=10.02, side=1) == pytest.approx(-0.04)
    assert effective_spread(10.04, mid=10.02, side=-1) == pytest.approx(-0.04)


def test_a_locked_quote_has_no_width_and_a_crossed_one_no_spread() -> None:
    assert quoted_spread(10.0, ask=10.0) == 0.0
    assert math.isnan(quoted_spread(10.01, ask=10.0))


@pytest.mark.parametrize(
    ("price", "side", "improvement", "capture"),
    [
        (10.04, 1, 0.00, 0.0),
        (10.03, 1, 0.01, 0.25),
        (10.02, 1, 0.02, 0.5),
        (10.00, 1, 0.04, 1.0),
        (10.05, 1, -0.01, -0.25),
        (10.00, -1, 0.00, 0.0),
        (10.03, -1, 0.03, 0.75),
    ],
)
def test_improvement_is_measured_from_the_far_touch(price, side, improvement, capture) -> None:
    assert price_improvement(price, **QUOTE, side=side) == pytest.approx(improvement, abs=1e-12)
    assert spread_capture(price, **QUOTE, side=side) == pytest.approx(capture, abs=1e-9)


def test_a_locked_quote_has_nothing_to_capture() -> None:
    assert math.isnan(spread_capture(10.0, bid=10.0, ask=10.0, side=1))
    assert price_improvement(10.0, bid=10.0, ask=10.0, side=1) == 0.0


@pytest.mark.parametrize(("bid", "side"), [(10.05, 1), (nan, 1), (10.0, 0), (10.0, nan)])
def test_no_improvement_without_a_quote_or_a_side(bid: float, side: float) -> None:
    assert math.isnan(price_improvement(10.02, bid=bid, ask=10.04, side=side))
    assert math.isnan(spread_capture(10.02, bid=bid, ask=10.04, side=side))


@pytest.mark.parametrize(
    ("price", "bought", "sold"),
    [
        (9.99, OUTSIDE, OUTSIDE),
        (10.00, NEAR_SIDE, FAR_SIDE),
        (10.01, NEAR_SIDE, FAR_SIDE),
        (10.02, AT_MID, AT_MID),
        (10.03, FAR_SIDE, NEAR_SIDE),
        (10.04, FAR_SIDE, NEAR_SIDE),
        (10.05, OUTSIDE, OUTSIDE),
        (nan, OUTSIDE, OUTSIDE),
    ],
)
def test_every_fill_has_its_side_of_the_spread(price, bought, sold) -> None:
    assert price_side(price, **QUOTE, side=1) == bought
    assert price_side(price, **QUOTE, side=-1) == sold


def test_the_mid_is_found_in_spite_of_binary_fractions() -> None:
    assert price_side(185.10, bid=185.09, ask=185.11, side=1) == AT_MID
    assert price_side(0.105, bid=0.10, ask=0.11, side=-1) == AT_MID


def test_a_locked_quote_is_at_the_mid_and_a_crossed_one_says_nothing() -> None:
    assert price_side(10.0, bid=10.0, ask=10.0, side=1) == AT_MID
    assert price_side(10.0, bid=10.01, ask=10.0, side=1) == OUTSIDE
    assert price_side(10.0, **QUOTE, side=0) == OUTSIDE


@pytest.mark.parametrize("den", [0.0, -1.0, nan])
def test_no_ratio_to_nothing(den: float) -> None:
    assert math.isnan(ratio(1.0, den=den))
    assert math.isnan(ratio_bps(1.0, den=den))
