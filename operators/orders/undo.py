"""Try events on a group's state and put everything back as it was."""

from typing import Any

import numpy as np

from domain.vocabulary import EventKind
from operators.kernel import Table, kernel
from operators.lookup import find, remove
from operators.orders.keep import exec_key
from operators.orders.layout import blank_orders
from operators.orders.tables import KEPTS, ORDERS, Tables

_FILLED = int(EventKind.ORDER_FILLED)


@kernel
def _list_rows(arena: Table, at: int, out: Table, n: int) -> int:
    """Append the rows of a linked list to `out`; returns the new count, −1 if it is too small."""
    while at >= 0:
        if n >= out.shape[0]:
            return -1
        out[n] = at
        n += 1
        at = arena[at].next
    return n


@kernel
def _list_events(nexts: Table, at: int, out: Table, n: int) -> int:
    """The same for the list of an order's events."""
    while at >= 0:
        if n >= out.shape[0]:
            return -1
        out[n] = at
        n += 1
        at = nexts[at]
    return n


@kernel
def family_rows(
    tables: Tables,
    roots: Table,
    slots: Table,
    kept: Table,
    refs: Table,
    venues: Table,
) -> tuple[Any, ...]:
    """Rows that events of these families could change; returns how many of each.

    −1 for the first where an output is too small.
    """
    n = 0
    k = 0
    f = 0
    v = 0
    for slot in range(tables.used[ORDERS]):
        order = tables.orders[slot]
        mine = False
        for i in range(roots.shape[0]):
            if order.root == roots[i] or order.order == roots[i]:
                mine = True
                break
        if not mine:
            continue
        if n >= slots.shape[0]:
            return -1, k, f, v
        slots[n] = slot
        n += 1
        k = _list_events(tables.nexts, order.first, kept, k)
        f = _list_rows(tables.refs, order.first_ref, refs, f)
        v = _list_rows(tables.venues, order.venues, venues, v)
        if k < 0 or f < 0 or v < 0:
            return -1, k, f, v
    return n, k, f, v


@kernel
def _forget_new(tables: Tables, used: Table) -> None:
    for slot in range(used[ORDERS], tables.used[ORDERS]):
        remove(tables.order_table, tables.orders[slot].order)
    for at in range(used[KEPTS], tables.used[KEPTS]):
        row = tables.kept[at]
        if row.kind == _FILLED and row.exec != 0:
            key = exec_key(tables.orders[row.slot].order, row.exec)
            if find(tables.exec_table, key) >= used[KEPTS]:
                remove(tables.exec_table, key)


class Trial:
    """Remembers the rows of some families; `undo` restores them."""

    def __init__(self, tables: Tables, roots: np.ndarray) -> None:
        self.tables = tables
        self.used = tables.used.copy()
        room = 256
        while True:
            rows = [np.zeros(room, np.int64) for _ in range(4)]
            counts = family_rows(tables, roots, *rows)
            if counts[0] >= 0:
                break
            room *= 4
        slots, kept, refs, venues = (row[:count] for row, count in zip(rows, counts, strict=True))
        aggs = tables.orders["agg"][slots]
        aggs = aggs[aggs >= 0]
        self._saved = [
            (getattr(tables, name), index, getattr(tables, name)[index])
            for name, index in (
                ("orders", slots),
                ("sums", slots),
                ("agg_sums", aggs),
                ("kept", kept),
                ("nexts", kept),
                ("refs", refs),
                ("venues", venues),
                ("venue_qty", venues),
            )
        ]

    def undo(self) -> None:
        """Put the tables back; rows that were added are blank again."""
        tables = self.tables
        _forget_new(tables, self.used)
        added = slice(int(self.used[ORDERS]), int(tables.used[ORDERS]))
        tables.orders[added] = blank_orders(added.stop - added.start)
        for array, index, rows in self._saved:
            array[index] = rows
        tables.used[:] = self.used
