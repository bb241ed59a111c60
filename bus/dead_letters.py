"""Dead letters on the bus: listed, shown, and put back where they came from."""

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bus.base import Bus, Outgoing, Stored
from domain.errors import InputError
from domain.instants import format_rfc3339
from domain.keys import partition_of
from domain.reasons import DeadLetterReason
from domain.topics import ARROW_TYPE, JSON_TYPE
from domain.vocabulary import INPUT_TOPICS, Topic

REPLAYABLE = (*INPUT_TOPICS, Topic.EXECUTION_UPDATES, Topic.EXECUTION_ALERTS)
"""Topics whose readers write dead letters."""
_PAGE = 200
_ARROW_MARK = b"\xff\xff\xff\xff"
"""How an Arrow IPC stream begins; no JSON does."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A refused message: where it stands among the dead letters, where it came from, why."""

    partition: int
    position: str
    topic: str
    origin_partition: int
    """−1 where it is not known."""
    origin_position: str
    reason: str
    words: str
    ts: str | None
    """When the message itself was stored, RFC 3339; None where that is not known."""
    refused_at: str
    message: bytes


@dataclass(frozen=True, slots=True)
class LetterPlace:
    """How far a list has come: nothing newer than `until_ns`, and older than these positions."""

    until_ns: int
    before: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Letters:
    """One page of dead letters, newest first."""

    letters: list[Letter]
    more: LetterPlace | None
    """Where to go on, None at the end."""


def list_letters(
    bus: Bus,
    *,
    topic: Topic | None = None,
    reason: DeadLetterReason | None = None,
    limit: int = 100,
    after: LetterPlace | None = None,
    most_read: int = 20_000,
) -> Letters:
    """Up to `limit` dead letters that fit, newest first, from where the last page ended.

    A page also ends after `most_read` messages. What is refused between two pages is in
    neither. Raises BusDown, BusError.
    """
    count = bus.partitions(Topic.DEAD_LETTER)
    partitions = range(count)
    if topic is not None:
        partitions = [partition_of(topic, count, bus.groups())]
    each = [_newest_first(bus, partition, after) for partition in partitions]
    before = dict(after.before) if after else {}
    until_ns = after.until_ns if after else None
    found: list[Letter] = []
    newest_first = heapq.merge(*each, key=lambda at: (at[1].ts, at[0]), reverse=True)
    for read, (partition, stored) in enumerate(newest_first):
        if len(found) == limit or read == most_read:
            return Letters(found, LetterPlace(until_ns or 0, before))
        until_ns = stored.ts if until_ns is None else until_ns
        before[partition] = stored.position
        letter = _letter(partition, stored)
        if (topic is None or letter.topic == topic) and (
            reason is None or letter.reason == reason.name
        ):
            found.append(letter)
    return Letters(found, None)


def find_letter(bus: Bus, partition: int, position: str) -> Letter | None:
    """One dead letter, None where there is none. Raises BusError for no position at all."""
    if not 0 <= partition < bus.partitions(Topic.DEAD_LETTER):
        return None
    stored = bus.find((Topic.DEAD_LETTER, partition), position)
    return None if stored is None else _letter(partition, stored)


def replay_letter(bus: Bus, letter: Letter, *, by: str) -> str:
    """Put the original bytes back into the partition they came from; gives their new position.

    They are decoded anew, and refused anew unless what refused them has changed. Raises
    InputError where they did not come from the bus, or are an event of ours that was withheld.
    """
    if letter.reason == DeadLetterReason.INVALID_EVENT.name:
        raise InputError(
            f"{letter.origin_position} is an event of ours that was withheld, not a message that "
            "came from outside; it cannot be put back"
        )
    topic = next((topic for topic in REPLAYABLE if topic == letter.topic), None)
    if topic is None:
        raise InputError(
            f"the message came from {letter.topic!r}; only those of {', '.join(REPLAYABLE)} "
            "can be replayed"
        )
    if not 0 <= letter.origin_partition < bus.partitions(topic):
        raise InputError(f"topic {topic} has no partition {letter.origin_partition}")
    content_type = ARROW_TYPE if letter.message.startswith(_ARROW_MARK) else JSON_TYPE
    meta = {"replay_of": f"{letter.partition}/{letter.position}", "replayed_by": by}
    message = Outgoing(topic, letter.origin_partition, letter.message, content_type, meta)
    return bus.append([message])[0]


def _newest_first(
    bus: Bus, partition: int, after: LetterPlace | None
) -> Iterator[tuple[int, Stored]]:
    before = after.before.get(partition) if after else None
    while stored := bus.read_back((Topic.DEAD_LETTER, partition), before, _PAGE):
        for message in stored:
            if after is None or message.ts <= after.until_ns:
                yield partition, message
        before = stored[-1].position


def _letter(partition: int, stored: Stored) -> Letter:
    meta = stored.meta
    origin = meta.get("partition", "")
    return Letter(
        partition=partition,
        position=stored.position,
        topic=meta.get("topic", ""),
        origin_partition=int(origin) if origin.isdecimal() else -1,
        origin_position=meta.get("position", ""),
        reason=meta.get("reason", ""),
        words=meta.get("words", ""),
        ts=meta.get("ce_time"),
        refused_at=format_rfc3339(stored.ts),
        message=stored.body,
    )
