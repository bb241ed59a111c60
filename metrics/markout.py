"""Where the market went after a fill."""

import math

from metrics.formula import formula
from metrics.slippage import signed

_signed = signed.kernel


@formula
def markout_cost_bps(price: float, mid_later: float, side: float) -> float:
    """How the market stood to a fill at a horizon.

    −s·(m(t + h) − p)/p·1e4

    Unit: bps of the fill's price
    Sign: positive when we would do better now: a purchase above the later mid
    Edges: NaN while the horizon has not passed, or where the price is not positive. Negative
        horizons look at the mid before the fill

    >>> round(markout_cost_bps(185.105, mid_later=185.12, side=1), 7)
    -0.8103509
    """
    if not price > 0.0:
        return math.nan
    return _signed(price - mid_later, side) / price * 1e4


_markout = markout_cost_bps.kernel


@formula
def markout_adjusted_bps(
    price: float, mid_later: float, side: float, beta: float, index_return: float
) -> float:
    """The markout without what the index did over the same time.

    −s·[(m(t + h) − p)/p − β·r]·1e4

    Unit: bps of the fill's price; the index return is a fraction from the fill to the horizon
    Sign: positive when we would do better now by more than the index explains
    Edges: NaN without beta or index return

    >>> round(markout_adjusted_bps(100.0, mid_later=100.3, side=1, beta=1, index_return=0.002), 6)
    -10.0
    """
    return _markout(price, mid_later, side) + _signed(beta * index_return, side) * 1e4


@formula
def reversion_bps(mid_last: float, mid_later: float, side: float) -> float:
    """How much of the move came back after the last fill.

    −s·(m(t1 + h) − m(t1))/m(t1)·1e4

    Unit: bps of the mid at the last fill
    Sign: positive when the move faded, so that part of what we paid was temporary impact
    Edges: NaN while the horizon has not passed

    >>> round(reversion_bps(50.50, mid_later=50.399, side=1), 6)
    20.0
    """
    return _markout(mid_last, mid_later, side)


_reversion = reversion_bps.kernel


@formula
def reversion_adjusted_bps(
    mid_last: float, mid_later: float, side: float, beta: float, index_return: float
) -> float:
    """The reversion without what the index did over the same time.

    −s·[(m(t1 + h) − m(t1))/m(t1) − β·r]·1e4

    Unit: bps of the mid at the last fill
    Sign: positive when the move faded by more than the index explains
    Edges: NaN without beta or index return

    >>> round(reversion_adjusted_bps(50.0, mid_later=50.0, side=1, beta=1, index_return=0.001), 6)
    10.0
    """
    return _reversion(mid_last, mid_later, side) + _signed(beta * index_return, side) * 1e4
