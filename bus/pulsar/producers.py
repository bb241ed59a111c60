"""Writing to Pulsar: in batches, each one's result checked, in order in each partition.

The client waits where its queue is full. Messages that are handed in again after an outage
keep their numbers where they can, so that a broker with deduplication drops what it has.
It goes by the number of a batch's first message, so the same messages must be cut into the
same batches, or one that was never stored would be dropped: we cut, and not the client.
"""

import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache, partial
from typing import Any

from bus.base import Outgoing, Place
from bus.pulsar.errors import failure, in_words, name_of, pulsar_module
from bus.pulsar.link import Link
from bus.pulsar.positions import BEGINNING, WHOLE, Rank, text_of
from domain.errors import BusDown, BusError

CONTENT_TYPE = "content-type"
_QUEUE = 1_000
_BATCH = 500
_BATCH_BYTES = 512 * 1024
"""A batch ends after so many messages or bytes, both within what the client allows."""
_NEVER_MS = 600_000
_OK = "Ok"
_Take = Callable[[Any, Any], None]
"""Gets a result and a message's id."""


class _Lane:
    """The producer of one partition, and the numbers of its messages."""

    def __init__(self) -> None:
        self.producer: Any = None
        self.client: Any = None
        # The client takes 0 for no number at all.
        self.newest = 0
        self.unsure: list[tuple[Outgoing, int]] = []
        """Messages of the call that failed last, in order, with their numbers."""
        self.ends: set[int] = set()
        """Numbers with which batches ended, since the first attempt to send the unsure ones."""

    def numbers(self, messages: Sequence[Outgoing]) -> list[int]:
        """A number for each: the old ones where all that failed come again, before others."""
        old = [number for _, number in self.unsure]
        same = len(messages) >= len(old) and all(
            message is failed for message, (failed, _) in zip(messages, self.unsure, strict=False)
        )
        self.unsure = []
        old = old if same else []
        if not old:
            self.ends.clear()
        fresh = len(messages) - len(old)
        first = self.newest + 1
        self.newest += fresh
        return [*old, *range(first, first + fresh)]

    def batches(
        self, messages: Sequence[Outgoing], numbers: Sequence[int], resent: int
    ) -> Iterator[tuple[int, int]]:
        """Where batches begin and end. The first `resent` messages are cut as they were before."""
        first = size = 0
        for n, message in enumerate(messages):
            size += len(message.body)
            if n > first and size > _BATCH_BYTES:
                yield first, n
                first, size = n, len(message.body)
            is_full = n + 1 - first == _BATCH or n + 1 in (resent, len(messages))
            if is_full or numbers[n] in self.ends:
                yield first, n + 1
                first, size = n + 1, 0

    def send(self, messages: Sequence[Outgoing], numbers: Sequence[int], take: _Take) -> None:
        """Send these as one batch; `take` gets what became of the last of them."""
        # The client's Python face looks at each argument again, always wants somebody to call,
        # and shows only the flush that waits.
        producer = self.producer._producer
        last = numbers[-1]
        for message, number in zip(messages, numbers, strict=True):
            producer.send_async(_built(message, number), take if number == last else None)
        self.ends.add(last)
        producer.flush_async(None)


class _Receipts:
    """What became of one call's messages, batch by batch, as it comes in on a client's thread."""

    def __init__(self, count: int) -> None:
        self.results: list[tuple[str, Rank]] = [("", BEGINNING)] * count
        """(the result's name, where it is stored); no name where nothing came."""
        self._left = count
        self._lock = threading.Lock()
        self._done = threading.Event()

    def take(self, indexes: Sequence[int], result: Any, message_id: Any) -> None:
        """Note a batch by the result of its last message.

        All of one entry share their fate, and the id says how many they are: a client that
        gave up some of the batch half-way stores fewer.
        """
        name = name_of(result)
        newest = message_id.batch_index()
        stored = indexes[-1 - newest :] if name == _OK else indexes
        entry = (message_id.ledger_id(), message_id.entry_id())
        for n, index in enumerate(reversed(stored)):
            self.results[index] = (name, (*entry, newest - n if n else WHOLE))
        with self._lock:
            self._left -= len(indexes)
            if not self._left:
                self._done.set()

    def wait(self, seconds: float) -> None:
        self._done.wait(seconds)


