"""`ExecutionAnalytics` as specified, and its four parts."""

from typing import Annotated, Any

from pydantic import Field, create_model

from analytics.execution import SUMMARY
from api.history.models import Instant, Number, Shape, Text
from domain.record_fields import ORDER_FIELDS, Kind

_TYPES: dict[Kind, Any] = {
    Kind.NAME: Text,
    Kind.TIME: Instant,
    Kind.CODE: Text,
    Kind.FLAG: bool,
    Kind.WHOLE: int | None,
    Kind.NUMBER: Number,
    Kind.ANOMALIES: list[str],
}
_OF_FIELD: dict[str, Any] = {field.name: _TYPES[field.kind] for field in ORDER_FIELDS}
_MEMBERS: dict[str, Any] = {
    **dict.fromkeys(SUMMARY, Number),
    **{name: _OF_FIELD[name] for name in SUMMARY if name in _OF_FIELD},
    "order_id": str,
    "last_updated": Instant,
    "venue_distribution": dict[str, float],
}
_SUMMARY_MEMBERS: dict[str, Any] = {name: (shape, ...) for name, shape in _MEMBERS.items()}
ExecutionSummary = create_model(  # pyright: ignore[reportCallIssue, reportUnknownVariableType]
    "ExecutionSummary",
    __base__=Shape,
    __doc__="Identity, state, times, quantities, average price, venues and latencies.",
    **_SUMMARY_MEMBERS,
)


class CostPart(Shape):
    """One part of a cost; positive is a cost, null has its reason. bps of paper notional."""

    name: str
    ccy: Number
    bps: Number
    reason: Text


class ExplicitCosts(Shape):
    """What was charged, by kind."""

    by_kind: list[CostPart]
    total: CostPart
    caveat: Annotated[Text, Field(description="PARTIAL_TOTAL: only the events' own fees.")]


class ImplicitCosts(Shape):
    """What the market charged, by part."""

    by_part: list[CostPart]
    total: CostPart


class ExecutedBasis(Shape):
    """The two parts that differ where the delay counts only on what was executed."""

    delay: CostPart
    opportunity: CostPart


class ShortfallBasis(Shape):
    """What the shortfall is measured from."""

    basis: Annotated[str, Field(description="ORDER: the delay counts on the whole quantity.")]
    from_price: Annotated[
        str, Field(description="DECISION; ARRIVAL where no decision price is known.")
    ]
    to_date: Annotated[bool, Field(description="The order still works: live mid as last price.")]
    paper_notional_ccy: Number
    executed_basis: ExecutedBasis


class CostAnalysis(Shape):
    """Explicit and implicit costs, in currency and bps."""

    currency: Text
    explicit: ExplicitCosts
    implicit: ImplicitCosts
    total: CostPart
    total_caveat: Text
    shortfall: ShortfallBasis


class PerformanceAttribution(Shape):
    """Delay, half spread, impact, market, timing residual, opportunity and explicit cost.

    Known parts sum to the total; the residual is always shown.
    """

    parts: list[CostPart]
    total: CostPart
    caveat: Annotated[Text, Field(description="NO_DECISION: the total counts from arrival.")]


class Benchmark(Shape):
    """The order against one reference price. Slippage is positive when it was bad for us."""

    benchmark: str
    price: Number
    slippage_bps: Number
    slippage_ccy: Number
    window_start: Instant
    window_end: Instant
    reason: Text
    caveat: Text


class BenchmarkComparison(Shape):
    """A row for each benchmark."""

    benchmarks: list[Benchmark]


class ExecutionAnalytics(Shape):
    """What one order cost, why, and against what."""

    order_id: str
    execution_summary: ExecutionSummary  # pyright: ignore[reportInvalidTypeForm]
    cost_analysis: CostAnalysis
    performance_attribution: PerformanceAttribution
    benchmark_comparison: BenchmarkComparison
