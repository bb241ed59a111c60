"""What becomes of alerts: their changes go to the bus and to the status store."""

from itertools import count
from typing import Any

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from bus.base import Bus, Outgoing
from bus.redis_errors import is_passing
from domain.alerts import AlertChange
from domain.errors import BusDown
from domain.vocabulary import Topic
from sinks.alert_events import change_message
from sinks.alert_store import AlertSettings, AlertStore
from sinks.background import BackgroundWriter
from sinks.partitions import part_names, part_of

MOST_UNSENT = 10_000
"""Changes not yet written, past which the flow waits."""


class AlertSink(FixedPartitionedSink[AlertChange, None]):
    """Changes to topic `execution-alerts`, where they are to be published, and to the store.

    Takes (key of a desk group, AlertChange). `parts` writers share the groups, each with a
    thread for the bus and one for the store: neither waits for the other. What was taken is
    written when the epoch closes; what a crash makes it write twice has the same ids.
    """

    def __init__(
        self, bus: Bus, status_url: str, settings: AlertSettings | None = None, parts: int = 1
    ) -> None:
        self.bus = bus
        self.status_url = status_url
        self.settings = settings or AlertSettings()
        self.parts = parts

    def list_parts(self) -> list[str]:
        """Names of the writers."""
        return part_names(self.parts)

    def part_fn(self, item_key: str) -> int:
        """The writer of a group."""
        return part_of(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "AlertPartition":
        """A writer; bus and store know what they were told."""
        del step_id, for_part, resume_state
        return AlertPartition(self.bus, self.status_url, self.settings)


class AlertPartition(StatefulSinkPartition[AlertChange, None]):
    """One writer with its threads and connections."""

    def __init__(self, bus: Bus, status_url: str, settings: AlertSettings) -> None:
        self._places = (
            bus.partitions(Topic.EXECUTION_ALERTS),
            bus.partitions(Topic.DEAD_LETTER),
            bus.groups(),
        )
        self._number = count()
        self._events: BackgroundWriter[AlertChange, list[Outgoing]] = BackgroundWriter(
            "alert_events", self._messages, _appender(bus), _is_bus_down, limit=MOST_UNSENT
        )
        store = AlertStore(status_url, settings)
        self._store: BackgroundWriter[AlertChange, list[AlertChange]] = BackgroundWriter(
            "alert_store", list, store.send, is_passing, limit=MOST_UNSENT
        )

    def write_batch(self, values: list[AlertChange]) -> None:
        """Take changes, the oldest first."""
        numbered = [(next(self._number), change) for change in values]
        self._store.put(numbered)
        self._events.put(pair for pair in numbered if pair[1].publish)

    def snapshot(self) -> None:
        """Return when all that was taken is written."""
        self._store.flush()
        self._events.flush()

    def close(self) -> None:
        """Write what is left."""
        self._store.close()
        self._events.close()

    def _messages(self, changes: list[AlertChange]) -> list[Outgoing]:
        return [change_message(change, *self._places) for change in changes]


def _is_bus_down(error: Exception) -> bool:
    return isinstance(error, BusDown)


def _appender(bus: Bus) -> Any:
    def send(messages: list[Outgoing]) -> None:
        bus.append(messages)

    return send
