"""Shapes of requests and answers, as the specification names them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model, field_validator

from domain.errors import Refused
from domain.record_fields import Field as Column
from domain.record_fields import Kind
from domain.records import ORDER_FIELDS
from domain.rows import STATUS_METRICS
from domain.thresholds import AlertType, wrong_threshold
from domain.validate import MAX_ID, check_id

_ORDER_ID = Field(min_length=1, max_length=MAX_ID, examples=["order_20250621_001"])


class MonitoringMetric(StrEnum):
    """The five metrics a status leads with."""

    EXECUTION_SPEED = "EXECUTION_SPEED"
    COST_EFFICIENCY = "COST_EFFICIENCY"
    MARKET_IMPACT = "MARKET_IMPACT"
    FILL_RATE = "FILL_RATE"
    SLIPPAGE = "SLIPPAGE"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


def _usable(given: dict[str, float]) -> dict[str, float]:
    """The same. Raises ValueError where one is unknown or out of its range."""
    wrong = [words for key, value in given.items() if (words := wrong_threshold(key, value))]
    if wrong:
        raise ValueError("; ".join(wrong))
    return given


Thresholds = Annotated[
    dict[str, Annotated[float, Field(allow_inf_nan=False)]], AfterValidator(_usable)
]
"""Levels by the name of their threshold, all known and within their ranges."""


class ExecutionMonitoringRequest(_Strict):
    """What to watch of an order: which metrics are shown, and when it deserves an alert."""

    order_id: Annotated[str, _ORDER_ID]
    monitoring_metrics: list[Annotated[MonitoringMetric, Field(strict=False)]] = Field(
        default=[], max_length=5, description="The metrics shown; empty for all five."
    )
    alert_thresholds: Thresholds = Field(
        default={}, max_length=20, description="Own levels instead of the configured ones."
    )
    real_time_updates: bool = Field(
        default=True, description="Whether the order's stream sends each update."
    )

    @field_validator("order_id")
    @classmethod
    def _usable(cls, order_id: str) -> str:
        try:
            check_id("order_id", order_id, needed=True)
        except Refused as refused:
            raise ValueError(refused.words) from None
        return order_id


class SessionState(StrEnum):
    """PENDING until the order is seen, CLOSED when it was stopped or replaced."""

    ACTIVE = "ACTIVE"
    PENDING = "PENDING"
    CLOSED = "CLOSED"


class MonitoringSession(BaseModel):
    """A monitoring request that was taken."""

    session_id: UUID
    order_id: str
    state: SessionState
    request: ExecutionMonitoringRequest
    created_at: datetime
    created_by: str
    closed_at: datetime | None
    config_version: str
    status_url: str
    stream_url: str


class MonitoringSessions(BaseModel):
    """A page of an order's sessions, the newest first."""

    items: list[MonitoringSession]
    next: str | None


class Ticket(BaseModel):
    """Opens one WebSocket, as `?ticket=`, before it expires."""

    ticket: str
    expires_at: datetime


class AuditLine(BaseModel):
    """One thing that was done or refused."""

    id: int
    at: datetime
    who: str
    action: str
    target: str | None
    outcome: str
    request_id: str | None
    detail: dict[str, Any]


class AuditLines(BaseModel):
    """A page of the audit, the newest first."""

    items: list[AuditLine]
    next: str | None


_TYPES: dict[Kind, Any] = {
    Kind.NAME: str | None,
    Kind.TIME: datetime | None,
    Kind.CODE: str | None,
    Kind.FLAG: bool,
    Kind.WHOLE: int | None,
    Kind.NUMBER: float | None,
    Kind.ANOMALIES: list[str],
}


def _column(field: Column) -> tuple[str, Any]:
    if field.words is not None and field.name in {"state", "cause"}:
        words = tuple(word for word in field.words.values() if word is not None)
        return field.name, (Literal[words] | None, ...)  # pyright: ignore
    return field.name, (_TYPES[field.kind], ...)


_FIVE = dict.fromkeys(MonitoringMetric, (float | None, None))
CurrentMetrics = create_model(
    "CurrentMetrics",
    __doc__="The metrics chosen by the session.",
    **_FIVE,  # pyright: ignore
)
_SPECIFIED: dict[str, Any] = {
    "order_id": (str, ...),
    "execution_progress": (float | None, ...),
    "current_metrics": (CurrentMetrics, ...),
    "alerts": (list[AlertType], ...),
    "performance_score": (float | None, ...),
    "last_updated": (datetime | None, ...),
    "metric_reasons": (dict[str, str], ...),
}
_MORE: dict[str, Any] = {
    **dict(_column(field) for field in ORDER_FIELDS),
    **dict.fromkeys(STATUS_METRICS, (float | None, ...)),
    "reasons": (dict[str, str], ...),
    "caveats": (dict[str, str], ...),
    "quote_age_ms": (float | None, ...),
    "venue_distribution": (dict[str, float], ...),
    "published_at": (datetime | None, ...),
    "config_version": (str, ...),
}
_MORE.pop("known_at")
ExecutionStatus = create_model(
    "ExecutionStatus",
    __doc__="The newest state of an order; a metric that is null has its reason.",
    __config__=ConfigDict(extra="allow"),
    **{**_MORE, **_SPECIFIED},
)
