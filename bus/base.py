"""What every bus can do, whichever server is behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from domain.topics import JSON_TYPE
from domain.vocabulary import Topic

Place = tuple[Topic | str, int]
"""A topic, of the product's own or made for a subscription, and one of its partitions."""

START = ""
"""Position before the first message of a partition."""

ClockKind = Literal["wall", "event"]
"""Whether a bus's clocks follow wall time, or the event time of a replay."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to append: one event, an array of them, or a batch of columns."""

    topic: Topic | str
    partition: int
    body: bytes
    content_type: str = JSON_TYPE
    meta: Mapping[str, str] = field(default_factory=dict[str, str])
    """More properties, named `ce_…` where CloudEvents has a name for them."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A message as the bus keeps it."""

    position: str
    """Text; reading after it gives the next message."""
    ts: int
    """UNIX ns at which the bus stored it, to the millisecond below."""
    body: bytes
    content_type: str
    meta: Mapping[str, str]


class Reader(Protocol):
    """Reads partitions in stored order over a connection of its own; for one thread."""

    def read(
        self, after: Mapping[Place, str], count: int, block_ms: int
    ) -> dict[Place, list[Stored]]:
        """Up to `count` messages after each position, places without any left out.

        Waits up to `block_ms` for a first one; 0 does not wait. Raises BusDown where the
        server does not answer; the same call can then be made again.
        """
        ...

    def acknowledge(self, place: Place, position: str) -> None:
        """Say that all up to this position is done for good and never read again by this name.

        A bus that counts what is left of each reader, or drops what all have done, goes by
        it; others take no notice. Raises BusDown.
        """
        ...

    def close(self) -> None:
        """Drop the connection."""
        ...


class Bus(Protocol):
    """A partitioned, replayable log of messages. Safe to use from several threads.

    Every call raises BusDown while the server does not answer, and BusError where it
    refuses.
    """

    url: str

    def set_up(self, partitions: Mapping[Topic, int], groups: int) -> None:
        """Record the layout, or check it against what is recorded.

        Raises BusError where it differs: messages of one key would end in two partitions.
        """
        ...

    def partitions(self, topic: Topic | str) -> int:
        """Number of partitions. Raises BusError for a topic that was never set up."""
        ...

    def groups(self) -> int:
        """Key groups the layout was made for."""
        ...

    def add_topic(self, name: str, partitions: int) -> int:
        """Make the topic of a subscription with so many partitions; gives how many it has.

        One that is there stays as it is. Raises BusError for a name that is not such a topic's
        or where we may not make it.
        """
        ...

    def append(self, messages: Sequence[Outgoing]) -> list[str]:
        """Store messages in this order in one round trip; gives their positions.

        After BusDown some of them may be stored: sending all again stores those twice.
        """
        ...

    def reader(self, name: str | None = None) -> Reader:
        """A new reader; a name under which the bus may keep what it acknowledged."""
        ...

    def read_back(self, place: Place, before: str | None, count: int) -> list[Stored]:
        """Up to `count` messages stored before this position, the newest first.

        None begins with the newest message of all. Raises BusError for no position at all.
        """
        ...

    def find(self, place: Place, position: str) -> Stored | None:
        """The message at this position, None where there is none (any more)."""
        ...

    def end(self, place: Place) -> str:
        """Position of the newest message ever stored there, START where there is none."""
        ...

    def lag(self, place: Place, position: str) -> int:
        """Messages stored after this position."""
        ...

    def check_position(self, place: Place, position: str) -> None:
        """Raise BusError unless reading after it misses nothing: not trimmed, not ahead."""
        ...

    def trim(self, place: Place, position: str) -> int:
        """Drop messages before this position, which stays; gives how many went.

        None go at once where the bus drops by itself what was acknowledged.
        """
        ...

    def take_clock(self, owner: str, kind: ClockKind, ttl_ms: int) -> str | None:
        """Become the only clock writer for `ttl_ms`; the present one's name where there is one.

        Raises BusError where the other kind of clock was written here before.
        """
        ...

    def tick(self, owner: str, body: bytes, places: Sequence[Place], ttl_ms: int) -> bool:
        """Store a clock message in every place if `owner` still is the clock writer."""
        ...

    def release_clock(self, owner: str) -> None:
        """Let another clock writer begin at once."""
        ...

    def ping(self) -> None:
        """Return if the server answers."""
        ...

    def close(self) -> None:
        """Drop every connection."""
        ...
