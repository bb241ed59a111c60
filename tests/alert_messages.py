"""`execution_alert_generated` as the monitor publishes it."""

from typing import Any

import msgspec

from domain.instants import format_rfc3339
from domain.keys import partition_of
from domain.published import (
    AlertEvidence,
    AlertMonitoring,
    ExecutionAlertData,
    ExecutionAlertGenerated,
    ExecutionMetricsData,
    Severity,
)
from domain.thresholds import AlertType
from domain.topics import event_id
from sinks.monitoring_events import alert_id_of, alert_message


def alert_event(
    order: str = "A/1 #ü",
    *,
    at: int,
    type_: str = "SLOW_EXECUTION",
    severity: str = "HIGH",
    change: str = "RAISED",
    state: str = "OPEN",
    seq: int = 1,
    desk: str = "US-CASH",
    number: int = 1,
    **more: Any,
) -> ExecutionAlertGenerated:
    """An alert, or a later change in its life: `seq` rises with each."""
    dedupe = f"{desk}|{order}|{type_}"
    life = AlertMonitoring(
        alert_id=event_id(dedupe, number, "alert"), dedupe_key=dedupe, seq=seq, state=state,
        desk=desk, change=change, transition=seq, by=more.pop("by", "system"),
        started_at=format_rfc3339(more.pop("started", at)),
        order_ids=more.pop("order_ids", [order]),
        evidence=AlertEvidence(actual=0.25, threshold=0.2), **more,
    )  # fmt: skip
    told = ExecutionAlertData(
        order_id=order, alert_type=AlertType(type_), severity=Severity(severity),
        current_progress=0.45, expected_progress=0.70,
        recommendation="Consider increasing participation rate",
        metrics=ExecutionMetricsData(execution_speed=0.64, cost_efficiency=None),
    )  # fmt: skip
    return ExecutionAlertGenerated(
        event_id=alert_id_of(dedupe, seq + 1_000 * number, type_),
        timestamp=format_rfc3339(at), execution_alert=told, monitoring=life,
    )  # fmt: skip


def raw_of(event: ExecutionAlertGenerated) -> bytes:
    return alert_message(event, 0).body


def publish_alerts(bus: Any, *events: ExecutionAlertGenerated) -> None:
    """Put alerts on the bus, each in its partition."""
    from domain.vocabulary import Topic

    partitions, groups = bus.partitions(Topic.EXECUTION_ALERTS), bus.groups()
    bus.append([
        alert_message(event, partition_of(event.execution_alert.order_id, partitions, groups))
        for event in events
    ])  # fmt: skip


def alert_id(event: ExecutionAlertGenerated) -> str:
    assert event.monitoring is not None
    return event.monitoring.alert_id


def changed(event: ExecutionAlertGenerated, **members: Any) -> ExecutionAlertGenerated:
    """The same with other members of its life."""
    return msgspec.structs.replace(
        event, monitoring=msgspec.structs.replace(event.monitoring, **members)
    )
