"""The arrays of one order group, as kernels take them, with growth, packing and eviction."""

from typing import Any, NamedTuple

import numpy as np

from operators.lookup import new_table, rehash
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

ORDERS, KEPTS, MIDS, REFS, VENUES, AGGS = range(6)
"""Positions in `used`: rows in use of each arena."""


class Tables(NamedTuple):
    """Arrays of a group. Everything a kernel changes is in place."""

    used: np.ndarray
    order_table: np.ndarray
    exec_table: np.ndarray
    orders: np.ndarray
    sums: np.ndarray
    """(orders, SUMS, 2)"""
    horizon_sums: np.ndarray
    """(orders, horizons, HORIZON_SUMS, 2)"""
    agg_sums: np.ndarray
    agg_horizon_sums: np.ndarray
    kept: np.ndarray
    mids: np.ndarray
    """(fills, horizons)"""
    refs: np.ndarray
    venues: np.ndarray
    venue_qty: np.ndarray
    """(venues, 2)"""


def new_tables() -> Tables:
    """Empty arrays with room for a few orders."""
    return Tables(
        np.zeros(6, np.int64),
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
    """Empty tables with room for as many rows as are in use elsewhere."""
    full = reserve(new_tables()._replace(used=used.copy()), 1)
    full.used[:] = 0
    return full


def reserve(tables: Tables, events: int) -> Tables:
    """Tables with room for this many further events, each of which may be of a new family."""
    used = tables.used
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

    grow(("orders", "sums", "horizon_sums"), int(used[ORDERS]) + 3 * events)
    grow(("agg_sums", "agg_horizon_sums"), int(used[AGGS]) + 2 * events)
    grow(("kept",), int(used[KEPTS]) + events)
    grow(("mids",), int(used[MIDS]) + events)
    grow(("refs",), int(used[REFS]) + 4 * events)
    grow(("venues", "venue_qty"), int(used[VENUES]) + 4 * events)
    for name, arena in (("order_table", int(used[ORDERS]) + 3 * events),
                        ("exec_table", int(used[KEPTS]) + events)):  # fmt: skip
        old = getattr(tables, name)
        if 3 * arena > 2 * old.shape[0]:
            larger = new_table(2 * arena)
            rehash(old, larger)
            changes[name] = larger
    return tables._replace(**changes) if changes else tables


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
    tables = reserve(new_tables()._replace(used=used), 1)
    for name, i in _ARENAS:
        array = getattr(tables, name)
        rows = np.frombuffer(packed[2][name], array.dtype)
        n = int(used[i])
        array[:n] = rows.reshape((n, *array.shape[1:]))
    from operators.orders.fold import index_tables

    index_tables(tables)
    return tables
