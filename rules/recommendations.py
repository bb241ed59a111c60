"""What to do about an alert, chosen by its cause."""

import math
from typing import NamedTuple

from domain.thresholds import AlertType

INCREASE = "Consider increasing participation rate"
SLOW_DOWN = "Slow down"
BE_PASSIVE = "Use passive or midpoint"
MARKET_MOVE = "Market move: no action or hedge"
_QUIET_MARKET = 0.6
"""Below this share of the usual volume the market is the cause of being late."""
_NOTHING_OF_COST = 0.5
"""Below this share of the cost left without the index, the index explains it."""


class Facts(NamedTuple):
    """What is known of the order; NaN where it is not."""

    away_from_limit_bps: float = math.nan
    """Positive: the market is beyond the order's limit."""
    volume_ratio: float = math.nan
    """Volume since arrival, as a share of what is usual."""
    half_spread_paid_bps: float = math.nan
    drift_bps: float = math.nan
    cost_bps: float = math.nan
    index_adjusted_bps: float = math.nan
    """The cost without the index's part."""


def recommendation(type_: AlertType, facts: Facts) -> str:
    """The text for an order's alert; the first cause that is there decides."""
    if type_ is AlertType.SLOW_EXECUTION:
        return _for_slow(facts)
    if type_ is AlertType.HIGH_COST:
        return _for_cost(facts)
    return SLOW_DOWN


def _for_slow(facts: Facts) -> str:
    if facts.away_from_limit_bps > 0:
        return f"Review limit: market {facts.away_from_limit_bps:.0f} bps away"
    if facts.volume_ratio < _QUIET_MARKET:
        share = round(100 * facts.volume_ratio)
        return f"Extend end time or accept residual: volume {share} % of normal"
    return INCREASE


def _for_cost(facts: Facts) -> str:
    if facts.index_adjusted_bps < _NOTHING_OF_COST * facts.cost_bps:
        return MARKET_MOVE
    if facts.half_spread_paid_bps > facts.drift_bps:
        return BE_PASSIVE
    return SLOW_DOWN
