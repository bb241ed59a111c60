"""Expected progress by algorithm. Time is trading time: halts and closed hours are cut out."""

import math

from metrics.formula import formula


@formula
def expected_twap(t: float, start: float, end: float) -> float:
    """Expected progress of a schedule that is even in time.

    (t − t0)/(t1 − t0), within [0, 1]

    Unit: share of the order; the times in any one unit
    Edges: NaN where the window is empty or a time is missing

    >>> round(expected_twap(1.0, start=0, end=6.5), 7)
    0.1538462
    """
    if math.isnan(t) or not end > start:
        return math.nan
    return min(max((t - start) / (end - start), 0.0), 1.0)


_share = expected_twap.kernel


@formula
def expected_vwap(curve_t: float, curve_start: float, curve_end: float) -> float:
    """Expected progress of a schedule along the symbol's usual volume.

    (C(t) − C(t0))/(C(t1) − C(t0)), within [0, 1]

    Unit: share of the order; C is the cumulative volume curve of a normal day
    Edges: NaN where the curve is missing or flat over the window

    >>> round(expected_vwap(0.40, curve_start=0.25, curve_end=0.75), 6)
    0.3
    """
    return _share(curve_t, curve_start, curve_end)


@formula
def remaining_volume(day_volume: float, curve_t: float, curve_end: float) -> float:
    """Volume still to come before the order's end, the normal day scaled by today so far.

    V_day(t)·(C(t1) − C(t))/C(t)

    Unit: quantity
    Edges: NaN before any of the normal day's volume is due; 0 after the end

    >>> round(remaining_volume(400000, curve_t=0.4, curve_end=0.8), 6)
    400000.0
    """
    if not curve_t > 0.0 or math.isnan(curve_end):
        return math.nan
    return day_volume * max(curve_end - curve_t, 0.0) / curve_t


@formula
def expected_vwap_live(volume: float, remaining: float) -> float:
    """Expected progress along the volume that really trades.

    V(t)/(V(t) + V̂ remaining)

    Unit: share of the order; V since the order's start
    Edges: NaN where neither has any volume

    >>> expected_vwap_live(300000, remaining=700000)
    0.3
    """
    total = volume + remaining
    if not total > 0.0:
        return math.nan
    return volume / total


@formula
def expected_pov(rate: float, volume_others: float, order_qty: float) -> float:
    """Expected progress at a constant share of the volume.

    min(1, r/(1 − r)·V others/Q)

    Unit: share of the order; r is our share of the whole, ourselves included
    Edges: NaN where r is not between 0 and 1 or the order quantity is not positive

    >>> round(expected_pov(0.10, volume_others=360000, order_qty=100000), 6)
    0.4
    """
    if not 0.0 < rate < 1.0 or not order_qty > 0.0 or math.isnan(volume_others):
        return math.nan
    return min(rate / (1.0 - rate) * volume_others / order_qty, 1.0)


@formula
def expected_is(t: float, start: float, end: float, kappa_t: float) -> float:
    """Expected progress of an implementation-shortfall schedule.

    1 − sinh(κ·(t1 − t))/sinh(κ·T), within [0, 1]

    Unit: share of the order; `kappa_t` = κ·T, urgency low 1, medium 3, high 6
    Edges: κT of 0 is the even schedule; NaN where it is negative or the window empty
    Source: Almgren and Chriss 2000

    >>> round(expected_is(1.0, start=0, end=2, kappa_t=3), 6)
    0.787452
    """
    done = _share(t, start, end)
    if math.isnan(done) or not kappa_t >= 0.0:
        return math.nan
    if kappa_t < 1e-9:
        return done
    # sinh(a)/sinh(b) by falling exponentials, which cannot overflow at high urgency
    left = kappa_t * (1.0 - done)
    return 1.0 - math.exp(left - kappa_t) * math.expm1(-2.0 * left) / math.expm1(-2.0 * kappa_t)


@formula
def expected_close(t: float, auction_t: float) -> float:
    """Expected progress of an order for an auction.

    0 before the auction, 1 from it on

    Unit: share of what is meant for the auction
    Edges: NaN where a time is missing

    >>> expected_close(15.5, auction_t=16.0)
    0.0
    """
    if math.isnan(t) or math.isnan(auction_t):
        return math.nan
    return 1.0 if t >= auction_t else 0.0


@formula
def expected_rebased(expected: float, cum_qty_then: float, order_qty: float) -> float:
    """Expected progress after an amendment, which restarts the schedule on what remained.

    q_a/Q + (1 − q_a/Q)·e

    Unit: share of the amended order; q_a was filled when it was amended, e is the schedule's
        own share since then
    Edges: NaN without a schedule; 1 where nothing remained

    >>> round(expected_rebased(0.5, cum_qty_then=2000, order_qty=10000), 6)
    0.6
    """
    if not order_qty > 0.0 or math.isnan(expected) or math.isnan(cum_qty_then):
        return math.nan
    done = min(cum_qty_then / order_qty, 1.0)
    return done + (1.0 - done) * expected
