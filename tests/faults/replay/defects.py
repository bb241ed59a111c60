"""Builds of the product with one defect each, which the comparison has to find."""

import time
from collections.abc import Callable
from typing import Any

from domain.instants import NO_TIME

_LATE_S = 0.5


def skip_a_flush() -> None:
    """The sink of updates lets the epoch close while its messages are on their way."""
    from tests.faults.replay.hook import WRITERS, _hold_until_flush

    _hold_until_flush(WRITERS["updates"], 1.0)
    from sinks.bus_writer import UpdatesPartition

    UpdatesPartition.snapshot = lambda self: None


def acknowledge_early() -> None:
    """The source's position is behind a batch that goes into the flow a moment later."""
    from sources.bus_source import BusPartition

    read = BusPartition.next_batch
    held: dict[int, tuple[float, list[Any]]] = {}

    def late(self: Any) -> list[Any]:
        since, batches = held.pop(id(self), (0.0, []))
        found = read(self)
        if found:
            held[id(self)] = (time.monotonic(), found)
        elif batches and time.monotonic() - since < _LATE_S:
            held[id(self)] = (since, batches)
            return []
        return batches

    BusPartition.next_batch = late


def drop_a_watermark() -> None:
    """The source forgets how far its partition's event time had come, from batch to batch."""
    from sources.bus_source import BusPartition

    batch_of = BusPartition._batch_of

    def without(self: Any, messages: Any) -> Any:
        self._watermark = NO_TIME
        return batch_of(self, messages)

    BusPartition._batch_of = without


DEFECTS: dict[str, Callable[[], None]] = {
    "skipped-flush": skip_a_flush,
    "early-acknowledgement": acknowledge_early,
    "dropped-watermark": drop_a_watermark,
}
