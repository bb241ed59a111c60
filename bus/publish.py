"""Putting events on the bus: each to the partition of its root order, symbol or scope."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from bus.base import Bus, Outgoing, Place
from domain.topics import ARROW_TYPE, partition_for
from domain.vocabulary import Topic
from domain.wire import Message, encode, topic_of


class Publisher:
    """Collects events and appends them together, in order within each partition.

    `batch` events of one partition travel as one JSON array; 1 sends each by itself.
    """

    def __init__(self, bus: Bus, *, batch: int = 1) -> None:
        self.bus = bus
        self.batch = batch
        self.sent = 0
        """Events handed to the bus so far."""
        self._groups = bus.groups()
        self._waiting: defaultdict[Place, list[bytes]] = defaultdict(list)

    def add(self, message: Message | Mapping[str, Any], topic: Topic | None = None) -> None:
        """Take an event; its topic follows from its type unless given.

        Raises Refused for an unknown type or an event without the key of its topic.
        """
        type_ = message.get("type", "") if isinstance(message, Mapping) else message.type
        topic = topic or topic_of(str(type_))
        partition = partition_for(topic, message, self.bus.partitions(topic), self._groups)
        body = encode(dict(message) if isinstance(message, Mapping) else message)
        self._waiting[topic, partition].append(body)

    def add_raw(self, topic: Topic, partition: int, body: bytes) -> None:
        """Take one JSON event, or bytes that may be none, for a known place."""
        self._waiting[topic, partition].append(body)

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def flush(self) -> int:
        """Append what was taken; gives the number of events.

        Raises BusDown with everything kept: flushing again sends it once more.
        """
        messages = [
            Outgoing(topic, partition, body)
            for (topic, partition), bodies in self._waiting.items()
            for body in _joined(bodies, self.batch)
        ]
        self.bus.append(messages)
        count = len(self)
        self._waiting.clear()
        self.sent += count
        return count


def _joined(bodies: list[bytes], batch: int) -> Iterable[bytes]:
    if batch <= 1:
        return bodies
    parts = (bodies[i : i + batch] for i in range(0, len(bodies), batch))
    return [part[0] if len(part) == 1 else b"[" + b",".join(part) + b"]" for part in parts]


def publish(
    bus: Bus, messages: Iterable[Message | Mapping[str, Any]], topic: Topic | None = None
) -> int:
    """Append events each in its partition; gives how many. Raises Refused, BusDown, BusError."""
    publisher = Publisher(bus)
    for message in messages:
        publisher.add(message, topic)
    return publisher.flush()


def publish_columns(bus: Bus, topic: Topic, partition: int, stream: bytes) -> str:
    """Append a batch of columns (an Arrow IPC stream) whose rows all belong to one partition."""
    return bus.append([Outgoing(topic, partition, stream, ARROW_TYPE)])[0]
