"""Shapes of questions about alerts, of what is done to them, and of the answers."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from analytics.history.alerts import AlertFilter
from api.history.models import Instant as Time
from api.history.models import Number, Shape, Text
from api.history.queries import Instant, Name, PagedQuestion, ns_of
from domain.alert_records import OPEN_STATES, OVER_STATES, at_least
from domain.alerts import DATA, SEVERITIES, Change, CloseReason
from domain.published import Severity
from domain.thresholds import AlertType

MOST_SNOOZE_MIN = 60
MOST_SILENCE_MIN = 7 * 24 * 60
AlertKind = StrEnum("AlertKind", {**{t.name: t.value for t in AlertType}, DATA: DATA})
AlertStateName = StrEnum(
    "AlertStateName", {state.name: state.value for state in (*OPEN_STATES, *OVER_STATES)}
)


class SeverityFrom(Shape):
    """From `at` on the alert had this severity."""

    severity: Severity
    at: datetime


class Evidence(Shape):
    """The numbers an alert rests on, in the unit of its threshold."""

    n: int | None
    expected: Number
    actual: Number
    z: Number
    threshold: Number
    config_version: str


class AlertRow(Shape):
    """One alert as it stands."""

    alert_id: str
    desk: Annotated[str, Field(description="`-` for orders without one.")]
    scope: Annotated[
        str, Field(description="An order's id, `venue:XNAS`, `algo:VWAP|BRK1` or `feed:…`.")
    ]
    type: Annotated[AlertKind, Field(description="DATA: a feed fell silent.")]  # pyright: ignore
    state: AlertStateName  # pyright: ignore[reportInvalidTypeForm]
    severity: Severity
    rule_severity: Annotated[
        Severity | None, Field(description="As the rule says, before escalation and inhibition.")
    ]
    started_at: datetime
    changed_at: datetime
    ended_at: Time
    symbol: Text
    order_ids: Annotated[list[str], Field(description="The desk's orders that it concerns.")]
    current_progress: Number
    expected_progress: Number
    execution_speed: Number
    cost_efficiency: Number
    recommendation: str
    suppressed_by: Annotated[
        Text, Field(description="The alert that explains it, or a halt or silence.")
    ]
    group: Annotated[Text, Field(description="The alert whose page covers this one.")]
    snoozed_until: Time
    acked_by: Text
    closed_by: Text
    close_reason: CloseReason | None
    dedupe_key: Annotated[
        str, Field(description="Desk, scope and type: one alert of a key is open at a time.")
    ]
    seq: Annotated[int, Field(description="Number of its newest step.")]
    evidence: Evidence
    severity_history: list[SeverityFrom]


class AlertStep(Shape):
    """One step of an alert's life: what, when, by whom, why."""

    seq: int
    at: datetime
    change: Change
    state: AlertStateName  # pyright: ignore[reportInvalidTypeForm]
    severity: Severity
    by: Annotated[str, Field(description="`system` for rules and timers.")]
    why: str


class AlertDetail(AlertRow):
    """An alert with its life."""

    transitions: list[AlertStep]


class AlertsQuestion(PagedQuestion):
    """Which alerts."""

    open: Annotated[
        bool | None, Field(description="Only open ones, live; or only those that are over.")
    ] = None
    desk: Name | None = None
    type: list[AlertKind] = Field(default=[], max_length=6)  # pyright: ignore
    state: list[AlertStateName] = Field(default=[], max_length=7)  # pyright: ignore
    min_severity: Annotated[Severity | None, Field(description="This one and those above it.")] = (
        None
    )
    scope: Name | None = None
    order_id: Annotated[
        Name | None, Field(description="About this order, its venues and algorithms included.")
    ] = None
    since: Annotated[Instant | None, Field(description="Begun then or later.")] = None
    until: Annotated[Instant | None, Field(description="Begun before; not included.")] = None

    def filter(self) -> AlertFilter:
        """The same, for the history store."""
        severities = [one for one in SEVERITIES if at_least(one, self.min_severity)]
        return AlertFilter(
            is_open=self.open,
            desk=self.desk,
            types=tuple(str(one) for one in self.type),
            states=tuple(str(one) for one in self.state),
            severities=() if self.min_severity is None else tuple(map(str, severities)),
            scope=self.scope,
            order_id=self.order_id,
            since_ns=ns_of(self.since),
            until_ns=ns_of(self.until),
        )


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


Words = Annotated[str, Field(max_length=500)]


class AckRequest(_Request):
    """Somebody looks at it."""

    why: Words = ""


class _Until(_Request):
    minutes: float | None = None
    until: Instant | None = None

    @model_validator(mode="after")
    def _one_end(self) -> "_Until":
        if (self.minutes is None) == (self.until is None):
            raise ValueError("give either minutes or until")
        return self


class SnoozeRequest(_Until):
    """Leave me alone for `minutes`, or until a time; at most an hour."""

    minutes: Annotated[float | None, Field(gt=0, le=MOST_SNOOZE_MIN, allow_inf_nan=False)] = None
    why: Words = ""


class CloseRequest(_Request):
    """What was found; the reasons feed the tuning of thresholds."""

    reason: Annotated[CloseReason, Field(strict=False)]
    why: Words = ""


class SilenceRequest(_Until):
    """Send nothing of the alerts that match every member given; at most a week."""

    minutes: Annotated[float | None, Field(gt=0, le=MOST_SILENCE_MIN, allow_inf_nan=False)] = None
    desk: Annotated[Name, Field(description="A desk, `-` for orders without one, `*` for all.")]
    alert_type: Annotated[AlertKind | None, Field(strict=False)] = None  # pyright: ignore
    about: Annotated[Name | None, Field(description="An alert's scope, as an order's id.")] = None
    symbol: Name | None = None
    why: Words = ""


class SilenceRow(Shape):
    """A silence; over at `until`, or when it was lifted."""

    silence_id: str
    desk: str
    alert_type: AlertKind | None  # pyright: ignore[reportInvalidTypeForm]
    about: Text
    symbol: Text
    why: str
    created_at: datetime
    created_by: str
    until: datetime
    lifted_at: Time
    lifted_by: Text


class SilencesQuestion(PagedQuestion):
    """Which silences."""

    past: Annotated[bool, Field(description="Those too that are over.")] = False


class TestSendRequest(_Request):
    """Send a test message."""

    channel: Annotated[Name, Field(description="The channel's name, as configured.")]


class TestSent(Shape):
    """What was asked for; what became of it is among the notifications, by `key`."""

    channel: str
    request_id: str
    key: UUID
