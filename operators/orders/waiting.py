"""Rows of an order group that wait: for the watermark that decides them, or behind a mark."""

import numpy as np

from domain.instants import NO_TIME
from domain.vocabulary import EventKind
from operators.arrays import in_order, joined
from operators.kernel import Table, kernel
from operators.orders.process import WAIT
from operators.pieces import NO_STAMPED, STAMPED

_MARK = int(EventKind.MARK)


@kernel
def _marks_last(rows: Table, order: Table) -> int:
    """Write the stable order of rows with marks behind the others; returns how many others."""
    n = 0
    for i in range(rows.shape[0]):
        if rows[i].kind != _MARK:
            order[n] = i
            n += 1
    at = n
    for i in range(rows.shape[0]):
        if rows[i].kind == _MARK:
            order[at] = i
            at += 1
    return n


def _apart(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(what is no mark, marks)."""
    order = np.empty(len(rows), np.int64)
    n = _marks_last(rows, order)
    if n == len(rows):
        return rows, NO_STAMPED
    if n == 0:
        return NO_STAMPED, rows
    rows = rows.take(order)
    return rows[:n], rows[n:]


@kernel
def _list_waiting(later: Table, out: Table) -> int:
    """Write the indices of rows that come again; returns how many."""
    n = 0
    for i in range(later.shape[0]):
        if later[i] == WAIT:
            out[n] = i
            n += 1
    return n


class Waiting:
    """Rows by effective time, events (and own prints) apart from marks.

    What an event waits for behind a mark of its family is the watermark alone, so those that a
    fold left are tried again once that has moved, and not with every event that comes. New rows
    lie behind all that was tried: an event watermark promises it.
    """

    def __init__(self, rows: np.ndarray = NO_STAMPED) -> None:
        self.events, self.marks = _apart(rows)
        self._left = 0
        """The first events, which an earlier fold left."""
        self._tried = NO_TIME
        """The watermark of that fold."""
        self._first = self._events_tried = self._marks_tried = 0

    def __len__(self) -> int:
        return len(self.events) + len(self.marks)

    @property
    def rows(self) -> np.ndarray:
        """All of them in order."""
        return in_order(joined((self.events, self.marks), STAMPED))

    def add(self, rows: np.ndarray) -> None:
        """Take further rows."""
        events, marks = _apart(rows)
        if len(events):
            self.events = in_order(joined((self.events, events), STAMPED))
        if len(marks):
            self.marks = in_order(joined((self.marks, marks), STAMPED))

    def decided(self, event_watermark: int, watermark: int) -> tuple[np.ndarray, np.ndarray]:
        """(rows to fold now, roots of those that stay behind a mark); mostly there are none."""
        anew = watermark != self._tried
        self._first = 0 if anew else self._left
        self._events_tried = n = int(self.events["t_eff"].searchsorted(event_watermark))
        until = min(watermark, event_watermark)
        m = int(self.marks["t_eff"].searchsorted(until)) if anew and len(self.marks) else 0
        self._marks_tried = m
        rows = self.events[self._first : n]
        if m:
            rows = in_order(joined((rows, self.marks[:m]), STAMPED))
        self._tried = watermark
        return rows, self.events["root"][: self._first]

    def settle(self, rows: np.ndarray, later: np.ndarray) -> np.ndarray:
        """Keep those of the rows that come again; gives the others."""
        first, n, m = self._first, self._events_tried, self._marks_tried
        at = np.empty(len(later), np.int64)
        count = _list_waiting(later, at)
        left, left_marks = _apart(rows.take(at[:count])) if count else (NO_STAMPED, NO_STAMPED)
        self.events = joined((self.events[:first], left, self.events[n:]), STAMPED)
        self.marks = joined((left_marks, self.marks[m:]), STAMPED)
        self._left = first + len(left)
        if not count:
            return rows
        return rows.take(np.flatnonzero(later != WAIT))
