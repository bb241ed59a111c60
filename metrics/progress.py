"""How far an order is: quantity done, routed quantity filled, share of the market."""

import math

from metrics.formula import formula
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

__all__ = [
    "execution_progress",
    "execution_speed",
    "expected_close",
    "expected_is",
    "expected_pov",
    "expected_rebased",
    "expected_twap",
    "expected_vwap",
    "expected_vwap_live",
    "fill_qty_per_s",
    "fill_rate",
    "participation_ex_own_rate",
    "participation_rate",
    "progress_gap",
    "remaining_volume",
    "replaced_qty",
]

TOO_EARLY_BELOW = 0.05
"""Expected progress under which a ratio of progresses means nothing."""
SPEED_LIMIT = 2.0


@formula
def execution_progress(cum_qty: float, order_qty: float) -> float:
    """The executed share of the order as it now stands.

    q / Q

    Unit: share; above 1 is an overfill and is shown as such
    Edges: NaN where the order quantity is zero, negative or missing

    >>> execution_progress(7000, order_qty=10000)
    0.7
    """
    if not order_qty > 0.0:
        return math.nan
    return cum_qty / order_qty


@formula
def replaced_qty(order_qty: float, cum_qty: float) -> float:
    """The order quantity after a replacement.

    max(Q, q)

    Unit: quantity. A replacement below what is filled leaves the order filled, not overfilled
    Edges: NaN where either is missing

    >>> replaced_qty(500, cum_qty=700)
    700.0
    """
    if math.isnan(order_qty) or math.isnan(cum_qty):
        return math.nan
    return max(order_qty, cum_qty)


@formula
def execution_speed(progress: float, expected: float) -> float:
    """Progress against the schedule.

    progress / expected, clipped to [0, 2]

    Unit: ratio; 1 is on schedule
    Sign: below 1 is behind
    Edges: NaN while less than 5 % is expected, and without a schedule

    >>> round(execution_speed(0.45, expected=0.70), 4)
    0.6429
    """
    if math.isnan(progress) or not expected >= TOO_EARLY_BELOW:
        return math.nan
    return min(max(progress / expected, 0.0), SPEED_LIMIT)


@formula
def progress_gap(progress: float, expected: float) -> float:
    """How much of the order is missing against the schedule.

    expected − progress

    Unit: share of the order
    Sign: positive is behind
    Edges: NaN without a schedule

    >>> round(progress_gap(0.45, expected=0.70), 6)
    0.25
    """
    return expected - progress


@formula
def fill_rate(executed_qty: float, routed_qty: float) -> float:
    """How much of what was sent to a venue was executed.

    executed / routed; what came back unfilled and was sent out again is routed once

    Unit: share
    Edges: NaN where nothing was routed; an order that is not routed puts its own quantity
    Source: SEC Rule 606(b)(3)

    >>> fill_rate(300, routed_qty=400)
    0.75
    """
    if not routed_qty > 0.0:
        return math.nan
    return executed_qty / routed_qty


@formula
def fill_qty_per_s(qty: float, seconds: float) -> float:
    """Executed quantity per second of a sliding window of event time.

    Σ q_j in the window / its length

    Unit: quantity per second
    Edges: NaN where the window has no length

    >>> fill_qty_per_s(1200, seconds=60)
    20.0
    """
    if not seconds > 0.0:
        return math.nan
    return qty / seconds


@formula
def participation_rate(qty: float, volume: float) -> float:
    """Our share of the volume since arrival, ourselves included.

    ρ = q / Σv

    Unit: share; above 1 where the tape does not carry our prints
    Edges: NaN where nothing eligible was traded

    >>> participation_rate(7000, volume=28000)
    0.25
    """
    if not volume > 0.0:
        return math.nan
    return qty / volume


@formula
def participation_ex_own_rate(qty: float, volume: float, own_matched_qty: float) -> float:
    """Our quantity against what the others traded.

    q / (Σv − own prints on the tape); ρ/(1 − ρ) when the tape carries them all

    Unit: ratio
    Edges: NaN where the others traded nothing

    >>> participation_ex_own_rate(7000, volume=12000, own_matched_qty=7000)
    1.4
    """
    others = volume - own_matched_qty
    if not others > 0.0:
        return math.nan
    return qty / others
