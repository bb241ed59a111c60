"""Writing to Pulsar: in batches, each result checked, in order in each partition.

The client waits where its queue is full. Messages that are handed in again after an outage
keep their numbers where they can, so that a broker with deduplication drops what it has.
It goes by the number of a batch's first message, so the same messages must be cut into the
same batches, or one that was never stored would be dropped: we cut, and not the client.
"""

import itertools
import os
import socket
import threading
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from bus.base import Outgoing, Place
from bus.pulsar.errors import failure, in_words, name_of, pulsar_module
from bus.pulsar.link import Link
from bus.pulsar.positions import rank_of_id, text_of
from domain.errors import BusDown, BusError

CONTENT_TYPE = "content-type"
_QUEUE = 1_000
_BATCH = 500
_BATCH_BYTES = 512 * 1024
"""A batch ends after so many messages or bytes, both within what the client allows."""
_NEVER_MS = 600_000
_OK = "Ok"


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
        self.open = self.open_bytes = self.sent = 0
        """Messages and bytes of the batch that is not cut yet, and its newest number."""

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

    def send(self, message: Outgoing, number: int, take: Callable[[Any, Any], None]) -> None:
        self.producer.send_async(
            message.body, take, properties=_properties(message), sequence_id=number
        )
        self.open += 1
        self.open_bytes += len(message.body)
        self.sent = number
        is_full = self.open >= _BATCH or self.open_bytes >= _BATCH_BYTES
        if is_full or number in self.ends:
            self.cut()

    def cut(self) -> None:
        """End the batch and send it; if it comes again, it ends there again."""
        if self.open:
            self.ends.add(self.sent)
            self.open = self.open_bytes = 0
            # The client's Python face shows only the call that waits.
            self.producer._producer.flush_async(_ignore)


class _Receipts:
    """Results of one call's messages, as they come in on the client's thread."""

    def __init__(self, count: int) -> None:
        self.results: list[tuple[str, Any]] = [("", None)] * count
        self._left = itertools.count(count - 1, -1)
        self._done = threading.Event()

    def take(self, index: int, result: Any, message_id: Any) -> None:
        self.results[index] = (name_of(result), message_id)
        if not next(self._left):
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
            return [text_of(rank_of_id(found[1])) for found in receipts.results]
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
        numbers = lane.numbers([messages[index] for index in indexes])
        tries.append((lane, indexes, numbers))
        for n, (index, number) in enumerate(zip(indexes, numbers, strict=True)):
            if n == resent:
                lane.cut()
            lane.send(messages[index], number, partial(receipts.take, index))
        lane.cut()

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
            lane.open = lane.open_bytes = 0
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


def _properties(message: Outgoing) -> dict[str, str]:
    found = {CONTENT_TYPE: message.content_type}
    for name, text in message.meta.items():
        found[name] = text.encode(errors="replace").decode()
    return found


def _ignore(result: Any) -> None:
    """Each message's own result says how it went."""
    del result
