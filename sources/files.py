"""Files as a Bytewax source: one partition for each topic of each reader."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from domain.batch import Batch, Input
from domain.errors import ConfigurationError, other_version
from domain.vocabulary import INPUT_TOPICS, Topic
from sources.names import LateNames
from sources.reader import Cursor, Reader, settle

STATE_VERSION = 1
State = tuple[int, int, int, int, int]
"""(version, at, line, ordinal, watermark)"""


class Turns(StrEnum):
    """Which partition may give its next batch. No result depends on it.

    EVENT_TIME lets the partition that is furthest behind go, so that rows which wait for
    another input stay few; it binds partitions of one process only.
    """

    EVENT_TIME = "event-time"
    MARKET_FIRST = "market-first"
    MARKET_LAST = "market-last"
    SHUFFLED = "shuffled"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come: rows given, and the share 0–1 of the input, None if unknown."""

    rows: int
    share: float | None


class FileSource(FixedPartitionedSource[Batch, State]):
    """Batches of all readers; each partition resumes where its snapshot stood, then ends.

    `inputs` lists the partitions in order of INPUT_TOPICS. At most one reader may give
    market data: key groups find their symbols by the partition's number. The last batch of
    a partition has no rows and `ended` set; a partition resumed after its end gives it
    again. `progress` is called after each batch. Raises ConfigurationError.
    """

    def __init__(
        self,
        *readers: Reader,
        turns: Turns = Turns.EVENT_TIME,
        seed: int = 0,
        progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self._readers = readers
        self._parts: dict[str, tuple[Reader, Input]] = {}
        found = sorted(
            ((topic, r) for r in readers for topic in dict.fromkeys(r.topics)),
            key=lambda pair: INPUT_TOPICS.index(pair[0]),
        )
        number: dict[Topic, int] = dict.fromkeys(INPUT_TOPICS, 0)
        for index, (topic, reader) in enumerate(found):
            part = Input(index, topic, number[topic])
            number[topic] += 1
            self._parts[f"{topic}/{part.partition}"] = (reader, part)
        if not found:
            raise ConfigurationError("a file run needs at least one file with events in it")
        if number[Topic.MARKET_DATA] > 1:
            raise ConfigurationError(
                f"a file run takes market data from one reader, got {number[Topic.MARKET_DATA]}; "
                "put the symbols into one file, in order of time"
            )
        self._turns = _TurnTaking(turns, seed)
        self._tally = _Tally(progress)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """Every input partition, by index."""
        return tuple(part for _, part in self._parts.values())

    def late_name(self, key: int) -> str | None:
        """Name of an execution or route that the batches left out, None where unknown.

        The first question reads the ids of the files that leave some out.
        """
        for reader in self._readers:
            names = getattr(reader, "late_names", None)
            if isinstance(names, LateNames) and (found := names.get(key)):
                return found
        return None

    def list_parts(self) -> list[str]:
        """Names of the partitions: topic and number."""
        return list(self._parts)

    def build_part(
        self,
        step_id: str,  # noqa: ARG002
        for_part: str,
        resume_state: State | None,
    ) -> StatefulSourcePartition[Batch, State]:
        """Start or resume a partition. Raises RecoveryError for another version's state."""
        if resume_state is not None and resume_state[0] != STATE_VERSION:
            raise other_version(f"the snapshot of {for_part}", resume_state[0], STATE_VERSION)
        cursor = Cursor() if resume_state is None else Cursor(*resume_state[1:])
        reader, part = self._parts[for_part]
        return _Partition(for_part, reader, part, cursor, self._turns, self._tally)


class _Partition(StatefulSourcePartition[Batch, State]):
    def __init__(
        self, name: str, reader: Reader, part: Input, cursor: Cursor,
        turns: "_TurnTaking", tally: "_Tally",
    ) -> None:  # fmt: skip
        self._name = name
        self._reader = reader
        self._input = part
        self._cursor = cursor
        self._turns = turns
        self._tally = tally
        self._batches: Iterator[tuple[Cursor, Batch]] | None = None
        self._ended = False
        turns.join(name, part.topic, cursor.watermark)

    def next_batch(self) -> list[Batch]:
        if self._ended:
            raise StopIteration
        if not self._turns.may_go(self._name):
            return []
        if self._batches is None:
            topic = self._input.topic
            self._tally.expect(self._name, self._cursor.at, self._reader.total(topic))
            self._batches = self._reader.read(topic, self._input.index, self._cursor)
        after, batch = next(self._batches, (None, None))
        if after is None or batch is None:
            return [self._end()]
        watermark = settle(batch, self._cursor.watermark)
        self._cursor = after._replace(watermark=watermark)
        self._turns.moved(self._name, watermark)
        self._tally.add(self._name, after.at, len(batch.market) + len(batch.events))
        return [batch]

    def _end(self) -> Batch:
        self._ended = True
        self._turns.leave(self._name)
        self._tally.end(self._name)
        return Batch(source=self._input.index, watermark=self._cursor.watermark, ended=True)

    def snapshot(self) -> State:
        at, line, ordinal, watermark = self._cursor
        return (STATE_VERSION, at, line, ordinal, watermark)

    def close(self) -> None:
        self._turns.leave(self._name)


class _TurnTaking:
    """Ranks of the partitions that still have rows; only the lowest may go."""

    def __init__(self, turns: Turns, seed: int) -> None:
        self._turns = turns
        self._random = random.Random(seed)
        self._rank: dict[str, int] = {}
        self._first: set[str] = set()
        """Reference data goes before everything: it says which hours a symbol trades."""

    def join(self, name: str, topic: Topic, watermark: int) -> None:
        is_market = topic is Topic.MARKET_DATA
        if topic is Topic.REFERENCE:
            self._first.add(name)
        self._rank[name] = {
            Turns.EVENT_TIME: watermark,
            Turns.MARKET_FIRST: int(not is_market),
            Turns.MARKET_LAST: int(is_market),
            Turns.SHUFFLED: 0,
        }[self._turns]

    def may_go(self, name: str) -> bool:
        if self._first:
            return name in self._first
        if self._turns is Turns.SHUFFLED:
            return self._random.random() < 0.5
        return self._rank[name] <= min(list(self._rank.values()))

    def moved(self, name: str, watermark: int) -> None:
        if self._turns is Turns.EVENT_TIME:
            self._rank[name] = watermark

    def leave(self, name: str) -> None:
        self._rank.pop(name, None)
        self._first.discard(name)


class _Tally:
    """Adds up what the partitions of this process have given."""

    def __init__(self, progress: Callable[[Progress], None] | None) -> None:
        self._progress = progress
        self._rows = 0
        self._done: dict[str, int] = {}
        self._total: dict[str, int | None] = {}

    def expect(self, name: str, at: int, total: int | None) -> None:
        self._done[name] = at
        self._total[name] = total

    def add(self, name: str, at: int, rows: int) -> None:
        self._rows += rows
        self._done[name] = at
        self._tell()

    def end(self, name: str) -> None:
        self._total[name] = self._done.get(name, 0)
        self._tell()

    def _tell(self) -> None:
        if self._progress is None:
            return
        parts = [
            min(1.0, self._done[name] / total) if total else 1.0
            for name, total in self._total.items()
            if total is not None
        ]
        known = len(parts) == len(self._total)
        self._progress(Progress(self._rows, sum(parts) / len(parts) if known else None))
