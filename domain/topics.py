"""Names that cross processes: streams, keys and channels, and which message goes where."""

import re
import uuid
from collections.abc import Mapping
from hashlib import sha1
from typing import Any

from domain.errors import Refused
from domain.keys import GROUPS, partition_of
from domain.reasons import DeadLetterReason
from domain.vocabulary import Topic

JSON_TYPE = "application/json"
"""One JSON event, or an array of them."""
ARROW_TYPE = "application/vnd.apache.arrow.stream"
"""A batch of columns named like the members of the JSON events."""
BYTES_TYPE = "application/octet-stream"
"""Bytes as they came, for dead letters."""

BUS_META = "execmon:meta"
CLOCK_LEASE = "execmon:clock"

STATUS_PREFIX = "execution:status:"
OPEN_ORDERS = "execution:open"
UPDATES_PREFIX = "execution:updates:"
FEED = "execution:feed"

ALERT_PREFIX = "execution:alert:"
OPEN_ALERTS = "execution:alerts:open"
ALERT_FEED = "execution:alerts:feed"
"""Bounded stream of changes of alerts, for WebSockets."""
ALERT_UPDATES = "execution:alerts:updates"
"""Channel on which each change of an alert is published."""
ORDER_ALERTS_PREFIX = "execution:alerts:order:"

EVENT_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:execmon:events")


OUT_PREFIX = "out."
_OUT = re.compile(r"out\.[a-z0-9](?:[a-z0-9._-]{0,58}[a-z0-9])?", re.ASCII)
_PULSARS_OWN = re.compile(r"-partition-[0-9]+$", re.ASCII)


def wrong_out_topic(name: str) -> str:
    """What is wrong with the name of a subscription's topic, empty where nothing is.

    The prefix keeps it apart from every topic of our own.
    """
    if _OUT.fullmatch(name) is None:
        return (
            f"a topic must be {OUT_PREFIX} and 1–60 of a–z, 0–9, . _ and -, the first and the last "
            f"a letter or digit, such as out.oms; was {name!r}"
        )
    if _PULSARS_OWN.search(name):
        return f"a topic must not end as a partition's own name does; was {name!r}"
    return ""


def stream_key(topic: Topic | str, partition: int) -> str:
    """Name of the stream that holds one partition of a topic."""
    return f"execmon:{topic}:{partition}"


def status_key(order_id: str) -> str:
    """Key of the hash that holds an order's status."""
    return STATUS_PREFIX + order_id


def updates_channel(order_id: str) -> str:
    """Channel on which each new status of an order is published."""
    return UPDATES_PREFIX + order_id


def open_orders_key(desk: str = "") -> str:
    """Key of the sorted set of open orders, of one desk or of all."""
    return f"{OPEN_ORDERS}:{desk}" if desk else OPEN_ORDERS


def alert_key(alert_id: str) -> str:
    """Key of the hash that holds an alert and its transitions."""
    return ALERT_PREFIX + alert_id


def open_alerts_key(desk: str = "") -> str:
    """Key of the sorted set of open alerts by their beginning, of one desk or of all."""
    return f"{OPEN_ALERTS}:{desk}" if desk else OPEN_ALERTS


def order_alerts_key(order_id: str) -> str:
    """Key of the hash of an order's open alerts: id and type."""
    return ORDER_ALERTS_PREFIX + order_id


def event_id(order_id: str, seq: int | str, type_: str) -> str:
    """Id of an event we publish: the same for the same order or scope, sequence and type."""
    # A UUIDv5 as `uuid.uuid5` makes it, at a third of the time.
    name = f"{order_id}\0{seq}\0{type_}".encode()
    digits = sha1(EVENT_NAMESPACE.bytes + name, usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


_KEY_MEMBERS: dict[Topic, tuple[str, ...]] = {
    Topic.ORDERS: ("root_order_id", "parent_order_id", "order_id"),
    Topic.ROUTES: ("root_order_id", "parent_order_id", "order_id"),
    Topic.MARKET_DATA: ("symbol",),
    Topic.REFERENCE: ("symbol", "scope"),
    Topic.CONTROL: ("root_order_id", "order_id", "scope"),
    Topic.EXECUTION_UPDATES: ("root_order_id", "order_id", "symbol"),
    Topic.EXECUTION_EVENTS: ("order_id",),
    Topic.EXECUTION_ALERTS: ("order_id", "scope"),
    Topic.DEAD_LETTER: ("topic",),
}
_MAY_LACK_KEY = frozenset({Topic.REFERENCE, Topic.CONTROL})


def key_name(topic: Topic, message: Mapping[str, Any] | object) -> str:
    """The name whose hash chooses the partition: the root order, the symbol or the scope.

    Raises Refused where the message has none.
    """
    members = _KEY_MEMBERS[topic]
    for member in members:
        if isinstance(message, Mapping):
            value = message.get(member)
        else:
            value = getattr(message, member, None)
        if value and isinstance(value, str):
            return value
    if topic in _MAY_LACK_KEY:
        return ""
    raise Refused(
        DeadLetterReason.MISSING_FIELD,
        f"a message for topic {topic} needs {' or '.join(members)}",
    )


def partition_for(
    topic: Topic, message: Mapping[str, Any] | object, partitions: int, groups: int = GROUPS
) -> int:
    """Partition of the topic for this message. Raises Refused where it has no key."""
    return partition_of(key_name(topic, message), partitions, groups)
