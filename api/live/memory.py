"""The newest updates, kept so that a client that comes back gets what it missed."""

from collections import deque
from collections.abc import Iterator

from api.live.entry import ORIGIN, Entry, Rank

_OVERHEAD = 400
"""Bytes that an update takes beside its body, about."""
_FRESH = 256
"""Of so many of the newest updates the frames are kept beside the bodies."""


class FeedMemory:
    """Updates in the order of the feed, the oldest dropped past so many bytes."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self.gone: Rank = ORIGIN
        """Updates up to here may be missing."""
        self.end: Rank = ORIGIN
        """The newest update's."""

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def newest(self) -> Entry | None:
        """The last one that came."""
        return self._entries[-1] if self._entries else None

    def append(self, entry: Entry) -> None:
        """Keep one more."""
        self._entries.append(entry)
        if len(self._entries) > _FRESH:
            self._entries[-_FRESH - 1].forget_frame()
        self.end = entry.rank
        self._bytes += len(entry.body) + _OVERHEAD
        while self._bytes > self._most and len(self._entries) > 1:
            oldest = self._entries.popleft()
            self._bytes -= len(oldest.body) + _OVERHEAD
            self.gone = oldest.rank

    def lose(self, up_to: Rank) -> None:
        """Updates were lost: nothing up to here can be replayed any more."""
        self._entries.clear()
        self._bytes = 0
        self.gone = max(self.gone, up_to)

    def after(self, rank: Rank) -> list[Entry] | None:
        """Every update after this position; None where some of them are gone."""
        if not self.gone <= rank <= self.end:
            return None
        return list(self._since(rank))[::-1]

    def _since(self, rank: Rank) -> Iterator[Entry]:
        for entry in reversed(self._entries):
            if entry.rank <= rank:
                return
            yield entry

    def of_order_after(self, order_id: str, seq: int) -> list[Entry] | None:
        """An order's updates after the final one `seq`; None where some may be gone.

        They are all there if that one, or an earlier one, is, or if nothing was ever dropped.
        """
        found: list[Entry] = []
        for entry in reversed(self._entries):
            if entry.order_id != order_id:
                continue
            if entry.seq is not None and entry.seq <= seq:
                return found[::-1]
            found.append(entry)
        return found[::-1] if self.gone == ORIGIN else None
