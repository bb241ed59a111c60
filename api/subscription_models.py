"""Shapes of subscriptions and of notifications."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.history.models import Shape, Text
from api.history.queries import Instant, Name, PagedQuestion
from domain.published import Severity
from domain.subscriptions import SUBSCRIBABLE

SubscribedType = StrEnum("SubscribedType", {name.upper(): name for name in SUBSCRIBABLE})
_TOPICS = ("execution-alerts", "execution-events")
_Types = Annotated[
    list[Annotated[SubscribedType, Field(strict=False)]],  # pyright: ignore
    Field(min_length=1, max_length=len(SUBSCRIBABLE)),
]
_Severity = Annotated[Severity, Field(strict=False, description="Of alerts; events have none.")]
Position = Annotated[str, Field(max_length=100, pattern=r"^[0-9:,.\-]*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class WebhookDestination(_Strict):
    """An address that takes POSTs, signed with a secret that both sides know."""

    kind: Literal["webhook"]
    url: Annotated[
        str,
        Field(
            min_length=1,
            max_length=2_000,
            pattern=r"^https?://[!-~]+$",
            examples=["https://oms.example/execmon"],
        ),
    ]
    secret: Annotated[
        str,
        Field(
            min_length=16,
            max_length=200,
            pattern=r"^[!-~]+$",
            description="Signs every request; never shown again.",
        ),
    ]


class TopicDestination(_Strict):
    """A topic of the bus, of its own, made where it is missing."""

    kind: Literal["topic"]
    topic: Annotated[
        str,
        Field(
            min_length=1,
            max_length=100,
            description="`out.` and 1–60 of a–z, 0–9, `.`, `_` and `-`; no other living "
            "subscription's.",
            examples=["out.oms"],
        ),
    ]


_Destination = Annotated[WebhookDestination | TopicDestination, Field(discriminator="kind")]


class SubscriptionStart(_Strict):
    """Where reading begins: one of the three, the newest message if none."""

    at: Annotated[Literal["earliest", "latest"] | None,
                  Field(description="With all that the bus keeps, or with what comes now.")
                  ] = None  # fmt: skip
    since: Annotated[Instant | None, Field(description="With what was stored then.")] = None
    positions: Annotated[
        dict[Literal["execution-alerts", "execution-events"], dict[str, Position]] | None,
        Field(description="Behind these, by topic and partition; elsewhere with the first."),
    ] = None

    @model_validator(mode="after")
    def _one(self) -> "SubscriptionStart":
        given = [name for name in ("at", "since", "positions") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"give one of at, since and positions, not {' and '.join(given)}")
        for by_partition in (self.positions or {}).values():
            for partition in by_partition:
                if not partition.isascii() or not partition.isdecimal() or len(partition) > 4:
                    raise ValueError(f"a partition is a number, was {partition!r}")
        return self


class SubscriptionRequest(_Strict):
    """What a service wants to be sent."""

    name: Name
    event_types: _Types
    desk: Annotated[Name | None,
                    Field(description="Its events alone, - for orders without a desk; all that "
                          "the caller may see if absent.")] = None  # fmt: skip
    min_severity: _Severity = Severity.MEDIUM
    destination: _Destination
    start: SubscriptionStart = SubscriptionStart()


class SubscriptionState(StrEnum):
    """A paused one keeps its place."""

    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"


class SubscriptionChange(_Strict):
    """What is to be different; what is absent stays. A new `start` reads again from there."""

    name: Name | None = None
    state: Annotated[SubscriptionState | None, Field(strict=False)] = None
    event_types: _Types | None = None
    min_severity: Annotated[Severity | None, Field(strict=False)] = None
    destination: _Destination | None = None
    start: SubscriptionStart | None = None


class Destination(Shape):
    """Where it is sent: the `url` of a webhook, without the secret, or a `topic`."""

    kind: str
    url: str | None = None
    topic: str | None = None


class Subscription(Shape):
    """A subscription and how far it has come."""

    subscription_id: UUID
    name: str
    state: SubscriptionState
    event_types: list[str]
    desk: Text
    min_severity: str
    destination: Destination
    start: Annotated[
        dict[str, Any], Field(description="As it was asked for, the newest message as positions.")
    ]
    created_at: datetime
    created_by: str
    changed_at: datetime
    positions: Annotated[
        dict[str, dict[str, str]],
        Field(description="Behind what was delivered, by topic and partition."),
    ]
    lag: Annotated[
        int | None,
        Field(description="Messages behind the newest, wanted or not; null while the bus is away."),
    ]
    delivered: Annotated[int, Field(description="Events since the start.")]
    last_delivered_at: datetime | None
    failing_since: datetime | None
    problem: Annotated[Text, Field(description="Why it is failing, null while it is not.")]


class NotificationState(StrEnum):
    """What became of a page."""

    WAITING = "WAITING"
    SENDING = "SENDING"
    DELIVERED = "DELIVERED"
    UNDELIVERED = "UNDELIVERED"
    WITHDRAWN = "WITHDRAWN"
    COLLECTED = "COLLECTED"


class Notification(Shape):
    """A page to people or their machines, and what became of it."""

    key: UUID
    channel: str
    kind: str
    alert_id: str
    desk: str
    severity: str
    state: NotificationState
    subject: str
    due_at: datetime
    created_at: datetime
    changed_at: datetime
    attempts: int
    is_repeat: bool
    digest: UUID | None
    words: str


class NotificationsQuestion(PagedQuestion):
    """Which notifications."""

    key: UUID | None = None
    state: NotificationState | None = None
    channel: Name | None = None
    alert_id: Name | None = None
