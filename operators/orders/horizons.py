"""Kernels for the mids some time before and after a fill."""

from typing import Any

from domain.rows import FillStatus
from domain.vocabulary import EventKind
from operators.kernel import Table, kernel
from operators.lookup import find
from operators.market.tape import valid_mid
from operators.orders.sums import add
from operators.orders.tables import Tables

_FILLED = int(EventKind.ORDER_FILLED)
_COUNTED = FillStatus.COUNTED
_CORRECTED = FillStatus.CORRECTED


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
    for h in range(tables.mids.shape[1]):
        mid = tables.mids[fill.mids, h]
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
        at = fill.next if own else tables.refs[at].next


@kernel
def note_horizon(tables: Tables, slot: int, pos: int, source: int, h: int, mid: float) -> None:
    """Keep a later mid of the fill at `pos`, unless one is known."""
    at = tables.orders[slot].last
    while at >= 0:
        row = tables.kept[at]
        if row.pos == pos and row.source == source:
            if row.mids >= 0 and tables.mids[row.mids, h] != tables.mids[row.mids, h]:
                tables.mids[row.mids, h] = mid
            return
        at = row.prev


@kernel
def note_horizons(tables: Tables, rows: Table) -> None:
    """Keep later mids of fills; those of orders that left are ignored."""
    for i in range(rows.shape[0]):
        row = rows[i]
        slot = find(tables.order_table, row.order)
        if slot >= 0:
            note_horizon(tables, slot, row.pos, row.source, row.index, row.mid)
