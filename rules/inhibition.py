"""Which alerts explain which, and what a silence covers.

An alert that another one explains stays visible; its page is the other's.
"""

from collections.abc import Mapping
from typing import NamedTuple

from domain.alerts import Alert, Silence, alert_id_of, dedupe_key, rank
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
    AlertType.SLOW_EXECUTION: Severity.MEDIUM,
}
"""Severity from which an alert of the type explains others, however grave."""
NONE = -1
"""Reach of an alert that explains nothing."""


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


def reach(alert: Alert) -> int:
    """Rank of the gravest alert that this one, as it stands, explains; NONE where it is over."""
    return NONE if alert.state.is_over else reach_of(alert.type, alert.severity)


def reach_of(type_: str, severity: Severity) -> int:
    """The same of an open alert of a type and severity.

    Of a slow order that nobody is told of yet, a child that is far slower is told of.
    """
    least = _COVERS_FROM.get(type_)
    if least is not None and rank(severity) >= rank(least):
        return rank(Severity.CRITICAL)
    return rank(Severity.MEDIUM) if type_ == AlertType.SLOW_EXECUTION else NONE


def is_of_family(key: Key) -> bool:
    """Whether an alert of this key explains those of its order's children."""
    return key[2] == AlertType.SLOW_EXECUTION


def family_of(alert: Alert) -> tuple[Key, ...]:
    """Keys of the alerts of its family that would explain this one, the root's first."""
    if alert.type != AlertType.SLOW_EXECUTION:
        return ()
    return tuple((alert.desk, order_id, alert.type) for order_id in alert.ancestors)


def coverers_of(alert: Alert) -> tuple[Key, ...]:
    """Keys of all alerts that would explain this one, the widest scope first."""
    if alert.type == AlertType.HIGH_COST:
        return ((alert.desk, alert.scope, AlertType.MARKET_IMPACT),)
    above = family_of(alert)
    if alert.type == AlertType.SLOW_EXECUTION and alert.main_venue:
        return (alert.desk, VENUE_PREFIX + alert.main_venue, AlertType.VENUE_ISSUE), *above
    return above


def explained_by(alert: Alert) -> Cause:
    """The cause that this alert is for those it covers."""
    why = f"{alert.type} of {alert.scope} explains it"
    return Cause(alert.alert_id, alert.alert_id, why)


def closed_by_hand(key: Key, ordinal: int) -> Cause:
    """The cause that an alert of a family goes on to be while its condition does."""
    desk, scope, type_ = key
    alert_id = alert_id_of(dedupe_key(desk, scope, type_), ordinal)
    return Cause(alert_id, alert_id, f"{type_} of {scope}, which somebody closed, explains it")


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
