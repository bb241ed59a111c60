"""Builds of the product with one defect each, which the comparison has to find."""

from collections.abc import Callable
from typing import Any

from domain.instants import NO_TIME


def skip_a_flush() -> None:
    """The sink of updates lets the epoch close while its messages are on their way."""
    from tests.faults.replay.hook import WRITERS, _hold_until_flush

    _hold_until_flush(WRITERS["updates"])
    from sinks.bus_writer import UpdatesPartition

    UpdatesPartition.snapshot = lambda self: None


def acknowledge_early() -> None:
    """The source's position is what has been fetched, not what has gone into the epoch."""
    from sources.bus_source import BusPartition

    taken = BusPartition.snapshot

    def early(self: Any) -> Any:
        version, position, *rest = taken(self)
        messages = self._buffer._messages
        return (version, messages[-1].position if messages else position, *rest)

    BusPartition.snapshot = early


def drop_a_watermark() -> None:
    """The source forgets how far its partition's event time had come."""
    from sources.bus_source import BusPartition

    taken = BusPartition.snapshot

    def without(self: Any) -> Any:
        return (*taken(self)[:-1], NO_TIME)

    BusPartition.snapshot = without


DEFECTS: dict[str, Callable[[], None]] = {
    "skipped-flush": skip_a_flush,
    "early-acknowledgement": acknowledge_early,
    "dropped-watermark": drop_a_watermark,
}
