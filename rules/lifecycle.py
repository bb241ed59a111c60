"""The life of one alert: which action its state allows, and how a transition is written.

An `Alert` is never changed in place, so that every transition keeps the alert as it was
after it. `Life` holds the newest one and what its timers count from.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from domain.alerts import (
    SYSTEM,
    Alert,
    AlertChange,
    AlertState,
    Change,
    Crossing,
    Transition,
    alert_id_of,
    dedupe_key,
    rank,
)
from domain.instants import SECOND, format_rfc3339
from domain.published import Severity, SeverityChange
from domain.thresholds import AlertType

CLAIM_NS = 30 * SECOND
"""How long an order's first page waits for an alert that explains it."""
MOST_SNOOZE_NS = 3600 * SECOND
MOST_HISTORY = 64
"""Changes of severity that an alert carries, the newest; its transitions tell of all."""
CLAIMED = frozenset({AlertType.SLOW_EXECUTION, AlertType.HIGH_COST})
"""Types that another alert may explain, so that their first page waits."""


class Action(StrEnum):
    """What a person can do, by the type of the control message."""

    ACKNOWLEDGE = "alert_acknowledged"
    SNOOZE = "alert_snoozed"
    CLOSE = "alert_closed"


_UNANSWERED = frozenset({AlertState.OPEN, AlertState.ESCALATED})
_TOLD_OF = _UNANSWERED | {AlertState.ACKED, AlertState.SNOOZED}
ALLOWED: Mapping[Action, frozenset[AlertState]] = {
    Action.ACKNOWLEDGE: _UNANSWERED | {AlertState.SNOOZED},
    Action.SNOOZE: _TOLD_OF,
    Action.CLOSE: _TOLD_OF,
}
"""States in which an action is possible."""
_DONE = {
    Action.ACKNOWLEDGE: "acknowledged",
    Action.SNOOZE: "snoozed",
    Action.CLOSE: "closed",
}


def why_not(alert: Alert, action: str) -> str:
    """Why an action on the alert is refused, in words; empty where it is allowed.

    Raises ValueError where `action` is no `Action`.
    """
    action = Action(action)
    if alert.state in ALLOWED[action]:
        return ""
    if alert.state.is_over:
        at = format_rfc3339(alert.changed_at)
        became = f"was {alert.state} at {at} by {alert.closed_by or SYSTEM}"
    elif alert.state is AlertState.ACKED:
        became = f"was acknowledged by {alert.acked_by} already"
    else:
        became = f"is {alert.state}"
    return f"alert {alert.alert_id} {became}; only an open one can be {_DONE[action]}"


class Life(msgspec.Struct, omit_defaults=True):
    """An alert that is not over, and what its timers count from. Times in ns."""

    alert: Alert
    floor: Severity | None = None
    """Escalation raised it to this; it shows no less."""
    published: bool = False
    """Whether the bus knows of it."""
    spoken_for: bool = False
    """An alert of its family covers it: the bus is not told of it as well."""
    told_at: int | None = None
    """Its newest page."""
    unanswered_since: int | None = None
    """The page that people have not answered yet."""
    waits_as: Severity = Severity.LOW
    """Severity that says how long they may take."""
    escalations: int = 0
    """Since that page."""
    snoozed_as: Severity | None = None
    """A snooze ends when the severity rises above this."""
    claim_until: int | None = None
    last: Transition | None = None

    @property
    def is_told_of(self) -> bool:
        """Whether people are told of it and have not answered."""
        alert = self.alert
        return alert.state in _UNANSWERED and _is_audible(alert) and self.told_at is not None


_CONTENT = ("order_ids", "ancestors", "symbol", "progress", "expected_progress", "metrics",
            "evidence", "recommendation")  # fmt: skip
_NOTHING = Crossing(t=0, scope="", type="")


