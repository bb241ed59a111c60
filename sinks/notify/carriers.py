"""What brings a stretch of a subscription's events to where they are wanted."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from bus.base import Bus, Outgoing, Place
from bus.out_topics import make_out_topic
from domain.cloud_events import cloud_event
from domain.errors import BusDown, BusError
from domain.subscriptions import ALERT, Subscription
from domain.topics import event_id
from sinks.monitoring_events import MONITORING_SCHEMA
from sinks.notify.http import Poster
from sinks.notify.outcome import End, Outcome
from sinks.notify.signature import signed

TIMEOUT_S = 10.0


class Carrier(Protocol):
    """One subscription's way; for one thread."""

    def carry(self, place: Place, behind: str, events: Sequence[bytes], now: int) -> Outcome:
        """Bring events of one partition, in their order; `behind` is the position they end at.

        Never raises for what the other side or the network does.
        """
        ...

    def close(self) -> None:
        """Drop what is open."""
        ...


def open_carrier(bus: Bus, subscription: Subscription) -> Carrier:
    """The way to the subscription's destination."""
    if subscription.topic:
        return TopicCarrier(bus, subscription.topic)
    return WebhookCarrier(subscription)


class WebhookCarrier:
    """One signed request for each stretch."""

    def __init__(self, subscription: Subscription) -> None:
        self._id = subscription.subscription_id
        self._secret = subscription.secret
        self._poster = Poster(subscription.url, TIMEOUT_S)

    def carry(self, place: Place, behind: str, events: Sequence[bytes], now: int) -> Outcome:
        """Post them; the same stretch has the same key however often it is sent."""
        body = msgspec.json.encode(
            {
                "subscription_id": self._id,
                "topic": place[0],
                "partition": place[1],
                "position": behind,
                "events": [msgspec.Raw(raw) for raw in events],
            }
        )
        key = event_id(self._id, f"{place[0]}/{place[1]}/{behind}", "sent")
        headers = {"Idempotency-Key": key, **signed(self._secret, body, now / 1e9)}
        return self._poster.post(body, headers)

    def close(self) -> None:
        """Drop the connection."""
        self._poster.close()


class TopicCarrier:
    """One message for each event, with the event's own id, in the partition it came from."""

    def __init__(self, bus: Bus, topic: str) -> None:
        self._bus = bus
        self._topic = topic
        self._partitions = 0

    def carry(self, place: Place, behind: str, events: Sequence[bytes], now: int) -> Outcome:
        """Append them to the topic, which is made where it is missing."""
        del behind, now
        try:
            self._partitions = self._partitions or make_out_topic(self._bus, self._topic)
            partition = place[1] % self._partitions
            self._bus.append(
                [Outgoing(self._topic, partition, raw, meta=_properties(raw)) for raw in events]
            )
        except BusDown as error:
            return Outcome(End.UNCONFIRMED, f"the bus does not answer: {error}")
        except BusError as error:
            return Outcome(End.REFUSED, str(error))
        return Outcome(End.DELIVERED, "stored")

    def close(self) -> None:
        """Nothing: the bus is everybody's."""


class _Subject(msgspec.Struct):
    order_id: str = ""
    root_order_id: str | None = None


class _Event(msgspec.Struct):
    event_id: str = ""
    timestamp: str | None = None
    event_type: str = ALERT
    order_id: str = ""
    execution_alert: _Subject | None = None
    status: _Subject | None = None


_read = msgspec.json.Decoder(_Event).decode


def _properties(raw: bytes) -> Mapping[str, str]:
    """As the event had them on its own topic; the id is the same however often it is sent."""
    event = _read(raw)
    told: Any = event.execution_alert or event.status
    subject = event.order_id or (told.order_id if told else "")
    key = (told.root_order_id if told else None) or subject
    schema = ALERT if event.event_type == ALERT else MONITORING_SCHEMA
    return cloud_event(
        event.event_type, event.event_id, schema=schema, subject=subject, time=event.timestamp,
        key=key,
    )  # fmt: skip
