"""What counts as LOW, MEDIUM, HIGH and CRITICAL, by default and as somebody asked."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from domain.thresholds import THRESHOLDS
from metrics.formula import formula

LOW, MEDIUM, HIGH, CRITICAL = 1, 2, 3, 4
"""Numbers of the severities; 0 is none."""
CLEARS_AT = 0.8
"""A condition ends only back across this part of its level."""

SLOW_GAP = (0.10, 0.20, 0.35, 0.50)
"""Gap of progress behind schedule."""
POV_SHARE = (0.8, 0.6, 0.4, 0.2)
"""Participation reached, as a share of what was meant; worse below."""
COST_Z = (2.0, 2.5, 3.0, 4.0)
IMPACT_Z = (2.0, 2.5, 3.0, 4.0)

_SCALED: Mapping[str, tuple[float, ...]] = {
    "SLOW_EXECUTION": SLOW_GAP,
    "HIGH_COST": COST_Z,
    "MARKET_IMPACT": IMPACT_Z,
}
ONE_LEVEL = ("SLIPPAGE", "MARKET_IMPACT_BPS", "FILL_RATE", "EXECUTION_SPEED", "COST_EFFICIENCY")
"""Thresholds that decide about MEDIUM alone, and only where somebody set them."""

LIMITS = np.dtype(
    [
        ("slow", "f8", (4,)),
        ("cost", "f8", (4,)),
        ("impact", "f8", (4,)),
        *((name, "f8") for name in ONE_LEVEL),
        ("slow_is_asked", "u1"),  # somebody set SLOW_EXECUTION: a gap counts for POV too
        ("reserved", "u1", (7,)),
    ]
)
"""The levels an order is judged by; NaN where a threshold is not set."""


@formula
def severity_above(value: float, low: float, medium: float, high: float, critical: float) -> float:
    """How severe a value is that is worse the greater it is.

    the number of levels that the value exceeds

    Unit: 0 none, 1 LOW, 2 MEDIUM, 3 HIGH, 4 CRITICAL; the value and the levels in any one unit
    Edges: 0 where the value is missing; a level that is NaN is never exceeded

    >>> severity_above(0.25, low=0.1, medium=0.2, high=0.35, critical=0.5)
    2.0
    """
    if value > critical:
        return 4.0
    if value > high:
        return 3.0
    if value > medium:
        return 2.0
    return 1.0 if value > low else 0.0


def scaled(key: str, medium: float) -> tuple[float, ...]:
    """The four levels of an alert type whose MEDIUM is `medium`, within the key's range."""
    levels = _SCALED[key]
    known = THRESHOLDS[key]
    factor = medium / levels[MEDIUM - 1]
    return tuple(min(max(level * factor, known.low), known.high) for level in levels)


def limits_of(asked: Mapping[str, float]) -> NDArray[np.void]:
    """One row of LIMITS: the defaults, with what was asked in their place.

    Keys and values must be valid (`domain.thresholds.wrong_threshold`).
    """
    row = np.zeros(1, LIMITS)
    row["slow"], row["cost"], row["impact"] = SLOW_GAP, COST_Z, IMPACT_Z
    for name in ONE_LEVEL:
        row[name] = asked.get(name, np.nan)
    for key, column in (
        ("SLOW_EXECUTION", "slow"),
        ("HIGH_COST", "cost"),
        ("MARKET_IMPACT", "impact"),
    ):
        if key in asked:
            row[column] = scaled(key, asked[key])
    row["slow_is_asked"] = "SLOW_EXECUTION" in asked
    return row


CAPS: Mapping[str, float] = {"SLIPPAGE": 75.0, "MARKET_IMPACT_BPS": 150.0}
"""Caps in bps near which an evaluation is kept although nobody set one."""


def widest(limits: NDArray[np.void]) -> NDArray[np.void]:
    """One row of LIMITS for each: in every member the milder of it and the default.

    What is far from these finds nothing by the limits themselves, nor by the defaults.
    """
    row = limits.copy()
    plain = limits_of(CAPS)
    for name in ("slow", "cost", "impact", *CAPS):
        row[name] = np.fmin(row[name], plain[name])
    row["slow_is_asked"] = 1
    return row
