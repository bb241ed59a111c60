"""Try events on a group's state and put everything back as it was."""

from typing import Any, NamedTuple

import numpy as np

from domain.vocabulary import EventKind
from operators.kernel import Table, kernel
from operators.lookup import find, remove
from operators.orders.keep import exec_key
from operators.orders.layout import KEPT, ORDER_STATE, REF, VENUE, blank_orders
from operators.orders.sums import N_SUMS
from operators.orders.tables import KEPTS, ORDERS, Tables

_FILLED = int(EventKind.ORDER_FILLED)
_ROOM = 64


class Memory(NamedTuple):
    """Room for the rows of some families, each arena's beside their places in it."""

    slots: np.ndarray
    orders: Table
    sums: np.ndarray
    agg_sums: np.ndarray
    kept: np.ndarray
    kept_rows: Table
    nexts: np.ndarray
    refs: np.ndarray
    ref_rows: Table
    venues: np.ndarray
    venue_rows: Table
    venue_qty: np.ndarray


def memory(room: int) -> Memory:
    """Room for so many rows of each arena."""
    places = [np.zeros(room, np.int64) for _ in range(4)]
    return Memory(
        places[0], np.zeros(room, ORDER_STATE), np.zeros((room, N_SUMS, 2)),
        np.zeros((room, N_SUMS, 2)), places[1], np.zeros(room, KEPT), np.zeros(room, np.int32),
        places[2], np.zeros(room, REF), places[3], np.zeros(room, VENUE), np.zeros((room, 2)),
    )  # fmt: skip


@kernel
def _remember_rows(tables: Tables, slot: int, memory: Memory, k: int, f: int, v: int) -> Any:
    """Copy an order's events, references and venues behind others; −1 if there is no room."""
    order = tables.orders[slot]
    at = order.first
    while at >= 0:
        if k >= memory.kept.shape[0]:
            return -1, f, v
        memory.kept[k] = at
        memory.kept_rows[k] = tables.kept[at]
        memory.nexts[k] = tables.nexts[at]
        k += 1
        at = tables.nexts[at]
    at = order.first_ref
    while at >= 0:
        if f >= memory.refs.shape[0]:
            return -1, f, v
        memory.refs[f] = at
        memory.ref_rows[f] = tables.refs[at]
        f += 1
        at = tables.refs[at].next
    at = order.venues
    while at >= 0:
        if v >= memory.venues.shape[0]:
            return -1, f, v
        memory.venues[v] = at
        memory.venue_rows[v] = tables.venues[at]
        for i in range(2):
            memory.venue_qty[v, i] = tables.venue_qty[at, i]
        v += 1
        at = tables.venues[at].next
    return k, f, v


@kernel
def _copy_sums(source: np.ndarray, at: int, target: np.ndarray, to: int) -> None:
    for i in range(source.shape[1]):
        target[to, i, 0] = source[at, i, 0]
        target[to, i, 1] = source[at, i, 1]


@kernel
def remember(tables: Tables, roots: Table, memory: Memory) -> tuple[Any, ...]:
    """Copy the rows that events of these families could change; returns how many of each.

    −1 for the first where there is no room.
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
        if n >= memory.slots.shape[0]:
            return -1, k, f, v
        memory.slots[n] = slot
        memory.orders[n] = order
        _copy_sums(tables.sums, slot, memory.sums, n)
        if order.agg >= 0:
            _copy_sums(tables.agg_sums, order.agg, memory.agg_sums, n)
        n += 1
        k, f, v = _remember_rows(tables, slot, memory, k, f, v)
        if k < 0:
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


@kernel
def put_back(
    tables: Tables, used: Table, memory: Memory, blank: Table, n: int, k: int, f: int, v: int
) -> None:
    """Restore what was remembered; rows that were added are blank again."""
    _forget_new(tables, used)
    for slot in range(used[ORDERS], tables.used[ORDERS]):
        tables.orders[slot] = blank[0]
    for i in range(n):
        tables.orders[memory.slots[i]] = memory.orders[i]
        _copy_sums(memory.sums, i, tables.sums, memory.slots[i])
        if memory.orders[i].agg >= 0:
            _copy_sums(memory.agg_sums, i, tables.agg_sums, memory.orders[i].agg)
    for i in range(k):
        tables.kept[memory.kept[i]] = memory.kept_rows[i]
        tables.nexts[memory.kept[i]] = memory.nexts[i]
    for i in range(f):
        tables.refs[memory.refs[i]] = memory.ref_rows[i]
    for i in range(v):
        tables.venues[memory.venues[i]] = memory.venue_rows[i]
        for j in range(2):
            tables.venue_qty[memory.venues[i], j] = memory.venue_qty[i, j]
    for i in range(used.shape[0]):
        tables.used[i] = used[i]


class Trials:
    """Remembers the rows of some families; `undo` restores them."""

    def __init__(self) -> None:
        self._memory = memory(_ROOM)
        self._blank = blank_orders(1)
        self._used = np.zeros(0, np.int64)
        self._counts: tuple[int, ...] = ()

    def begin(self, tables: Tables, roots: np.ndarray) -> None:
        """Remember everything of these families. Room for what comes must be there already."""
        self._used = tables.used.copy()
        while True:
            self._counts = remember(tables, roots, self._memory)
            if self._counts[0] >= 0:
                return
            self._memory = memory(4 * len(self._memory.slots))

    def undo(self, tables: Tables) -> None:
        """Put the tables back."""
        put_back(tables, self._used, self._memory, self._blank, *self._counts)
