"""What we publish for others to act on: monitoring events and alerts, as typed records.

A reader's record too: members it does not know are ignored, and beyond the few that are
required a member may be absent, so producer and consumer can be of different versions.
Lists of words that the specification gives are closed; every other one may grow, and is
text here.
"""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from domain.published_rows import Count, EventId, MaybeTime, OrderId, Time, row_members
from domain.record_fields import ORDER_FIELDS
from domain.rows import STATUS_METRICS
from domain.thresholds import AlertType
from domain.vocabulary import OrderState

EVENTS_VERSION = 1
"""Of the shape of what we publish; additions do not change it."""


class EventType(StrEnum):
    """What an `ExecutionMonitoringEvent` tells of its order."""

    EXECUTION_PROGRESS = "EXECUTION_PROGRESS"
    EXECUTION_COMPLETED = "EXECUTION_COMPLETED"
    """The order came to its end with this event."""
    EXECUTION_RESTATED = "EXECUTION_RESTATED"
    """A bust, a correction or a late event changed what was said before."""
    QUALITY_INCIDENT = "QUALITY_INCIDENT"


class Severity(StrEnum):
    """How urgently an alert should be looked at, the least first."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    CRITICAL = "CRITICAL"


class CurrentMetrics(msgspec.Struct, kw_only=True):
    """The five metrics a status leads with; null where one does not exist."""

    EXECUTION_SPEED: float | None
    COST_EFFICIENCY: float | None
    MARKET_IMPACT: float | None
    FILL_RATE: float | None
    SLIPPAGE: float | None


_SPECIFIED: list[tuple[str, Any]] = [
    ("order_id", OrderId),
    ("execution_progress", float | None),
    ("current_metrics", CurrentMetrics),
    ("alerts", list[str]),
    ("performance_score", float | None),
    ("last_updated", Time),
    ("metric_reasons", dict[str, str]),
    ("state", Annotated[str, Meta(examples=[state.name for state in OrderState])]),
    ("as_of", Time),
    ("seq", Count),
    ("provisional", bool),
]
_MORE: list[tuple[str, Any, Any]] = [
    *row_members(ORDER_FIELDS, STATUS_METRICS, but={name for name, _ in _SPECIFIED}),
    ("reasons", dict[str, str], msgspec.field(default_factory=dict)),
    ("caveats", dict[str, str], msgspec.field(default_factory=dict)),
    ("quote_age_ms", float | None, None),
    ("venue_distribution", dict[str, float], msgspec.field(default_factory=dict)),
    ("published_at", MaybeTime, None),
    ("config_version", str, ""),
]

if TYPE_CHECKING:

    class ExecutionStatus(msgspec.Struct):
        """One state of an order, with a member for each column of `domain.rows.STATUS`."""

        order_id: str
        seq: int
        state: str

        def __getattr__(self, name: str) -> Any: ...

else:
    ExecutionStatus = msgspec.defstruct(
        "ExecutionStatus",
        [*_SPECIFIED, *(more for more in _MORE if more[0] != "known_at")],
        module=__name__,
        kw_only=True,
        namespace={"__doc__": "One state of an order; a metric that is null has its reason."},
    )


class ExecutionMonitoringEvent(msgspec.Struct, kw_only=True):
    """A final state of an order. `seq` rises by one with each event of the order."""

    event_id: EventId
    timestamp: Time
    event_type: EventType
    order_id: OrderId
    seq: Count
    status: ExecutionStatus


class StatusUpdate(msgspec.Struct, kw_only=True):
    """The same state on topic `execution-updates`, for the history."""

    kind: Literal["status"]
    event_id: EventId
    order_id: OrderId
    status: ExecutionStatus


class ExecutionMetricsData(msgspec.Struct, kw_only=True):
    """What the alert's order had reached; null where there is no such number."""

    execution_speed: float | None
    cost_efficiency: float | None


class ExecutionAlertData(msgspec.Struct, kw_only=True):
    """What is wrong. An alert about a venue or an algorithm has its scope as `order_id`."""

    order_id: OrderId
    alert_type: AlertType
    severity: Severity
    current_progress: float | None
    expected_progress: float | None
    recommendation: str
    metrics: ExecutionMetricsData


class SeverityChange(msgspec.Struct, kw_only=True):
    """From `at` on the alert had this severity."""

    severity: Severity
    at: Time


class AlertEvidence(msgspec.Struct, kw_only=True):
    """The numbers an alert rests on, in the unit of its threshold."""

    n: int | None = None
    expected: float | None = None
    actual: float | None = None
    z: float | None = None
    threshold: float | None = None
    config_version: str = ""


class AlertMonitoring(msgspec.Struct, kw_only=True):
    """The alert's life. `seq` rises by one with each event of the same `dedupe_key`."""

    alert_id: str
    dedupe_key: str
    seq: Count
    state: str
    started_at: Time
    severity_history: list[SeverityChange] = []
    evidence: AlertEvidence = msgspec.field(default_factory=AlertEvidence)
    suppressed_by: str | None = None
    order_ids: list[OrderId] = []
    desk: str = ""
    change: str = ""
    """What happened to the alert with this event, such as RAISED or ACKNOWLEDGED."""
    transition: int | None = None
    """Number of that transition in the alert's life, from 1; those at LOW are not told of."""
    by: str = ""
    """Who did it; `system` for rules and timers."""
    why: str = ""
    close_reason: str | None = None
    snoozed_until: MaybeTime = None
    notify: bool = True
    """Whether it is worth sending to somebody."""
    not_before: MaybeTime = None
    """A page waits until then: an alert of wider scope may take it into its own."""
    group: str | None = None
    """Id of the alert whose page covers this one."""
    symbol: str = ""
    rule_severity: str = ""
    """As the rule says; the alert's own was raised by escalation or lowered by inhibition."""
    acked_by: str | None = None
    closed_by: str | None = None


class ExecutionAlertGenerated(msgspec.Struct, kw_only=True):
    """An alert that somebody should look at, or a change in its life."""

    event_id: EventId
    timestamp: Time
    execution_alert: ExecutionAlertData
    monitoring: AlertMonitoring | None = None


class DataIncident(msgspec.Struct, kw_only=True):
    """A source of data that cannot be relied on, such as `feed:market-data-3`."""

    scope: OrderId
    severity: Severity
    words: str


class DataIncidentGenerated(msgspec.Struct, kw_only=True):
    """A feed fell silent or came back: no alert about an execution, beside those on their topic."""

    event_id: EventId
    timestamp: Time
    incident: DataIncident
    monitoring: AlertMonitoring | None = None
