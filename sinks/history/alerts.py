"""Events of topic `execution-alerts` as rows of the history's tables."""

from typing import Any

import msgspec

from domain.alerts import DATA, AlertState
from domain.errors import Refused
from domain.instants import MILLISECOND, parse_rfc3339
from domain.published import (
    AlertMonitoring,
    DataIncidentGenerated,
    ExecutionAlertGenerated,
)
from domain.reasons import DeadLetterReason
from sinks.history.columns import Kind
from sinks.history.events import Row, in_words
from sinks.history.table import Table, Values, columns, differs

ALERTS = Table(
    name="alerts",
    columns=[
        *columns(Kind.TEXT, "alert_id dedupe_key"),
        *columns(Kind.I8, "seq transition"),
        *columns(Kind.TEXT, "desk scope type state severity rule_severity symbol"),
        ("order_ids", Kind.JSONB),
        *columns(Kind.I8, "started_ns started_ms changed_ns ended_ns"),
        *columns(Kind.TIME, "started_at changed_at ended_at"),
        *columns(
            Kind.F8, "current_progress expected_progress execution_speed cost_efficiency"
        ),
        ("recommendation", Kind.TEXT),
        ("evidence", Kind.JSONB),
        ("config_version", Kind.TEXT),
        ("severity_history", Kind.JSONB),
        *columns(Kind.TEXT, "suppressed_by group_id"),
        ("snoozed_until_ns", Kind.I8),
        *columns(Kind.TEXT, "acked_by closed_by close_reason"),
    ],
    key=("alert_id",),
    keep="excluded.seq > o.seq",
    pick=lambda old, new: new if new[2] > old[2] else old,
)  # fmt: skip
_STEP_COLUMNS = [
    ("alert_id", Kind.TEXT),
    *columns(Kind.I8, "seq at_ns"),
    ("at", Kind.TIME),
    *columns(Kind.TEXT, "change state severity by why event_id"),
]
_STEP_KEY = ("alert_id", "seq")
TRANSITIONS = Table(
    name="alert_transitions",
    columns=_STEP_COLUMNS,
    key=_STEP_KEY,
    keep=differs(_STEP_COLUMNS, _STEP_KEY),
)
ALERT_TABLES = (ALERTS, TRANSITIONS)
_MOST = (1 << 63) - 1
_OVER = frozenset(state for state in AlertState if state.is_over)


class _Which(msgspec.Struct):
    incident: msgspec.Raw = msgspec.Raw()


_WHICH = msgspec.json.Decoder(_Which).decode
_ALERT = msgspec.json.Decoder(ExecutionAlertGenerated).decode
_INCIDENT = msgspec.json.Decoder(DataIncidentGenerated).decode
_json = msgspec.json.Encoder().encode


def alert_rows_of(raw: bytes | msgspec.Raw, event: int = 0) -> list[Row]:
    """The alert and its step of one JSON event. Raises Refused with what is wrong."""
    with in_words():
        if bytes(_WHICH(raw).incident):
            told = _INCIDENT(raw)
            what = (DATA, told.incident.scope, told.incident.severity)
            numbers = (None, None, None, None, told.incident.words)
        else:
            told = _ALERT(raw)
            data, metrics = told.execution_alert, told.execution_alert.metrics
            what = (data.alert_type, data.order_id, data.severity)
            numbers = (
                data.current_progress, data.expected_progress, metrics.execution_speed,
                metrics.cost_efficiency, data.recommendation,
            )  # fmt: skip
        life = told.monitoring
        if life is None:
            raise Refused(DeadLetterReason.MISSING_FIELD, "monitoring is missing")
        rows = _rows(told.event_id, parse_rfc3339(told.timestamp), life, what, numbers)
    return [Row(table, values, event) for table, values in rows]


def _rows(
    event_id: str,
    at: int,
    life: AlertMonitoring,
    what: tuple[str, str, str],
    numbers: tuple[Any, ...],
) -> list[tuple[Table, Values]]:
    type_, scope, severity = (str(text) for text in what)
    started, step = parse_rfc3339(life.started_at), life.transition or life.seq
    if max(life.seq, step) > _MOST or step < 1:
        raise Refused(
            DeadLetterReason.OUT_OF_RANGE,
            f"monitoring.seq and transition must be 1 to {_MOST}, were {life.seq} and {step}",
        )
    ended = at if life.state in _OVER else None
    until = None if life.snoozed_until is None else parse_rfc3339(life.snoozed_until)
    alert = (
        life.alert_id, life.dedupe_key, life.seq, step, life.desk, scope, type_, life.state,
        severity, life.rule_severity or None, life.symbol or None, _json(life.order_ids), started,
        started // MILLISECOND, at, ended, started, at, ended, *numbers, _json(life.evidence),
        life.evidence.config_version, _json(life.severity_history), life.suppressed_by, life.group,
        until, life.acked_by, life.closed_by, life.close_reason,
    )  # fmt: skip
    change = (
        life.alert_id, step, at, at, life.change, life.state, severity, life.by, life.why, event_id
    )  # fmt: skip
    return [(ALERTS, alert), (TRANSITIONS, change)]
