"""What a monitoring request may set: each threshold's unit, range and direction."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class AlertType(StrEnum):
    """What an alert can be about."""

    SLOW_EXECUTION = "SLOW_EXECUTION"
    HIGH_COST = "HIGH_COST"
    MARKET_IMPACT = "MARKET_IMPACT"
    VENUE_ISSUE = "VENUE_ISSUE"
    ALGORITHM_UNDERPERFORMANCE = "ALGORITHM_UNDERPERFORMANCE"


@dataclass(frozen=True, slots=True)
class Threshold:
    """A number somebody may set for one order, and the alert it decides about."""

    unit: str
    low: float
    high: float
    is_worse_above: bool
    raises: AlertType

    @property
    def words(self) -> str:
        """Such as `1 to 10, z, worse above`."""
        direction = "above" if self.is_worse_above else "below"
        return f"{self.low:g} to {self.high:g}, {self.unit}, worse {direction}"


_MOST_BPS = 10_000.0
THRESHOLDS: Mapping[str, Threshold] = {
    "SLOW_EXECUTION": Threshold("gap of progress", 0, 1, True, AlertType.SLOW_EXECUTION),
    "HIGH_COST": Threshold("z", 1, 10, True, AlertType.HIGH_COST),
    "MARKET_IMPACT": Threshold("z", 1, 10, True, AlertType.MARKET_IMPACT),
    "SLIPPAGE": Threshold("bps against arrival", 0, _MOST_BPS, True, AlertType.HIGH_COST),
    "MARKET_IMPACT_BPS": Threshold("bps", 0, _MOST_BPS, True, AlertType.MARKET_IMPACT),
    "FILL_RATE": Threshold("share", 0, 1, False, AlertType.SLOW_EXECUTION),
    "EXECUTION_SPEED": Threshold("share", 0, 1, False, AlertType.SLOW_EXECUTION),
    "COST_EFFICIENCY": Threshold("share", 0, 1, False, AlertType.HIGH_COST),
}
"""`MARKET_IMPACT`, also a metric's name, means the alert here."""

_NOT_AN_ORDERS = {
    AlertType.VENUE_ISSUE: "it is about a venue, with the orders of every desk there",
    AlertType.ALGORITHM_UNDERPERFORMANCE: "it is about an algorithm over many orders",
}


def wrong_threshold(key: str, value: float) -> str:
    """What is wrong with a threshold, with what would be right; empty where nothing is."""
    known = THRESHOLDS.get(key)
    if known is None:
        why = _NOT_AN_ORDERS.get(AlertType(key)) if key in AlertType.__members__ else None
        if why:
            return f"{key} cannot be set for an order: {why}"
        return f"no threshold is called {key!r}"
    if not math.isfinite(value) or not known.low <= value <= known.high:
        return f"{key} must be {known.words}, was {value:g}"
    return ""


def threshold_table() -> dict[str, str]:
    """Every threshold that may be set, in words."""
    return {key: known.words for key, known in THRESHOLDS.items()}


@dataclass(frozen=True, slots=True)
class Configured:
    """Thresholds for the orders that have every word given here."""

    thresholds: Mapping[str, float]
    desk: str | None = None
    asset_class: str | None = None
    symbol: str | None = None


def configured_for(
    entries: Iterable[Configured], desk: str, asset_class: str, symbol: str
) -> dict[str, float]:
    """Thresholds of an order with these words; later entries go before earlier ones."""
    found: dict[str, float] = {}
    for one in entries:
        if (
            one.desk in {None, desk}
            and one.symbol in {None, symbol}
            and one.asset_class in {None, asset_class}
        ):
            found.update(one.thresholds)
    return found
