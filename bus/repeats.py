"""Dropping repeats: the bus delivers at least once, an event's id never changes."""

from collections import OrderedDict
from collections.abc import Iterable


class Repeats:
    """Remembers the last `room` event ids.

    `room` must exceed the events that a crash may make the writer send again: those of one
    epoch.
    """

    def __init__(self, room: int = 1_000_000, seen: Iterable[str] = ()) -> None:
        self._room = room
        self._seen: OrderedDict[str, None] = OrderedDict.fromkeys(seen)

    def ids(self) -> list[str]:
        """The ids that are remembered, the oldest first."""
        return list(self._seen)

    def is_new(self, event_id: str) -> bool:
        """Whether this id comes for the first time, as far as is remembered."""
        if event_id in self._seen:
            return False
        self._seen[event_id] = None
        if len(self._seen) > self._room:
            self._seen.popitem(last=False)
        return True
