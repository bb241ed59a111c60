"""Alerts as they travel: what a rule saw, what became of it, and what people do about it.

A rule's step tells of *crossings*: an alert's condition began to hold, changed its severity,
or came to its end. One step for each group of desks makes alerts of them, with a life, and tells
of every *transition*. Both are plain records, so that stored ones can be read again.
"""

from enum import StrEnum
from typing import Literal

import msgspec

from domain.published import (
    AlertEvidence,
    ExecutionMetricsData,
    Severity,
    SeverityChange,
)
from domain.thresholds import AlertType
from domain.topics import event_id

NO_DESK = "-"
"""Desk of orders that name none."""
DATA = "DATA"
"""Type of a page about a feed that fell silent; it is no alert about an execution."""
SEVERITIES = tuple(Severity)
"""The least first."""
SYSTEM = "system"
"""Who did what nobody did: rules and timers."""
_RANKS: dict[str, int] = {severity: i for i, severity in enumerate(SEVERITIES)}
ORDER_ALERTS = frozenset({AlertType.SLOW_EXECUTION, AlertType.HIGH_COST, AlertType.MARKET_IMPACT})
"""Types whose scope is an order's id; every other is about something that orders share."""


def rank(severity: str) -> int:
    """0 for LOW up to 3 for CRITICAL; ValueError for any other word."""
    found = _RANKS.get(severity)
    return _RANKS[Severity(severity)] if found is None else found


def dedupe_key(desk: str, scope: str, type_: str) -> str:
    """One name for desk, scope and type; no two differ in their parts and agree in it."""
    desk = desk.replace("%", "%25").replace("|", "%7C")
    return f"{desk}|{scope}|{type_}"


def alert_id_of(key: str, ordinal: int) -> str:
    """Id of the alert that is the `ordinal`-th of its dedupe key, counted from 1."""
    return event_id(key, ordinal, "alert")


class AlertState(StrEnum):
    """Where in its life an alert is."""

    PENDING = "PENDING"
    """The condition holds and has not held long enough. Such are not told of."""
    OPEN = "OPEN"
    ACKED = "ACKED"
    SNOOZED = "SNOOZED"
    ESCALATED = "ESCALATED"
    """Nobody answered in time; the severity was raised."""
    RESOLVED = "RESOLVED"
    """The condition cleared by itself."""
    CLOSED = "CLOSED"
    """A person closed it, with a reason."""
    EXPIRED = "EXPIRED"
    """Its order came to its end."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens to it."""
        return self in {AlertState.RESOLVED, AlertState.CLOSED, AlertState.EXPIRED}


class CloseReason(StrEnum):
    """What a person found."""

    TRUE_ACTED = "TRUE_ACTED"
    TRUE_NO_ACTION = "TRUE_NO_ACTION"
    FALSE_MARKET = "FALSE_MARKET"
    FALSE_DATA = "FALSE_DATA"
    DUPLICATE = "DUPLICATE"

    @property
    def is_true(self) -> bool:
        """Whether there was something to look at."""
        return self in {CloseReason.TRUE_ACTED, CloseReason.TRUE_NO_ACTION}


class Change(StrEnum):
    """What a transition did."""

    RAISED = "RAISED"
    SEVERITY = "SEVERITY"
    """The rule's own severity rose or fell."""
    REMINDED = "REMINDED"
    """Still there, told again."""
    ACKNOWLEDGED = "ACKNOWLEDGED"
    SNOOZED = "SNOOZED"
    WOKE = "WOKE"
    """A snooze ended, by time or because the severity rose."""
    ESCALATED = "ESCALATED"
    SUPPRESSED = "SUPPRESSED"
    """Another alert explains it; `suppressed_by` says which."""
    UNSUPPRESSED = "UNSUPPRESSED"
    RESOLVED = "RESOLVED"
    CLOSED = "CLOSED"
    EXPIRED = "EXPIRED"


