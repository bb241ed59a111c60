"""The arrays of one order group, as kernels take them, with growth, packing and eviction."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from domain.errors import other_version
from domain.profiles import PROFILE
from domain.vocabulary import EventKind
from operators.kernel import Table, kernel
from operators.lookup import find, new_table, put, rehash, remove
from operators.orders.hours import CALENDAR, HOURS
from operators.orders.layout import (
    HORIZONS_KEPT,
    KEPT,
    ORDER_STATE,
    REF,
    VENUE,
    blank_orders,
)
from operators.orders.sums import N_SUMS
from operators.pieces import HALT, INDEX_MID

_FILLED = int(EventKind.ORDER_FILLED)
_MARK = int(EventKind.MARK)

ORDERS, KEPTS, MIDS, REFS, VENUES, AGGS, MOST_VENUES = range(7)
"""Positions in `used`: rows in use of each arena, and the most venues of one order."""
COUNTERS = 7


VERSION = 6
_ARENAS = (
    ("orders", ORDERS), ("sums", ORDERS), ("agg_sums", AGGS), ("kept", KEPTS), ("nexts", KEPTS),
    ("mids", MIDS), ("refs", REFS), ("venues", VENUES), ("venue_qty", VENUES),
)  # fmt: skip
_LOOKUPS = (("order_table", ORDERS), ("exec_table", KEPTS))
_ROOMY = 8
"""An arena with room for so many times what is in use is made smaller."""


class Tables(NamedTuple):
    """Arrays of a group. Everything a kernel changes is in place."""

    used: np.ndarray
    order_table: np.ndarray
    exec_table: np.ndarray
    orders: Table
    sums: np.ndarray
    """(orders, SUMS, 2)"""
    agg_sums: np.ndarray
    kept: Table
    nexts: np.ndarray
    """The event behind each of an order; apart, so that kept rows rest once they are folded."""
    mids: np.ndarray
    """(horizons, fills)"""
    refs: Table
    venues: Table
    venue_qty: np.ndarray
    """(venues, 2)"""
    halts: Table
    """Of every symbol, by symbol and time."""
    hours: Table
    """Trading hours, and below which rows are a calendar's: made anew after a restart."""
    calendars: Table
    indices: Table
    """Mids of indices, by symbol and time."""
    profiles: Table
    """Schedules that algorithms sent, by key: made anew after a restart."""


def new_tables() -> Tables:
    """Empty arrays with room for a few orders."""
    return Tables(
        np.zeros(COUNTERS, np.int64),
        new_table(64),
        new_table(256),
        blank_orders(64),
        np.zeros((64, N_SUMS, 2)),
        np.zeros((16, N_SUMS, 2)),
        np.zeros(256, KEPT),
        np.zeros(256, np.int32),
        np.full((HORIZONS_KEPT, 256), np.nan),
        np.zeros(256, REF),
        np.zeros(128, VENUE),
        np.zeros((128, 2)),
        np.empty(0, HALT),
        np.empty(0, HOURS),
        np.empty(0, CALENDAR),
        np.empty(0, INDEX_MID),
        np.empty(0, PROFILE),
    )


def reserve(tables: Tables, events: np.ndarray) -> Tables:
    """Tables with room for what these further events may add."""
    more = np.zeros(COUNTERS, np.int64)
    count_needs(tables, events, new_table(len(events)), more)
    return reserve_rows(tables, more)


def reserve_rows(tables: Tables, more: np.ndarray) -> Tables:
    """Tables with room for this many further rows of each arena."""
    needed = (tables.used + more).tolist()
    changes: dict[str, np.ndarray] = {}
    for name, arena in _ARENAS:
        old = getattr(tables, name)
        room = size = old.shape[_axis(name)]
        while size < needed[arena]:
            size *= 2
        if size > room:
            changes[name] = _resized(name, old, size)
    for name, arena in _LOOKUPS:
        old = getattr(tables, name)
        if 3 * needed[arena] > 2 * old.shape[0]:
            larger = new_table(2 * needed[arena])
            rehash(old, larger)
            changes[name] = larger
    return tables._replace(**changes) if changes else tables


def trimmed(tables: Tables) -> Tables:
    """Tables without arenas that are far too large; lookups are empty, to be filled anew."""
    least = new_tables()
    changes: dict[str, np.ndarray] = {}
    for name, arena in _ARENAS:
        old, axis = getattr(tables, name), _axis(name)
        room = size = old.shape[axis]
        smallest = getattr(least, name).shape[axis]
        while size >= _ROOMY * int(tables.used[arena]) and size > smallest:
            size //= 2
        if size < room:
            changes[name] = _resized(name, old, size)
    for name, arena in _LOOKUPS:
        old = getattr(tables, name)
        needed = 2 * int(tables.used[arena])
        if old.shape[0] >= _ROOMY * needed:
            changes[name] = new_table(needed)
        else:
            old[:] = 0
    return tables._replace(**changes)


def _axis(name: str) -> int:
    """Along which axis an arena's rows lie."""
    return 1 if name == "mids" else 0


