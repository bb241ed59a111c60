"""Spreads paid and earned, in price units; `ratio_bps` turns sums of them into bps."""

import math

from metrics.formula import formula
from metrics.slippage import signed

_signed = signed.kernel
_SAME_PRICE = 1e-9

OUTSIDE = 0.0
AT_MID = 1.0
NEAR_SIDE = 2.0
FAR_SIDE = 3.0
"""Values of `price_side`."""


@formula
def quoted_spread(bid: float, ask: float) -> float:
    """The spread on display.

    ask − bid

    Unit: price
    Edges: NaN where a side is missing or the quote is crossed; 0 where it is locked

    >>> round(quoted_spread(185.09, ask=185.11), 6)
    0.02
    """
    if bid <= ask:
        return ask - bid
    return math.nan


@formula
def effective_spread(price: float, mid: float, side: float) -> float:
    """Twice the distance of a fill from the mid.

    2s·(p − m)

    Unit: price
    Sign: positive is a cost; a resting order's is negative
    Edges: NaN where the mid or the side is missing. Rule 605 takes the mid when the executed
        order was received; columns with the mid of the execution say `exec_mid`
    Source: SEC Rule 605

    >>> round(effective_spread(185.105, mid=185.10, side=1), 6)
    0.01
    """
    return _signed(2.0 * (price - mid), side)


@formula
def realized_spread(price: float, mid_later: float, side: float) -> float:
    """The part of the effective spread that the other side kept after a horizon.

    2s·(p − m(t + h))

    Unit: price
    Sign: positive is a cost to us that stayed with the liquidity provider
    Edges: NaN while the horizon has not passed
    Source: Huang and Stoll 1996; SEC Rule 605

    >>> round(realized_spread(185.105, mid_later=185.12, side=1), 6)
    -0.03
    """
    return _signed(2.0 * (price - mid_later), side)


@formula
def price_impact(mid: float, mid_later: float, side: float) -> float:
    """The part of the effective spread that the market's move took back.

    2s·(m(t + h) − m); effective = realized + impact

    Unit: price
    Sign: positive when the market moved the way we traded
    Edges: NaN while the horizon has not passed

    >>> round(price_impact(185.10, mid_later=185.12, side=1), 6)
    0.04
    """
    return _signed(2.0 * (mid_later - mid), side)


@formula
def price_improvement(price: float, bid: float, ask: float, side: float) -> float:
    """How much better a fill was than the far touch.

    purchase: ask − p; sale: p − bid

    Unit: price
    Sign: positive is good for us; the one price measure here that is not a cost
    Edges: NaN where the quote is missing or crossed, or the side unknown
    Source: SEC Rule 605

    >>> round(price_improvement(185.105, bid=185.09, ask=185.11, side=1), 6)
    0.005
    """
    if abs(side) != 1.0 or not bid <= ask:
        return math.nan
    return ask - price if side > 0.0 else price - bid


_improvement = price_improvement.kernel


@formula
def spread_capture(price: float, bid: float, ask: float, side: float) -> float:
    """Where in the spread a fill landed.

    price improvement / (ask − bid): 0 at the far touch, ½ at the mid, 1 at the near touch

    Unit: share; outside 0–1 when the fill was outside the quote
    Sign: higher is better
    Edges: NaN where the quote is locked, crossed or missing

    >>> round(spread_capture(185.105, bid=185.09, ask=185.11, side=1), 6)
    0.25
    """
    if not ask > bid:
        return math.nan
    return _improvement(price, bid, ask, side) / (ask - bid)


@formula
def ratio(num: float, den: float) -> float:
    """One sum over another.

    a / b

    Unit: that of a/b; executed over quoted spread is the E/Q
    Edges: NaN where the denominator is missing or not positive

    >>> ratio(0.01, den=0.02)
    0.5
    """
    if not den > 0.0:
        return math.nan
    return num / den


@formula
def ratio_bps(num: float, den: float) -> float:
    """One sum over another in bps: a spread over its mid, a cost over its notional.

    a / b·1e4

    Unit: bps of the denominator
    Edges: NaN where the denominator is missing or not positive

    >>> round(ratio_bps(0.01, den=185.10), 7)
    0.5402485
    """
    if not den > 0.0:
        return math.nan
    return num / den * 1e4


@formula
def price_side(price: float, bid: float, ask: float, side: float) -> float:
    """Which side of the spread a fill was priced on.

    1 at the mid; 2 near side, from the near touch to the mid; 3 far side, from the mid to the
    far touch; 0 outside the quote or unknown

    Unit: a class; shares executed by class give at_mid_pct, near_side_pct and far_side_pct
    Edges: 0 where the quote is missing or crossed; at the mid where it is locked. Prices
        within 1e-9 of each other, relatively, are one price
    Source: SEC Rule 606(b)(3)

    >>> price_side(185.105, bid=185.09, ask=185.11, side=1)
    3.0
    """
    if abs(side) != 1.0 or not bid <= ask:
        return OUTSIDE
    same = _SAME_PRICE * abs(ask)
    if price < bid - same or price > ask + same:
        return OUTSIDE
    above = side * (price - (bid + ask) / 2.0)
    if abs(above) <= same:
        return AT_MID
    if above > 0.0:
        return FAR_SIDE
    return NEAR_SIDE if above < 0.0 else OUTSIDE
