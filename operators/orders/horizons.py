"""Kernels for the mids some time before and after a fill."""

from typing import Any

from operators.kernel import Table, kernel
from operators.lookup import find
from operators.market.tape import valid_mid
from operators.orders.sums import add
from operators.orders.tables import Tables


@kernel
def sharing_parent(tables: Tables, slot: int) -> Any:
    """First ancestor that an order's own fills count for: none where it has children itself."""
    if tables.orders[slot].agg >= 0:
        return -1
    return tables.orders[slot].parent_slot


@kernel
def add_horizon(tables: Tables, slot: int, at: int, h: int) -> None:
    """Add one observed mid of a fill to its order and every ancestor."""
    fill = tables.kept[at]
    mid = tables.mids[fill.mids, h]
    if mid != mid:
        return
    order = tables.orders[slot]
    notional = fill.eff_qty * fill.eff_px
    mid_notional = fill.eff_qty * mid
    received = valid_mid(order.arrival_bid, order.arrival_ask)
    receipt = fill.eff_qty * received if order.accepted and received == received else 0.0
    add(tables.horizon_sums[slot, h, 0], notional)
    add(tables.horizon_sums[slot, h, 1], mid_notional)
    add(tables.horizon_sums[slot, h, 2], receipt)
    ancestor = sharing_parent(tables, slot)
    while ancestor >= 0:
        agg = tables.orders[ancestor].agg
        add(tables.agg_horizon_sums[agg, h, 0], notional)
        add(tables.agg_horizon_sums[agg, h, 1], mid_notional)
        add(tables.agg_horizon_sums[agg, h, 2], receipt)
        ancestor = tables.orders[ancestor].parent_slot


@kernel
def add_fill_horizons(tables: Tables, slot: int, at: int) -> None:
    """Add every observed mid of a fill."""
    for h in range(tables.mids.shape[1]):
        add_horizon(tables, slot, at, h)


@kernel
def note_horizon(
    tables: Tables,
    slot: int,
    pos: int,
    source: int,
    h: int,
    mid: float,
    counted: int,
    corrected: int,
) -> None:
    """Keep a later mid of the fill at `pos`; it adds to the sums where the fill counts."""
    at = tables.orders[slot].last
    while at >= 0:
        row = tables.kept[at]
        if row.pos == pos and row.source == source:
            if row.mids >= 0 and tables.mids[row.mids, h] != tables.mids[row.mids, h]:
                tables.mids[row.mids, h] = mid
                if row.status == counted or row.status == corrected:
                    add_horizon(tables, slot, at, h)
            return
        at = row.prev


@kernel
def note_horizons(tables: Tables, rows: Table, counted: int, corrected: int) -> None:
    """Keep later mids of fills; those of orders that left are ignored."""
    for i in range(rows.shape[0]):
        row = rows[i]
        slot = find(tables.order_table, row.order)
        if slot >= 0:
            note_horizon(tables, slot, row.pos, row.source, row.index, row.mid, counted, corrected)
