"""What trading a quantity should cost, by the published models of market impact.

Their constants are a prior. A fit to the desk's own orders (`metrics.impact_fit`) replaces
them. Quantities are unsigned: the cost is a cost for either side.
"""

import math

from metrics.formula import formula

PEAK_TO_AVERAGE = 1.5
"""A constant-rate execution pays the average of a square root: two thirds of its peak."""
Y_PRIOR = 1.0
STEEPEST_POWER = 8.0


@formula
def power(base: float, exponent: float) -> float:
    """The power law of the impact models.

    x^a

    Unit: that of x^a
    Edges: NaN where x is negative, where x is zero and the exponent not positive, and for
        exponents beyond ±8, which no fit of impact has

    >>> power(0.25, exponent=0.5)
    0.5
    """
    if not base >= 0.0 or not abs(exponent) <= STEEPEST_POWER:
        return math.nan
    if base == 0.0 and exponent <= 0.0:
        return math.nan
    return math.pow(base, exponent)


_power = power.kernel


@formula
def sqrt_peak_bps(sigma_bps: float, qty: float, volume: float, y: float = Y_PRIOR) -> float:
    """Square-root law: where the price stands when the order is done.

    Y·σ·√(Q/V)

    Unit: bps; σ in bps of the period (a day) whose volume V is
    Sign: positive is against the order
    Edges: NaN where the volume is not positive or the quantity or volatility negative
    Source: Tóth et al. 2011

    >>> sqrt_peak_bps(200.0, qty=10000, volume=1000000, y=1.0)
    20.0
    """
    if not volume > 0.0 or not qty >= 0.0 or not sigma_bps >= 0.0:
        return math.nan
    return y * sigma_bps * math.sqrt(qty / volume)


_peak = sqrt_peak_bps.kernel


@formula
def sqrt_average_bps(sigma_bps: float, qty: float, volume: float, y: float = Y_PRIOR) -> float:
    """Square-root law: what an execution at constant rate pays on average.

    Y·σ·√(Q/V)/1.5

    Unit: bps; σ in bps of the period (a day) whose volume V is
    Sign: positive is a cost
    Edges: NaN where the volume is not positive or the quantity or volatility negative

    >>> round(sqrt_average_bps(200.0, qty=10000, volume=1000000, y=1.0), 6)
    13.333333
    """
    return _peak(sigma_bps, qty, volume, y) / PEAK_TO_AVERAGE


_average = sqrt_average_bps.kernel


@formula
def almgren_permanent_bps(
    sigma_bps: float, qty: float, adv: float, shares_outstanding: float, gamma: float = 0.314
) -> float:
    """The impact that stays after the order, by Almgren, Thum, Hauptmann and Li.

    I = γ·σ·(X/V)·(Θ/V)^¼

    Unit: bps; σ in bps a day, V the average daily volume, Θ the shares outstanding
    Sign: positive is against the order
    Edges: NaN where volume or shares outstanding are not positive
    Source: Almgren, Thum, Hauptmann and Li 2005

    >>> round(almgren_permanent_bps(157.0, qty=656100, adv=6561000,
    ...     shares_outstanding=1728e6), 1)
    19.9
    """
    if not adv > 0.0 or not shares_outstanding > 0.0:
        return math.nan
    return gamma * sigma_bps * (abs(qty) / adv) * math.pow(shares_outstanding / adv, 0.25)


@formula
def almgren_temporary_bps(
    sigma_bps: float, qty: float, adv: float, horizon_days: float, eta: float = 0.142
) -> float:
    """The impact that is paid while trading and then fades, by the same authors.

    η·σ·|X/(V·T)|^⅗

    Unit: bps; T in trading days
    Sign: positive is a cost
    Edges: NaN where volume or time are not positive
    Source: Almgren, Thum, Hauptmann and Li 2005

    >>> round(almgren_temporary_bps(157.0, qty=656100, adv=6561000, horizon_days=0.1), 1)
    22.3
    """
    if not adv > 0.0 or not horizon_days > 0.0:
        return math.nan
    return eta * sigma_bps * math.pow(abs(qty) / (adv * horizon_days), 0.6)