class Crossing(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A condition of one scope began, changed its severity, or ended. Times in ns.

    One of an order is told again, at the severity it has, when its market is halted or goes on.
    """

    t: int
    """Effective time of the evaluation that decided it."""
    scope: str
    """An order's id, `venue:XNAS`, `algo:VWAP|BRK1` or `feed:market-data-3`."""
    type: str
    """An `AlertType`, or `DATA`."""
    seq: int = 0
    """Orders crossings of one scope and time."""
    severity: Severity | None = None
    """None: the condition ended."""
    ended: bool = False
    """With no severity: it ended because its order did."""
    pages: bool = True
    """False for an order that was over before anyone could act: shown, not sent."""
    desk: str = NO_DESK
    order_ids: list[str] = []
    """Orders of the desk that a venue, algorithm or feed concerns; for an order, itself."""
    ancestors: list[str] = []
    """Ids of the orders above a child: its root, then its parent where that is another."""
    symbol: str = ""
    main_venue: str = ""
    """Where more than half of an order's quantity is routed."""
    limit_bound: bool = False
    """The order waits at a limit that the market is away from."""
    halted: bool = False
    """Nobody can trade the order's symbol now."""
    progress: float | None = None
    expected_progress: float | None = None
    metrics: ExecutionMetricsData | None = None
    evidence: AlertEvidence = msgspec.field(default_factory=AlertEvidence)
    recommendation: str = ""


class Transition(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One step in an alert's life. `seq` counts those of the alert from 1."""

    seq: int
    at: int
    change: Change
    state: AlertState
    severity: Severity
    by: str = SYSTEM
    why: str = ""


class Alert(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An alert as it stands. Times in ns."""

    alert_id: str
    """The same for the same scope, type and ordinal, so a replay raises the same alert."""
    dedupe_key: str
    """Desk, scope and type: one alert of a key is open at a time."""
    ordinal: int
    """Counts the alerts of a key from 1."""
    desk: str
    scope: str
    type: str
    """An `AlertType`, or `DATA`."""
    state: AlertState
    severity: Severity
    """As it is shown: the rule's, raised by escalation or lowered by inhibition."""
    rule_severity: Severity
    """As the rule last said."""
    started_at: int
    changed_at: int
    seq: int
    """Of its newest transition."""
    published_seq: int = 0
    """Of its newest event on the bus, counted over all alerts of the key."""
    pages: bool = True
    severity_history: list[SeverityChange] = []
    order_ids: list[str] = []
    ancestors: list[str] = []
    symbol: str = ""
    main_venue: str = ""
    limit_bound: bool = False
    halted: bool = False
    progress: float | None = None
    expected_progress: float | None = None
    metrics: ExecutionMetricsData | None = None
    evidence: AlertEvidence = msgspec.field(default_factory=AlertEvidence)
    recommendation: str = ""
    suppressed_by: str | None = None
    """Id of the alert that explains it, or what stands in for one (`halt`, `silence:…`)."""
    group: str | None = None
    """Id of the alert whose one page covers this one."""
    snoozed_until: int | None = None
    acked_by: str | None = None
    closed_by: str | None = None
    close_reason: CloseReason | None = None
    closed_at: int | None = None


class AlertAction(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A person's control message: `alert_acknowledged`, `alert_snoozed`, `alert_closed`."""

    type: str
    ts_event: str
    scope: str
    """Desk of the alert, which chooses its group."""
    alert_id: str
    by: str
    why: str = ""
    until: str | None = None
    """End of a snooze."""
    reason: CloseReason | None = None
    """Of a close."""
    request_id: str = ""


class Silence(msgspec.Struct, kw_only=True, omit_defaults=True):
    """`silence_set`: alerts that match every given member are not sent until `until`."""

    # A factory, so that the type is written too.
    type: Literal["silence_set"] = msgspec.field(default_factory=lambda: "silence_set")
    ts_event: str
    scope: str
    """Desk, or `*` for every desk."""
    silence_id: str
    by: str
    until: str
    """At or before now: the silence is lifted."""
    why: str = ""
    alert_type: AlertType | None = None
    about: str | None = None
    """An alert's scope: an order, a venue, an algorithm."""
    symbol: str | None = None


class AlertChange(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What the desk step gives: a transition, and the alert after it."""

    alert: Alert
    transition: Transition
    publish: bool
    """Goes to the bus: MEDIUM or above, or over after it was there.

    One that its family's alert has covered from its beginning goes there once that is over.
    """
    notify: bool
    """Somebody should be told of it, if their routing says so."""
    not_before: int | None = None
    """A page waits until then for an alert of wider scope to claim it."""
    again: bool = False
    """Told once more to a store that may have lost it; nothing happened."""
