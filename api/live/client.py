"""What waits for one WebSocket client: bounded, and never in the way of another."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from api.identity.caller import Caller
from api.live.entry import Entry, Rank

ROOM = 256
"""Updates that may wait for a client before only the newest of each order is kept."""

Wanted = Callable[[Entry], bool]


class StreamClient:
    """One client's updates: those it missed, then those that come."""

    __slots__ = (
        "_floors",
        "_is_beat_due",
        "_limit",
        "_missed",
        "_skipped",
        "_waiting",
        "caller",
        "conflated",
        "is_out_of_date",
        "order_id",
        "room",
        "wake",
        "wanted",
    )

    def __init__(
        self, caller: Caller, *, order_id: str | None, wanted: Wanted, room: int = ROOM
    ) -> None:
        self.caller = caller
        self.order_id = order_id
        """The only order it follows; None for many."""
        self.wanted = wanted
        self.room = room
        self._limit = room
        self.wake = asyncio.Event()
        self.conflated = 0
        """Updates it did not get because a newer one followed."""
        self.is_out_of_date = False
        """Whether updates were lost, so that it needs snapshots."""
        self._is_beat_due = False
        self._missed: deque[Entry] = deque()
        self._waiting: list[Entry] = []
        self._skipped: dict[str, int] = {}
        self._floors: dict[str, Rank] = {}

    def replay(self, entries: Iterable[Entry]) -> None:
        """Give it what it missed, before anything that comes; none of it is left out."""
        self._missed.extend(entry for entry in entries if self.wanted(entry))

    def raise_floors(self, floors: Mapping[str, Rank]) -> None:
        """It has snapshots of these orders: leave out what they already contain."""
        self._floors.update(floors)

    def offer(self, entry: Entry) -> None:
        """An update has come."""
        if not self.wanted(entry):
            return
        self._waiting.append(entry)
        if len(self._waiting) > self._limit:
            self._conflate()
        self.wake.set()

    def _conflate(self) -> None:
        newest: dict[str, Entry] = {}
        for entry in self._waiting:
            if entry.order_id in newest:
                self._skipped[entry.order_id] = self._skipped.get(entry.order_id, 0) + 1
                self.conflated += 1
            newest[entry.order_id] = entry
        self._waiting = list(newest.values())
        # Of more orders than there is room each keeps its newest, and the next pass over them
        # comes when as many again have come.
        self._limit = max(self.room, 2 * len(self._waiting))

    def lose(self) -> None:
        """Updates were lost on the way here."""
        self.is_out_of_date = True
        self.wake.set()

    def beat(self) -> None:
        """A heartbeat is due."""
        self._is_beat_due = True
        self.wake.set()

    def take_beat(self) -> bool:
        """Whether a heartbeat was due since this was last asked."""
        due, self._is_beat_due = self._is_beat_due, False
        return due

    def drop_waiting(self) -> None:
        """Forget what waits: snapshots will replace it."""
        self.is_out_of_date = False
        self._missed.clear()
        self._waiting.clear()
        self._skipped.clear()
        self._floors.clear()

    def take(self) -> list[tuple[Entry, int]]:
        """What is to be sent now, each with the updates left out before it."""
        if self._missed:
            found = [(self._missed.popleft(), 0) for _ in range(min(len(self._missed), 64))]
        else:
            skipped, self._skipped = self._skipped, {}
            found = [(entry, skipped.pop(entry.order_id, 0)) for entry in self._waiting]
            self._waiting = []
            self._limit = self.room
        if not self._missed and not self._waiting:
            self.wake.clear()
        if self._floors:
            found = [pair for pair in found if self._is_fresh(pair[0])]
        return found

    def _is_fresh(self, entry: Entry) -> bool:
        floor = self._floors.get(entry.order_id)
        if floor is None:
            return True
        if entry.rank <= floor:
            return False
        del self._floors[entry.order_id]
        return True
