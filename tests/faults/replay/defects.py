"""Builds of the product with one defect each, which the comparison has to find.

What a defect lets slip is late by a number of epochs and not by a time, so that a machine's load
decides nothing: a process that dies at a point `….kept` of `hook.py` has lost it for certain.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from domain.instants import NO_TIME

_LATE_EPOCHS = 3


class _Late:
    """Holds things back until so many epochs have closed."""

    def __init__(self) -> None:
        self._epochs: deque[list[Any]] = deque([[]])

    def add(self, thing: Any) -> None:
        """Hold it back."""
        self._epochs[-1].append(thing)

    def close_epoch(self) -> list[Any]:
        """What was held back for long enough."""
        self._epochs.append([])
        return self._epochs.popleft() if len(self._epochs) > _LATE_EPOCHS else []


def skip_a_flush() -> None:
    """The sink of updates lets the epoch close while its messages are on their way."""
    from sinks.bus_writer import UpdatesPartition
    from tests.faults.replay.epochs import at_epochs

    put = UpdatesPartition._put
    late = _Late()

    def arrive() -> None:
        for part, messages in late.close_epoch():
            put(part, messages)

    UpdatesPartition._put = lambda self, messages: late.add((self, list(messages)))
    UpdatesPartition.snapshot = lambda self: None
    at_epochs(arrive)


def acknowledge_early() -> None:
    """The source's position is behind a batch that goes into the flow a few epochs later."""
    from sources.bus_source import BusPartition
    from tests.faults.replay.epochs import at_epochs

    read = BusPartition.next_batch
    late = _Late()
    due: dict[int, list[Any]] = {}

    def reads_ahead(self: Any) -> list[Any]:
        late.add((id(self), read(self)))
        return due.pop(id(self), [])

    def arrive() -> None:
        for part, batches in late.close_epoch():
            due.setdefault(part, []).extend(batches)

    BusPartition.next_batch = reads_ahead
    at_epochs(arrive)


def drop_a_watermark() -> None:
    """The source forgets from row to row how far its partition's event time had come."""
    from sources import bus_source

    set_times = bus_source.set_effective_times

    def without(batch: Any, watermark: int) -> int:
        del watermark
        newest = set_times(batch, NO_TIME)
        for rows in (batch.market, batch.events):
            rows["t_eff"] = rows["ts_event"]
        return newest

    bus_source.set_effective_times = without


DEFECTS: dict[str, Callable[[], None]] = {
    "skipped-flush": skip_a_flush,
    "early-acknowledgement": acknowledge_early,
    "dropped-watermark": drop_a_watermark,
}
