"""Whether an action on an alert makes sense, before it is passed on."""

from domain.alerts import Alert, AlertState


def why_not(alert: Alert, action: str) -> str:
    """Why this cannot be done to the alert, in words; empty where it can.

    `action` is the type of its control event, such as `alert_acknowledged`.
    """
    if alert.state.is_over:
        by = f" by {alert.closed_by}" if alert.closed_by else ""
        return f"alert {alert.alert_id} was {alert.state}{by}: nothing more happens to it"
    if action == "alert_acknowledged" and alert.state is AlertState.ACKED:
        return f"alert {alert.alert_id} was acknowledged by {alert.acked_by} already"
    return ""
