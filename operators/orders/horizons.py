"""Kernels for the mids some time before and after a fill."""

from typing import Any

import numpy as np

from domain.rows import HORIZONS, FillStatus
from domain.vocabulary import EventKind
from operators.kernel import Row, Table, kernel
from operators.lookup import find
from operators.market.tape import valid_mid
from operators.orders.sums import add
from operators.orders.tables import KEPTS, Tables

_FILLED = int(EventKind.ORDER_FILLED)
_COUNTED = FillStatus.COUNTED
_CORRECTED = FillStatus.CORRECTED
_AFTER_NS = np.array(list(HORIZONS.values()), np.int64)


@kernel
def sharing_parent(tables: Tables, slot: int) -> Any:
    """First ancestor that an order's own fills count for: none where it has children itself."""
    if tables.orders[slot].agg >= 0:
        return -1
    return tables.orders[slot].parent_slot


@kernel
def _add_fill(tables: Tables, at: int, sums: Table) -> None:
    fill = tables.kept[at]
    order = tables.orders[fill.slot]
    received = valid_mid(order.arrival_bid, order.arrival_ask)
    receipt = fill.eff_qty * received if order.accepted and received == received else 0.0
    for h in range(tables.mids.shape[0]):
        mid = tables.mids[h, fill.mids]
        if mid == mid:
            add(sums[h, 0], fill.eff_qty * fill.eff_px)
            add(sums[h, 1], fill.eff_qty * mid)
            add(sums[h, 2], receipt)


@kernel
def sum_horizons(tables: Tables, slot: int, sums: Table) -> None:
    """Add up an order's observed mids, or its children's: (horizons, HORIZON_SUMS, 2)."""
    sums[:] = 0.0
    order = tables.orders[slot]
    own = order.agg < 0
    at = order.first if own else order.first_ref
    while at >= 0:
        row = at if own else tables.refs[at].kept
        fill = tables.kept[row]
        counts = fill.status == _COUNTED or fill.status == _CORRECTED
        if fill.kind == _FILLED and counts and (own or tables.orders[fill.slot].agg < 0):
            _add_fill(tables, row, sums)
        at = tables.nexts[row] if own else tables.refs[at].next


@kernel
def _row_known_at(tables: Tables, known: int, pos: int, source: int) -> Any:
    """Row of the event at a place, or −1; rows that lie by effective time are found at once."""
    kept = tables.kept
    lo = 0
    hi = tables.used[KEPTS]
    while lo < hi:
        middle = (lo + hi) >> 1
        if kept[middle].known < known:
            lo = middle + 1
        else:
            hi = middle
    while lo < tables.used[KEPTS] and kept[lo].known == known:
        if kept[lo].pos == pos and kept[lo].source == source:
            return lo
        lo += 1
    return -1


@kernel
def _row_of_order(tables: Tables, slot: int, pos: int, source: int) -> Any:
    """Row of an order's own event at a place, or −1."""
    at = tables.orders[slot].last
    while at >= 0:
        if tables.kept[at].pos == pos and tables.kept[at].source == source:
            return at
        at = tables.kept[at].prev
    return -1


@kernel
def note_horizon(tables: Tables, row: Row) -> None:
    """Keep a later mid of a fill, unless one is known or its order has left."""
    slot = find(tables.order_table, row.order)
    if slot < 0:
        return
    at = _row_known_at(tables, row.t_eff - _AFTER_NS[row.index], row.pos, row.source)
    if at < 0 or tables.kept[at].slot != slot:
        at = _row_of_order(tables, slot, row.pos, row.source)
    if at < 0:
        return
    mids = tables.kept[at].mids
    if mids >= 0 and tables.mids[row.index, mids] != tables.mids[row.index, mids]:
        tables.mids[row.index, mids] = row.mid


@kernel
def note_horizons(tables: Tables, rows: Table, before: int) -> Any:
    """Keep the later mids that were due before an instant; the others move to the front.

    Returns how many are left.
    """
    left = 0
    for i in range(rows.shape[0]):
        if rows[i].t_eff < before:
            note_horizon(tables, rows[i])
        else:
            if left != i:
                rows[left] = rows[i]
            left += 1
    return left
