"""One partition, read from a position on: by a durable consumer, or by a reader that leaves
no trace at the broker.

While nothing comes, a thread inside the client waits for the next message; once there is one,
what has come since is taken at once, many messages as a batch.
"""

import threading
from collections import deque
from contextlib import suppress
from typing import Any

from bus.base import Place, Stored
from bus.pulsar.errors import pulsar_module
from bus.pulsar.link import Link
from bus.pulsar.positions import WHOLE, Rank, done_before, entry_id, rank_of, rank_of_id, text_of
from bus.pulsar.producers import CONTENT_TYPE
from bus.pulsar.waiter import Waiter
from domain.instants import MILLISECOND
from domain.topics import JSON_TYPE

_QUEUE = 4_000
"""Messages that the client fetches ahead."""
_BATCH = 500
_BATCH_MS = 1
_ONE_BY_ONE = 50
"""Messages taken one by one before the rest is asked for as a batch: below it waiting for
a batch to fill would cost more than it saves."""
_STORED_S = 3.0
"""How long a message that is stored may take; a broker waits a second for a new consumer."""


class Tail:
    """What comes after a position; subclasses know how the client gives it."""

    def __init__(self, start: Rank, arrived: threading.Event) -> None:
        self.at = text_of(start)
        """Position of the message that was handed out last."""
        self._read_to = start
        self._ready: deque[Stored] = deque()
        self._arrived = arrived
        self._waiter = Waiter(self._receive, arrived)
        self._timeout: Any = pulsar_module().Timeout

    def take(self, count: int, *, all_stored: bool) -> list[Stored]:
        """Up to `count` messages that have arrived; with `all_stored`, waits for those stored."""
        self._fill(count, all_stored=all_stored)
        taken = [self._ready.popleft() for _ in range(min(count, len(self._ready)))]
        if taken:
            self.at = taken[-1].position
        return taken

    def _fill(self, count: int, *, all_stored: bool) -> None:
        ones = 0
        while len(self._ready) < count:
            if self._waiter.is_asked:
                if not self._waiter.has_answer() and not (all_stored and self._await()):
                    return
                self._note(self._waiter.answer())
            elif ones < _ONE_BY_ONE:
                self._take_one()
                ones += 1
            elif len(batch := self._batch()) < _BATCH:
                ones = 0
                self._note_all(batch)
            else:
                self._note_all(batch)

    def _take_one(self) -> None:
        try:
            self._note(self._receive(0))
        except self._timeout:
            self._waiter.ask()

    def _await(self) -> bool:
        while not self._waiter.has_answer() and self._is_behind():
            self._arrived.clear()
            if not self._waiter.has_answer() and not self._arrived.wait(_STORED_S):
                break
        return self._waiter.has_answer()

    def _note_all(self, batch: list[Any]) -> None:
        for message in batch:
            self._note(message)

    def _note(self, message: Any) -> None:
        rank = rank_of_id(message.message_id())
        # A seek begins with the whole entry, and a new connection with what is not
        # acknowledged.
        if rank <= self._read_to:
            return
        self._read_to = rank
        meta = dict(message.properties())
        content_type = meta.pop(CONTENT_TYPE, "") or JSON_TYPE
        ts = message.publish_timestamp() * MILLISECOND
        self._ready.append(Stored(text_of(rank), ts, message.data(), content_type, meta))

    def _receive(self, wait_ms: int) -> Any:
        """The next message. Raises the client's Timeout where none has come."""
        raise NotImplementedError

    def _batch(self) -> list[Any]:
        """As many as have arrived, fewer than a whole batch where it was the last of them."""
        return []

    def _is_behind(self) -> bool:
        """Whether something is stored that was not received."""
        raise NotImplementedError

    def is_connected(self) -> bool:
        """Whether the broker serves us now."""
        raise NotImplementedError

    def acknowledge(self, position: str) -> None:
        """Tell the broker that all up to this position is done for good."""
        del position

    def close(self) -> None:
        """Read no more."""
        self.give_up()
        with suppress(pulsar_module().PulsarException):
            self._leave()

    def give_up(self) -> None:
        """Wait no more, where the connection is gone and there is nobody to take leave of."""
        self._waiter.end()

    def _leave(self) -> None:
        raise NotImplementedError


class ReaderTail(Tail):
    """A partition read without a subscription."""

    def __init__(self, link: Link, place: Place, start: Rank, arrived: threading.Event) -> None:
        super().__init__(start, arrived)
        self._reader: Any = link.client().create_reader(
            link.access.topic(*place),
            entry_id(start),
            receiver_queue_size=_QUEUE,
            start_message_id_inclusive=True,
        )

    def _receive(self, wait_ms: int) -> Any:
        return self._reader.read_next(wait_ms)

    def _is_behind(self) -> bool:
        return bool(self._reader.has_message_available())

    def is_connected(self) -> bool:
        """Whether the broker serves us now."""
        return bool(self._reader.is_connected())

    def _leave(self) -> None:
        self._reader.close()


class ConsumerTail(Tail):
    """A partition read by the active consumer of a durable failover subscription."""

    def __init__(
        self, link: Link, place: Place, start: Rank, arrived: threading.Event, subscription: str
    ) -> None:
        super().__init__(start, arrived)
        pulsar = pulsar_module()
        self._consumer: Any = link.client().subscribe(
            link.access.topic(*place),
            subscription,
            consumer_type=pulsar.ConsumerType.Failover,
            initial_position=pulsar.InitialPosition.Earliest,
            receiver_queue_size=_QUEUE,
            start_message_id_inclusive=True,
            batch_receive_policy=pulsar.ConsumerBatchReceivePolicy(_BATCH, -1, _BATCH_MS),
        )
        self._consumer.seek(entry_id(start))

    def _receive(self, wait_ms: int) -> Any:
        return self._consumer.receive(wait_ms)

    def _batch(self) -> list[Any]:
        return list(self._consumer.batch_receive())

    def _is_behind(self) -> bool:
        end = self._consumer.get_last_message_id()
        newest = (end.ledger_id(), end.entry_id(), WHOLE)
        return newest > self._read_to and end.entry_id() >= 0

    def is_connected(self) -> bool:
        """Whether the broker serves us now."""
        return bool(self._consumer.is_connected())

    def acknowledge(self, position: str) -> None:
        """Tell the broker that all up to this position is done for good."""
        rank = done_before(rank_of(position))
        if rank[0] >= 0 and rank[1] >= 0:
            self._consumer.acknowledge_cumulative(entry_id(rank))

    def _leave(self) -> None:
        self._consumer.close()
