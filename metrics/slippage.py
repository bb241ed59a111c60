"""What an execution cost against a reference price."""

import math

from metrics.formula import formula


@formula
def signed(amount: float, side: float) -> float:
    """An amount seen from the side of the order.

    s·x

    Unit: that of the amount
    Sign: unchanged for a purchase (side +1), turned for any sale (side −1)
    Edges: NaN for a side that is neither, since an unknown side has no cost

    >>> signed(0.05, side=-1)
    -0.05
    """
    if abs(side) == 1.0:
        return side * amount
    return math.nan


_signed = signed.kernel


@formula
def slippage_bps(avg_px: float, benchmark: float, side: float) -> float:
    """How far the average price is from a benchmark; against arrival it is *the* slippage.

    s·(P̄ − B)/B·1e4

    Unit: bps of the benchmark
    Sign: positive is a cost, for purchases and sales alike
    Edges: NaN where the benchmark is missing or not positive, the average or the side missing

    >>> round(slippage_bps(50.2571428571, benchmark=50.10, side=1), 6)
    31.36584
    """
    if not benchmark > 0.0:
        return math.nan
    return _signed(avg_px - benchmark, side) / benchmark * 1e4


@formula
def cost_ccy(avg_px: float, benchmark: float, qty: float, side: float) -> float:
    """The same distance in money, on the quantity that was executed.

    s·q·(P̄ − B)

    Unit: quote currency
    Sign: positive is a cost, for purchases and sales alike
    Edges: NaN where a price or the side is missing

    >>> round(cost_ccy(50.25, benchmark=50.10, qty=3000, side=1), 6)
    450.0
    """
    return _signed(qty * (avg_px - benchmark), side)


_cost = cost_ccy.kernel


@formula
def half_spread_ccy(price: float, mid: float, qty: float, side: float) -> float:
    """What crossing the spread cost a fill: its price against the mid it met.

    s·q_j·(p_j − m_j)

    Unit: quote currency
    Sign: positive is a cost; a passive fill earns the half spread and is negative
    Edges: NaN where the mid is missing

    >>> round(half_spread_ccy(50.25, mid=50.24, qty=3000, side=1), 6)
    30.0
    """
    return _cost(price, mid, qty, side)


@formula
def drift_ccy(mid: float, arrival: float, qty: float, side: float) -> float:
    """What waiting cost a fill: the mid it met against the mid at arrival.

    s·q_j·(m_j − P_0)

    Unit: quote currency
    Sign: positive is a cost. Half spread and drift add up to the trading cost
    Edges: NaN where a mid is missing

    >>> round(drift_ccy(50.24, arrival=50.10, qty=3000, side=1), 6)
    420.0
    """
    return _cost(mid, arrival, qty, side)


@formula
def market_drift_ccy(
    arrival: float, qty: float, side: float, beta: float, index_return: float
) -> float:
    """The part of a fill's drift that the index explains.

    s·q_j·β·r_j·P_0

    Unit: quote currency; the index return is a fraction from arrival to the fill
    Sign: positive is a cost
    Edges: NaN without beta or index return

    >>> round(market_drift_ccy(50.0, qty=1000, side=1, beta=1.2, index_return=0.001), 6)
    60.0
    """
    return _signed(qty * beta * index_return * arrival, side)
