"""Charts that notice a change in a stream of outcomes: sums and averages that one value moves.

Each is a step: the value before and one observation give the value after. The one who keeps it
decides what a value means and when to begin again.
"""

import math

from metrics.formula import FloatArray, formula, tape_formula


@formula
def bernoulli_weight(failed: float, p0: float, p1: float) -> float:
    """What one outcome says for a failure rate of p1 and against one of p0.

    ln(p1/p0) for a failure, ln((1 − p1)/(1 − p0)) otherwise

    Unit: natural log of a likelihood ratio; failed is 1 or 0
    Sign: positive speaks for p1
    Edges: NaN unless p0 and p1 lie between 0 and 1, or where the outcome is not known. With p0
        and p1 exchanged the sum watches for the way back
    Source: Reynolds and Stoumbos 1999

    >>> round(bernoulli_weight(1, p0=0.05, p1=0.15), 6)
    1.098612
    """
    if not (0.0 < p0 < 1.0 and 0.0 < p1 < 1.0) or math.isnan(failed):
        return math.nan
    if failed > 0.0:
        return math.log(p1 / p0)
    return math.log((1.0 - p1) / (1.0 - p0))


@formula
def cusum(before: float, value: float, slack: float = 0.0) -> float:
    """Sum of what lies above the slack, never below zero.

    S' = max(0, S + x − k)

    Unit: that of the values; of a Bernoulli sum x is the outcome's weight and k is 0
    Sign: rises while values lie above the slack
    Edges: a value that is NaN changes nothing
    Source: Page 1954

    >>> cusum(1.0, value=2.5, slack=0.25)
    3.25
    """
    if math.isnan(value):
        return before
    after = before + value - slack
    return after if after > 0.0 else 0.0


@formula
def winsorised(value: float, limit: float) -> float:
    """The value, or the limit where it lies beyond: one wild order is not many.

    max(−c, min(c, x))

    Unit: that of the value
    Edges: NaN stays NaN

    >>> winsorised(-7.5, limit=3.0)
    -3.0
    """
    if value > limit:
        return limit
    if value < -limit:
        return -limit
    return value


@formula
def ewma(before: float, value: float, weight: float) -> float:
    """Average that forgets: each value counts less the longer it is ago.

    E' = (1 − λ)·E + λ·x

    Unit: that of the values; λ between 0 and 1
    Edges: a value that is NaN changes nothing
    Source: Roberts 1959

    >>> ewma(10.0, value=20.0, weight=0.2)
    12.0
    """
    if math.isnan(value):
        return before
    return (1.0 - weight) * before + weight * value


@formula
def ewma_limit(n: float, sd: float, weight: float, width: float = 3.0) -> float:
    """How far the average of n values may lie from its start before it has drifted.

    L·σ·√(λ/(2 − λ)·(1 − (1 − λ)^(2n)))

    Unit: that of the values; L in standard deviations
    Edges: 0 before the first value; NaN where σ or n is negative or λ not in (0, 1]
    Source: Lucas and Saccucci 1990

    >>> round(ewma_limit(1, sd=2.0, weight=0.2), 6)
    1.2
    """
    if not sd >= 0.0 or not n >= 0.0 or not 0.0 < weight <= 1.0:
        return math.nan
    share = weight / (2.0 - weight) * (1.0 - (1.0 - weight) ** (2.0 * n))
    return width * sd * math.sqrt(share)


@formula
def running_mean(before: float, value: float, n: float) -> float:
    """Mean of n values from the mean of the n − 1 before the last.

    x̄' = x̄ + (x − x̄)/n

    Unit: that of the values
    Edges: a value that is NaN changes nothing and is not to be counted; NaN where n is not
        positive
    Source: Welford 1962

    >>> running_mean(2.0, value=5.0, n=3)
    3.0
    """
    if math.isnan(value):
        return before
    if not n > 0.0:
        return math.nan
    return before + (value - before) / n


@formula
def page_hinkley(before: float, value: float, mean: float, tolerance: float) -> float:
    """How far a stream has risen above its own mean so far.

    PH' = max(0, PH + x − x̄ − δ), x̄ the mean of all values to x

    Unit: that of the values
    Sign: rises while values lie above their mean; for a fall, give −x and −x̄
    Edges: a value that is NaN changes nothing
    Source: Page 1954; Hinkley 1971

    >>> page_hinkley(1.0, value=5.0, mean=3.0, tolerance=0.5)
    2.5
    """
    if math.isnan(value):
        return before
    after = before + value - mean - tolerance
    return after if after > 0.0 else 0.0


_cusum = cusum.kernel


@tape_formula
def cusum_run_length(values: FloatArray, slack: float, limit: float) -> float:
    """How many values it takes until the sum reaches its limit.

    least n with S_n ≥ h

    Unit: values
    Edges: NaN where the limit is not reached

    >>> cusum_run_length(np.array([1.0, 1.0, 1.0, 1.0]), slack=0.25, limit=2.0)
    3.0
    """
    total = 0.0
    for i in range(values.shape[0]):
        total = _cusum(total, values[i], slack)
        if total >= limit:
            return i + 1.0
    return math.nan
