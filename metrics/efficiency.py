"""Was the cost what it should have been, and one score for the order."""

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from metrics.formula import formula
from metrics.slippage import signed

_signed = signed.kernel
_ROOT_2 = math.sqrt(2.0)

MIN_COHORT = 30
"""Orders a cohort needs before its rates or percentiles are used."""

SCORE_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        "cost_efficiency": 0.40,
        "adherence": 0.20,
        "completion": 0.15,
        "markout_pct": 0.15,
        "fill_rate_pct": 0.10,
    }
)
"""Parts of the performance score and what each weighs unless settings say otherwise."""


@formula
def market_impact_bps(
    mid_now: float, arrival: float, side: float, beta: float, index_return: float
) -> float:
    """How far the market itself ran away from us after arrival; what we paid is slippage.

    s·[(m − P_0)/P_0 − β·r]·1e4

    Unit: bps of the arrival mid; the index return is a fraction since arrival
    Sign: positive when the market moved against us
    Edges: without beta or index return the raw move, which the row flags; NaN without a
        quote, or where the arrival mid is not positive

    >>> round(market_impact_bps(50.15, arrival=50, side=-1, beta=1, index_return=0.002), 6)
    -10.0
    """
    if not arrival > 0.0:
        return math.nan
    move = (mid_now - arrival) / arrival
    index_move = beta * index_return
    if not math.isnan(index_move):
        move -= index_move
    return _signed(move, side) * 1e4


@formula
def index_adjusted_bps(slippage_bps: float, side: float, beta: float, index_return: float) -> float:
    """Slippage vs arrival without the index's part.

    slippage − s·β·r·1e4

    Unit: bps of the arrival mid; r is a fraction from arrival to the quantity-weighted time of
        execution
    Sign: positive is a cost
    Edges: NaN without beta or index return

    >>> round(index_adjusted_bps(31.4, side=1, beta=1.2, index_return=0.001), 6)
    19.4
    """
    return slippage_bps - _signed(beta * index_return, side) * 1e4


@formula
def risk_bps(
    sigma_bps_per_sqrt_s: float, seconds: float, half_spread_bps: float, tick_bps: float
) -> float:
    """How far a fair order's cost may stray: one standard deviation of slippage.

    max(σ·√(T/3), half spread, one tick)

    Unit: bps of the arrival mid; T is trading time since arrival in seconds
    Edges: NaN without volatility or time; a missing half spread or tick is no floor
    Source: the variance of the average of an even execution is a third of the price's
        (Almgren and Chriss 2000)

    >>> risk_bps(1.0, seconds=300, half_spread_bps=2.5, tick_bps=2.0)
    10.0
    """
    if not sigma_bps_per_sqrt_s >= 0.0 or not seconds >= 0.0:
        return math.nan
    risk = sigma_bps_per_sqrt_s * math.sqrt(seconds / 3.0)
    return float(np.fmax(np.fmax(risk, half_spread_bps), tick_bps))


@formula
def z_cost(actual_bps: float, expected_bps: float, risk_bps: float) -> float:
    """The cost in standard deviations from what the order should have cost.

    (actual − expected)/risk

    Unit: standard deviations
    Sign: positive is dearer than expected
    Edges: NaN where any is missing or the risk is not positive

    >>> z_cost(32.0, expected_bps=12.0, risk_bps=10.0)
    2.0
    """
    if not risk_bps > 0.0:
        return math.nan
    return (actual_bps - expected_bps) / risk_bps


@formula
def normal_cdf(x: float) -> float:
    """Probability that a standard normal variable is below x.

    Φ(x) = ½·erfc(−x/√2)

    Unit: probability
    Edges: NaN for NaN

    >>> normal_cdf(0.0)
    0.5
    """
    return 0.5 * math.erfc(-x / _ROOT_2)


_cdf = normal_cdf.kernel


@formula
def cost_efficiency(z: float) -> float:
    """Probability that a fair order would have cost more than this one.

    1 − Φ(z_cost)

    Unit: 0–1, 0.5 is as expected
    Sign: higher is better
    Edges: NaN without a z

    >>> cost_efficiency(0.0)
    0.5
    """
    return _cdf(-z)


@formula
def schedule_adherence(execution_speed: float) -> float:
    """The score's part for keeping up; being ahead earns nothing extra.

    min(1, speed)

    Unit: 0–1
    Edges: NaN without a speed

    >>> schedule_adherence(1.3)
    1.0
    """
    if execution_speed > 1.0:
        return 1.0
    return execution_speed


@formula
def completion_probability(
    remaining_qty: float, seconds_left: float, rate_mean: float, rate_sd: float, n: float
) -> float:
    """Probability that the order is done by its end at the rate its cohort had.

    Φ((μ − Q remaining/T left)/σ)

    Unit: probability; μ and σ are the mean and standard deviation of the cohort's rate over the
        rest of the order, in quantity per second, from n orders
    Edges: 1 where nothing remains; 0 where something does and no time is left; NaN for a cohort
        under 30 orders or without spread

    >>> completion_probability(600, seconds_left=60, rate_mean=10, rate_sd=3, n=50)
    0.5
    """
    if remaining_qty <= 0.0:
        return 1.0
    if not n >= MIN_COHORT or not rate_sd > 0.0:
        return math.nan
    if seconds_left <= 0.0:
        return 0.0
    return _cdf((rate_mean - remaining_qty / seconds_left) / rate_sd)


@formula
def performance_score(
    cost_efficiency: float,
    adherence: float,
    completion: float,
    markout_pct: float,
    fill_rate_pct: float,
    w_cost: float = 0.40,
    w_adherence: float = 0.20,
    w_completion: float = 0.15,
    w_markout: float = 0.15,
    w_fill_rate: float = 0.10,
) -> float:
    """One number for the order, from five parts that are each 0–1 and better when higher.

    100·Σ w_i·u_i / Σ w_i over the parts that exist

    Unit: 0–100
    Sign: higher is better, in every part
    Edges: a missing part (NaN) leaves the sum and the weights, and is listed by
        `missing_parts`; a part beyond 0–1 counts as its limit; NaN where all are missing

    >>> round(performance_score(0.5, adherence=1, completion=1, markout_pct=0.5,
    ...     fill_rate_pct=0.5), 6)
    67.5
    """
    earned = 0.0
    weighed = 0.0
    for part, weight in (
        (cost_efficiency, w_cost),
        (adherence, w_adherence),
        (completion, w_completion),
        (markout_pct, w_markout),
        (fill_rate_pct, w_fill_rate),
    ):
        if not math.isnan(part):
            earned += weight * min(max(part, 0.0), 1.0)
            weighed += weight
    if not weighed > 0.0:
        return math.nan
    return 100.0 * earned / weighed


def missing_parts(**parts: float) -> tuple[str, ...]:
    """Names of the score's parts that are missing, to be shown beside the score.

    the parts of `SCORE_WEIGHTS` that are NaN or not given

    Unit: names, in the order of their weights

    >>> missing_parts(cost_efficiency=0.5, adherence=1.0, completion=math.nan, markout_pct=0.2)
    ('completion', 'fill_rate_pct')
    """
    return tuple(name for name in SCORE_WEIGHTS if math.isnan(parts.get(name, math.nan)))
