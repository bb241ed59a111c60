"""NDJSON: one event of the bus on each line, topics mixed or not."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from domain.batch import Batch
from domain.errors import InputError, Refused
from domain.instants import NO_TIME
from domain.keys import GROUPS
from domain.vocabulary import INPUT_TOPICS, Topic
from domain.wire import RowBuilder
from sources.ahead import InTime, last_instant
from sources.ndjson_lines import Entry, entries_of
from sources.reader import Cursor

BATCH_LINES = 16_384


class NdjsonReader:
    """Every topic found in the file is an input of its own, in the order of the file.

    The type of an event says its topic; a member `topic` must agree, and on a clock message
    says whose time it moves (without it, every topic's). A line may also be a JSON array of
    events. What belongs to no topic is refused with the first one. Raises InputError when
    the file cannot be read.
    """

    def __init__(self, path: str | Path, *, groups: int = GROUPS) -> None:
        self.path = Path(path)
        self.groups = groups

    @cached_property
    def topics(self) -> tuple[Topic, ...]:
        """Topics that have at least one event; `orders` where there is none at all."""
        wanted = set(INPUT_TOPICS)
        found: set[Topic] = set()
        for _, line in self._lines():
            found.update(entry.topic for entry in entries_of(line) if entry.topic)
            if found == wanted:
                break
        return tuple(t for t in INPUT_TOPICS if t in found) or (Topic.ORDERS,)

    @cached_property
    def _last(self) -> int:
        return last_instant(
            entry.time
            for _, line in self._lines()
            for entry in entries_of(line)
            if entry.topic and entry.refused is None
        )

    def total(self, topic: Topic) -> int:  # noqa: ARG002
        """Bytes of the file."""
        return self.path.stat().st_size

    def read(self, topic: Topic, source: int, start: Cursor) -> Iterator[tuple[Cursor, Batch]]:
        """Batches of one topic; a stretch of lines without any of it gives an empty one."""
        builder = RowBuilder(topic, source, groups=self.groups, ordinal=start.ordinal)
        parts = InTime(
            self._parts(topic, start), _Part.times, last=self._last, newest=start.watermark
        )
        for part, refusals in parts:
            for i, message in enumerate(part.messages):
                self._take(message, refusals.get(i), topic, builder)
            batch = builder.build()
            parts.built(batch)
            yield Cursor(part.at, part.line, builder.ordinal), batch

    def _parts(self, topic: Topic, start: Cursor) -> Iterator["_Part"]:
        """Some thousand lines at a time: what is the topic's, and nobody's for the first one."""
        part = _Part(start.at, start.line)
        mine = topic is self.topics[0]
        for size, line in self._lines(start.at):
            part.at, part.line, part.lines = part.at + size, part.line + 1, part.lines + 1
            for k, entry in enumerate(entries_of(line)):
                anyones = mine if entry.refused else entry.topic is None
                if anyones or entry.topic is topic:
                    where = f"{self.path.name}:{part.line}" + (f"#{k}" if k else "")
                    part.messages.append(_Message(where, entry, entry.time))
            if part.lines == BATCH_LINES:
                yield part
                part = _Part(part.at, part.line)
        if part.lines:
            yield part

    def _lines(self, start: int = 0) -> Iterator[tuple[int, bytes]]:
        try:
            with self.path.open("rb") as file:
                file.seek(start)
                for line in file:
                    yield len(line), line.strip()
        except OSError as error:
            raise InputError(f"{self.path}: {error.strerror}") from error

    def _take(
        self, message: "_Message", ahead: Refused | None, topic: Topic, builder: RowBuilder
    ) -> None:
        where, (found, event, _, refused), time = message
        refused = refused or ahead
        if refused is not None:
            if found is topic or topic is self.topics[0]:
                builder.refuse(event, refused, position=where, partition=0, ts=NO_TIME)
            return
        refusals, clock = builder.refusals, builder.clock
        if found is None or topic in _TIMELESS:
            # A record is known from its own time on.
            builder.clock = max(clock, time)
        if found is topic or topic is self.topics[0]:
            builder.add_json(event, position=where, partition=0, ts=NO_TIME, ingest=NO_TIME)
        if builder.refusals > refusals:
            builder.clock = clock


_TIMELESS = {Topic.REFERENCE, Topic.CONTROL}
"""Topics whose records travel as they are, so that only their head tells the time."""


class _Message(NamedTuple):
    where: str
    entry: Entry
    time: int


@dataclass(slots=True)
class _Part:
    """Some lines, and what they hold for one topic."""

    at: int
    line: int
    lines: int = 0
    messages: list[_Message] = field(default_factory=list[_Message])

    def times(self) -> np.ndarray:
        return np.array([message.time for message in self.messages], np.int64)
