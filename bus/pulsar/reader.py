"""Reading partitions of a Pulsar in stored order, over a connection of its own."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from bus.base import Place, Stored
from bus.pulsar.access import Access
from bus.pulsar.errors import in_words
from bus.pulsar.link import Link
from bus.pulsar.positions import rank_of
from bus.pulsar.tail import ConsumerTail, ReaderTail, Tail
from domain.errors import BusDown

_Answer = TypeVar("_Answer")
_CONNECTED_EVERY_S = 0.25
_GRACE_S = 1.0
"""How long a partition may be without a broker, as when it moves to another."""


class PulsarReader:
    """Reads partitions, by durable subscriptions where it has a name; for one thread."""

    def __init__(self, access: Access, timeout_s: float, name: str | None) -> None:
        self._link = Link(access, timeout_s)
        self._name = name
        self._tails: dict[Place, Tail] = {}
        self._arrived = threading.Event()
        self._looked = 0.0
        self._away_since: float | None = None

    def read(
        self, after: Mapping[Place, str], count: int, block_ms: int
    ) -> dict[Place, list[Stored]]:
        """Up to `count` messages after each position; waits up to `block_ms` for a first one.

        Where it does not wait it gives all that is stored. A broker that went away is
        BusDown, after which the positions are found anew.
        """
        return self._try(lambda: self._read(after, count, block_ms))

    def _read(
        self, after: Mapping[Place, str], count: int, block_ms: int
    ) -> dict[Place, list[Stored]]:
        tails = {place: self._tail(place, position) for place, position in after.items()}
        until = time.monotonic() + block_ms / 1000
        while True:
            self._arrived.clear()
            found: dict[Place, list[Stored]] = {}
            for place, tail in tails.items():
                if taken := tail.take(count, all_stored=not block_ms):
                    found[place] = taken
            left_s = until - time.monotonic()
            if found or left_s <= 0:
                return found
            self._check_connected()
            self._arrived.wait(left_s)

    def _tail(self, place: Place, position: str) -> Tail:
        tail = self._tails.get(place)
        if tail is not None and tail.at == position:
            return tail
        if tail is not None:
            self._tails.pop(place).close()
        made: Tail
        if self._name is None:
            made = ReaderTail(self._link, place, rank_of(position), self._arrived)
        else:
            made = ConsumerTail(self._link, place, rank_of(position), self._arrived, self._name)
        self._tails[place] = made
        return made

    def _check_connected(self) -> None:
        now = time.monotonic()
        if now - self._looked < _CONNECTED_EVERY_S:
            return
        self._looked = now
        if all(tail.is_connected() for tail in self._tails.values()):
            self._away_since = None
        elif self._away_since is None:
            self._away_since = now
        elif now - self._away_since > _GRACE_S:
            raise BusDown(f"the bus does not answer: {self._link.access.shown}: not connected")

    def acknowledge(self, place: Place, position: str) -> None:
        """Tell the broker that all up to this position will never be read again by this name."""
        tail = self._tails.get(place)
        if tail is not None and self._name is not None:
            self._try(lambda: tail.acknowledge(position))

    def _try(self, call: Callable[[], _Answer]) -> _Answer:
        try:
            with in_words(self._link.access.shown):
                return call()
        except BusDown:
            self._reset()
            raise

    def _reset(self) -> None:
        for tail in self._tails.values():
            tail.give_up()
        self._tails.clear()
        self._away_since = None
        self._link.drop()

    def close(self) -> None:
        """Leave the subscriptions and drop the connection."""
        for tail in self._tails.values():
            tail.close()
        self._reset()
