"""Signs that something does not add up: shown, and alerts where somebody asks for it."""

from collections.abc import Mapping
from enum import StrEnum

from domain.published import Severity
from domain.thresholds import AlertType
from domain.vocabulary import Anomaly


class Flag(StrEnum):
    """What is noticed of an order's events, or of the costs of an algorithm at a broker."""

    OVERFILL = "OVERFILL"
    """More was executed than was ordered."""
    STATE_VIOLATION = "STATE_VIOLATION"
    """An event of the order could not follow the one before."""
    MODIFIED_Z = "MODIFIED_Z"
    """A finished order cost much more than those of its cohort usually do."""
    EWMA_DRIFT = "EWMA_DRIFT"
    """The cohort's cost, averaged with the newest orders counting most, has drifted up."""
    PAGE_HINKLEY = "PAGE_HINKLEY"
    """The cohort's cost has risen above its own mean so far."""


Flags = Mapping[Flag, Severity]
"""The severity at which each becomes an alert; one that is missing becomes none."""
ANOMALIES: Mapping[Flag, Anomaly] = {
    Flag.OVERFILL: Anomaly.OVERFILL,
    Flag.STATE_VIOLATION: Anomaly.STATE_VIOLATION,
}
"""Flags that stand in an order's status."""
RAISES = AlertType.ALGORITHM_UNDERPERFORMANCE
"""Type of their alerts: whoever works the order let it happen, as no status says which venue."""
SHOWN: Flags = {
    Flag.MODIFIED_Z: Severity.LOW,
    Flag.EWMA_DRIFT: Severity.LOW,
    Flag.PAGE_HINKLEY: Severity.LOW,
}
"""Unless somebody says otherwise: on the screen, neither published nor sent. Those of an order
are in its status already."""
