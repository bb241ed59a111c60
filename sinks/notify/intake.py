"""Alerts of the bus become intents to send: by whom, when, and when no more.

Runs in the flow. An alert's events come in their order; what a crash makes us read again is
known by its number and changes nothing.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from domain.alerts import NO_DESK, rank
from domain.channels import Notify, Route, Trial
from domain.instants import SECOND, parse_rfc3339
from domain.published import AlertMonitoring, ExecutionAlertGenerated, Severity
from domain.topics import event_id
from sinks.notify.page import PageKind, life_of
from sinks.notify.store import State, Store, insert
from sinks.notify.trials import take_trial

LATE_NS = 10 * SECOND
SETTLE_NS = 2 * SECOND
"""What is read late waits so long: what came of it may be among what is read next."""
_ANSWERED = frozenset({"ACKNOWLEDGED", "SNOOZED"})
_TOLD = frozenset({"RAISED", "SEVERITY", "REMINDED", "WOKE", "ESCALATED", "UNSUPPRESSED"})
_OVER = frozenset({"RESOLVED", "CLOSED", "EXPIRED"})
_NOTIFICATION = "notification"
_STILL = f"AND kind <> '{PageKind.OVER}'"
"""What says that an alert is over is still to be said, whatever follows but a new page."""


@dataclass(frozen=True, slots=True)
class Alert:
    """An event of topic `execution-alerts`, and its JSON."""

    told: ExecutionAlertGenerated
    raw: bytes


class Intake:
    """Takes alerts and tests of channels, and stores what is to be sent."""

    def __init__(self, notify: Notify, store: Store) -> None:
        self._notify = notify
        self._store = store

    def take(self, told: Sequence[Alert | Trial], now: int) -> None:
        """Store all that follows from these; it is on the disk when this returns."""
        with self._store.writing() as db:
            for one in told:
                if isinstance(one, Alert):
                    _Change(self._notify, db, one, now).apply()
                else:
                    take_trial(self._notify, db, one, now)


class _Change:
    """What follows from one event."""

    def __init__(self, notify: Notify, db: sqlite3.Connection, alert: Alert, now: int) -> None:
        self._notify = notify
        self._db = db
        self._alert = alert
        self._told = alert.told.execution_alert
        self._life: AlertMonitoring = life_of(alert.told)
        self._now = now

    def apply(self) -> None:
        """Store it, unless the alert was known this far."""
        life = self._life
        before = self._db.execute(
            "SELECT seq, is_over, is_covered FROM alerts WHERE alert_id = ?", (life.alert_id,)
        ).fetchone()
        if before is not None and before["seq"] >= life.seq:
            return
        is_over = life.state in _OVER
        is_covered = bool(life.suppressed_by or life.group)
        self._db.execute(
            "INSERT OR REPLACE INTO alerts VALUES (?, ?, ?, ?, ?, ?, ?)",
            (life.alert_id, life.seq, self._alert.raw, life.group, is_over, is_covered, self._now),
        )
        if is_over:
            self._ended(is_news=before is None or not before["is_over"])
        elif is_covered:
            self._covered(is_news=before is None or not before["is_covered"])
        elif life.change in _ANSWERED:
            how = f"{life.change.lower()} by {life.by or 'somebody'}"
            self._end_waiting(f"{how} before it was sent")
            self._follow_up(PageKind.ACKNOWLEDGED, how)
        elif life.notify and life.change in _TOLD:
            self._tell()

    def _ended(self, *, is_news: bool) -> None:
        life = self._life
        why = life.close_reason or life.why
        how = life.state.lower() + (f" ({why})" if why else "")
        # A digest tells of those too that came and went.
        self._end_waiting(
            f"the alert was {how} before it was sent", f"{_STILL} AND is_collected = 0"
        )
        if is_news:
            self._follow_up(PageKind.OVER, why)

    def _covered(self, *, is_news: bool) -> None:
        why = f"covered by {self._life.group or self._life.suppressed_by}"
        self._end_waiting(f"{why} before it was sent")
        if is_news:
            self._follow_up(PageKind.OVER, why)

    def _tell(self) -> None:
        life, told = self._life, self._told
        seen: set[str] = set()
        for route in self._notify.routes:
            if not route.matches(life.desk or NO_DESK, told.alert_type, told.severity):
                continue
            for name in route.channels:
                if name not in seen:
                    seen.add(name)
                    self._intend(name, route)

    def _intend(self, name: str, route: Route) -> None:
        self._replace(name)
        at = parse_rfc3339(self._alert.told.timestamp)
        due, is_collected = self._due(route, at)
        if self._now - at > round(self._notify.max_age_s * SECOND):
            words = f"older than max_age_s = {self._notify.max_age_s:g} when it was first seen"
            self._insert(name, PageKind.ALERT, State.WITHDRAWN, due, words=words)
            return
        self._insert(name, PageKind.ALERT, State.WAITING, due, is_collected=is_collected)

    def _due(self, route: Route, at: int) -> tuple[int, bool]:
        """When it is sent, and whether with others."""
        due = self._now
        if self._now - at > LATE_NS:
            due += SETTLE_NS
        if self._life.not_before is not None:
            due = max(due, parse_rfc3339(self._life.not_before))
        severity = self._told.severity
        if severity is not Severity.CRITICAL and route.quiet is not None:
            end = route.quiet.end_of(due)
            if end is not None:
                return end, True
        if route.digest_below is not None and rank(severity) < rank(route.digest_below):
            every = route.digest_minutes * 60 * SECOND
            return (due // every + 1) * every, True
        return due, False

    def _replace(self, channel: str) -> None:
        """A newer page of the alert takes the place of one that was not sent yet."""
        self._end_waiting(
            "a newer page of the alert takes its place", "AND channel = ?", (channel,)
        )

    def _end_waiting(self, words: str, which: str = _STILL, values: tuple[str, ...] = ()) -> None:
        """What was tried and failed is undelivered; what was never tried is withdrawn."""
        self._db.execute(
            f"""
            UPDATE notifications SET
              state = CASE attempts WHEN 0 THEN '{State.WITHDRAWN}' ELSE '{State.UNDELIVERED}' END,
              words = CASE words WHEN '' THEN ?1 ELSE words || '; ' || ?1 END,
              changed = ?2, revision = revision + 1, is_mirrored = 0
            WHERE alert_id = ?3 AND state = '{State.WAITING}' {which}
            """,
            (words, self._now, self._life.alert_id, *values),
        )

    def _follow_up(self, kind: PageKind, why: str) -> None:
        """Tell those who were told of the alert, where their channel wants that."""
        rows = self._db.execute(
            f"""
            SELECT DISTINCT channel FROM notifications
            WHERE alert_id = ? AND kind = '{PageKind.ALERT}'
              AND (state IN ('{State.DELIVERED}', '{State.SENDING}') OR unconfirmed > 0)
            """,
            (self._life.alert_id,),
        ).fetchall()
        for row in rows:
            channel = self._notify.channels.get(row["channel"])
            if channel is not None and channel.follow_ups:
                self._insert(row["channel"], kind, State.WAITING, self._now, why=why)

    def _insert(
        self,
        channel: str,
        kind: PageKind,
        state: State,
        due: int,
        *,
        is_collected: bool = False,
        why: str = "",
        words: str = "",
    ) -> None:
        life, severity = self._life, self._told.severity
        insert(
            self._db,
            key=event_id(self._alert.told.event_id, channel, _NOTIFICATION),
            channel=channel,
            kind=kind,
            alert_id=life.alert_id,
            desk=life.desk or NO_DESK,
            severity=severity,
            rank=rank(severity),
            state=state,
            due=due,
            give_up=due + round(self._notify.channels[channel].retry_for_s * SECOND),
            created=self._now,
            changed=self._now,
            is_collected=is_collected,
            subject=f"{self._told.alert_type} {self._told.order_id}",
            why=why,
            words=words,
        )
