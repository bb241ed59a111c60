"""Final rows, monitoring events and dead letters to the bus.

Delivery is at least once: after a crash the replayed stretch is written again under the same
event ids, by which a consumer drops repeats (`bus.repeats`).
"""

import time
from collections.abc import Iterable, Iterator
from itertools import count, islice
from typing import Any

import numpy as np
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from bus.base import Bus, Outgoing
from domain.batch import DeadLetter
from domain.cloud_events import cloud_event
from domain.errors import BusDown
from domain.instants import NO_TIME, format_rfc3339
from domain.keys import partition_of
from domain.records import name_of
from domain.rows import Rows
from domain.topics import BYTES_TYPE, event_id
from domain.vocabulary import Topic
from sinks.background import BackgroundWriter
from sinks.monitoring_events import monitoring_events
from sinks.partitions import part_names, part_of
from sinks.updates import Statuses, final_statuses, identified_updates
from sinks.withheld import without_invalid

MOST_EVENTS = 500
"""Events in one message."""
UPDATES_TYPE = "execution_updates"
MOST_UNSENT = 2_000
"""Messages not yet on the bus, past which the flow waits."""


def _passes(error: Exception) -> bool:
    return isinstance(error, BusDown)


class _BusPartition(StatefulSinkPartition[Any, None]):
    """Appends messages in order; subclasses say which."""

    def __init__(self, bus: Bus, name: str) -> None:
        self._number = count()
        self._writer: BackgroundWriter[Outgoing, list[Outgoing]] = BackgroundWriter(
            name, list, _sender(bus), _passes, limit=MOST_UNSENT
        )

    def _put(self, messages: Iterable[Outgoing]) -> None:
        self._writer.put(zip(self._number, messages, strict=False))

    def snapshot(self) -> None:
        """Return when all that was taken is stored."""
        self._writer.flush()

    def close(self) -> None:
        """Store what is left."""
        self._writer.close()


def _sender(bus: Bus) -> Any:
    def send(messages: list[Outgoing]) -> None:
        bus.append(messages)

    return send


class BusWriterSink(FixedPartitionedSink[Rows, None]):
    """Final rows to topic `execution-updates`: JSON arrays of events, each with its `kind`.

    `status` for each row that took a number, `fill`, `order_event` for the timeline, `order`
    for the whole record, `evaluation` for what the rules came near to, and `bar`. Each `status`
    also goes to topic `execution-events`, a message of its own. Takes (key of an order group,
    Rows); provisional rows are left out, and
    what would be invalid becomes a dead letter. `parts` writers share the groups.
    """

    def __init__(self, bus: Bus, *, config_version: str = "", parts: int = 1) -> None:
        self.bus = bus
        self.config_version = config_version
        self.parts = parts

    def list_parts(self) -> list[str]:
        """Names of the writers."""
        return part_names(self.parts)

    def part_fn(self, item_key: str) -> int:
        """The writer of a group."""
        return part_of(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "UpdatesPartition":
        """A writer; what a crash makes it write twice has the same ids."""
        del step_id, for_part, resume_state
        return UpdatesPartition(self.bus, self.config_version)


class UpdatesPartition(_BusPartition):
    """Writes the updates of some key groups."""

    def __init__(self, bus: Bus, config_version: str) -> None:
        super().__init__(bus, "bus_writer")
        self._config_version = config_version
        self._partitions = bus.partitions(Topic.EXECUTION_UPDATES)
        self._event_partitions = bus.partitions(Topic.EXECUTION_EVENTS)
        self._dead_partitions = bus.partitions(Topic.DEAD_LETTER)
        self._groups = bus.groups()

    def write_batch(self, values: list[Rows]) -> None:
        """Take the rows of one or more steps of a key group each."""
        for rows in values:
            self._put(self._messages(rows))

    def _messages(self, rows: Rows) -> Iterator[Outgoing]:
        root = _root_of(rows)
        if root is None:
            return
        partition = partition_of(root, self._partitions, self._groups)
        rows, withheld = without_invalid(rows, partition)
        statuses = final_statuses(rows, time.time_ns(), self._config_version)
        yield from self._updates(rows, statuses, partition)
        partition = partition_of(root, self._event_partitions, self._groups)
        yield from monitoring_events(statuses, rows.names, root, partition)
        for letter in withheld:
            yield dead_letter_message(letter, self._dead_partitions, self._groups)

    def _updates(self, rows: Rows, statuses: Statuses, partition: int) -> Iterator[Outgoing]:
        events = identified_updates(rows, statuses)
        while part := list(islice(events, MOST_EVENTS)):
            body = b"[" + b",".join(event.body for event in part) + b"]"
            lasting = event_id(part[0].event_id, f"{part[-1].event_id}/{len(part)}", UPDATES_TYPE)
            meta = cloud_event(UPDATES_TYPE, lasting, schema=UPDATES_TYPE)
            yield Outgoing(Topic.EXECUTION_UPDATES, partition, body, meta=meta)


def _root_of(rows: Rows) -> str | None:
    """The root order or symbol of any row: all rows of a step belong to one key group."""
    arrays = (
        rows.status, rows.orders, rows.fills, rows.executed, rows.timeline, rows.evaluations,
    )  # fmt: skip
    for array in arrays:
        if len(array):
            return name_of(int(_first(array, "root")) or int(_first(array, "order")), rows.names)
    if len(rows.bars):
        return name_of(int(_first(rows.bars, "symbol")), rows.names)
    return None


def _first(array: np.ndarray, name: str) -> Any:
    return array[name][0]


class DeadLetterSink(FixedPartitionedSink[DeadLetter, None]):
    """Refused messages to topic `dead-letter`: the bytes as they came, the rest as properties.

    Takes (any key, DeadLetter).
    """

    def __init__(self, bus: Bus) -> None:
        self.bus = bus

    def list_parts(self) -> list[str]:
        """One writer."""
        return part_names(1)

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "DeadPartition":
        """The writer."""
        del step_id, for_part, resume_state
        return DeadPartition(self.bus)


class DeadPartition(_BusPartition):
    """Writes refused messages."""

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus, "dead_letters")
        self._partitions = bus.partitions(Topic.DEAD_LETTER)
        self._groups = bus.groups()

    def write_batch(self, values: list[DeadLetter]) -> None:
        """Take refused messages."""
        partitions, groups = self._partitions, self._groups
        self._put(dead_letter_message(letter, partitions, groups) for letter in values)


def dead_letter_message(letter: DeadLetter, partitions: int, groups: int) -> Outgoing:
    """A refused message as it goes on the bus."""
    place = f"{letter.topic}/{letter.partition}"
    meta = {
        "ce_specversion": "1.0",
        "ce_id": event_id(place, letter.position, "dead_letter"),
        "ce_type": "dead_letter",
        "ce_source": f"execmon/{place}",
        "topic": letter.topic,
        "partition": str(letter.partition),
        "position": letter.position,
        "reason": letter.reason.name,
        "words": letter.words,
    }
    if letter.ts != NO_TIME:
        meta["ce_time"] = format_rfc3339(letter.ts)
    partition = partition_of(letter.topic, partitions, groups)
    return Outgoing(Topic.DEAD_LETTER, partition, letter.message, BYTES_TYPE, meta)
