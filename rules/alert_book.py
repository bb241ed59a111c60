"""What happens to the alerts of some desks: rules speak, people act, time passes.

Everything happens at a time that is given, and times never go back. What comes out depends
on the calls and their times alone.
"""

import msgspec

from domain.alerts import (
    Alert,
    AlertAction,
    AlertChange,
    AlertState,
    Change,
    CloseReason,
    Crossing,
    Silence,
    dedupe_key,
    rank,
)
from domain.instants import END_OF_TIME
from domain.published import Severity
from rules.inhibition import SILENCE_PREFIX, key_of_alert
from rules.lifecycle import (
    MOST_SNOOZE_NS,
    Action,
    Life,
    born,
    newest,
    shown_severity,
    why_not,
)
from rules.open_alerts import OpenAlerts
from rules.silences import Quiet, time_of
from rules.timers import Timer, one_worse, unanswered_for


class AlertBook:
    """Alerts of any number of desks. Times in ns; every method gives transitions in order."""

    def __init__(self, saved: bytes | None = None) -> None:
        self._open = OpenAlerts(saved)

    def dump(self) -> bytes:
        """Everything, for the constructor."""
        return self._open.dump()

    def alert(self, alert_id: str, at: int) -> Alert | None:
        """An alert that is open, or has been over for less than a day at `at`."""
        return self._open.alert(alert_id, at)

    def shown(self) -> list[AlertChange]:
        """Every open alert once more, as it is; nothing happens."""
        return self._open.shown()

    def take(self, crossing: Crossing) -> list[AlertChange]:
        """A condition began, changed its severity, or ended."""
        life = self._open.get((crossing.desk, crossing.scope, crossing.type))
        if crossing.severity is None:
            self._end(life, crossing)
        elif life is None:
            self._raise(crossing, crossing.severity)
        else:
            self._follow(life, crossing, crossing.severity)
        return self._open.given()

    def act(self, at: int, action: AlertAction) -> list[AlertChange]:
        """A person did something; where that is not possible, or a repeat, nothing happens."""
        alert = self.alert(action.alert_id, at)
        if alert is None or alert.desk != action.scope or why_not(alert, action.type):
            return []
        life = self._open.get(key_of_alert(alert))
        if life is not None and not self._is_repeat(_request(action), at):
            if action.type == Action.SNOOZE:
                self._snooze(life, at, action)
            elif action.type == Action.ACKNOWLEDGE:
                self._open.put(
                    life, at, Change.ACKNOWLEDGED, by=action.by, why=action.why,
                    state=AlertState.ACKED, acked_by=action.by, snoozed_until=None,
                )  # fmt: skip
            elif action.reason is not None:
                self._close(life, at, action, action.reason)
        return self._open.given()

    def silence(self, at: int, silence: Silence) -> list[AlertChange]:
        """Somebody set, changed or lifted a silence."""
        until = time_of(silence.until)
        name = f"{SILENCE_PREFIX}{silence.silence_id} {silence.ts_event} {silence.until}"
        if until is None or self._is_repeat(name, at):
            return []
        if until > at:
            self._open.add_silence(Quiet(silence, until))
        else:
            self._open.silences.lift(silence.silence_id)
        self._open.explain_all(at, by=silence.by)
        return self._open.given()

    def fire(self, until: int) -> list[AlertChange]:
        """Everything that falls due up to and with `until`, in order of time."""
        while due := self._open.next_due(until):
            at, timer, life = due
            if timer is Timer.WAKE:
                self._wake(life, at, "the snooze ended")
            elif timer is Timer.REMIND:
                self._open.put(life, at, Change.REMINDED, why="nobody has answered yet", page=True)
            else:
                self._escalate(life, at)
        self._open.give_back(until)
        return self._open.given()

    def _is_repeat(self, request: str, at: int) -> bool:
        """Whether the same was asked before; the bus may hold a message twice."""
        if self._open.memory.is_repeat(request, at):
            return True
        self._open.touch(at)
        return False

    # Rules

    def _raise(self, crossing: Crossing, rule: Severity) -> None:
        key = dedupe_key(crossing.desk, crossing.scope, crossing.type)
        numbers = self._open.memory.of(key, crossing.t)
        if numbers.judged is not None and rank(rule) <= rank(numbers.judged):
            return
        numbers.ordinal += 1
        numbers.forget_at, numbers.judged = END_OF_TIME, None
        life = born(crossing, numbers.ordinal, numbers.published_seq, rule)
        self._open.begin(life, f"the rule says {rule}")

    def _follow(self, life: Life, crossing: Crossing, rule: Severity) -> None:
        at = crossing.t
        self._open.renew(life, msgspec.structs.replace(life.alert, **newest(crossing)))
        after = msgspec.structs.replace(life.alert, severity=_shown(life, rule))
        # An alert is told of once: after its severity rose, or not at all.
        if self._open.cause(after, at) is not None:
            self._open.explain(life, at)
        self._set_severity(life, at, rule)
        self._open.explain(life, at)

    def _set_severity(self, life: Life, at: int, rule: Severity) -> None:
        before = life.alert
        severity = _shown(life, rule)
        if rule is before.rule_severity and severity is before.severity:
            return
        self._open.put(
            life, at, Change.SEVERITY, why=_severity_words(before, rule, severity),
            page=rank(severity) > rank(before.severity), severity=severity, rule_severity=rule,
        )  # fmt: skip
        asleep = life.snoozed_as if before.state is AlertState.SNOOZED else None
        if asleep is not None and rank(severity) > rank(asleep):
            self._wake(life, at, f"the severity rose above {asleep}")

    def _end(self, life: Life | None, crossing: Crossing) -> None:
        """The condition is over: of an open alert, of one that a person closed, or of none."""
        at, ended = crossing.t, crossing.ended
        key = dedupe_key(crossing.desk, crossing.scope, crossing.type)
        numbers = self._open.memory.known(key)
        was_closed = self._open.memory.closed(key, at) is not None
        if numbers is not None:
            numbers.rest(crossing.type, at, ended=ended)
            self._open.touch()
        if was_closed and not ended:
            self._open.explain_covered((crossing.desk, crossing.scope, crossing.type), at)
        if life is not None:
            change, why = (
                (Change.EXPIRED, "the order ended") if ended else (Change.RESOLVED, "it cleared")
            )
            self._open.put(
                life, at, change, why=why, state=AlertState(change), closed_at=at,
                snoozed_until=None, **newest(crossing),
            )  # fmt: skip

    # People

    def _snooze(self, life: Life, at: int, action: AlertAction) -> None:
        until = time_of(action.until)
        if until is None or until <= at:
            return
        life.snoozed_as = life.alert.severity
        self._open.put(
            life, at, Change.SNOOZED, by=action.by, why=action.why, state=AlertState.SNOOZED,
            snoozed_until=min(until, at + MOST_SNOOZE_NS),
        )  # fmt: skip

    def _close(self, life: Life, at: int, action: AlertAction, reason: CloseReason) -> None:
        alert = life.alert
        numbers = self._open.memory.of(alert.dedupe_key, at)
        numbers.rest(alert.type, at, ended=False, judged=alert.rule_severity)
        self._open.put(
            life, at, Change.CLOSED, by=action.by, why=action.why, state=AlertState.CLOSED,
            closed_at=at, closed_by=action.by, close_reason=reason, snoozed_until=None,
        )  # fmt: skip

    # Time

    def _wake(self, life: Life, at: int, why: str) -> None:
        self._open.put(
            life, at, Change.WOKE, why=why, page=True,
            state=AlertState.OPEN, snoozed_until=None, acked_by=None,
        )  # fmt: skip

    def _escalate(self, life: Life, at: int) -> None:
        why = f"nobody answered for {unanswered_for(life)}"
        life.escalations += 1
        life.floor = one_worse(life.alert.severity)
        self._open.put(
            life, at, Change.ESCALATED, why=why, page=True,
            state=AlertState.ESCALATED, severity=life.floor,
        )  # fmt: skip


def _shown(life: Life, rule: Severity) -> Severity:
    alert = life.alert
    return shown_severity(alert.type, rule, limit_bound=alert.limit_bound, floor=life.floor)


def _request(action: AlertAction) -> str:
    """Name of what was asked; one request may be about several alerts."""
    asked = action.request_id or f"{action.by} {action.ts_event}"
    return f"{asked} {action.type} {action.alert_id}"


def _severity_words(alert: Alert, rule: Severity, shown: Severity) -> str:
    if shown is rule:
        return f"the rule says {rule}"
    why = "the order waits at its limit" if alert.limit_bound else "it was escalated"
    return f"the rule says {rule}, shown as {shown}: {why}"
