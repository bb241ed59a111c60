"""Reference prices that a row or a running sum gives."""

import math

from metrics.formula import formula
from metrics.tape import pwp, rpm, time_weighted_mid

__all__ = [
    "adjusted_close",
    "average_px",
    "far_touch",
    "mid",
    "near_touch",
    "pwp",
    "rpm",
    "time_weighted_mid",
    "twap",
    "vwap",
    "vwap_ex_own",
]


@formula
def mid(bid: float, ask: float) -> float:
    """The middle of a quote.

    (bid + ask)/2

    Unit: price
    Edges: NaN where a side is missing or the quote is crossed; a locked quote has a mid

    >>> round(mid(185.09, ask=185.11), 6)
    185.1
    """
    if bid <= ask:
        return (bid + ask) / 2.0
    return math.nan


@formula
def near_touch(bid: float, ask: float, side: float) -> float:
    """The touch on our own side of the quote, where a passive order rests.

    bid for a purchase, ask for a sale

    Unit: price
    Edges: NaN where the quote is missing or crossed, or the side unknown

    >>> near_touch(185.09, ask=185.11, side=1)
    185.09
    """
    if abs(side) != 1.0 or not bid <= ask:
        return math.nan
    return bid if side > 0.0 else ask


@formula
def far_touch(bid: float, ask: float, side: float) -> float:
    """The touch on the other side of the quote, what an order that crosses pays.

    ask for a purchase, bid for a sale

    Unit: price
    Edges: NaN where the quote is missing or crossed, or the side unknown

    >>> far_touch(185.09, ask=185.11, side=1)
    185.11
    """
    if abs(side) != 1.0 or not bid <= ask:
        return math.nan
    return ask if side > 0.0 else bid


@formula
def average_px(notional: float, qty: float) -> float:
    """Our average price from running sums over the fills that count.

    P̄ = Σ p_j·q_j / Σ q_j

    Unit: price
    Edges: NaN before the first fill, and where busts leave nothing

    >>> round(average_px(351800.0, qty=7000), 6)
    50.257143
    """
    if not qty > 0.0:
        return math.nan
    return notional / qty


@formula
def vwap(pv: float, volume: float) -> float:
    """Volume-weighted average price of the market, from sums over eligible prints.

    Σ p·v / Σ v

    Unit: price
    Edges: NaN where nothing was traded
    Source: Berkowitz, Logue and Noser 1988

    >>> round(vwap(602740.0, volume=12000), 6)
    50.228333
    """
    if not volume > 0.0:
        return math.nan
    return pv / volume


@formula
def vwap_ex_own(pv: float, volume: float, own_pv: float, own_volume: float) -> float:
    """Market VWAP with our own prints taken off the tape.

    (Σ p·v − Σ p_j·q_j) / (Σ v − q)

    Unit: price
    Edges: NaN where every print was ours. With ρ = q/Σv, VWAP = ρ·P̄ + (1 − ρ)·VWAP_ex

    >>> round(vwap_ex_own(602740.0, volume=12000, own_pv=351800.0, own_volume=7000), 6)
    50.188
    """
    others = volume - own_volume
    if not others > 0.0:
        return math.nan
    return (pv - own_pv) / others


@formula
def twap(mid_seconds: float, seconds: float) -> float:
    """Time-weighted average of the mid, from a running integral.

    ∫ m dt / T

    Unit: price; the integral and T in the same unit of time, halts in neither
    Edges: NaN where no time has passed
    Source: each mid weighs its own lifetime; a mean of prints is another statistic

    >>> round(twap(250.68, seconds=5), 6)
    50.136
    """
    if not seconds > 0.0:
        return math.nan
    return mid_seconds / seconds


@formula
def adjusted_close(close: float, split_ratio: float) -> float:
    """Yesterday's close in today's shares.

    close / ratio, the ratio being new shares for one old

    Unit: price
    Edges: NaN where the ratio is not positive

    >>> adjusted_close(700.0, split_ratio=7)
    100.0
    """
    if not split_ratio > 0.0:
        return math.nan
    return close / split_ratio
