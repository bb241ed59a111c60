"""NDJSON: one event of the bus on each line, topics mixed or not."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import msgspec

from domain.batch import Batch
from domain.errors import InputError, Refused
from domain.instants import NO_TIME, parse_rfc3339
from domain.keys import GROUPS
from domain.reasons import DeadLetterReason
from domain.vocabulary import INPUT_TOPICS, Topic
from domain.wire import CLOCK_TYPE, RowBuilder, split_json, topic_of
from sources.far_future import last_day, refuse_far_future
from sources.reader import Cursor

BATCH_LINES = 16_384


class _Head(msgspec.Struct):
    type: str = ""
    topic: str | None = None
    ts_event: object = None


_HEAD = msgspec.json.Decoder(_Head)


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
            found.update(topic for topic, _, _ in _events(line) if topic)
            if found == wanted:
                break
        return tuple(t for t in INPUT_TOPICS if t in found) or (Topic.ORDERS,)

    @cached_property
    def _last_day(self) -> str | None:
        return last_day(
            str(_HEAD.decode(event).ts_event)
            for _, line in self._lines()
            for topic, event, refused in _events(line)
            if topic and refused is None
        )

    def total(self, topic: Topic) -> int:  # noqa: ARG002
        """Bytes of the file."""
        return self.path.stat().st_size

    def read(self, topic: Topic, source: int, start: Cursor) -> Iterator[tuple[Cursor, Batch]]:
        """Batches of one topic; a stretch of lines without any of it gives an empty one."""
        builder = RowBuilder(topic, source, groups=self.groups, ordinal=start.ordinal)
        at, number, read = start.at, start.line, 0
        for size, line in self._lines(start.at):
            at, number, read = at + size, number + 1, read + 1
            self._take(line, number, topic, builder)
            if read == BATCH_LINES:
                yield Cursor(at, number, builder.ordinal), builder.build()
                read = 0
        if read:
            yield Cursor(at, number, builder.ordinal), builder.build()

    def _lines(self, start: int = 0) -> Iterator[tuple[int, bytes]]:
        try:
            with self.path.open("rb") as file:
                file.seek(start)
                for line in file:
                    yield len(line), line.strip()
        except OSError as error:
            raise InputError(f"{self.path}: {error.strerror}") from error

    def _take(self, line: bytes, number: int, topic: Topic, builder: RowBuilder) -> None:
        mine = topic is self.topics[0]
        for k, (found, event, refused) in enumerate(_events(line, self._last_day)):
            where = f"{self.path.name}:{number}" + (f"#{k}" if k else "")
            if refused is not None:
                if mine if found is None else found is topic:
                    builder.refuse(event, refused, position=where, partition=0, ts=NO_TIME)
            elif found is topic or (found is None and mine):
                if topic in _TIMELESS:
                    builder.clock = max(builder.clock, _time_of(event))
                builder.add_json(event, position=where, partition=0, ts=NO_TIME, ingest=NO_TIME)
            elif found is None:
                builder.clock = max(builder.clock, _time_of(event))


_TIMELESS = {Topic.REFERENCE, Topic.CONTROL}
"""Topics whose records travel as they are, so that only their head tells the time."""


def _events(
    line: bytes, last: str | None = None
) -> Iterator[tuple[Topic | None, bytes, Refused | None]]:
    """(topic, event, refusal) of everything on a line; no topic: everyone's, if not refused.

    What lies after the day `last` is refused.
    """
    if not line:
        return
    try:
        members = split_json(line)
    except Refused as refused:
        yield None, line, refused
        return
    for event in members:
        try:
            yield *_sorted(event, last), None
        except Refused as refused:
            yield None, event, refused


def _sorted(event: bytes, last: str | None) -> tuple[Topic | None, bytes]:
    try:
        head = _HEAD.decode(event)
        stated = Topic(head.topic) if head.topic else None
    except msgspec.ValidationError as error:
        raise Refused(DeadLetterReason.WRONG_TYPE, str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(DeadLetterReason.UNREADABLE, f"not an event in JSON: {error}") from error
    except ValueError as error:
        raise Refused(
            DeadLetterReason.WRONG_TOPIC,
            f"topic must be one of {', '.join(INPUT_TOPICS)}: {error}",
        ) from error
    refuse_far_future(head.ts_event, last)
    if head.type == CLOCK_TYPE:
        return stated, event
    topic = topic_of(head.type)
    if stated is not None and stated is not topic:
        raise Refused(
            DeadLetterReason.WRONG_TOPIC, f"{head.type} belongs on topic {topic}, not on {stated}"
        )
    return topic, event


def _time_of(event: bytes) -> int:
    try:
        return parse_rfc3339(str(_HEAD.decode(event).ts_event))
    except ValueError:
        return NO_TIME