_Try = tuple[_Lane, list[int], list[int]]
"""(lane, indexes of its messages in the call, their numbers)"""


class Producers:
    """Producers of every partition that was written to. Safe to use from several threads."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._lanes: dict[Place, _Lane] = {}
        self._lock = threading.Lock()

    def append(self, messages: Sequence[Outgoing]) -> list[str]:
        """Store messages; gives their positions, START for one that was stored before.

        Raises BusDown where the same may succeed later, BusError where it will not.
        """
        receipts = _Receipts(len(messages))
        by_place: dict[Place, list[int]] = {}
        for index, message in enumerate(messages):
            by_place.setdefault((message.topic, message.partition), []).append(index)
        tries: list[_Try] = []
        error: BusError | None = None
        try:
            with in_words(self._link.access.shown), self._lock:
                for place, indexes in by_place.items():
                    self._send(place, messages, indexes, receipts, tries)
            receipts.wait(self._link.timeout_s + 1.0)
        except BusError as raised:
            error = raised
        error = error or self._first_failure(receipts)
        if error is None:
            return [text_of(rank) for _, rank in receipts.results]
        if isinstance(error, BusDown):
            self._link.drop()
            self._remember(messages, tries, receipts)
        raise error

    def _send(
        self,
        place: Place,
        messages: Sequence[Outgoing],
        indexes: list[int],
        receipts: _Receipts,
        tries: list[_Try],
    ) -> None:
        lane = self._lane(place)
        resent = len(lane.unsure)
        ours = [messages[index] for index in indexes]
        numbers = lane.numbers(ours)
        tries.append((lane, indexes, numbers))
        for first, end in lane.batches(ours, numbers, resent):
            take = partial(receipts.take, indexes[first:end])
            lane.send(ours[first:end], numbers[first:end], take)

    def _first_failure(self, receipts: _Receipts) -> BusError | None:
        shown = self._link.access.shown
        for name, _ in receipts.results:
            if name != _OK:
                return failure(name or "Timeout", shown)
        return None

    def _remember(
        self, messages: Sequence[Outgoing], tries: list[_Try], receipts: _Receipts
    ) -> None:
        """Keep the numbers for another attempt, but only where none could hide a message.

        They could where a message failed and a later one did not, or where somebody wrote
        after us.
        """
        with self._lock:
            for lane, indexes, numbers in tries:
                stored = [receipts.results[index][0] == _OK for index in indexes]
                if stored == sorted(stored, reverse=True) and numbers[-1] == lane.newest:
                    failed = [messages[index] for index in indexes]
                    lane.unsure = list(zip(failed, numbers, strict=True))

    def _lane(self, place: Place) -> _Lane:
        lane = self._lanes.setdefault(place, _Lane())
        if lane.producer is None or not self._link.is_current(lane.client):
            lane.client = self._link.client()
            lane.producer = self._open(lane.client, place)
        return lane

    def _open(self, client: Any, place: Place) -> Any:
        return client.create_producer(
            self._link.access.topic(*place),
            producer_name=self._name,
            send_timeout_millis=round(1000 * self._link.timeout_s),
            max_pending_messages=_QUEUE,
            block_if_queue_full=True,
            batching_enabled=True,
            batching_max_messages=2 * _BATCH,
            batching_max_allowed_size_in_bytes=4 * _BATCH_BYTES,
            batching_max_publish_delay_ms=_NEVER_MS,
        )

    def close(self) -> None:
        """Let the broker know that we are gone."""
        with self._lock, suppress(pulsar_module().PulsarException):
            for lane in self._lanes.values():
                if lane.producer is not None and self._link.is_current(lane.client):
                    lane.producer.close()
            self._lanes.clear()


def _built(message: Outgoing, number: int) -> Any:
    built = _builder()()
    built.content(message.body)
    built.property(CONTENT_TYPE, message.content_type)
    for name, text in message.meta.items():
        built.property(name, text if text.isascii() else text.encode(errors="replace").decode())
    built.sequence_id(number)
    return built.build()


@cache
def _builder() -> Any:
    return pulsar_module()._pulsar.MessageBuilder
