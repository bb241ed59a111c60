"""The bus on Apache Pulsar: messages over the binary protocol, the layout over admin REST."""

import threading
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager

from bus.base import START, ClockKind, Outgoing, Place, Stored
from bus.out_topics import check_out_topic
from bus.pulsar import layout
from bus.pulsar.access import Access, PulsarSettings
from bus.pulsar.admin import Admin, Ledgers
from bus.pulsar.errors import in_words
from bus.pulsar.lease import ClockLease
from bus.pulsar.link import Link
from bus.pulsar.positions import WHOLE, Rank, rank_of, text_of
from bus.pulsar.producers import Producers
from bus.pulsar.reader import PulsarReader
from bus.pulsar.tail import ReaderTail
from domain.errors import BusError
from domain.vocabulary import Topic

_PAGE = 1_000


class PulsarBus:
    """A bus in one namespace of a Pulsar. Safe to use from several threads.

    A message's time is that of its publication, by the clock of the machine that sent it.
    """

    def __init__(
        self, url: str, settings: PulsarSettings | None = None, *, timeout_s: float = 5.0
    ) -> None:
        self.url = url
        self.access = Access.of(url, settings)
        self.admin = Admin(self.access, timeout_s)
        self._timeout_s = timeout_s
        self._link = Link(self.access, timeout_s)
        self._producers = Producers(self._link)
        self._lease_link = Link(self.access, timeout_s)
        self._lease = ClockLease(self._lease_link, self.admin)
        self._partitions: dict[str, int] = {}
        self._groups: int | None = None

    # Layout

    def set_up(self, partitions: Mapping[Topic, int], groups: int) -> None:
        """Make the topics that are missing, or check those that are there."""
        layout.create(self.admin, self.access.shown, partitions, groups, keep_s=layout.KEEP_S)
        self._partitions.update((str(topic), count) for topic, count in partitions.items())
        self._groups = groups

    def partitions(self, topic: Topic | str) -> int:
        """Number of partitions. Raises BusError for a topic that was never set up."""
        found = self._partitions.get(topic)
        if found is None:
            found = self.admin.partitions(topic)
            if not found:
                raise BusError(
                    f"the bus {self.access.shown} has no topic {topic}; "
                    "`execmon topics create` makes it"
                )
            self._partitions[topic] = found
        return found

    def groups(self) -> int:
        """Key groups the layout was made for."""
        if self._groups is None:
            text = (self.admin.properties() or {}).get(layout.GROUPS)
            if text is None:
                raise BusError(f"the bus {self.access.shown} was never set up")
            self._groups = int(text)
        return self._groups

    def add_topic(self, name: str, partitions: int) -> int:
        """Make the topic of a subscription where it is missing; gives its partitions."""
        check_out_topic(name)
        self.groups()
        if name not in self._partitions:
            path = f"{self.admin.topic_path(name)}/partitions"
            self.admin.create("PUT", path, partitions)
        return self.partitions(name)

    # Messages

    def append(self, messages: Sequence[Outgoing]) -> list[str]:
        """Store messages in order in each partition; gives their positions.

        START stands for one that an earlier attempt had stored. Messages handed in again
        after BusDown are not stored twice if the broker deduplicates, all of them come again
        as the same objects, and nothing else was written to their partitions meanwhile.
        """
        return self._producers.append(messages) if messages else []

    def reader(self, name: str | None = None) -> PulsarReader:
        """A new reader; with a name it has a durable subscription to what it reads."""
        return PulsarReader(self.access, self._timeout_s, name)

    def read_back(self, place: Place, before: str | None, count: int) -> list[Stored]:
        """Up to `count` messages stored before this position, the newest first."""
        top = None if before is None else rank_of(before)
        ledgers = self.admin.ledgers(place)
        start = _entries_back(ledgers, top, count)
        if start is None:
            return []
        last: deque[Stored] = deque(maxlen=count)
        with self._tail(place, start) as tail:
            while found := tail.take(_PAGE, all_stored=True):
                for message in found:
                    if top is not None and rank_of(message.position) >= top:
                        return list(reversed(last))
                    last.append(message)
        return list(reversed(last))

    def find(self, place: Place, position: str) -> Stored | None:
        """The message at this position, None where there is none (any more)."""
        rank = rank_of(position)
        ledgers = self.admin.ledgers(place)
        if rank[:2] > ledgers.end[:2] or rank[0] not in dict(ledgers.entries):
            return None
        with self._tail(place, (rank[0], rank[1] - 1, WHOLE)) as tail:
            while found := tail.take(1, all_stored=True):
                if rank_of(found[0].position) >= rank:
                    return found[0] if found[0].position == position else None
        return None

    @contextmanager
    def _tail(self, place: Place, start: Rank) -> Generator[ReaderTail]:
        with (
            in_words(self.access.shown),
            closing(ReaderTail(self._link, place, start, threading.Event())) as tail,
        ):
            yield tail

    def end(self, place: Place) -> str:
        """Position of the newest message ever stored there, START where there is none."""
        return text_of(self.admin.ledgers(place).end)

    def lag(self, place: Place, position: str) -> int:
        """Messages stored after this position; reads them, for only they say how many."""
        count = 0
        with self._tail(place, rank_of(position)) as tail:
            while found := tail.take(_PAGE, all_stored=True):
                count += len(found)
        return count

    def check_position(self, place: Place, position: str) -> None:
        """Raise BusError unless reading after it misses nothing: not gone, not ahead.

        A ledger goes when every subscription is past it and its time is over. Where that of
        the position is gone, a subscription must stand no further than the position.
        """
        if position == START:
            return
        rank, ledgers = rank_of(position), self.admin.ledgers(place)
        name = f"{place[0]} partition {place[1]}"
        if rank[:2] > ledgers.end[:2]:
            raise BusError(
                f"{name} ends at {text_of(ledgers.end) or 'nothing'}, before {position} where "
                "reading should go on: this is another bus, or it was emptied; start anew with "
                "an empty recovery_dir"
            )
        first = next((ledger for ledger, _ in ledgers.entries), rank[0])
        if rank[0] < first and not _held(ledgers, rank, first):
            raise BusError(
                f"messages after {position} of {name} may be gone: the oldest that are kept "
                f"begin at {first}:0; start anew with an empty recovery_dir"
            )

    def trim(self, place: Place, position: str) -> int:
        """Nothing: Pulsar drops by itself what was acknowledged and is past its retention."""
        del place
        rank_of(position)
        return 0

    # Clock

    def take_clock(self, owner: str, kind: ClockKind, ttl_ms: int) -> str | None:
        """Become the only clock writer for `ttl_ms`; the present one's name where there is one."""
        known = (self.admin.properties() or {}).get(layout.CLOCK_KIND)
        if known not in {None, kind}:
            raise BusError(
                f"the bus {self.access.shown} has {known} clocks and cannot take {kind} clocks: "
                "a replay needs a bus of its own"
            )
        holder = self._lease.take(owner, ttl_ms)
        if holder is None and known is None:
            self.admin.note(layout.CLOCK_KIND, kind)
        return holder

    def tick(self, owner: str, body: bytes, places: Sequence[Place], ttl_ms: int) -> bool:
        """Store a clock message in every place if `owner` still is the clock writer."""
        if not self._lease.renew(owner, ttl_ms):
            return False
        self.append([Outgoing(*place, body) for place in places])
        return True

    def release_clock(self, owner: str) -> None:
        """Let another clock writer begin at once."""
        self._lease.release(owner)

    # Connection

    def ping(self) -> None:
        """Return if the server answers."""
        self.admin.properties()

    def close(self) -> None:
        """Drop every connection."""
        self._lease.close()
        self._producers.close()
        self._lease_link.drop()
        self._link.drop()
        self.admin.close()


def _entries_back(ledgers: Ledgers, top: Rank | None, count: int) -> Rank | None:
    """The entry after which at least `count` messages precede `top`; None without any."""
    left = count + 1
    start: Rank | None = None
    for ledger, entries in reversed(ledgers.entries):
        if top is not None and ledger > top[0]:
            continue
        here = entries if top is None or ledger < top[0] else min(entries, top[1] + 1)
        if here <= 0:
            continue
        start = (ledger, max(here - left, 0) - 1, WHOLE)
        left -= here
        if left <= 0:
            break
    return start


def _held(ledgers: Ledgers, rank: Rank, first: int) -> bool:
    """Whether a subscription kept all that follows a position whose ledger is gone."""
    return any(done <= rank or done == (first, -1, WHOLE) for done in ledgers.done.values())
