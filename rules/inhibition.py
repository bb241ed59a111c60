"""Which alerts explain which, and what a silence covers.

An alert that another one explains stays visible; its page is the other's.
"""

from collections.abc import Mapping
from typing import NamedTuple

from domain.alerts import Alert, Silence, rank
from domain.published import Severity
from domain.thresholds import AlertType

Key = tuple[str, str, str]
"""Desk, scope and type."""
VENUE_PREFIX = "venue:"
SILENCE_PREFIX = "silence:"
EVERY_DESK = "*"

_COVERS_FROM: Mapping[str, Severity] = {
    AlertType.VENUE_ISSUE: Severity.MEDIUM,
    AlertType.MARKET_IMPACT: Severity.HIGH,
}
"""Severity from which an alert of the type explains others."""


class Cause(NamedTuple):
    """Why an alert is not sent."""

    by: str
    """Id of the alert, `halt`, or `silence:` and the silence's id."""
    group: str | None
    """Id of the alert whose page covers it; None for a halt or a silence."""
    why: str


HALT = Cause("halt", None, "its market is halted")
"""Of every alert about an order while its symbol cannot be traded."""


def key_of_alert(alert: Alert) -> Key:
    """Desk, scope and type: one alert of a key is open at a time."""
    return alert.desk, alert.scope, alert.type


def covers(alert: Alert) -> bool:
    """Whether the alert, as it stands, explains others."""
    least = _COVERS_FROM.get(alert.type)
    return least is not None and not alert.state.is_over and rank(alert.severity) >= rank(least)


def coverer_of(alert: Alert) -> Key | None:
    """Key of the alert that would explain this one."""
    if alert.type == AlertType.SLOW_EXECUTION and alert.main_venue:
        return alert.desk, VENUE_PREFIX + alert.main_venue, AlertType.VENUE_ISSUE
    if alert.type == AlertType.HIGH_COST:
        return alert.desk, alert.scope, AlertType.MARKET_IMPACT
    return None


def explained_by(alert: Alert) -> Cause:
    """The cause that this alert is for those it covers."""
    why = f"{alert.type} of {alert.scope} explains it"
    return Cause(alert.alert_id, alert.alert_id, why)


def is_silenced(alert: Alert, silence: Silence) -> bool:
    """Whether the alert matches every member that the silence gives."""
    return (
        silence.scope in {EVERY_DESK, alert.desk}
        and silence.alert_type in {None, alert.type}
        and silence.about in {None, alert.scope}
        and silence.symbol in {None, alert.symbol}
    )


def silenced_by(silence: Silence) -> Cause:
    """The cause that a silence is for the alerts it matches."""
    why = f"silenced by {silence.by} until {silence.until}"
    return Cause(
        SILENCE_PREFIX + silence.silence_id, None, f"{why}: {silence.why}" if silence.why else why
    )
