"""Comparing venues, algorithms and brokers without fooling ourselves."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control, mannwhitneyu, wilcoxon

from domain.errors import InputError
from metrics.formula import FloatArray

MIN_PAIRS = 6
"""Below this no Wilcoxon test can reach 5 % on two sides."""
MIN_EACH = 4
"""Below this no Mann–Whitney test can."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The outcome of a two-sided test.

    p: probability of a difference this large if there were none

    Unit: probability; NaN where there are too few values
    """

    statistic: float
    p_value: float
    n: int
    """Pairs, or values on both sides together."""


def compare_paired(a: NDArray[Any], b: NDArray[Any]) -> Comparison:
    """Do two costs of the same orders differ? (two benchmarks, a rerouted child and its twin)

    Wilcoxon's signed-rank test on a − b, two sides, equal pairs left out

    Unit: p is a probability
    Edges: pairs with a NaN are left out; NaN under 6 unequal pairs. InputError where the
        columns differ in length
    Source: Wilcoxon 1945

    >>> before, after = np.arange(10.0), np.arange(10.0) + np.arange(1.0, 11.0)
    >>> round(compare_paired(before, after).p_value, 6)
    0.001953
    """
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if first.shape != second.shape:
        raise InputError(
            f"paired columns need one length, got {first.size} and {second.size} values"
        )
    difference = first - second
    difference = difference[~np.isnan(difference) & (difference != 0.0)]
    n = int(difference.size)
    if n < MIN_PAIRS:
        return Comparison(math.nan, math.nan, n)
    result: Any = wilcoxon(difference)
    return Comparison(float(result.statistic), float(result.pvalue), n)


def compare_independent(a: NDArray[Any], b: NDArray[Any]) -> Comparison:
    """Do two groups of orders differ in cost? (two brokers, two venues)

    Mann–Whitney's U of the first group, two sides

    Unit: p is a probability
    Edges: NaN values are left out; NaN where a group has under 4
    Source: Mann and Whitney 1947

    >>> round(compare_independent(np.arange(8.0), np.arange(8.0) + 100).p_value, 6)
    0.000155
    """
    first, second = (np.asarray(x, np.float64) for x in (a, b))
    first, second = first[~np.isnan(first)], second[~np.isnan(second)]
    n = int(first.size + second.size)
    if min(first.size, second.size) < MIN_EACH:
        return Comparison(math.nan, math.nan, n)
    result: Any = mannwhitneyu(first, second, alternative="two-sided")
    return Comparison(float(result.statistic), float(result.pvalue), n)


def benjamini_hochberg(p_values: NDArray[Any]) -> FloatArray:
    """p values of a whole table turned into q values: flag q < 0.05, not p < 0.05.

    q_(i) = min over j ≥ i of m·p_(j)/j

    Unit: share of false flags among those flagged at this value
    Edges: NaN stays NaN and is not counted in m. InputError where a p is not within 0 and 1
    Source: Benjamini and Hochberg 1995

    >>> benjamini_hochberg(np.array([0.01, 0.02, 0.9])).round(6).tolist()
    [0.03, 0.03, 0.9]
    """
    p = np.asarray(p_values, np.float64)
    known = ~np.isnan(p)
    if ((p[known] < 0.0) | (p[known] > 1.0)).any():
        raise InputError("every p value must be between 0 and 1")
    q = np.full(p.shape, np.nan)
    if known.any():
        q[known] = false_discovery_control(p[known], method="bh")
    return q


@dataclass(frozen=True, slots=True)
class Shrunk:
    """Group means drawn towards their common mean, the small groups most.

    B·grand mean + (1 − B)·own mean, B = se²/(se² + τ²)

    Unit: that of the means
    """

    mean: FloatArray
    sd: FloatArray
    """Posterior standard deviation of each."""
    grand_mean: float
    between_sd: float
    """τ: how much the groups truly differ."""


def shrink(means: NDArray[Any], standard_errors: NDArray[Any]) -> Shrunk:
    """Empirical-Bayes means of venues, algorithms or brokers.

    mean_i' = B_i·μ + (1 − B_i)·mean_i with B_i = se_i²/(se_i² + τ²);
    sd_i² = (1 − B_i)·se_i² + B_i²·var μ

    Unit: that of the means
    Edges: a group without mean or with a standard error that is not positive stays NaN and is
        not used; a lone group is returned as it came
    Source: Efron and Morris 1975; τ² by DerSimonian and Laird 1986

    >>> shrink(np.array([0.0, 10.0]), np.array([5.0, 5.0])).mean.tolist()
    [2.5, 7.5]
    """
    m, se = np.asarray(means, np.float64), np.asarray(standard_errors, np.float64)
    used = ~np.isnan(m) & (se > 0.0)
    out_mean, out_sd = np.full(m.shape, np.nan), np.full(m.shape, np.nan)
    own, variance = m[used], se[used] ** 2
    if own.size < 2:
        out_mean[used], out_sd[used] = own, se[used]
        return Shrunk(out_mean, out_sd, float(own[0]) if own.size else math.nan, math.nan)
    between = _between_variance(own, 1.0 / variance)
    weight = 1.0 / (variance + between)
    grand = float((weight * own).sum() / weight.sum())
    pull = variance / (variance + between)
    out_mean[used] = pull * grand + (1.0 - pull) * own
    out_sd[used] = np.sqrt((1.0 - pull) * variance + pull**2 / weight.sum())
    return Shrunk(out_mean, out_sd, grand, math.sqrt(between))


def _between_variance(means: FloatArray, weight: FloatArray) -> float:
    centre = (weight * means).sum() / weight.sum()
    spread = (weight * (means - centre) ** 2).sum() - (means.size - 1)
    scale = weight.sum() - (weight**2).sum() / weight.sum()
    return max(float(spread / scale), 0.0)


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with the range that resampling gives it.

    low ≤ high; the estimate itself is not resampled

    Unit: that of the estimate
    """

    estimate: float
    low: float
    high: float
    days: int


