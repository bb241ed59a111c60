"""When an order's numbers are worth an alert: one pure function for each rule.

Each gives a severity by number (0 none … 4 CRITICAL). `ease` multiplies the levels: 1 asks
whether the condition holds, `levels.CLEARS_AT` whether it has not ended yet.
"""

import math

from metrics.formula import formula
from rules.levels import MEDIUM, severity_above

_severity = severity_above.kernel
_MEDIUM = float(MEDIUM)

LEAST_EXPECTED = 0.05
"""Before so much of the order is due, nobody is late."""
LEAST_LEFT = 0.05
"""With less than this share of the order left, nobody need hurry."""
LEAST_TAU = 0.05
LEAST_FILLED = 0.10
LEAST_COST_BPS = 5.0
LEAST_TWIN_Z = 1.5
LEAST_PARTICIPATION = 0.05
DRIFT_Z = 2.0
ROOT_3 = math.sqrt(3.0)


@formula
def is_late(
    progress: float, expected: float, order_qty: float, least_qty: float, tau: float
) -> float:
    """Whether an order is behind by more than what is usual and what matters.

    expected ≥ 0.05, gap > τ, missing quantity ≥ the least one, 5 % of the order left

    Unit: 1 or 0; progress as shares, quantities in the instrument's unit; `least_qty` is the
        greatest of a slice, a lot and the usual trade; `tau` at least 0.05
    Edges: 0 where a number is missing

    >>> is_late(0.45, expected=0.70, order_qty=10000, least_qty=100, tau=0.05)
    1.0
    """
    gap = expected - progress
    if not expected >= LEAST_EXPECTED or not gap > max(tau, LEAST_TAU):
        return 0.0
    if not gap * order_qty >= least_qty or not 1.0 - progress >= LEAST_LEFT:
        return 0.0
    return 1.0


_late = is_late.kernel


@formula
def slow_by_gap(
    progress: float,
    expected: float,
    order_qty: float,
    least_qty: float,
    tau: float,
    done_by_end: float,
    time_left: float,
    ease: float,
    low: float,
    medium: float,
    high: float,
    critical: float,
) -> float:
    """SLOW_EXECUTION by the gap between what is due and what is done.

    levels of expected − progress; CRITICAL too where the end comes too soon: less than a
    quarter of the time left and P(done by end) < 20 %

    Unit: severity; `done_by_end` and `time_left` as shares, NaN where not known
    Edges: 0 unless the order is late (`is_late`)

    >>> slow_by_gap(0.45, expected=0.70, order_qty=10000, least_qty=100, tau=0.05,
    ...     done_by_end=float("nan"), time_left=0.3, ease=1,
    ...     low=0.1, medium=0.2, high=0.35, critical=0.5)
    2.0
    """
    if _late(progress, expected, order_qty, least_qty, tau) == 0.0:
        return 0.0
    if done_by_end < 0.2 / ease and time_left < 0.25:
        return 4.0
    return _severity(expected - progress, low * ease, medium * ease, high * ease, critical * ease)


@formula
def slow_by_share(
    progress: float,
    expected: float,
    order_qty: float,
    least_qty: float,
    tau: float,
    participation: float,
    target: float,
    ease: float,
    low: float,
    medium: float,
    high: float,
    critical: float,
) -> float:
    """SLOW_EXECUTION of an order that is to keep a share of the volume.

    levels of participation ÷ target, worse below

    Unit: severity; shares of the volume since arrival
    Edges: 0 unless the order is late (`is_late`), or without a volume or a target

    >>> slow_by_share(0.2, expected=0.5, order_qty=10000, least_qty=100, tau=0.05,
    ...     participation=0.04, target=0.1, ease=1, low=0.8, medium=0.6, high=0.4, critical=0.2)
    2.0
    """
    if _late(progress, expected, order_qty, least_qty, tau) == 0.0 or not target > 0.0:
        return 0.0
    # Of shares that are worse below, the mirrored ones are worse above.
    share = participation / target
    return _severity(-share, -low / ease, -medium / ease, -high / ease, -critical / ease)


