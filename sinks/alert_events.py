"""Changes of alerts as messages of the bus, and what is withheld from it."""

from typing import Any

import msgspec
import structlog

from bus.base import Outgoing
from domain.alerts import DATA, Alert, AlertChange, Transition
from domain.batch import DeadLetter
from domain.errors import Refused
from domain.instants import format_rfc3339
from domain.keys import partition_of
from domain.published import (
    AlertMonitoring,
    DataIncident,
    DataIncidentGenerated,
    ExecutionAlertData,
    ExecutionAlertGenerated,
    ExecutionMetricsData,
)
from domain.thresholds import AlertType
from domain.vocabulary import Topic
from sinks.bus_writer import dead_letter_message
from sinks.monitoring_events import alert_id_of, alert_message, incident_message

_NO_METRICS = ExecutionMetricsData(execution_speed=None, cost_efficiency=None)


def change_message(
    change: AlertChange, partitions: int, dead_partitions: int, groups: int
) -> Outgoing:
    """The message of a change that is to be published: keyed by the alert's scope.

    One that would break the schema's promises is a dead letter instead; its number stays
    unused, so that readers see the gap.
    """
    alert = change.alert
    partition = partition_of(alert.scope, partitions, groups)
    try:
        if alert.type == DATA:
            return incident_message(_incident(change), partition)
        return alert_message(_event(change), partition)
    except Refused as refused:
        letter = DeadLetter(
            str(Topic.EXECUTION_ALERTS), partition, f"{alert.alert_id}/{alert.seq}",
            refused.reason, refused.words, msgspec.json.encode(change), change.transition.at,
        )  # fmt: skip
        structlog.get_logger("alerts").error(
            "event_withheld", position=letter.position, words=letter.words
        )
        return dead_letter_message(letter, dead_partitions, groups)


def _event(change: AlertChange) -> ExecutionAlertGenerated:
    alert = change.alert
    data = ExecutionAlertData(
        order_id=alert.scope,
        alert_type=AlertType(alert.type),
        severity=alert.severity,
        current_progress=alert.progress,
        expected_progress=alert.expected_progress,
        recommendation=alert.recommendation,
        metrics=alert.metrics or _NO_METRICS,
    )
    return ExecutionAlertGenerated(
        **_head(alert, change.transition), execution_alert=data, monitoring=_life(change)
    )


def _incident(change: AlertChange) -> DataIncidentGenerated:
    alert = change.alert
    incident = DataIncident(scope=alert.scope, severity=alert.severity, words=alert.recommendation)
    return DataIncidentGenerated(
        **_head(alert, change.transition), incident=incident, monitoring=_life(change)
    )


def _head(alert: Alert, transition: Transition) -> dict[str, Any]:
    return {
        "event_id": alert_id_of(alert.dedupe_key, alert.published_seq, str(alert.type)),
        "timestamp": format_rfc3339(transition.at),
    }


def _life(change: AlertChange) -> AlertMonitoring:
    alert, transition = change.alert, change.transition
    return AlertMonitoring(
        alert_id=alert.alert_id,
        dedupe_key=alert.dedupe_key,
        seq=alert.published_seq,
        state=str(alert.state),
        started_at=format_rfc3339(alert.started_at),
        severity_history=alert.severity_history,
        evidence=alert.evidence,
        suppressed_by=alert.suppressed_by,
        order_ids=alert.order_ids,
        desk=alert.desk,
        change=str(transition.change),
        transition=transition.seq,
        by=transition.by,
        why=transition.why,
        close_reason=None if alert.close_reason is None else str(alert.close_reason),
        snoozed_until=_time(alert.snoozed_until),
        notify=change.notify,
        not_before=_time(change.not_before),
        group=alert.group,
        symbol=alert.symbol,
        rule_severity=str(alert.rule_severity),
        acked_by=alert.acked_by,
        closed_by=alert.closed_by,
    )


def _time(ns: int | None) -> str | None:
    return None if ns is None else format_rfc3339(ns)