def cluster_bootstrap(
    numerators: NDArray[Any],
    denominators: NDArray[Any],
    days: NDArray[Any],
    *,
    samples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Interval of an aggregate cost when orders of one day share their luck.

    Σ a / Σ b over whole days drawn with replacement; percentiles of the samples

    Unit: that of a/b (times 1e4 for bps)
    Edges: rows with a NaN are left out; no interval under 2 days, no estimate where Σ b is not
        positive. The same seed gives the same interval. InputError for a confidence that is not
        between 0 and 1 or fewer than one sample

    >>> a, b, day = np.array([1.0, 2.0, 3.0]), np.array([10.0, 10.0, 10.0]), np.array([1, 2, 3])
    >>> round(cluster_bootstrap(a, b, day).estimate, 6)
    0.2
    """
    if not 0.0 < confidence < 1.0 or samples < 1:
        raise InputError(
            "confidence must be between 0 and 1 and samples at least 1, "
            f"were {confidence} and {samples}"
        )
    a, b = np.asarray(numerators, np.float64), np.asarray(denominators, np.float64)
    known = ~(np.isnan(a) | np.isnan(b))
    day = np.unique(np.asarray(days)[known], return_inverse=True)[1]
    above, below = np.bincount(day, a[known]), np.bincount(day, b[known])
    k = int(above.size)
    if not below.sum() > 0.0:
        return Interval(math.nan, math.nan, math.nan, k)
    estimate = float(above.sum() / below.sum())
    if k < 2:
        return Interval(estimate, math.nan, math.nan, k)
    draws = np.random.default_rng(seed).multinomial(k, np.full(k, 1.0 / k), samples)
    resampled = (draws @ above) / (draws @ below)
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(resampled, [tail, 1.0 - tail])
    return Interval(estimate, float(low), float(high), k)
