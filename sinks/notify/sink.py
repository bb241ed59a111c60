"""Notifications as a Bytewax sink: what follows from an alert is on the disk before it goes on."""

import atexit
from collections.abc import Sequence
from typing import Protocol

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from domain.channels import Trial
from sinks.notify.intake import Alert
from sinks.notify.outbox import Outbox
from sinks.partitions import part_names


class Part(Protocol):
    """Something that works beside the flow for as long as that runs."""

    def start(self) -> None:
        """Begin; returns at once."""
        ...

    def close(self) -> None:
        """End."""
        ...


class NotifySink(FixedPartitionedSink[Alert | Trial, None]):
    """Takes (any key, Alert or Trial). `beside` starts and ends with it."""

    def __init__(self, outbox: Outbox, beside: Sequence[Part] = ()) -> None:
        self.outbox = outbox
        self._parts: Sequence[Part] = (outbox, *beside)
        self._is_running = False

    def start(self) -> None:
        """Send what waits from before.

        The engine makes a sink's part when the first item comes, which may be hours away.
        """
        if not self._is_running:
            self._is_running = True
            atexit.register(self.close)
            for part in self._parts:
                part.start()

    def close(self) -> None:
        """End all that works beside the flow; a second call does nothing."""
        if self._is_running:
            self._is_running = False
            atexit.unregister(self.close)
            for part in reversed(self._parts):
                part.close()

    def list_parts(self) -> list[str]:
        """One: the file has one writer."""
        return part_names(1)

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "NotifyPartition":
        """The part; alerts that a crash makes it take twice change nothing."""
        del step_id, for_part, resume_state
        self.start()
        return NotifyPartition(self)


class NotifyPartition(StatefulSinkPartition[Alert | Trial, None]):
    """The one part."""

    def __init__(self, sink: NotifySink) -> None:
        self._sink = sink

    def write_batch(self, values: list[Alert | Trial]) -> None:
        """Store what is to be sent."""
        self._sink.outbox.take(values)

    def snapshot(self) -> None:
        """Nothing is left to do: every batch is on the disk when it was taken."""

    def close(self) -> None:
        """End what works beside."""
        self._sink.close()