def _resized(name: str, old: np.ndarray, size: int) -> np.ndarray:
    if _axis(name):
        wide = np.zeros((old.shape[0], size))
        kept = min(size, old.shape[1])
        wide[:, :kept] = old[:, :kept]
        return wide
    kept = min(size, old.shape[0])
    new = np.empty((size, *old.shape[1:]), old.dtype)
    raw, rows = (a.view(np.uint8).reshape(a.shape[0], -1) for a in (new, old))
    raw[:kept] = rows[:kept]
    if size > kept:
        new[kept:] = blank_orders(size - kept) if old.dtype == ORDER_STATE else 0
    return new


DEEPEST = 8
"""Most generations of a family: an order that would stand deeper stays on its own."""


@kernel
def count_needs(tables: Tables, events: Table, links: Table, more: Table) -> None:
    """The most rows that the events may add to each arena.

    `links` is an empty table with room for every order of the events.
    """
    n = events.shape[0]
    for i in range(n):
        if events[i].kind < _MARK:
            _note_link(tables, events, i, links, more)
    for i in range(n):
        event = events[i]
        if event.kind >= _MARK:
            continue
        more[KEPTS] += 1
        at = find(links, event.order)
        adopts = at == i or (at == n and event.parent != 0)
        if event.kind != _FILLED and not adopts:
            continue
        above = _generations_above(tables, events, links, event.order)
        if event.kind == _FILLED:
            more[MIDS] += 1
            more[REFS] += above
            more[VENUES] += above + 1
        slot = find(tables.order_table, event.order)
        if adopts and slot >= 0:
            # An order that is adopted late hands over what it has traded so far.
            more[REFS] += above * _executions_of(tables, slot)
            more[VENUES] += above * _venues_of(tables, slot)


@kernel
def _note_link(tables: Tables, events: Table, i: int, links: Table, more: Table) -> None:
    """Keep in `links` which event gives an order its parent.

    The number of events stands for several parents, one more for none.
    """
    event = events[i]
    n = events.shape[0]
    slot = find(tables.order_table, event.order)
    seen = find(links, event.order)
    if seen < 0 and slot < 0:
        more[ORDERS] += 1
    adopts = event.parent != 0 and event.parent != event.order
    if slot >= 0 and tables.orders[slot].parent_slot >= 0:
        adopts = False
    if adopts and 0 <= seen < n and events[seen].parent == event.parent:
        return
    if adopts:
        more[ORDERS] += 1
        more[AGGS] += 1
    elif seen >= 0:
        return
    remove(links, event.order)
    if not adopts:
        put(links, event.order, n + 1)
    elif seen < 0 or seen > n:
        put(links, event.order, i)
    else:
        put(links, event.order, n)


@kernel
def _generations_above(tables: Tables, events: Table, links: Table, order: int) -> Any:
    """Ancestors of an order once the events are folded, at most."""
    n = events.shape[0]
    key = order
    for above in range(DEEPEST):
        slot = find(tables.order_table, key)
        if slot >= 0 and tables.orders[slot].parent_slot >= 0:
            key = tables.orders[tables.orders[slot].parent_slot].order
            continue
        at = find(links, key)
        if at < 0 or at > n:
            return above
        if at == n:
            break
        key = events[at].parent
    return DEEPEST


@kernel
def _executions_of(tables: Tables, slot: int) -> Any:
    """Fills in the lists that an adoption passes on."""
    count = 0
    at = tables.orders[slot].first
    while at >= 0:
        count += 1 if tables.kept[at].kind == _FILLED else 0
        at = tables.nexts[at]
    at = tables.orders[slot].first_ref
    while at >= 0:
        count += 1
        at = tables.refs[at].next
    return count


@kernel
def _venues_of(tables: Tables, slot: int) -> Any:
    count = 0
    at = tables.orders[slot].venues
    while at >= 0:
        count += 1
        at = tables.venues[at].next
    return count


def arrays_of(tables: Tables) -> dict[str, np.ndarray]:
    """Each arena's rows in use, later mids by horizon; the lookups follow from them."""
    arrays: dict[str, np.ndarray] = {}
    for name, arena in _ARENAS:
        array, n = getattr(tables, name), int(tables.used[arena])
        if _axis(name):
            arrays.update((f"{name}-{h}", column[:n]) for h, column in enumerate(array))
        else:
            arrays[name] = array[:n]
    arrays["indices"] = tables.indices
    return arrays


def pack(tables: Tables, kept: Any) -> tuple[Any, ...]:
    """Plain data: version, rows in use, what a store says of the arrays, halts."""
    return VERSION, tables.used.tobytes(), kept, tables.halts.tobytes()


def unpack(packed: tuple[Any, ...], arrays: Mapping[str, Any]) -> Tables:
    """Tables from what `pack` gave and the arrays' buffers. Raises RecoveryError."""
    if packed[0] != VERSION:
        raise other_version("the order stage's snapshot", packed[0], VERSION)
    used = np.frombuffer(packed[1], np.int64).copy()
    halts = np.frombuffer(packed[3], HALT).copy()
    indices = np.frombuffer(arrays["indices"], INDEX_MID).copy()
    tables = new_tables()._replace(used=used, halts=halts, indices=indices)
    tables = reserve_rows(tables, used // 4)
    for name, array in arrays_of(tables).items():
        array[:] = np.frombuffer(arrays[name], array.dtype).reshape(array.shape)
    from operators.orders.fold import index_tables

    index_tables(tables)
    return tables