_permanent = almgren_permanent_bps.kernel
_temporary = almgren_temporary_bps.kernel


@formula
def almgren_cost_bps(
    sigma_bps: float,
    qty: float,
    adv: float,
    shares_outstanding: float,
    horizon_days: float,
    gamma: float = 0.314,
    eta: float = 0.142,
) -> float:
    """What the order pays on average, by the same authors.

    J = I/2 + η·σ·|X/(V·T)|^⅗

    Unit: bps
    Sign: positive is a cost
    Edges: NaN where volume, shares outstanding or time are not positive
    Source: Almgren, Thum, Hauptmann and Li 2005

    >>> round(almgren_cost_bps(157.0, qty=656100, adv=6561000, shares_outstanding=1728e6,
    ...     horizon_days=0.1))
    32
    """
    permanent = _permanent(sigma_bps, qty, adv, shares_outstanding, gamma)
    return permanent / 2.0 + _temporary(sigma_bps, qty, adv, horizon_days, eta)


@formula
def i_star_bps(
    qty: float,
    adv: float,
    sigma_annual: float,
    a1: float = 708.0,
    a2: float = 0.55,
    a3: float = 0.71,
) -> float:
    """I-star: what the whole order would cost if it were traded at once.

    a1·(Q/ADV)^a2·σ^a3

    Unit: bps; σ a year as a fraction (0.25 is 25 %)
    Sign: positive is a cost
    Edges: NaN where volume is not positive or volatility negative
    Source: Kissell and Malamut 1999; constants Kissell 2013, to be estimated anew

    >>> round(i_star_bps(100000, adv=1000000, sigma_annual=0.25), 2)
    74.57
    """
    if not adv > 0.0:
        return math.nan
    return a1 * _power(abs(qty) / adv, a2) * _power(sigma_annual, a3)


_i_star = i_star_bps.kernel


@formula
def i_star_cost_bps(
    qty: float,
    adv: float,
    sigma_annual: float,
    participation: float,
    a1: float = 708.0,
    a2: float = 0.55,
    a3: float = 0.71,
    a4: float = 0.50,
    b1: float = 0.98,
) -> float:
    """I-star shared out over time: what the order costs at a participation rate.

    I*·(b1·POV^a4 + 1 − b1)

    Unit: bps
    Sign: positive is a cost
    Edges: NaN where volume is not positive, or participation or volatility negative
    Source: Kissell and Malamut 1999; constants Kissell 2013, to be estimated anew

    >>> round(i_star_cost_bps(100000, adv=1000000, sigma_annual=0.25, participation=0.20), 2)
    34.17
    """
    urgency = b1 * _power(participation, a4) + 1.0 - b1
    return _i_star(qty, adv, sigma_annual, a1, a2, a3) * urgency


@formula
def expected_cost_bps(
    qty: float,
    adv: float,
    sigma_daily_bps: float,
    spread_bps: float,
    participation: float,
    horizon_days: float,
    y: float = Y_PRIOR,
    participation_power: float = 0.0,
    horizon_power: float = 0.0,
) -> float:
    """What an order like this one should have cost before it was sent.

    spread/2 + Y/1.5·σ·√(Q/ADV)·ρ^a·T^b

    Unit: bps of the arrival mid; spread quoted in bps, σ in bps a day, T in trading days
    Sign: positive is a cost
    Edges: NaN without volume, volatility or spread; participation and horizon are needed only
        where the fit gives them a power (a, b; by default none)
    Source: the square-root law with the desk's own fit of Y, a and b

    >>> round(expected_cost_bps(10000, adv=1000000, sigma_daily_bps=150, spread_bps=4,
    ...     participation=0.1, horizon_days=0.1), 6)
    12.0
    """
    impact = _average(sigma_daily_bps, qty, adv, y)
    if participation_power != 0.0:
        impact *= _power(participation, participation_power)
    if horizon_power != 0.0:
        impact *= _power(horizon_days, horizon_power)
    return spread_bps / 2.0 + impact
