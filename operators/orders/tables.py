"""The arrays of one order group, as kernels take them, with growth, packing and eviction."""

from typing import Any, NamedTuple

import numpy as np

from domain.vocabulary import EventKind
from operators.kernel import Table, kernel
from operators.lookup import find, new_table, rehash
from operators.orders.layout import (
    HORIZON_SUMS,
    HORIZONS_KEPT,
    KEPT,
    ORDER_STATE,
    REF,
    VENUE,
    blank_orders,
)
from operators.orders.sums import N_SUMS

_FILLED = int(EventKind.ORDER_FILLED)
_MARK = int(EventKind.MARK)

ORDERS, KEPTS, MIDS, REFS, VENUES, AGGS, MOST_VENUES = range(7)
"""Positions in `used`: rows in use of each arena, and the most venues of one order."""
COUNTERS = 7


class Tables(NamedTuple):
    """Arrays of a group. Everything a kernel changes is in place."""

    used: np.ndarray
    order_table: np.ndarray
    exec_table: np.ndarray
    orders: Table
    sums: np.ndarray
    """(orders, SUMS, 2)"""
    horizon_sums: np.ndarray
    """(orders, horizons, HORIZON_SUMS, 2)"""
    agg_sums: np.ndarray
    agg_horizon_sums: np.ndarray
    kept: Table
    mids: np.ndarray
    """(fills, horizons)"""
    refs: Table
    venues: Table
    venue_qty: np.ndarray
    """(venues, 2)"""


def new_tables() -> Tables:
    """Empty arrays with room for a few orders."""
    return Tables(
        np.zeros(COUNTERS, np.int64),
        new_table(64),
        new_table(256),
        blank_orders(64),
        np.zeros((64, N_SUMS, 2)),
        np.zeros((64, HORIZONS_KEPT, len(HORIZON_SUMS), 2)),
        np.zeros((16, N_SUMS, 2)),
        np.zeros((16, HORIZONS_KEPT, len(HORIZON_SUMS), 2)),
        np.zeros(256, KEPT),
        np.full((256, HORIZONS_KEPT), np.nan),
        np.zeros(256, REF),
        np.zeros(128, VENUE),
        np.zeros((128, 2)),
    )


def sized_tables(used: np.ndarray) -> Tables:
    """Empty tables with room for twice the rows that are in use elsewhere."""
    full = reserve_rows(new_tables()._replace(used=used.copy()), used)
    full.used[:MOST_VENUES] = 0
    return full


def reserve(tables: Tables, events: np.ndarray) -> Tables:
    """Tables with room for what these further events may add."""
    more = np.zeros(COUNTERS, np.int64)
    count_needs(tables, events, more)
    return reserve_rows(tables, more)


def reserve_rows(tables: Tables, more: np.ndarray) -> Tables:
    """Tables with room for this many further rows of each arena."""
    needed = tables.used + more
    changes: dict[str, np.ndarray] = {}

    def grow(names: tuple[str, ...], needed: int) -> None:
        size = getattr(tables, names[0]).shape[0]
        if needed <= size:
            return
        while size < needed:
            size *= 2
        for name in names:
            old = getattr(tables, name)
            shape = (size - old.shape[0], *old.shape[1:])
            if old.dtype == ORDER_STATE:
                fresh = blank_orders(shape[0])
            elif name == "mids":
                fresh = np.full(shape, np.nan)
            else:
                fresh = np.zeros(shape, old.dtype)
            changes[name] = np.concatenate([old, fresh])

    grow(("orders", "sums", "horizon_sums"), int(needed[ORDERS]))
    grow(("agg_sums", "agg_horizon_sums"), int(needed[AGGS]))
    grow(("kept",), int(needed[KEPTS]))
    grow(("mids",), int(needed[MIDS]))
    grow(("refs",), int(needed[REFS]))
    grow(("venues", "venue_qty"), int(needed[VENUES]))
    for name, arena in (("order_table", int(needed[ORDERS])), ("exec_table", int(needed[KEPTS]))):
        old = getattr(tables, name)
        if 3 * arena > 2 * old.shape[0]:
            larger = new_table(2 * arena)
            rehash(old, larger)
            changes[name] = larger
    return tables._replace(**changes) if changes else tables


DEEPEST = 4
"""Generations of a family that room is made for at once."""


@kernel
def count_needs(tables: Tables, events: Table, more: Table) -> None:
    """The most rows that the events may add to each arena."""
    for i in range(events.shape[0]):
        event = events[i]
        if event.kind >= _MARK:
            continue
        known = find(tables.order_table, event.order) >= 0
        more[ORDERS] += 0 if known else 1
        more[KEPTS] += 1
        generations = 1
        if event.parent != 0:
            generations = DEEPEST
            if not known or tables.orders[find(tables.order_table, event.order)].parent_slot < 0:
                more[ORDERS] += 1
                more[AGGS] += 1
                # A late adoption hands over what the order has traded so far.
                more[REFS] += DEEPEST * tables.used[KEPTS] if known else 0
                more[VENUES] += DEEPEST * tables.used[VENUES] if known else 0
        if event.kind == _FILLED:
            more[MIDS] += 1
            more[REFS] += generations
            more[VENUES] += generations


VERSION = 1
_ARENAS = (
    ("orders", ORDERS), ("sums", ORDERS), ("horizon_sums", ORDERS), ("agg_sums", AGGS),
    ("agg_horizon_sums", AGGS), ("kept", KEPTS), ("mids", MIDS), ("refs", REFS),
    ("venues", VENUES), ("venue_qty", VENUES),
)  # fmt: skip


def pack(tables: Tables) -> tuple[Any, ...]:
    """Plain versioned arrays, trimmed to the rows in use."""
    arenas = {name: getattr(tables, name)[: int(tables.used[i])].tobytes() for name, i in _ARENAS}
    return (VERSION, tables.used.tobytes(), arenas)


def unpack(packed: tuple[Any, ...]) -> Tables:
    """Tables from what `pack` gave. Raises ValueError for another version."""
    if packed[0] != VERSION:
        raise ValueError(
            f"the order stage's snapshot has version {packed[0]}, this build reads {VERSION}"
        )
    used = np.frombuffer(packed[1], np.int64).copy()
    tables = reserve_rows(new_tables()._replace(used=used), used // 4)
    for name, i in _ARENAS:
        array = getattr(tables, name)
        rows = np.frombuffer(packed[2][name], array.dtype)
        n = int(used[i])
        array[:n] = rows.reshape((n, *array.shape[1:]))
    from operators.orders.fold import index_tables

    index_tables(tables)
    return tables
