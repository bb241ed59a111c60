"""How much of an order should be done by now: TWAP, VWAP, POV and IS."""

import math

from sources.simulator.orders import Exchange, Parent

KAPPA_T = {"low": 1.0, "medium": 3.0, "high": 6.0}
"""Front-loading of an implementation-shortfall schedule by urgency."""


def target_qty(parent: Parent, exchange: Exchange, t: int) -> float:
    """Shares that the parent's algorithm wants executed at UNIX ns `t`."""
    if parent.algorithm == "POV":
        return min(float(parent.order_qty), _follow_volume(parent, exchange))
    return parent.order_qty * _share(parent, exchange, t)


def _follow_volume(parent: Parent, exchange: Exchange) -> float:
    rate = min(parent.participation or 0.1, 0.99)
    others = exchange.volume(parent.symbol) - parent.start_volume - parent.filled
    return rate / (1 - rate) * others


def _share(parent: Parent, exchange: Exchange, t: int) -> float:
    start, end = parent.start, parent.end
    if t >= end:
        return 1.0
    if t <= start:
        return 0.0
    elapsed = (t - start) / (end - start)
    if parent.algorithm == "VWAP":
        low = exchange.volume_share(parent.symbol, start)
        high = exchange.volume_share(parent.symbol, end)
        return (exchange.volume_share(parent.symbol, t) - low) / max(high - low, 1e-12)
    if parent.algorithm == "IS":
        kappa = KAPPA_T[parent.urgency]
        return 1 - math.sinh(kappa * (1 - elapsed)) / math.sinh(kappa)
    return elapsed