@formula
def high_cost(
    z: float,
    twin_z: float,
    filled: float,
    cost_bps: float,
    spread_bps: float,
    ease: float,
    low: float,
    medium: float,
    high: float,
    critical: float,
) -> float:
    """HIGH_COST: the cost against arrival is more than the model and the market's noise explain.

    levels of z; at least 10 % filled, cost above 5 bps and above a spread, and z of the cost
    without the index's part above 1.5

    Unit: severity; costs and spread in bps, `filled` as a share
    Sign: a cost is positive
    Edges: without an index (`twin_z` NaN) MEDIUM at most; 0 where z, cost or filled are missing

    >>> high_cost(3.2, twin_z=2.0, filled=0.4, cost_bps=22, spread_bps=3, ease=1,
    ...     low=2, medium=2.5, high=3, critical=4)
    3.0
    """
    least = LEAST_COST_BPS if math.isnan(spread_bps) else max(LEAST_COST_BPS, spread_bps)
    if not filled >= LEAST_FILLED or not cost_bps > least:
        return 0.0
    if twin_z <= LEAST_TWIN_Z:
        return 0.0
    found = _severity(z, low * ease, medium * ease, high * ease, critical * ease)
    return min(found, _MEDIUM) if math.isnan(twin_z) else found


@formula
def z_impact(
    impact_bps: float,
    expected_cost_bps: float,
    half_spread_bps: float,
    progress: float,
    risk_bps: float,
) -> float:
    """How unusual the market's move against us is, beside what our trading should have caused.

    (impact − 1.5·(expected cost − half spread)·√progress)/(√3·risk)

    Unit: standard deviations; the expected cost of the whole order is that of its average, its
        peak half as much again, and what is done of it has caused the root of its share;
        `risk_bps` is that of an average over the time, √3 less than of its end
    Sign: positive when the market moved against us
    Edges: NaN where a number is missing or the risk not positive

    >>> round(z_impact(40.0, expected_cost_bps=12, half_spread_bps=2, progress=0.25,
    ...     risk_bps=6.0), 4)
    3.1273
    """
    if not risk_bps > 0.0 or not progress >= 0.0:
        return math.nan
    caused = 1.5 * max(expected_cost_bps - half_spread_bps, 0.0) * math.sqrt(min(progress, 1.0))
    return (impact_bps - caused) / (ROOT_3 * risk_bps)


@formula
def market_impact(
    z: float,
    participation: float,
    ease: float,
    low: float,
    medium: float,
    high: float,
    critical: float,
) -> float:
    """MARKET_IMPACT: the market runs away from an order that is much of it.

    levels of z (`z_impact`); at least 5 % of the volume

    Unit: severity
    Edges: 0 below 5 %: that is drift (`is_drift`); 0 where a number is missing

    >>> market_impact(2.7, participation=0.12, ease=1, low=2, medium=2.5, high=3, critical=4)
    2.0
    """
    if not participation >= LEAST_PARTICIPATION:
        return 0.0
    return _severity(z, low * ease, medium * ease, high * ease, critical * ease)


@formula
def is_drift(z: float, participation: float) -> float:
    """Whether the market ran away by itself: as far as an impact, from an order too small for one.

    z > 2 and participation < 5 %

    Unit: 1 or 0
    Edges: 0 where a number is missing

    >>> is_drift(2.7, participation=0.01)
    1.0
    """
    return 1.0 if z > DRIFT_Z and participation < LEAST_PARTICIPATION else 0.0


@formula
def over_cap(value: float, cap: float, ease: float) -> float:
    """MEDIUM where a value exceeds what somebody set for the order.

    value > cap

    Unit: severity; value and cap in any one unit
    Edges: 0 where the value is missing or nothing was set

    >>> over_cap(31.0, cap=30.0, ease=1)
    2.0
    """
    return _MEDIUM if value > cap * ease else 0.0


@formula
def under_floor(value: float, floor: float, ease: float) -> float:
    """MEDIUM where a value is below what somebody set for the order.

    value < floor

    Unit: severity; value and floor in any one unit
    Edges: 0 where the value is missing or nothing was set

    >>> under_floor(0.6, floor=0.7, ease=1)
    2.0
    """
    return _MEDIUM if value < floor / ease else 0.0


@formula
def away_from_limit_bps(side: float, mid: float, limit_px: float) -> float:
    """How far the market is beyond an order's limit.

    s·(mid − limit)/mid·1e4

    Unit: bps of the mid
    Sign: positive where the order cannot trade at the mid
    Edges: NaN without a limit or a mid

    >>> round(away_from_limit_bps(1, mid=50.06, limit_px=50.0), 4)
    11.9856
    """
    if not mid > 0.0:
        return math.nan
    return side * (mid - limit_px) / mid * 1e4
