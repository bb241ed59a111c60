"""Lines of NDJSON as single events, each with the topic it belongs on."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from domain.errors import Refused
from domain.instants import NO_TIME, parse_rfc3339
from domain.reasons import DeadLetterReason
from domain.vocabulary import INPUT_TOPICS, Topic
from domain.wire import CLOCK_TYPE, split_json, topic_of


class _Head(msgspec.Struct):
    type: str = ""
    topic: str | None = None
    ts_event: object = None


_HEAD = msgspec.json.Decoder(_Head)


class Entry(NamedTuple):
    """One event of a line. No topic: a clock of every topic's, or refused."""

    topic: Topic | None
    event: bytes
    ts_event: object = None
    refused: Refused | None = None

    @property
    def time(self) -> int:
        """UNIX ns, NO_TIME where the event tells none."""
        try:
            return parse_rfc3339(self.ts_event) if isinstance(self.ts_event, str) else NO_TIME
        except (ValueError, OverflowError):
            return NO_TIME


def entries_of(line: bytes) -> Iterator[Entry]:
    """Every event of a line, what cannot be read among them."""
    if not line:
        return
    try:
        members = split_json(line)
    except Refused as refused:
        yield Entry(None, line, refused=refused)
        return
    for event in members:
        try:
            yield _sorted(event)
        except Refused as refused:
            yield Entry(None, event, refused=refused)


def _sorted(event: bytes) -> Entry:
    try:
        head = _HEAD.decode(event)
        stated = _input_topic(head.topic) if head.topic else None
    except msgspec.ValidationError as error:
        raise Refused(DeadLetterReason.WRONG_TYPE, str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(DeadLetterReason.UNREADABLE, f"not an event in JSON: {error}") from error
    if head.type == CLOCK_TYPE:
        return Entry(stated, event, head.ts_event)
    topic = topic_of(head.type)
    if stated is not None and stated is not topic:
        raise Refused(
            DeadLetterReason.WRONG_TOPIC, f"{head.type} belongs on topic {topic}, not on {stated}"
        )
    return Entry(topic, event, head.ts_event)


def _input_topic(name: str) -> Topic:
    if name not in INPUT_TOPICS:
        raise Refused(
            DeadLetterReason.WRONG_TOPIC,
            f"topic must be one of {', '.join(INPUT_TOPICS)}, was {name[:40]!r}",
        )
    return Topic(name)
