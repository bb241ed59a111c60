"""Rows of several sources, given out in one order whatever the order in which they came."""

from collections.abc import Callable, Iterable, Mapping
from heapq import heapify, heappop, heappush
from typing import Any, Generic, TypeVar

from domain.instants import NO_TIME

Row = TypeVar("Row")


class Inbox(Generic[Row]):
    """Holds rows until every source is past them.

    `order` gives a row's place: a tuple that starts with its time in ns. Rows of one place
    stand in the order of their sources, and those of one source as it gave them. What a source
    gives must come here in its own order; sources may come in any.
    """

    def __init__(self, sources: int, order: Callable[[Row], tuple[Any, ...]]) -> None:
        self._sources = sources
        self._order = order
        self._watermarks: dict[int, int] = {}
        self._waiting: list[tuple[tuple[Any, ...], int, int, Row]] = []
        self._taken = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, source: int, rows: Iterable[Row], watermark: int = NO_TIME) -> None:
        """Take rows, and how far their source is after them: no later row of it lies before."""
        for row in rows:
            heappush(self._waiting, (self._order(row), source, self._taken, row))
            self._taken += 1
        if watermark > self._watermarks.get(source, NO_TIME):
            self._watermarks[source] = watermark

    @property
    def watermark(self) -> int:
        """How far every source is; NO_TIME until each has spoken."""
        if len(self._watermarks) < self._sources:
            return NO_TIME
        return min(self._watermarks.values(), default=NO_TIME)

    def release(self) -> list[Row]:
        """The rows before the watermark, in order; each is given once."""
        watermark, waiting = self.watermark, self._waiting
        out: list[Row] = []
        while waiting and waiting[0][0][0] < watermark:
            out.append(heappop(waiting)[3])
        return out

    def dump(self) -> tuple[dict[int, int], list[tuple[int, Row]]]:
        """Watermarks by source, and (source, row) of what waits, in order."""
        rows = [(source, row) for _, source, _, row in sorted(self._waiting, key=_place)]
        return dict(self._watermarks), rows

    def load(self, watermarks: Mapping[int, int], rows: Iterable[tuple[int, Row]]) -> None:
        """Take over what `dump` gave, in place of everything here."""
        self._watermarks = dict(watermarks)
        self._waiting = [(self._order(row), source, n, row) for n, (source, row) in enumerate(rows)]
        self._taken = len(self._waiting)
        heapify(self._waiting)


def _place(entry: tuple[tuple[Any, ...], int, int, Any]) -> tuple[Any, ...]:
    return entry[:3]