def newest(crossing: Crossing) -> dict[str, Any]:
    """What the alert takes over from a crossing; of one that ends it, what it says at all."""
    said = {name: getattr(crossing, name) for name in _CONTENT}
    if crossing.severity is None:
        return {name: x for name, x in said.items() if x != getattr(_NOTHING, name)}
    return {
        **said, "main_venue": crossing.main_venue, "limit_bound": crossing.limit_bound,
        "halted": crossing.halted,
    }  # fmt: skip


def shown_severity(
    type_: str, rule: Severity, *, limit_bound: bool, floor: Severity | None
) -> Severity:
    """The severity people see: the rule's, not below what escalation made of it.

    An order that waits at its limit is not slow by anybody's fault: LOW.
    """
    if limit_bound and type_ == AlertType.SLOW_EXECUTION:
        return Severity.LOW
    return rule if floor is None else max(rule, floor, key=rank)


def born(crossing: Crossing, ordinal: int, published_seq: int, rule: Severity) -> Life:
    """The alert of a crossing, with no transition yet; `step` raises it."""
    key = dedupe_key(crossing.desk, crossing.scope, crossing.type)
    severity = shown_severity(crossing.type, rule, limit_bound=crossing.limit_bound, floor=None)
    alert = Alert(
        alert_id=alert_id_of(key, ordinal),
        dedupe_key=key,
        ordinal=ordinal,
        desk=crossing.desk,
        scope=crossing.scope,
        type=crossing.type,
        state=AlertState.OPEN,
        severity=severity,
        rule_severity=rule,
        started_at=crossing.t,
        changed_at=crossing.t,
        seq=0,
        published_seq=published_seq,
        pages=crossing.pages,
        severity_history=[_changed_to(severity, crossing.t)],
        **newest(crossing),
    )
    return Life(alert)


def step(
    life: Life,
    at: int,
    change: Change,
    *,
    by: str = SYSTEM,
    why: str = "",
    page: bool = False,
    **members: Any,
) -> AlertChange:
    """Write the next transition, with the members it changes; `at` in ns.

    `page` asks for somebody to be told, which a LOW, suppressed or silent alert is not.
    """
    before = life.alert
    seq = before.seq + 1
    alert = msgspec.structs.replace(before, seq=seq, changed_at=at, **members)
    if alert.severity is not before.severity:
        _note_severity(life, alert, at)
    over = alert.state.is_over
    publish = _is_shown(alert) or _is_shown(before) or (over and life.published)
    if life.spoken_for and not life.published:
        publish = False
    if publish:
        alert.published_seq += 1
        life.published = True
    life.alert = alert
    notify = page and not over and alert.state is not AlertState.SNOOZED and _is_audible(alert)
    if notify:
        _note_page(life, at, change)
    transition = Transition(
        seq=seq, at=at, change=change, state=alert.state, severity=alert.severity, by=by, why=why
    )  # fmt: skip
    life.last = transition
    waits = notify and life.claim_until is not None and at < life.claim_until
    return AlertChange(
        alert=alert,
        transition=transition,
        publish=publish,
        notify=notify,
        not_before=life.claim_until if waits else None,
    )


def _is_shown(alert: Alert) -> bool:
    return alert.severity is not Severity.LOW


def _is_audible(alert: Alert) -> bool:
    return _is_shown(alert) and alert.pages and alert.suppressed_by is None


def _changed_to(severity: Severity, at: int) -> SeverityChange:
    return SeverityChange(severity=severity, at=format_rfc3339(at))


def _note_severity(life: Life, alert: Alert, at: int) -> None:
    history = [*alert.severity_history, _changed_to(alert.severity, at)]
    alert.severity_history = history[-MOST_HISTORY:]
    if rank(alert.severity) < rank(life.waits_as) and alert.severity is not Severity.LOW:
        life.waits_as = alert.severity


def _note_page(life: Life, at: int, change: Change) -> None:
    life.told_at = at
    if change not in {Change.REMINDED, Change.ESCALATED}:
        life.unanswered_since, life.waits_as, life.escalations = at, life.alert.severity, 0
    if life.claim_until is None:
        life.claim_until = at + CLAIM_NS if life.alert.type in CLAIMED else at
