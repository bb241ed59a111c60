"""Alerts as the desk step gives them, and a small stand-in for that step."""

import threading
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import psycopg
import redis

from bus.base import START, Bus
from domain.alerts import (
    Alert,
    AlertAction,
    AlertChange,
    AlertState,
    Change,
    Transition,
)
from domain.instants import parse_rfc3339
from domain.published import AlertEvidence, ExecutionMetricsData, Severity, SeverityChange
from domain.thresholds import AlertType
from domain.vocabulary import Topic
from sinks.alert_events import change_message
from sinks.alert_store import AlertSettings, AlertStore
from sinks.alerts import AlertPartition
from sinks.history.alerts import alert_rows_of
from sinks.history.writer import HistoryClient, Origin, Sourced, pack
from tests import history_data as data

T0 = parse_rfc3339("2026-11-20T14:31:00Z")
SECOND = 1_000_000_000
_STATE_OF = {
    Change.ACKNOWLEDGED: AlertState.ACKED,
    Change.SNOOZED: AlertState.SNOOZED,
    Change.WOKE: AlertState.OPEN,
    Change.ESCALATED: AlertState.ESCALATED,
    Change.RESOLVED: AlertState.RESOLVED,
    Change.CLOSED: AlertState.CLOSED,
    Change.EXPIRED: AlertState.EXPIRED,
}
_SCOPED = {AlertType.VENUE_ISSUE, AlertType.ALGORITHM_UNDERPERFORMANCE, "DATA"}


def raised(
    alert_id: str = "AL1",
    scope: str = "A1",
    *,
    kind: Any = AlertType.SLOW_EXECUTION,
    desk: str = "US-CASH",
    severity: Severity = Severity.MEDIUM,
    t: float = 0.0,
    publish: bool | None = None,
    **more: Any,
) -> AlertChange:
    """A new alert, `t` s after 14:31; at LOW it is not published."""
    at = T0 + round(t * SECOND)
    is_told = severity is not Severity.LOW if publish is None else publish
    alert = Alert(
        alert_id=alert_id, dedupe_key=f"{desk}|{scope}|{kind}", ordinal=1, desk=desk, scope=scope,
        type=kind, state=AlertState.OPEN, severity=severity, rule_severity=severity,
        started_at=at, changed_at=at, seq=1, published_seq=int(is_told),
        **{
            "order_ids": [] if kind in _SCOPED else [scope],
            "symbol": "AMZN", "progress": None if kind in _SCOPED else 0.45,
            "expected_progress": None if kind in _SCOPED else 0.7,
            "metrics": None if kind in _SCOPED
            else ExecutionMetricsData(execution_speed=0.642857, cost_efficiency=0.82),
            "evidence": AlertEvidence(n=3, expected=0.7, actual=0.45, threshold=0.2,
                                      config_version="c1"),
            "severity_history": [SeverityChange(severity=severity, at="2026-11-20T14:31:00Z")],
            "recommendation": "Consider increasing participation rate", **more,
        },
    )  # fmt: skip
    step = Transition(seq=1, at=at, change=Change.RAISED, state=alert.state, severity=severity)
    return AlertChange(alert=alert, transition=step, publish=is_told, notify=is_told)


def then(
    before: AlertChange, change: Change, *, t: float = 1.0, by: str = "system", why: str = "",
    publish: bool = True, **more: Any,
) -> AlertChange:  # fmt: skip
    """What follows, `t` s after it."""
    alert = msgspec.structs.replace(before.alert)
    at = alert.changed_at + round(t * SECOND)
    alert.seq, alert.changed_at = alert.seq + 1, at
    alert.state = _STATE_OF.get(change, alert.state)
    alert.published_seq += int(publish)
    for name, value in more.items():
        setattr(alert, name, value)
    step = Transition(seq=alert.seq, at=at, change=change, state=alert.state,
                      severity=alert.severity, by=by, why=why)  # fmt: skip
    return AlertChange(alert=alert, transition=step, publish=publish, notify=True)


def acted(before: AlertChange, action: AlertAction) -> AlertChange:
    """What the desk step makes of a person's action."""
    more: dict[str, Any] = {}
    change = Change.ACKNOWLEDGED
    if action.type == "alert_acknowledged":
        more = {"acked_by": action.by}
    elif action.type == "alert_snoozed":
        change = Change.SNOOZED
        more = {"snoozed_until": parse_rfc3339(action.until or "")}
    else:
        change = Change.CLOSED
        more = {"closed_by": action.by, "close_reason": action.reason}
    return then(before, change, by=action.by, why=action.why, **more)


