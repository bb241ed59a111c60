"""Who is told of an alert, by what channel and when: the shapes of that configuration."""

from typing import Literal
from urllib.parse import urlsplit

import msgspec

from domain.alerts import DATA, rank
from domain.published import Severity
from domain.quiet_hours import QuietHours
from domain.thresholds import AlertType
from domain.topics import event_id

ALERT_TYPES = (*AlertType, DATA)
PAGERDUTY = "https://events.pagerduty.com"


class Trial(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A person's control message `send_tested`: say by a channel only that it works."""

    ts_event: str
    channel: str
    by: str = ""
    test_id: str = ""
    """Of the request; the same for the same one."""
    request_id: str = ""

    @property
    def key(self) -> str:
        """Key of the page it becomes, by which a repeat is known."""
        return event_id(self.test_id, self.channel, "send_tested")


class _Channel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True,
               tag_field="kind"):  # fmt: skip
    timeout_s: float = 10.0
    """Longest wait for an answer."""
    retry_for_s: float = 1_800.0
    """A page not delivered for so long is given up, and shown as undelivered."""
    follow_ups: bool = False
    """Whether it also hears that an alert was acknowledged or is over."""

    @property
    def place(self) -> str:
        """Where it sends, without secrets."""
        return _host(str(getattr(self, "url", "")))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.place})"


class Webhook(_Channel, frozen=True, kw_only=True, tag="webhook"):
    """Our own JSON, signed with `secret`."""

    url: str
    secret: str
    follow_ups: bool = True


class Slack(_Channel, frozen=True, kw_only=True, tag="slack"):
    """An incoming webhook of Slack, or of whoever takes the same JSON."""

    url: str


class Teams(_Channel, frozen=True, kw_only=True, tag="teams"):
    """A workflow of Microsoft Teams that posts what a webhook receives."""

    url: str


class PagerDuty(_Channel, frozen=True, kw_only=True, tag="pagerduty"):
    """Events API v2, below the address `url`."""

    routing_key: str
    url: str = PAGERDUTY
    follow_ups: bool = True


class Smtp(_Channel, frozen=True, kw_only=True, tag="smtp"):
    """Mail by way of a server that takes it."""

    host: str
    sender: str
    to: list[str]
    port: int = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password: str = ""

    @property
    def place(self) -> str:
        """Server and recipients."""
        return f"{self.host}:{self.port} to {', '.join(self.to)}"


Channel = Webhook | Slack | Teams | PagerDuty | Smtp
KINDS = ("webhook", "slack", "teams", "pagerduty", "smtp")


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Alerts that match go to the channels; of several routes to a channel the first counts."""

    channels: list[str]
    desks: list[str] = []
    """Empty for every desk; `-` for orders without one."""
    types: list[str] = []
    """Empty for every type."""
    min_severity: Severity = Severity.MEDIUM
    quiet: QuietHours | None = None
    digest_below: Severity | None = None
    """Pages below this severity are collected."""
    digest_minutes: int = 15
    """How often what was collected is sent, as one message."""

    def matches(self, desk: str, type_: str, severity: Severity) -> bool:
        """Whether an alert goes this way."""
        return (
            (not self.desks or desk in self.desks)
            and (not self.types or type_ in self.types)
            and rank(severity) >= rank(self.min_severity)
        )


class Notify(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Channels by name, and what goes where."""

    link: str = ""
    """Address of the page, for links in messages; empty for none."""
    max_age_s: float = 3_600.0
    """Alerts older than this when they are first seen are not sent."""
    channels: dict[str, Channel] = {}
    routes: list[Route] = []

    def __str__(self) -> str:
        """What goes where, without secrets."""
        told = [f"{name}={_kind(channel)}({channel.place})" for name, channel in
                self.channels.items()]  # fmt: skip
        return "; ".join([*told, f"{len(self.routes)} routes"]) if told else ""


NOBODY = Notify()


def _kind(channel: Channel) -> str:
    return str(type(channel).__struct_config__.tag)


def _host(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
