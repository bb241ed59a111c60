"""Reading what the monitor publishes, each event once, with every gap told.

    with Consumer(bus, Topic.EXECUTION_EVENTS, saved) as consumer:
        while True:
            taken = consumer.poll()
            handle(taken.events, taken.gaps)
            save(consumer.state())

The bus delivers at least once: after a crash the monitor writes a stretch again, under the
same ids and numbers. Works on any bus; for one thread.
"""

from dataclasses import dataclass
from typing import Self, TypeVar

import msgspec

from bus.base import START, Bus, Place, Reader, Stored
from bus.numbers import Gap, Numbers
from bus.repeats import Repeats
from domain.errors import ConfigurationError, RecoveryError, Refused
from domain.topics import wrong_out_topic
from domain.vocabulary import Topic
from domain.wire import split_json

T = TypeVar("T")
STATE_VERSION = 1
READABLE: tuple[Topic, ...] = (
    Topic.EXECUTION_EVENTS,
    Topic.EXECUTION_UPDATES,
    Topic.EXECUTION_ALERTS,
)


@dataclass(frozen=True, slots=True)
class Event:
    """One event: where it is stored, and its JSON."""

    place: Place
    position: str
    event_id: str
    key: str
    """The order, symbol or alert that it is one of; empty where it has none."""
    number: int | None
    """Its number among those of its key; None for kinds that are not numbered."""
    raw: bytes
    event_type: str = ""
    """As the message's `ce_type` has it; on `execution-alerts` it tells alerts from incidents."""

    def as_(self, type_: type[T]) -> T:
        """The event as a record of `domain.published`; raises msgspec.ValidationError.

        Members that the record does not know are ignored, so a newer monitor may add some.
        """
        return msgspec.json.decode(self.raw, type=type_)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message, or one event of it, that is none of ours."""

    place: Place
    position: str
    words: str


@dataclass(slots=True)
class Taken:
    """What one `poll` gave, in the stored order of each partition."""

    events: list[Event]
    gaps: list[Gap]
    unreadable: list[Unreadable]
    repeats: int = 0
    """Events that were left out because they came before."""


class _Monitoring(msgspec.Struct):
    dedupe_key: str = ""
    seq: int | None = None


class _Head(msgspec.Struct):
    event_id: str
    kind: str = ""
    order_id: str = ""
    symbol: str | None = None
    seq: int | None = None
    status: msgspec.Raw = msgspec.Raw(b"")
    monitoring: _Monitoring | None = None


class _StatusHead(msgspec.Struct):
    seq: int | None = None


class _State(msgspec.Struct):
    version: int
    topic: str
    positions: dict[str, str]
    numbers: tuple[bool, dict[str, tuple[int, list[int]]]]
    ids: list[str]


_read_head = msgspec.json.Decoder(_Head).decode
_read_status = msgspec.json.Decoder(_StatusHead).decode


class Consumer:
    """Reads every partition of a topic that the monitor publishes, from the start or `state`.

    The topic of a subscription (`out.…`) is read too. It has a part of the events, so their
    numbers tell nothing there, and no gap is told.

    `room` bounds what is remembered: ids of events without a number, and keys with one. It
    must exceed what a crash may make the monitor send again: the events of one epoch. With
    `newest` a consumer without a state begins behind what is stored now; gaps are then told
    from the second event of a key on. Raises BusError where the bus no longer has what
    follows the state, RecoveryError for the state of another version or topic.
    """

    def __init__(
        self,
        bus: Bus,
        topic: Topic | str,
        state: bytes | None = None,
        *,
        room: int = 200_000,
        newest: bool = False,
    ) -> None:
        if topic not in READABLE and wrong_out_topic(topic):
            raise ConfigurationError(
                f"topic must be one of {', '.join(READABLE)}, or a subscription's, was {topic}"
            )
        self.topic = topic
        self._has_all = topic in READABLE
        places: list[Place] = [(topic, partition) for partition in range(bus.partitions(topic))]
        if state is None:
            self._positions = {place: bus.end(place) if newest else START for place in places}
            self._numbers = Numbers(room, from_start=not newest)
            self._repeats = Repeats(room)
        else:
            kept = _restored(state, topic)
            self._positions = {place: kept.positions.get(str(place[1]), START) for place in places}
            self._numbers = Numbers.restored(kept.numbers, room)
            self._repeats = Repeats(room, kept.ids)
        for place, position in self._positions.items():
            bus.check_position(place, position)
        self._reader: Reader = bus.reader()

    def poll(self, count: int = 100, block_ms: int = 1_000) -> Taken:
        """Up to `count` messages of each partition; waits up to `block_ms` for a first one.

        Raises BusDown where the bus does not answer; nothing is lost, call it again.
        """
        taken = Taken([], [], [])
        for place, messages in self._reader.read(self._positions, count, block_ms).items():
            for message in messages:
                self._take(place, message, taken)
                self._positions[place] = message.position
        return taken

    def missing(self) -> dict[str, list[int]]:
        """Numbers that were skipped and have not come since, by key."""
        return dict(self._numbers.missing())

    def state(self) -> bytes:
        """Where reading goes on, and what is known: save it once the events are dealt with."""
        positions = {str(place[1]): position for place, position in self._positions.items()}
        return msgspec.json.encode(
            _State(STATE_VERSION, self.topic, positions, self._numbers.state(), self._repeats.ids())
        )

    def close(self) -> None:
        """Drop the connection."""
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self, place: Place, message: Stored, taken: Taken) -> None:
        at = message.position
        try:
            events = split_json(message.body)
        except Refused as refused:
            taken.unreadable.append(Unreadable(place, at, refused.words))
            return
        for raw in events:
            try:
                event = self._event(place, message, raw)
            except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
                taken.unreadable.append(Unreadable(place, at, str(error)))
                continue
            if self._is_new(event, taken):
                taken.events.append(event)
            else:
                taken.repeats += 1

    def _event(self, place: Place, message: Stored, raw: bytes) -> Event:
        head, type_ = _read_head(raw), message.meta.get("ce_type", "")
        return Event(place, message.position, head.event_id, *self._numbered(head), raw, type_)

    def _numbered(self, head: _Head) -> tuple[str, int | None]:
        if self.topic == Topic.EXECUTION_EVENTS:
            return head.order_id, head.seq
        if self.topic == Topic.EXECUTION_ALERTS:
            life = head.monitoring
            return (life.dedupe_key, life.seq) if life else (head.order_id, None)
        if not self._has_all:
            return head.monitoring.dedupe_key if head.monitoring else head.order_id, None
        # The `seq` of every other kind is the sender's own.
        number = _read_status(head.status).seq if head.kind == "status" else None
        return head.order_id or head.symbol or "", number

    def _is_new(self, event: Event, taken: Taken) -> bool:
        if event.number is None or not event.key:
            return self._repeats.is_new(event.event_id)
        is_new, gap = self._numbers.take(event.key, event.number)
        if gap is not None:
            taken.gaps.append(gap)
        return is_new


def _restored(state: bytes, topic: Topic | str) -> _State:
    try:
        kept = msgspec.json.decode(state, type=_State)
    except msgspec.MsgspecError as error:
        raise RecoveryError(f"this is no state of a consumer: {error}") from error
    if kept.version != STATE_VERSION:
        raise RecoveryError(
            f"the consumer's state has version {kept.version}, this program reads {STATE_VERSION}: "
            "begin without it"
        )
    if kept.topic != topic:
        raise RecoveryError(f"the consumer's state is of topic {kept.topic}, not of {topic}")
    return kept
