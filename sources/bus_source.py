"""The bus as a Bytewax source: one partition for each partition of the input topics."""

import time
from collections.abc import Iterable, Sequence

import structlog
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from bus.base import START, Bus, Stored
from domain.batch import Batch, Input
from domain.errors import Refused, other_version
from domain.instants import NO_TIME, SECOND
from domain.keys import GROUPS
from domain.reasons import DeadLetterReason
from domain.topics import ARROW_TYPE, JSON_TYPE
from domain.vocabulary import INPUT_TOPICS, Topic
from domain.wire import MAX_AHEAD_NS, RowBuilder, split_json
from sources.arrow_messages import split_arrow
from sources.bus_fetch import Buffer, Fetcher
from sources.effective import set_effective_times
from sources.market_gate import MarketGate

STATE_VERSION = 1
State = tuple[int, str, int, int]
"""(version, position behind us, next order event's ordinal, watermark in ns)"""

READER = "execmon-monitor"
"""By this name the bus knows how far the monitor has come for good."""
MOST_MESSAGES = 1_000
MOST_BYTES = 256 * 1024
"""A batch ends after so many messages or bytes, so that the worker's thread stays free."""


def bus_inputs(bus: Bus, topics: Sequence[Topic] = INPUT_TOPICS) -> tuple[Input, ...]:
    """Every partition of these topics, numbered topic by topic."""
    places = [(topic, p) for topic in topics for p in range(bus.partitions(topic))]
    return tuple(Input(index, *place) for index, place in enumerate(places))


class BusSource(FixedPartitionedSource[Batch, State]):
    """Batches of what has arrived, resuming exactly behind the snapshot.

    While the bus is away it waits and tries again. `market_ahead_s` bounds how far market
    data may run ahead of the slowest `orders` partition (event time). With `stop_at_end`
    each partition ends behind the newest message that was stored when reading began.
    """

    def __init__(
        self,
        bus: Bus,
        inputs: Sequence[Input] | None = None,
        *,
        groups: int = GROUPS,
        linger_ms: float = 2.0,
        market_ahead_s: float = 30.0,
        max_ahead_ns: int = MAX_AHEAD_NS,
        stop_at_end: bool = False,
    ) -> None:
        self.inputs = tuple(inputs) if inputs is not None else bus_inputs(bus)
        self.groups = groups
        self.max_ahead_ns = max_ahead_ns
        self.stop_at_end = stop_at_end
        self.gate = MarketGate(round(market_ahead_s * SECOND))
        self._fetcher = Fetcher(bus, linger_ms / 1000.0, READER)
        self._by_name = {f"{i.topic}/{i.partition}": i for i in self.inputs}

    def list_parts(self) -> list[str]:
        """Names of the partitions: topic and number."""
        return list(self._by_name)

    def build_part(self, step_id: str, for_part: str, resume_state: State | None) -> "BusPartition":
        """A partition at its snapshot. Raises RecoveryError for one of another version."""
        del step_id
        state = resume_state or (STATE_VERSION, START, 0, NO_TIME)
        if state[0] != STATE_VERSION:
            raise other_version(f"the snapshot of {for_part}", state[0], STATE_VERSION)
        return BusPartition(self, self._by_name[for_part], state, self._fetcher)


class BusPartition(StatefulSourcePartition[Batch, State]):
    """One partition of the bus, from a position on."""

    def __init__(self, source: BusSource, part: Input, state: State, fetcher: Fetcher) -> None:
        _, self._position, ordinal, self._watermark = state
        self._snapshotted = self._position
        self._part = part
        self._stop_at_end = source.stop_at_end
        self._gate = source.gate
        self._done = False
        self._held = False
        self._fetcher = fetcher
        self._builder = RowBuilder(
            part.topic,
            part.index,
            groups=source.groups,
            ordinal=ordinal,
            max_ahead_ns=source.max_ahead_ns,
        )
        if part.topic is Topic.ORDERS:
            self._gate.note_orders(part.index, self._watermark)
        self._buffer: Buffer = fetcher.register((part.topic, part.partition), self._position)

    def next_batch(self) -> list[Batch]:
        """What has arrived, as one batch; never waits. Raises BusError where data is missing."""
        if self._done:
            raise StopIteration
        if self._is_held():
            return []
        if self._stop_at_end and self._buffer.end == self._position:
            return [self._finish()]
        messages = self._buffer.take(MOST_MESSAGES, MOST_BYTES)
        if not messages:
            self._note_progress()
            return []
        if self._stop_at_end:
            messages = self._before_end(messages)
        return [self._batch_of(messages)]

    def snapshot(self) -> State:
        """Where the next message is read.

        The snapshot before this one is kept by now: what lies behind it is acknowledged.
        """
        self._buffer.acknowledge(self._snapshotted)
        self._snapshotted = self._position
        return (STATE_VERSION, self._position, self._builder.ordinal, self._watermark)

    def close(self) -> None:
        """Stop reading ahead."""
        self._fetcher.forget(self._buffer)

    def _is_held(self) -> bool:
        if self._part.topic is not Topic.MARKET_DATA or self._gate.is_open(self._watermark):
            self._held = False
            return False
        if not self._held and self._watermark != NO_TIME:
            structlog.get_logger("bus_source").info(
                "market_waits_for_orders", partition=self._part.partition
            )
            self._held = True
        return True

    def _before_end(self, messages: list[Stored]) -> list[Stored]:
        for i, message in enumerate(messages):
            if message.position == self._buffer.end:
                return messages[: i + 1]
        return messages

    def _batch_of(self, messages: Iterable[Stored]) -> Batch:
        ingest = time.time_ns()
        for message in messages:
            self._add(message, ingest)
            self._position = message.position
        batch = self._builder.build()
        self._watermark = set_effective_times(batch, self._watermark)
        self._note_progress()
        return batch

    def _finish(self) -> Batch:
        self._done = True
        self._gate.orders_ended(self._part.index)
        return Batch(self._part.index, watermark=self._watermark, ended=True)

    def _note_progress(self) -> None:
        if self._part.topic is Topic.ORDERS:
            empty = self._buffer.caught_up and not self._buffer
            self._gate.note_orders(self._part.index, self._watermark, empty=empty)

    def _add(self, message: Stored, ingest: int) -> None:
        builder, partition = self._builder, self._part.partition
        position, ts = message.position, message.ts
        try:
            events = _events_of(message)
        except Refused as refused:
            builder.refuse(message.body, refused, position=position, partition=partition, ts=ts)
            return
        if len(events) == 1:
            builder.add_json(
                events[0], position=position, partition=partition, ts=ts, ingest=ingest
            )
            return
        for number, event in enumerate(events):
            at = f"{position}/{number}"
            builder.add_json(event, position=at, partition=partition, ts=ts, ingest=ingest)


def _events_of(message: Stored) -> list[bytes]:
    kind = message.content_type.partition(";")[0].strip().lower()
    if kind == JSON_TYPE:
        return split_json(message.body)
    if kind == ARROW_TYPE:
        return split_arrow(message.body)
    raise Refused(
        DeadLetterReason.UNREADABLE,
        f"content-type must be {JSON_TYPE} or {ARROW_TYPE}, was {message.content_type!r}",
    )