def example_alerts() -> list[AlertChange]:
    """Of each desk of `tests.history_data` an open alert and one that is over."""
    slow = raised("AL1", data.OPEN, desk=data.US, t=10, severity=Severity.HIGH)
    cost = raised("AL2", data.PARENT, desk=data.US, kind=AlertType.HIGH_COST)
    venue = raised("AL3", "venue:XNAS", desk=data.US, kind=AlertType.VENUE_ISSUE, t=5,
                   order_ids=[data.OPEN, data.PARENT], symbol="",
                   recommendation="Reroute from XNAS: 2 orders, 0.3M notional")  # fmt: skip
    others = raised("AL4", data.OTHERS, desk=data.EU, symbol="SAP", t=1)
    others_past = raised("AL5", data.OTHERS, desk=data.EU, symbol="SAP", kind=AlertType.HIGH_COST)
    nobodys = raised("AL6", data.NOBODYS, desk="-", t=2)
    return [
        cost, then(cost, Change.ACKNOWLEDGED, t=8, by="t07", why="watching it", acked_by="t07"),
        then(then(cost, Change.ACKNOWLEDGED, t=8, by="t07", why="watching it", acked_by="t07"),
             Change.EXPIRED, t=200),
        others_past, then(others_past, Change.RESOLVED, t=60), slow, venue, others, nobodys,
    ]  # fmt: skip


def store_live_alerts(url: str, changes: Iterable[AlertChange]) -> None:
    """Write changes into the status store."""
    AlertStore(url, AlertSettings()).send(list(changes))


def forget_live_alerts(url: str) -> None:
    """Empty the status store of alerts."""
    with redis.Redis.from_url(url) as client:
        for key in client.scan_iter("execution:alert*"):
            client.delete(key)


SILENCE, SECOND_SILENCE = (f"5a1f9e0e-2f5c-5d0e-8a52-0d9d2b1c7e1{n}" for n in (1, 2))


def set_example_silences(url: str) -> None:
    """The silences of the examples and no other."""
    insert = (
        "INSERT INTO silences (silence_id, desk, about, symbol, why, created_at, created_by, until)"
        " VALUES (%s, %s, %s, %s, %s, '2026-11-20T14:30:00Z', 't07', '2099-01-01T00:00:00Z')"
    )
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DELETE FROM silences")
        connection.execute(insert, (SILENCE, data.US, "venue:XNAS", None, "known outage"))
        connection.execute(insert, (SECOND_SILENCE, data.EU, None, "SAP", "results day"))


def store_alerts(url: str, changes: Iterable[AlertChange]) -> None:
    """Write changes into the history store as the history dataflow does."""
    refused: list[str] = []
    client = HistoryClient(url, lambda row, words: refused.append(words))
    bodies = [change_message(change, 1, 1, 16).body for change in changes]
    rows = [Sourced(row, Origin(0, "1-0", body, T0)) for body in bodies
            for row in alert_rows_of(body)]  # fmt: skip
    client.send(pack(rows))
    client.close()
    assert not refused


class Desk:
    """Reads topic `control` and does what it says to the alerts it was given, in a thread."""

    def __init__(self, bus: Bus, sink: AlertPartition, changes: Iterable[AlertChange]) -> None:
        self._bus = bus
        self._sink = sink
        self._last = {change.alert.alert_id: change for change in changes}
        self._ended = threading.Event()
        self.is_deaf = False
        """Whether it does nothing, as a pipeline that has stopped."""
        self.heard: list[Mapping[str, Any]] = []
        places = [(Topic.CONTROL, p) for p in range(bus.partitions(Topic.CONTROL))]
        self._at = {place: bus.end(place) or START for place in places}
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Desk":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def give(self, *changes: AlertChange) -> None:
        """Store changes as the pipeline does."""
        self._last |= {change.alert.alert_id: change for change in changes}
        self._sink.write_batch(list(changes))
        self._sink.snapshot()

    def _run(self) -> None:
        reader = self._bus.reader()
        while not self._ended.is_set():
            for place, messages in reader.read(self._at, 100, 20).items():
                for message in messages:
                    self._at[place] = message.position
                    self._take(message.body)
        reader.close()

    def _take(self, body: bytes) -> None:
        event = msgspec.json.decode(body)
        if event["type"] == "status_republish_requested":
            return
        self.heard.append(event)
        if "alert_id" in event and not self.is_deaf:
            action = msgspec.convert(event, AlertAction)
            if action.alert_id in self._last:
                self.give(acted(self._last[action.alert_id], action))
