"""Events that were shown before they were decided, so that none is shown twice."""

import numpy as np

from domain.rows import STATUS_IN_KERNELS
from domain.vocabulary import EventKind
from operators.arrays import in_order, joined, place_in
from operators.kernel import Table, kernel
from operators.pieces import NO_STAMPED, STAMPED

_MARK = int(EventKind.MARK)
_MANY = 256
"""Rows from which sorting is quicker than looking at each pair."""


def place_of(rows: np.ndarray) -> np.ndarray:
    """Input partition and position of each row as one number."""
    return (rows["pos"] << 8) | rows["source"]


@kernel
def _list_by_place(rows: Table, places: Table, known: bool, out: Table) -> int:
    """Write the indices of events whose place is, or is not, among sorted ones; how many."""
    n = 0
    for i in range(rows.shape[0]):
        row = rows[i]
        if row.kind < _MARK and (place_in(places, (row.pos << 8) | row.source) >= 0) == known:
            out[n] = i
            n += 1
    return n


@kernel
def _list_others(places: Table, gone: Table, out: Table) -> int:
    """Write the indices of places that are not among sorted ones; returns how many."""
    n = 0
    for i in range(places.shape[0]):
        if place_in(gone, places[i]) < 0:
            out[n] = i
            n += 1
    return n


@kernel
def _first_ingest(rows: Table, places: Table) -> int:
    """Least time at which an event came in whose place is not among sorted ones; 0 if none."""
    least = 0
    for i in range(rows.shape[0]):
        row = rows[i]
        if row.kind < _MARK and row.ts_ingest > 0 and (least == 0 or row.ts_ingest < least):
            if place_in(places, (row.pos << 8) | row.source) < 0:
                least = row.ts_ingest
    return least


@kernel
def _list_families(rows: Table, roots: Table, out: Table) -> int:
    """Write the indices of events of some families, sorted; returns how many."""
    n = 0
    for i in range(rows.shape[0]):
        if rows[i].kind < _MARK and place_in(roots, rows[i].root) >= 0:
            out[n] = i
            n += 1
    return n


@kernel
def _list_newest(status: Table, out: Table) -> int:
    """Write the indices of the last row of every order, backwards; returns how many."""
    n = 0
    for i in range(status.shape[0] - 1, -1, -1):
        is_last = True
        for j in range(n):
            if status[out[j]].order == status[i].order:
                is_last = False
                break
        if is_last:
            out[n] = i
            n += 1
    return n


def newest_of_each(status: np.ndarray) -> np.ndarray:
    """Index of the last row of every order, in order."""
    if len(status) > _MANY:
        _, last = np.unique(status["order"][::-1], return_index=True)
        return np.sort(len(status) - 1 - last)
    at = np.empty(len(status), np.int64)
    return at[: _list_newest(status.view(STATUS_IN_KERNELS), at)][::-1]


def _of_families(rows: np.ndarray, roots: np.ndarray) -> np.ndarray:
    at = np.empty(len(rows), np.int64)
    return rows.take(at[: _list_families(rows, roots, at)])


def _by_place(rows: np.ndarray, places: np.ndarray, *, known: bool) -> np.ndarray:
    at = np.empty(len(rows), np.int64)
    n = _list_by_place(rows, places, known, at)
    return rows if n == len(rows) else rows.take(at[:n])


class Shown:
    """Which events were shown and wait still, and those of them the market has not met yet."""

    def __init__(self) -> None:
        self.places = np.empty(0, np.int64)
        """Sorted."""
        self.rows = NO_STAMPED
        """Later ones are shown on top of these."""

    def __len__(self) -> int:
        return len(self.places)

    def unseen(self, rows: np.ndarray) -> np.ndarray:
        """Events among the rows that were not shown yet."""
        return _by_place(rows, self.places, known=False)

    def add(self, rows: np.ndarray) -> None:
        """Note that these are shown now."""
        self.places = np.concatenate([self.places, place_of(rows)])
        self.places.sort()
        self.rows = joined((self.rows, rows), STAMPED)

    def together(self, waiting: np.ndarray, roots: np.ndarray) -> np.ndarray:
        """All events of some families (sorted roots) that wait or are shown, in order, once."""
        mine = _of_families(waiting, roots)
        shown = _of_families(self.rows, roots)
        if len(mine) and len(shown):
            shown = _by_place(shown, np.sort(place_of(mine)), known=False)
        return in_order(joined((mine, shown), STAMPED))

    def forget(self, decided: np.ndarray) -> None:
        """These went out final."""
        if len(self.places) and len(decided):
            settled = np.sort(place_of(decided))
            at = np.empty(len(self.places), np.int64)
            self.places = self.places[at[: _list_others(self.places, settled, at)]]
            self.rows = _by_place(self.rows, settled, known=False)

    def waiting_since(self, waiting: np.ndarray) -> int | None:
        """When the first event came in that waits and was not shown, UNIX ns."""
        return int(_first_ingest(waiting, self.places)) or None
