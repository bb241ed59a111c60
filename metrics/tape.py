"""Reference prices that need the prints or the mids themselves, not only their sums."""

import math

from metrics.formula import FloatArray, tape_formula

_SAME_PRICE = 1e-9
"""Relative distance under which two prices are one: an average loses its last digits."""


@tape_formula
def pwp(prices: FloatArray, sizes: FloatArray, needed_qty: float) -> float:
    """Participation-weighted price: what a constant share of the volume would have paid.

    VWAP of the prints from arrival until their volume reaches q/r, the last one pro-rated

    Unit: price; the prints in order from arrival on, `needed_qty` = q/r
    Edges: NaN where the volume is never reached or the needed quantity is not positive

    >>> prices, sizes = np.array([10.0, 11.0]), np.array([100.0, 300.0])
    >>> pwp(prices, sizes=sizes, needed_qty=200)
    10.5
    """
    if not needed_qty > 0.0:
        return math.nan
    left = needed_qty
    paid = 0.0
    for i in range(prices.size):
        if sizes[i] >= left:
            return (paid + prices[i] * left) / needed_qty
        paid += prices[i] * sizes[i]
        left -= sizes[i]
    return math.nan


@tape_formula
def rpm(prices: FloatArray, sizes: FloatArray, avg_px: float, side: float) -> float:
    """Relative performance measure: how much of the market did worse than we did.

    (volume at a price worse than ours + ½ volume at our price) / volume

    Unit: share, 0–1
    Sign: 1 is best. Worse is higher for a purchase and lower for a sale
    Edges: NaN without fills, prints or side
    Source: Kissell and Glantz 2003

    >>> rpm(np.array([10.0, 11.0]), sizes=np.array([100.0, 300.0]), avg_px=10.5, side=1)
    0.75
    """
    if abs(side) != 1.0 or math.isnan(avg_px):
        return math.nan
    worse = 0.0
    total = 0.0
    for i in range(prices.size):
        total += sizes[i]
        distance = side * (prices[i] - avg_px)
        if abs(distance) <= _SAME_PRICE * abs(avg_px):
            worse += 0.5 * sizes[i]
        elif distance > 0.0:
            worse += sizes[i]
    if not total > 0.0:
        return math.nan
    return worse / total


@tape_formula
def time_weighted_mid(ts: FloatArray, mids: FloatArray, start: float, end: float) -> float:
    """TWAP of the step function that a column of mids makes.

    ∫ m dt / T over [start, end]; each mid holds from its own time to the next

    Unit: price; times in any one unit, ascending
    Edges: time before the first mid and under a NaN (a halt, a crossed quote) is in neither
        the integral nor T; NaN where no time is left

    >>> times, mids = np.array([0.0, 2.0, 5.0]), np.array([50.10, 50.16, 50.30])
    >>> round(time_weighted_mid(times, mids=mids, start=0, end=8), 6)
    50.1975
    """
    area = 0.0
    covered = 0.0
    for i in range(ts.size):
        since = max(ts[i], start)
        until = min(ts[i + 1], end) if i + 1 < ts.size else end
        if until > since and not math.isnan(mids[i]):
            area += mids[i] * (until - since)
            covered += until - since
    if not covered > 0.0:
        return math.nan
    return area / covered


@tape_formula
def ratio_of_sums(numerators: FloatArray, denominators: FloatArray) -> float:
    """How every aggregate is made: big orders weigh more than small ones.

    Σ a / Σ b over the rows that have both; times 1e4 it is the cost of a group in bps

    Unit: that of a/b
    Edges: NaN where no row has both or Σ b is not positive. It is not the mean of the ratios

    >>> ratio_of_sums(np.array([1.0, 30.0, np.nan]), denominators=np.array([10.0, 100.0, 5.0]))
    0.2818181818181818
    """
    above = 0.0
    below = 0.0
    for i in range(numerators.size):
        if not (math.isnan(numerators[i]) or math.isnan(denominators[i])):
            above += numerators[i]
            below += denominators[i]
    if not below > 0.0:
        return math.nan
    return above / below
