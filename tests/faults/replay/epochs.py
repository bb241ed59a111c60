"""When an epoch closes, and when it is in the recovery store for certain."""

from collections.abc import Callable, Iterable
from typing import Any


def die_kept(name: str, is_due: Callable[[], bool], die: Callable[[], None]) -> None:
    """Die when an epoch with updates, or with orders, is stored for certain and `is_due`."""
    from sinks.bus_writer import UpdatesPartition
    from sources.bus_source import BusPartition

    put, batch_of = UpdatesPartition._put, BusPartition._batch_of
    busy = closed = False

    def closes() -> None:
        nonlocal busy, closed
        busy, closed = False, closed or busy

    def stored() -> None:
        nonlocal closed
        if closed and is_due():
            die()
        closed = False

    def puts(self: Any, messages: Iterable[Any]) -> None:
        nonlocal busy
        messages = list(messages)
        busy = busy or bool(messages)
        put(self, messages)

    def batches(self: Any, messages: Any) -> Any:
        nonlocal busy
        batch = batch_of(self, messages)
        # One event alone may be a repeat, which nobody misses.
        busy = busy or len(batch.events) > 1
        return batch

    at_epochs(closes, stored)
    if name == "updates":
        UpdatesPartition._put = puts
    else:
        BusPartition._batch_of = batches


def at_epochs(closes: Callable[[], None], stored: Callable[[], None] = lambda: None) -> None:
    """Be told when an epoch closes, and when it is in the recovery store for certain.

    The engine asks a source's partition in no epoch before all earlier ones are stored, so that
    one partition can tell of all. For one process.
    """
    from sources.bus_source import BusPartition

    read, snapshot = BusPartition.next_batch, BusPartition.snapshot

    def reads(self: Any) -> Any:
        if self._part.index == 0:
            stored()
        return read(self)

    def ends(self: Any) -> Any:
        if self._part.index == 0:
            closes()
        return snapshot(self)

    BusPartition.next_batch = reads
    BusPartition.snapshot = ends
