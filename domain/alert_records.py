"""An alert as it is shown outside: times as text, the specification's names of members."""

from typing import Any

from domain.alerts import Alert, AlertState, Transition, rank
from domain.instants import format_rfc3339
from domain.published import Severity

Record = dict[str, Any]
OPEN_STATES = tuple(
    state for state in AlertState if not state.is_over and state is not AlertState.PENDING
)
"""Of alerts that somebody may still do something about."""
OVER_STATES = tuple(state for state in AlertState if state.is_over)


def alert_record(alert: Alert) -> Record:
    """The members of an alert; what does not exist is null."""
    metrics = alert.metrics
    return {
        "alert_id": alert.alert_id,
        "desk": alert.desk,
        "scope": alert.scope,
        "type": str(alert.type),
        "state": str(alert.state),
        "severity": str(alert.severity),
        "rule_severity": str(alert.rule_severity),
        "started_at": format_rfc3339(alert.started_at),
        "changed_at": format_rfc3339(alert.changed_at),
        "ended_at": format_rfc3339(alert.changed_at) if alert.state.is_over else None,
        "symbol": alert.symbol or None,
        "order_ids": alert.order_ids,
        "current_progress": alert.progress,
        "expected_progress": alert.expected_progress,
        "execution_speed": None if metrics is None else metrics.execution_speed,
        "cost_efficiency": None if metrics is None else metrics.cost_efficiency,
        "recommendation": alert.recommendation,
        "suppressed_by": alert.suppressed_by,
        "group": alert.group,
        "snoozed_until": _time(alert.snoozed_until),
        "acked_by": alert.acked_by,
        "closed_by": alert.closed_by,
        "close_reason": None if alert.close_reason is None else str(alert.close_reason),
        "dedupe_key": alert.dedupe_key,
        "seq": alert.seq,
        "evidence": _evidence(alert),
        "severity_history": [
            {"severity": str(change.severity), "at": change.at} for change in alert.severity_history
        ],
    }


def _evidence(alert: Alert) -> Record:
    found = alert.evidence
    return {
        "n": found.n, "expected": found.expected, "actual": found.actual, "z": found.z,
        "threshold": found.threshold, "config_version": found.config_version,
    }  # fmt: skip


def transition_record(transition: Transition) -> Record:
    """One step of an alert's life."""
    return {
        "seq": transition.seq,
        "at": format_rfc3339(transition.at),
        "change": str(transition.change),
        "state": str(transition.state),
        "severity": str(transition.severity),
        "by": transition.by,
        "why": transition.why,
    }


def at_least(severity: str, least: Severity | None) -> bool:
    """Whether a severity is this one or a greater one; every one is where `least` is None."""
    if least is None:
        return True
    return rank(severity) >= rank(least)


def _time(ns: int | None) -> str | None:
    return None if ns is None else format_rfc3339(ns)
