"""Shapes of roll-ups."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from api.history.models import Number, Shape, Text


class RollupMetric(Shape):
    """A ratio of sums over `n` orders or executions; null with its reason."""

    value: Number
    n: int
    reason: Text


class Routes(Shape):
    """How a venue answered."""

    sent: int
    acknowledged: int
    rejected: int
    timed_out: int
    cancelled: int
    reject_rate: Number
    cancel_rate: Number
    ack_p50_ms: Number
    ack_p95_ms: Number
    ack_p99_ms: Number


class RollupRow(Shape):
    """One group, by name and currency: costs of two currencies are never added up."""

    name: str
    currency: Text
    orders: int
    orders_executed: Annotated[int | None, Field(description="Null by venue.")]
    fills: int
    executed_qty: Annotated[Number, Field(description="Only by venue.")]
    executed_notional_ccy: Number
    notional_share: Annotated[Number, Field(description="Of the currency; only by venue.")]
    fee_ccy: Number
    slippage_ccy: Number
    metrics: dict[str, RollupMetric]
    routes: Annotated[Routes | None, Field(description="Only by venue.")]


class Rollup(Shape):
    """Groups, those with the largest executed notional first."""

    by: str
    from_ts: datetime
    to_ts: datetime
    min_n: int
    items: list[RollupRow]
    next: None
