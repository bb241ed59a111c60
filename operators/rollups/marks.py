"""The whole minutes of orders that go on as they were: noted together, when somebody asks."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from operators.rollups.orders import OpenOrder
from operators.rollups.pieces import CLOSED, LIGHT, MARKED, OPENED

FEW = 64
"""Fewer rows of a batch are read one by one."""
TERMS = ("desk", "algo", "broker", "currency")
_NAMES = LIGHT.names or ()


class Marks:
    """Rows of one batch that say of a known order nothing but where it stands.

    They wait until that is asked for: many of one order then cost what the last one does.
    """

    def __init__(self, rows: np.ndarray, orders: Mapping[int, OpenOrder]) -> None:
        self._rows = rows
        self._orders = orders
        self._places = _going_on(rows, orders) if len(rows) >= FEW else np.empty(0, np.int64)
        self._noted = 0

    def others(self) -> Iterator[tuple[int, tuple[Any, ...]]]:
        """(place, row) of the rows that are left, in order."""
        rest = np.ones(len(self._rows), np.bool_)
        rest[self._places] = False
        rows = self._rows[rest] if len(self._places) else self._rows
        # By column: a record array makes its tuples field by field.
        columns = [rows[name].tolist() for name in _NAMES]
        return zip(np.flatnonzero(rest).tolist(), zip(*columns, strict=True), strict=True)

    def place_of(self, t: int) -> int:
        """How many rows of the batch lie before a time."""
        return int(np.searchsorted(self._rows["t"], t))

    def note(self, before: int) -> list[tuple[OpenOrder, int]]:
        """Note those among the first rows of the batch; returns who they are, and their times."""
        until = int(np.searchsorted(self._places, before))
        if until <= self._noted:
            return []
        # Backwards, so that the first of an order is its newest.
        rows = self._rows[self._places[self._noted : until][::-1]]
        self._noted = until
        told: list[tuple[OpenOrder, int]] = []
        for key, t in _first_of_each(rows, "t"):
            order = self._orders.get(key)
            if order is not None:
                order.seen = t
                told.append((order, t))
        for key, open_ccy in _first_of_each(rows[~np.isnan(rows["open_ccy"])], "open_ccy"):
            order = self._orders.get(key)
            if order is not None:
                order.open_ccy = open_ccy
        return told


def _first_of_each(rows: np.ndarray, name: str) -> Iterator[tuple[int, Any]]:
    keys, first = np.unique(rows["order"], return_index=True)
    return zip(keys.tolist(), rows[name][first].tolist(), strict=True)


def _going_on(rows: np.ndarray, orders: Mapping[int, OpenOrder]) -> np.ndarray:
    """Places of the marks of orders that are known and do not change in the batch."""
    places = np.flatnonzero(rows["what"] == MARKED)
    if not len(places):
        return places
    marks = rows[places]
    keys, which = np.unique(marks["order"], return_inverse=True)
    known = [orders.get(key) for key in keys.tolist()]
    terms = np.array(
        [(order.terms if order else ()) or (0,) * len(TERMS) for order in known], np.uint64
    ).reshape(len(keys), len(TERMS))
    roots = np.array([order is not None and order.is_root for order in known], np.bool_)
    same = np.array([order is not None for order in known], np.bool_)[which]
    same &= (marks["order"] == marks["root"]) == roots[which]
    for i, name in enumerate(TERMS):
        same &= marks[name] == terms[which, i]
    changes = np.isin(keys, rows["order"][rows["what"] == OPENED])
    changes[which[~same]] = True
    newest = np.zeros(len(keys), np.int64)
    newest[which] = places
    ends = np.flatnonzero(rows["what"] == CLOSED)
    of = np.searchsorted(keys, rows["order"][ends]).clip(max=len(keys) - 1)
    reopened = (keys[of] == rows["order"][ends]) & (ends < newest[of])
    changes[of[reopened]] = True
    return places[~changes[which]]
