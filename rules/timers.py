"""What happens to an alert by the clock alone: snoozes end, silence escalates, pages repeat."""

from enum import IntEnum

from domain.alerts import SEVERITIES, AlertState, rank
from domain.instants import SECOND
from domain.published import Severity
from rules.lifecycle import Life

ANSWER_WITHIN_NS = {
    Severity.MEDIUM: 900 * SECOND,
    Severity.HIGH: 300 * SECOND,
    Severity.CRITICAL: 120 * SECOND,
}
"""How long people may take to answer a page; after that, and after twice that, it escalates."""
REMIND_EVERY_NS = 900 * SECOND
MOST_ESCALATIONS = 2


class Timer(IntEnum):
    """What falls due; of one instant in this order."""

    SILENCE_END = 0
    WAKE = 1
    ESCALATE = 2
    REMIND = 3


def next_due(life: Life) -> tuple[int, Timer] | None:
    """When the alert next changes by itself, in ns, and how; None where it waits for others."""
    alert = life.alert
    if alert.state is AlertState.SNOOZED and alert.snoozed_until is not None:
        return alert.snoozed_until, Timer.WAKE
    if not life.is_told_of:
        return None
    due: list[tuple[int, Timer]] = []
    if life.unanswered_since is not None and life.escalations < MOST_ESCALATIONS:
        due.append((life.unanswered_since + _patience(life), Timer.ESCALATE))
    if life.told_at is not None and rank(alert.severity) >= rank(Severity.HIGH):
        due.append((life.told_at + REMIND_EVERY_NS, Timer.REMIND))
    return min(due, default=None)


def _patience(life: Life) -> int:
    return ANSWER_WITHIN_NS[life.waits_as] * (life.escalations + 1)


def unanswered_for(life: Life) -> str:
    """How long people have been silent when it escalates, such as `30 min`."""
    return f"{_patience(life) // (60 * SECOND)} min"


def one_worse(severity: Severity) -> Severity:
    """The next level up; CRITICAL stays."""
    return SEVERITIES[min(rank(severity) + 1, len(SEVERITIES) - 1)]
