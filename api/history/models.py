"""Shapes of what is answered from history."""

from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, create_model

from domain.rows import HORIZON_NAMES

Number = float | None
Text = str | None
Instant = datetime | None
Item = TypeVar("Item", bound=BaseModel)


class Shape(BaseModel):
    """A shape without members that are not listed."""

    model_config = ConfigDict(extra="forbid")


class Page(Shape, Generic[Item]):
    """A page of rows; `next` is the cursor of the page after, null on the last one."""

    items: list[Item]
    next: Text


class OrderRow(Shape):
    """One order of a list: who, what, how far. Slippage is against the arrival mid."""

    order_id: Annotated[str, Field(examples=["A/1 #ü"])]
    root_order_id: Text
    parent_order_id: Text
    cl_ord_id: Text
    symbol: Text
    side: Text
    state: str
    is_open: bool
    has_children: bool
    desk: Text
    trader: Text
    client: Text
    broker: Text
    algo: Text
    strategy: Text
    currency: Text
    asset_class: Text
    ord_type: Text
    time_in_force: Text
    order_qty: Number
    cum_qty: Number
    leaves_qty: Number
    avg_px: Number
    limit_px: Number
    execution_progress: Number
    performance_score: Number
    slippage_bps: Number
    fills: int | None
    children: int | None
    arrival_ts: Instant
    closed_ts: Instant
    as_of: datetime
    last_updated: Instant
    seq: int | None
    attention: Annotated[
        Number,
        Field(description="Remaining notional × expected cost, plus the cost so far, in the "
              "reporting currency; only where the list is sorted by it."),
    ]  # fmt: skip


class StatusRow(Shape):
    """One row of `execution_monitoring_ts`, under the specified names."""

    timestamp: datetime
    order_id: str
    execution_progress: Number
    fill_rate: Number
    average_price: Number
    market_impact: Annotated[Number, Field(description="bps")]
    cost_efficiency: Number
    slippage: Annotated[Number, Field(description="bps, against the arrival mid")]
    venue_distribution: dict[str, float] | None
    alerts: list[Any] | None
    seq: int
    known_at: datetime
    status: Annotated[
        dict[str, Any] | None,
        Field(description="The whole ExecutionStatus, with `full=true`."),
    ] = None


class TimelineStep(Shape):
    """One step of an order's life. Members that the event did not carry are null."""

    type: Annotated[str, Field(examples=["route_acknowledged"])]
    ts: datetime
    since_previous_ms: Annotated[Number, Field(description="From the step before this one.")]
    order_id: str
    ack_ms: Annotated[Number, Field(description="From the route's sending to this answer.")] = None
    known_at: Instant = None
    route_id: Text = None
    exec_id: Text = None
    exec_ref_id: Text = None
    parent_order_id: Text = None
    symbol: Text = None
    venue: Text = None
    side: Text = None
    order_qty: Number = None
    limit_px: Number = None
    last_qty: Number = None
    last_px: Number = None
    cum_qty: Number = None
    leaves_qty: Number = None
    fee: Number = None
    avg_px: Number = None
    liquidity: Text = None
    reject_reason: Text = None
    seq: int | None = None


class _FillRow(Shape):
    order_id: str
    root_order_id: Text
    symbol: Text
    venue: Text
    exec_id: Text
    side: Text
    status: Annotated[str, Field(description="COUNTED, REPEATED, BUSTED or CORRECTED")]
    settled: Annotated[
        bool,
        Field(description="Whether the order's record is written; until then the mids before "
              "and after the execution are null."),
    ]  # fmt: skip
    ts_event: datetime
    known_at: Instant
    seq: int | None
    last_qty: Number
    last_px: Number
    fee: Number
    cum_qty: Number
    liquidity: Text
    bid: Number
    ask: Number
    mid: Number
    arrival_mid: Number
    quote_ts: Instant
    anomalies: list[str]


_MIDS: dict[str, Any] = {f"mid_{name}": (Number, ...) for name in HORIZON_NAMES}
FillRow = create_model(
    "FillRow",
    __base__=_FillRow,
    __doc__="One execution, the market it met, and the mids before and after it.",
    **_MIDS,
)


class MetricInput(Shape):
    """What a metric was made of: a member of the status, or rows to be had under `rows`."""

    name: str
    value: float | str | None
    source: str
    rows: Annotated[Text, Field(description="Last part of the order's path with these rows.")]


class MetricFormula(Shape):
    """An entry of the glossary."""

    name: str
    signature: str
    title: str
    formula: str
    unit: Text
    sign: Text
    edges: Text


class Explanation(Shape):
    """How a metric came about."""

    definition: str
    formulas: list[MetricFormula]
    inputs: list[MetricInput]


class Metric(Shape):
    """One metric. Costs are positive when bad for us; a value that is null has its reason."""

    name: str
    value: Number
    unit: str
    reason: Text
    caveat: Text
    explanation: Explanation | None = None


class OrderMetrics(Shape):
    """Every metric of an order."""

    order_id: str
    state: str
    seq: int | None
    as_of: Instant
    last_updated: Instant
    provisional: bool
    venue_distribution: dict[str, float]
    metrics: list[Metric]


class Change(Shape):
    """A figure that a restatement changed."""

    name: str
    before: float | str | None
    after: float | str | None


class Restatement(Shape):
    """A bust, a correction or a late event that changed what had been said."""

    seq: int
    ts: datetime
    known_at: datetime
    cause: Text
    changes: list[Change]
