"""Evaluations that could matter to a threshold: the numbers by which an order was judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

EVALUATED_METRICS = (
    "execution_progress",
    "expected_progress",
    "execution_speed",
    "fill_rate",
    "participation_rate",
    "slippage_bps",
    "slippage_index_adjusted_bps",
    "market_impact_bps",
    "expected_cost_bps",
    "risk_bps",
    "z_cost",
    "cost_efficiency",
)
"""Metrics that a rule compares."""

_JUDGED_BY = [
    ("order", "u8"),
    ("root", "u8"),
    ("parent", "u8"),
    ("symbol", "u8"),
    ("desk", "u8"),
    ("known", "i8"),
    ("seq", "i8"),
    ("market_flags", "i8"),  # bits of MarketFlag
    ("fills", "i4"),
    ("side", "i1"),
    ("asset_class", "u1"),
    ("schedule", "u1"),
]
_NUMBERS = (
    "order_qty", "cum_qty", "limit_px", "bid", "ask", "participation", "lot", "usual_spread_bps",
    *EVALUATED_METRICS,
)  # fmt: skip
SHARED_COLUMNS = (*(name for name, _ in _JUDGED_BY), *_NUMBERS)
"""Columns that an evaluation has from the status that was judged, under the same names."""

EVALUATION = np.dtype(
    [
        *_JUDGED_BY,
        ("part", "u1"),  # Part
        ("thresholds", "i4"),  # which of those that came with it; −1: the defaults
        ("reserved", "u1", (4,)),
        *((name, "f8") for name in _NUMBERS),
    ]
)
"""One evaluation of an order by the rules."""


class Part(IntEnum):
    """What an evaluation is in its order's stretch of kept ones."""

    BEGINS = 1
    """The first one: nothing was held before it."""
    KEPT = 2
    ENDS = 3
    """The order's end: what is held ends with it."""
    SHORT = 4
    """The end of an order that was too short to be judged before."""


@dataclass(frozen=True, slots=True)
class InForce:
    """The thresholds an order was judged by, beside the defaults."""

    configured: Mapping[str, float] = field(default_factory=dict[str, float])
    asked: Mapping[str, float] = field(default_factory=dict[str, float])
    """For the order itself; they go before the configured ones."""
