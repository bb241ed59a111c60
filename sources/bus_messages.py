"""Topics of the bus as a Bytewax source of whole messages, for flows that only pass them on."""

from collections.abc import Sequence
from dataclasses import dataclass

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from bus.base import START, Bus, Place, Stored
from domain.errors import other_version
from domain.vocabulary import Topic
from sources.bus_fetch import Buffer, Fetcher

STATE_VERSION = 1
State = tuple[int, str]
"""(version, position behind us)"""

READER = "execmon-history"
"""By this name the bus knows how far the history has come for good; each flow has its own."""
CHUNK = 32
"""Messages asked of each partition at once: one may hold hundreds of events."""
ROOM = 64
MOST_MESSAGES = 16
MOST_BYTES = 2 * 1024 * 1024
"""A batch ends after so many messages or bytes."""


@dataclass(frozen=True, slots=True)
class Messages:
    """Messages of one partition, in stored order."""

    partition: int
    messages: Sequence[Stored]
    topic: Topic = Topic.EXECUTION_UPDATES


class MessageSource(FixedPartitionedSource[Messages, State]):
    """Every partition of some topics, each resuming exactly behind its snapshot.

    While the bus is away it waits and tries again. With `stop_at_end` each partition ends
    behind the newest message that was stored when reading began. `reader` is the name by
    which the bus knows how far this flow has come.
    """

    def __init__(
        self,
        bus: Bus,
        *topics: Topic,
        linger_ms: float = 2.0,
        stop_at_end: bool = False,
        reader: str = READER,
    ) -> None:
        self.topics = topics
        self.stop_at_end = stop_at_end
        self._by_name: dict[str, Place] = {
            f"{topic}/{p}": (topic, p) for topic in topics for p in range(bus.partitions(topic))
        }
        self._fetcher = Fetcher(bus, linger_ms / 1000.0, reader, chunk=CHUNK, room=ROOM)

    def list_parts(self) -> list[str]:
        """Names of the partitions: topic and number."""
        return list(self._by_name)

    def build_part(
        self, step_id: str, for_part: str, resume_state: State | None
    ) -> "MessagePartition":
        """A partition at its snapshot. Raises RecoveryError for one of another version."""
        del step_id
        version, position = resume_state or (STATE_VERSION, START)
        if version != STATE_VERSION:
            raise other_version(f"the snapshot of {for_part}", version, STATE_VERSION)
        place = self._by_name[for_part]
        buffer = self._fetcher.register(place, position)
        return MessagePartition(place, position, buffer, self._fetcher, self.stop_at_end)


class MessagePartition(StatefulSourcePartition[Messages, State]):
    """One partition, from a position on."""

    def __init__(
        self,
        place: Place,
        position: str,
        buffer: Buffer,
        fetcher: Fetcher,
        stop_at_end: bool,
    ) -> None:
        self._topic, self._partition = Topic(place[0]), place[1]
        self._position = position
        self._snapshotted = position
        self._buffer = buffer
        self._fetcher = fetcher
        self._stop_at_end = stop_at_end

    def next_batch(self) -> list[Messages]:
        """What has arrived; never waits. Raises BusError where messages are missing."""
        if self._stop_at_end and self._buffer.end == self._position:
            raise StopIteration
        found = self._buffer.take(MOST_MESSAGES, MOST_BYTES)
        if self._stop_at_end:
            found = self._before_end(found)
        if not found:
            return []
        self._position = found[-1].position
        return [Messages(self._partition, found, self._topic)]

    def _before_end(self, found: list[Stored]) -> list[Stored]:
        for number, message in enumerate(found):
            if message.position == self._buffer.end:
                return found[: number + 1]
        return found

    def snapshot(self) -> State:
        """Where the next message is read.

        The snapshot before this one is kept by now: what lies behind it is acknowledged.
        """
        self._buffer.acknowledge(self._snapshotted)
        self._snapshotted = self._position
        return (STATE_VERSION, self._position)

    def close(self) -> None:
        """Stop reading ahead."""
        self._fetcher.forget(self._buffer)
