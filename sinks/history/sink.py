"""The history store as a Bytewax sink: durable when the epoch closes.

What is computed next does not wait for the database. While it is away rows wait, at most
`MOST_UNSENT` messages of them; then the flow waits too, and the bus keeps the rest.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import msgspec
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from bus.base import Bus, Stored
from domain.batch import DeadLetter
from domain.errors import BusDown, Refused
from domain.reasons import DeadLetterReason
from domain.topics import JSON_TYPE
from domain.vocabulary import Topic
from sinks.background import BackgroundWriter
from sinks.bus_writer import dead_letter_message
from sinks.history.alerts import alert_rows_of
from sinks.history.connection import is_passing
from sinks.history.events import Row, events_of, rows_of
from sinks.history.writer import HistoryClient, Origin, Packed, Sourced, pack
from sinks.partitions import part_names

MOST_UNSENT = 60
"""Messages not yet in the store, past which the flow waits."""
_MOST_TOGETHER = 20
"""Messages written in one transaction."""
_ROWS_OF: Mapping[Topic, Callable[[bytes | msgspec.Raw, int], list[Row]]] = {
    Topic.EXECUTION_UPDATES: rows_of,
    Topic.EXECUTION_ALERTS: alert_rows_of,
}
TOPICS = tuple(_ROWS_OF)
"""What the history is made of."""
_AGAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Update:
    """A message of one of `TOPICS`, decoded."""

    origin: Origin
    rows: Sequence[Row]


def decode(
    partition: int, message: Stored, topic: Topic = Topic.EXECUTION_UPDATES
) -> tuple[Update, list[DeadLetter]]:
    """Rows of a message, and what could not be read of it."""
    origin = Origin(partition, message.position, message.body, message.ts, str(topic))
    make = _ROWS_OF[topic]
    try:
        events = _events(message)
    except Refused as refused:
        return Update(origin, ()), [_letter(origin, None, refused.reason, refused.words)]
    rows: list[Row] = []
    dead: list[DeadLetter] = []
    for number, event in enumerate(events):
        try:
            rows += make(event, number)
        except Refused as refused:
            dead.append(_letter(origin, number, refused.reason, refused.words))
    return Update(origin, rows), dead


def _events(message: Stored) -> Sequence[bytes | msgspec.Raw]:
    if message.content_type.partition(";")[0].strip().lower() == JSON_TYPE:
        return events_of(message.body)
    raise Refused(
        DeadLetterReason.UNREADABLE,
        f"content-type must be {JSON_TYPE}, was {message.content_type!r}",
    )


def _letter(origin: Origin, number: int | None, reason: DeadLetterReason, words: str) -> DeadLetter:
    """The event of this number, or the whole message, with why it could not be taken."""
    body, position = origin.body, origin.position
    if number is not None:
        events = events_of(body)
        body = bytes(events[number])
        position = f"{position}/{number}" if len(events) > 1 else position
    return DeadLetter(origin.topic, origin.partition, position, reason, words, body, origin.ts)


class HistorySink(FixedPartitionedSink[Update, None]):
    """Writes updates; takes (number of the partition as text, Update).

    `parts` writers, each with a connection, share the partitions. A row that the store will
    never take becomes a dead letter on `bus`.
    """

    def __init__(self, url: str, bus: Bus, parts: int = 1) -> None:
        self.url = url
        self.bus = bus
        self.parts = parts

    def list_parts(self) -> list[str]:
        """Names of the writers."""
        return part_names(self.parts)

    def part_fn(self, item_key: str) -> int:
        """The writer of a partition."""
        return int(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "HistoryPartition":
        """A writer; what a crash makes it write twice changes nothing."""
        del step_id, for_part, resume_state
        return HistoryPartition(self.url, self.bus)


class HistoryPartition(StatefulSinkPartition[Update, None]):
    """One writer with its thread and connection."""

    def __init__(self, url: str, bus: Bus) -> None:
        self._number = count()
        client = HistoryClient(url, _refuser(bus))
        self._writer: BackgroundWriter[Update, list[Packed]] = BackgroundWriter(
            "history_sink", _prepare, _sender(client), is_passing, limit=MOST_UNSENT
        )

    def write_batch(self, values: list[Update]) -> None:
        """Take decoded messages, the oldest first."""
        for update in values:
            self._writer.put([(next(self._number), update)])

    def snapshot(self) -> None:
        """Return when all that was taken is committed."""
        self._writer.flush()

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


def _prepare(updates: list[Update]) -> list[Packed]:
    parts = (updates[i : i + _MOST_TOGETHER] for i in range(0, len(updates), _MOST_TOGETHER))
    return [pack(list(_sourced(part))) for part in parts]


def _sourced(updates: Sequence[Update]) -> Iterator[Sourced]:
    for update in updates:
        for row in update.rows:
            yield Sourced(row, update.origin)


def _sender(client: HistoryClient) -> Callable[[list[Packed]], None]:
    def send(batches: list[Packed]) -> None:
        # What is committed is not sent again when a later batch has to wait.
        while batches:
            client.send(batches[0])
            batches.pop(0)

    return send


def _refuser(bus: Bus) -> Callable[[Sourced, str], None]:
    """Puts a row's event on the dead-letter topic; while the bus is away it tries again."""
    partitions, groups = bus.partitions(Topic.DEAD_LETTER), bus.groups()

    def refuse(sourced: Sourced, words: str) -> None:
        reason = DeadLetterReason.STORE_REFUSED
        letter = _letter(
            sourced.origin, sourced.row.event, reason, f"table {sourced.row.table.name}: {words}"
        )
        while True:
            try:
                bus.append([dead_letter_message(letter, partitions, groups)])
            except BusDown:
                time.sleep(_AGAIN_S)
            else:
                return

    return refuse
