"""What topic `execution-alerts` tells, read back from its JSON."""

import msgspec

from domain.alerts import DATA
from domain.published import (
    AlertMonitoring,
    DataIncident,
    ExecutionAlertData,
    ExecutionAlertGenerated,
    ExecutionMetricsData,
)


class _Told(msgspec.Struct, kw_only=True):
    """An alert, or an incident of a feed."""

    event_id: str
    timestamp: str
    execution_alert: ExecutionAlertData | None = None
    incident: DataIncident | None = None
    monitoring: AlertMonitoring | None = None


_decode = msgspec.json.Decoder(_Told).decode


def read_told(raw: bytes) -> ExecutionAlertGenerated:
    """The alert of an event; a feed's incident is read as one of type `DATA`.

    Raises msgspec.DecodeError for what is not JSON, msgspec.ValidationError for what is neither.
    """
    told = _decode(raw)
    alert = told.execution_alert
    if alert is None:
        if told.incident is None:
            raise msgspec.ValidationError("Object missing required field `execution_alert`")
        alert = _as_alert(told.incident)
    return ExecutionAlertGenerated(
        event_id=told.event_id, timestamp=told.timestamp, execution_alert=alert,
        monitoring=told.monitoring,
    )  # fmt: skip


def _as_alert(incident: DataIncident) -> ExecutionAlertData:
    return ExecutionAlertData(
        order_id=incident.scope,
        alert_type=DATA,  # pyright: ignore[reportArgumentType]
        severity=incident.severity,
        current_progress=None,
        expected_progress=None,
        recommendation=incident.words,
        metrics=ExecutionMetricsData(execution_speed=None, cost_efficiency=None),
    )
