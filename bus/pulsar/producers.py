"""Writing to Pulsar: batched by the client, each result checked, in order in each partition.

The client waits where its queue is full. A message that is handed in again after an outage
keeps its number where it can, so that a broker with deduplication drops what it has already.
"""

import itertools
import os
import socket
import threading
import uuid
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from bus.base import START, Outgoing, Place
from bus.pulsar.errors import failure, in_words, name_of, pulsar_module
from bus.pulsar.link import Link
from bus.pulsar.positions import rank_of_id, text_of
from domain.errors import BusDown, BusError

CONTENT_TYPE = "content-type"
_QUEUE = 1_000
_OK = "Ok"


class _Lane:
    """The producer of one partition, and the numbers of its messages."""

    def __init__(self) -> None:
        self.producer: Any = None
        self.client: Any = None
        self.newest = -1
        self.unsure: list[tuple[Outgoing, int]] = []
        """Messages of the call that failed last, in order, with their numbers."""

    def number(self, message: Outgoing) -> int:
        """The number of a message: its old one where all after it come again too.

        A number below the newest stored one would make the broker drop a message that it
        does not have.
        """
        if self.unsure and self.unsure[0][0] is message:
            return self.unsure.pop(0)[1]
        self.unsure.clear()
        self.newest += 1
        return self.newest


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
        sent: list[tuple[_Lane, int]] = []
        error: BusError | None = None
        try:
            with in_words(self._link.access.shown), self._lock:
                for index, message in enumerate(messages):
                    lane = self._lane((message.topic, message.partition))
                    number = lane.number(message)
                    sent.append((lane, number))
                    _send(lane.producer, message, number, receipts, index)
            receipts.wait(self._link.timeout_s + 1.0)
        except BusError as raised:
            error = raised
            receipts.wait(0.0)
        error = error or self._first_failure(receipts)
        if error is None:
            return [text_of(rank_of_id(found[1])) or START for found in receipts.results]
        if isinstance(error, BusDown):
            self._link.drop()
            self._remember(messages, sent, receipts)
        raise error

    def _first_failure(self, receipts: _Receipts) -> BusError | None:
        shown = self._link.access.shown
        for name, _ in receipts.results:
            if name != _OK:
                return failure(name or "Timeout", shown)
        return None

    def _remember(
        self, messages: Sequence[Outgoing], sent: list[tuple[_Lane, int]], receipts: _Receipts
    ) -> None:
        """Keep the numbers for another attempt, but only where none could hide a message."""
        by_lane: dict[_Lane, list[tuple[Outgoing, int, bool]]] = {}
        for message, (lane, number), (name, _) in zip(
            messages, sent, receipts.results, strict=False
        ):
            by_lane.setdefault(lane, []).append((message, number, name == _OK))
        with self._lock:
            for lane, tries in by_lane.items():
                stored = [is_stored for *_, is_stored in tries]
                in_order = stored == sorted(stored, reverse=True)
                if in_order and tries[-1][1] == lane.newest:
                    lane.unsure = [(message, number) for message, number, _ in tries]

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
            batching_max_messages=_QUEUE,
            batching_max_publish_delay_ms=1,
        )

    def close(self) -> None:
        """Let the broker know that we are gone."""
        with self._lock, suppress(pulsar_module().PulsarException):
            for lane in self._lanes.values():
                if lane.producer is not None and self._link.is_current(lane.client):
                    lane.producer.close()
            self._lanes.clear()


def _send(producer: Any, message: Outgoing, number: int, receipts: _Receipts, index: int) -> None:
    properties = {CONTENT_TYPE: message.content_type}
    for name, text in message.meta.items():
        properties[name] = text.encode(errors="replace").decode()

    producer.send_async(
        message.body, partial(receipts.take, index), properties=properties, sequence_id=number
    )
