"""Robust scores and intervals for a rate or a mean."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from domain.errors import InputError
from metrics.efficiency import normal_cdf
from metrics.formula import FloatArray, formula

MODIFIED_Z_LIMIT = 3.5
"""A modified z beyond this is called an outlier."""
Z_95 = 1.959963984540054

_cdf = normal_cdf.kernel


@formula
def modified_z(value: float, median: float, mad: float) -> float:
    """How unusual a value is, by a scale that outliers do not stretch.

    0.6745·(x − median)/MAD; unusual beyond 3.5

    Unit: standard deviations, if the bulk is normal
    Sign: positive above the median
    Edges: NaN where the MAD is zero: more than half of the values are one value
    Source: Iglewicz and Hoaglin 1993

    >>> modified_z(9.0, median=5.0, mad=2.0)
    1.349
    """
    if not mad > 0.0:
        return math.nan
    return 0.6745 * (value - median) / mad


def modified_z_scores(values: NDArray[Any]) -> FloatArray:
    """The modified z of each value within its own column.

    0.6745·(x − median)/MAD, MAD = median |x − median|

    Unit: standard deviations, one for each value
    Edges: NaN stays NaN and takes no part in median and MAD

    >>> modified_z_scores(np.array([1.0, 2.0, 3.0, 4.0, 100.0])).round(2).tolist()
    [-1.35, -0.67, 0.0, 0.67, 65.43]
    """
    column = np.asarray(values, np.float64)
    known = column[~np.isnan(column)]
    if known.size == 0:
        return np.full(column.shape, np.nan)
    median = float(np.median(known))
    mad = float(np.median(np.abs(known - median)))
    return modified_z(column, median=median, mad=mad)


@formula
def wilson_low(successes: float, n: float, z: float = Z_95) -> float:
    """Lower end of the interval of a rate.

    (p + z²/2n − z·√(p(1 − p)/n + z²/4n²)) / (1 + z²/n)

    Unit: share, 0–1; z of the wanted confidence, 1.96 for 95 %
    Edges: NaN without trials, or where successes are not within 0 and n
    Source: Wilson 1927

    >>> round(wilson_low(3, n=20), 4)
    0.0524
    """
    if not n > 0.0 or not 0.0 <= successes <= n:
        return math.nan
    if successes == 0.0:
        return 0.0
    p = successes / n
    spread = z * math.sqrt(p * (1.0 - p) / n + z * z / (4.0 * n * n))
    return (p + z * z / (2.0 * n) - spread) / (1.0 + z * z / n)


_low = wilson_low.kernel


@formula
def wilson_high(successes: float, n: float, z: float = Z_95) -> float:
    """Upper end of the interval of a rate: the lower end of the rate of failures, mirrored.

    (p + z²/2n + z·√(p(1 − p)/n + z²/4n²)) / (1 + z²/n)

    Unit: share, 0–1; z of the wanted confidence, 1.96 for 95 %
    Edges: NaN without trials, or where successes are not within 0 and n
    Source: Wilson 1927

    >>> round(wilson_high(3, n=20), 4)
    0.3604
    """
    return 1.0 - _low(n - successes, n, z)


def wilson_interval(successes: float, n: float, *, confidence: float = 0.95) -> tuple[float, float]:
    """Both ends of the interval of a rate (rejects of routes, cancels of orders).

    Wilson's score interval at z = Φ⁻¹(½ + confidence/2)

    Unit: shares, 0–1
    Edges: NaN, NaN without trials. InputError where the confidence is not between 0 and 1
    Source: Wilson 1927

    >>> tuple(round(end, 4) for end in wilson_interval(3, 20))
    (0.0524, 0.3604)
    """
    z = z_of(confidence)
    return wilson_low(successes, n=n, z=z), wilson_high(successes, n=n, z=z)


def z_of(confidence: float) -> float:
    """Half width of a normal interval in standard deviations.

    Φ⁻¹(½ + confidence/2)

    Unit: standard deviations
    Edges: InputError where the confidence is not between 0 and 1

    >>> round(z_of(0.95), 6)
    1.959964
    """
    if not 0.0 < confidence < 1.0:
        raise InputError(f"confidence must be between 0 and 1, such as 0.95, was {confidence}")
    return float(norm.ppf(0.5 + confidence / 2.0))


@formula
def posterior_above(mean: float, sd: float, limit: float) -> float:
    """Probability that a shrunk mean truly lies above a limit.

    Φ((mean − limit)/sd)

    Unit: probability
    Edges: NaN where the standard deviation is not positive

    >>> posterior_above(2.0, sd=1.0, limit=2.0)
    0.5
    """
    if not sd > 0.0:
        return math.nan
    return _cdf((mean - limit) / sd)


@dataclass(frozen=True, slots=True)
class ClusteredMean:
    """A mean with the error that clustered observations leave it.

    mean ± standard error, with n

    Unit: that of the values
    """

    mean: float
    standard_error: float
    """NaN with fewer than two orders or two days."""
    n: int


def clustered_mean(
    values: NDArray[Any], *, orders: NDArray[Any], days: NDArray[Any]
) -> ClusteredMean:
    """Mean of markouts whose errors go together within an order and within a day.

    mean = Σx/n; se² = V order + V day − V both, V = G/(G − 1)·Σ_g(Σ_g(x − mean))²/n²

    Unit: that of the values; `orders` and `days` name each value's clusters
    Edges: NaN values are left out of n; where the difference is not positive, the larger of the
        two one-way variances
    Source: Cameron, Gelbach and Miller 2011

    >>> clustered_mean(np.array([1.0, 3.0]), orders=np.array([7, 8]), days=np.array([1, 2]))
    ClusteredMean(mean=2.0, standard_error=1.0, n=2)
    """
    column = np.asarray(values, np.float64)
    known = ~np.isnan(column)
    x = column[known]
    if x.size == 0:
        return ClusteredMean(math.nan, math.nan, 0)
    mean = float(x.mean())
    order = np.unique(np.asarray(orders)[known], return_inverse=True)[1]
    day = np.unique(np.asarray(days)[known], return_inverse=True)[1]
    both = np.unique(order * (int(day.max()) + 1) + day, return_inverse=True)[1]
    by_order, by_day, by_both = (_variance(x - mean, g) for g in (order, day, both))
    variance = by_order + by_day - by_both
    if variance <= 0.0:
        variance = max(by_order, by_day)
    return ClusteredMean(mean, math.sqrt(variance), int(x.size))


def _variance(residual: FloatArray, cluster: NDArray[np.intp]) -> float:
    sums = np.bincount(cluster, residual)
    groups = sums.size
    if groups < 2:
        return math.nan
    return groups / (groups - 1) * float((sums**2).sum()) / residual.size**2
