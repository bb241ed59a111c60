"""Monitoring events, alerts and data incidents as messages of the bus."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np

from bus.base import Outgoing
from domain.cloud_events import cloud_event
from domain.errors import Refused
from domain.instants import NO_TIME, format_rfc3339
from domain.published import DataIncidentGenerated, EventType, ExecutionAlertGenerated
from domain.reasons import DeadLetterReason
from domain.records import Names
from domain.status import is_closed
from domain.topics import event_id
from domain.vocabulary import EventKind, Topic
from sinks.updates import Statuses

MONITORING_SCHEMA = "execution_monitoring_event"
ALERT_TYPE = "execution_alert_generated"
INCIDENT_TYPE = "data_incident_generated"
_encode = msgspec.json.Encoder().encode
_read_alert = msgspec.json.Decoder(ExecutionAlertGenerated).decode
_read_incident = msgspec.json.Decoder(DataIncidentGenerated).decode


def event_types(status: np.ndarray) -> list[EventType]:
    """What each final STATUS row tells of its order.

    An order completes with the event that gives it its end: once, and again where it was
    reopened by a replacement. What restates is EXECUTION_RESTATED, also if it ends the order.
    """
    ends = is_closed(status) & (status["ts"] == status["closed_ts"])
    ends &= status["kind"] < EventKind.ROUTE_SENT
    return [
        EventType.EXECUTION_RESTATED
        if restated
        else EventType.EXECUTION_COMPLETED
        if ended
        else EventType.EXECUTION_PROGRESS
        for restated, ended in zip(status["restated"].tolist(), ends.tolist(), strict=True)
    ]


def monitoring_events(
    statuses: Statuses, names: Names, key: str, partition: int
) -> Iterator[Outgoing]:
    """One message for each final status, the status in it as on every other way out."""
    rows = statuses.rows
    times = np.where(rows["known"] == NO_TIME, rows["ts"], rows["known"]).tolist()
    each = zip(statuses.each(names), event_types(rows), times, strict=True)
    for (order_id, seq, body), type_, ns in each:
        lasting, timestamp = event_id(order_id, seq, type_), format_rfc3339(ns)
        event = {
            "event_id": lasting,
            "timestamp": timestamp,
            "event_type": type_,
            "order_id": order_id,
            "seq": seq,
            "status": msgspec.Raw(body),
        }
        meta = cloud_event(
            type_, lasting, schema=MONITORING_SCHEMA, subject=order_id, time=timestamp, key=key
        )
        yield Outgoing(Topic.EXECUTION_EVENTS, partition, _encode(event), meta=meta)


def alert_id_of(dedupe_key: str, seq: int, alert_type: str) -> str:
    """Id of an alert's event: a replay that raises the same alert gives the same."""
    return event_id(dedupe_key, seq, alert_type)


def alert_message(alert: ExecutionAlertGenerated, partition: int) -> Outgoing:
    """The message of an alert. Raises Refused where it is not what the schema promises."""
    return _message(alert, _read_alert, ALERT_TYPE, alert.execution_alert.order_id, partition)


def incident_message(incident: DataIncidentGenerated, partition: int) -> Outgoing:
    """The message of a data incident. Raises Refused as `alert_message` does."""
    return _message(incident, _read_incident, INCIDENT_TYPE, incident.incident.scope, partition)


def _message(
    event: ExecutionAlertGenerated | DataIncidentGenerated,
    read: Callable[[bytes], Any],
    type_: str,
    subject: str,
    partition: int,
) -> Outgoing:
    """Alerts and incidents are few, so each is read back whole from the bytes that go out."""
    infinite = list(_infinities("", msgspec.to_builtins(event)))
    if infinite:
        raise Refused(DeadLetterReason.INVALID_EVENT, f"{', '.join(infinite)} is infinite")
    body = _encode(event)
    try:
        read(body)
    except msgspec.ValidationError as error:
        raise Refused(DeadLetterReason.INVALID_EVENT, str(error)) from error
    meta = cloud_event(
        type_, event.event_id, schema=type_, subject=subject, time=event.timestamp, key=subject
    )
    return Outgoing(Topic.EXECUTION_ALERTS, partition, body, meta=meta)


def _infinities(path: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _infinities(f"{path}.{name}" if path else str(name), member)
    elif isinstance(value, float) and math.isinf(value):
        yield path
