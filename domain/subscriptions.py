"""What another service wants to be sent: which events, of whom, where to, from where on."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

import msgspec

from domain.alerts import NO_DESK, rank
from domain.published import EventType, Severity
from domain.vocabulary import Topic

ALERT = "execution_alert_generated"
SUBSCRIBABLE = (ALERT, *EventType)
"""Types of events that can be subscribed to."""
Positions = Mapping[str, Mapping[str, str]]
"""Position behind what is done, by topic and partition."""


class Origin(StrEnum):
    """Where reading begins, unless at given positions."""

    EARLIEST = "earliest"
    LATEST = "latest"


class Start(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where reading begins: `positions`, from `since_ns` on, else with all that is kept."""

    positions: dict[str, dict[str, str]] = {}
    since_ns: int | None = None
    """Messages stored before are left out."""


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """One subscription, as it is run."""

    subscription_id: str
    generation: int
    """Rises with each new start; positions are of one generation."""
    event_types: list[str]
    desks: list[str] | None
    """Whose events; None for everybody's, `-` for orders without a desk."""
    min_severity: Severity
    """Of alerts."""
    url: str = ""
    """Where a webhook is; empty for a topic."""
    secret: str = ""
    topic: str = ""
    """Topic of the bus that it is published to; empty for a webhook."""
    start: Start = Start()

    def __repr__(self) -> str:
        return f"Subscription({self.subscription_id})"

    @property
    def topics(self) -> list[Topic]:
        """Topics that hold what is wanted."""
        return topics_of(self.event_types)


class _Life(msgspec.Struct):
    desk: str = ""


class _Told(msgspec.Struct):
    severity: Severity = Severity.LOW


class _Status(msgspec.Struct):
    desk: str | None = None


class _Event(msgspec.Struct):
    event_type: str = ALERT
    execution_alert: _Told | None = None
    monitoring: _Life | None = None
    status: _Status | None = None


_read = msgspec.json.Decoder(_Event).decode


def topics_of(event_types: Sequence[str]) -> list[Topic]:
    """Topics that hold events of these types."""
    alerts = [Topic.EXECUTION_ALERTS] if ALERT in event_types else []
    return alerts + ([Topic.EXECUTION_EVENTS] if set(event_types) - {ALERT} else [])


def wants(subscription: Subscription, raw: bytes) -> bool:
    """Whether an event of a topic goes to the subscription; one that is unreadable does not."""
    try:
        event = _read(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False
    if event.event_type not in subscription.event_types:
        return False
    told = event.execution_alert
    if told is not None and rank(told.severity) < rank(subscription.min_severity):
        return False
    if subscription.desks is None:
        return True
    holder: Any = event.monitoring if told is not None else event.status
    return (getattr(holder, "desk", None) or NO_DESK) in subscription.desks


def wrong_address(url: str, hosts: Sequence[str]) -> str:
    """What is wrong with a webhook's address, empty where nothing is.

    `hosts` are those that may be sent to, such as `*.desk.example`; empty for any.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        host = ""
    if not host or parts.scheme not in {"http", "https"}:  # pyright: ignore
        return "url must be an address such as https://HOST/PATH"
    if parts.username or parts.password:  # pyright: ignore
        return "url must hold no user and no password"
    if hosts and not any(fnmatchcase(host, pattern.lower()) for pattern in hosts):
        return f"host {host} is not among those that may be sent to: {', '.join(hosts)}"
    return ""
