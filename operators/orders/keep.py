"""Kernels that keep an order's events sorted, link families, and follow venues."""

from typing import Any

import numpy as np

from domain.vocabulary import EventKind
from operators.kernel import Row, kernel
from operators.lookup import find, put
from operators.orders.sums import add
from operators.orders.tables import AGGS, KEPTS, MIDS, MOST_VENUES, ORDERS, REFS, VENUES, Tables

_FILLED = int(EventKind.ORDER_FILLED)
_CORRECTED = int(EventKind.FILL_CORRECTED)
_BUSTED = int(EventKind.FILL_BUSTED)


@kernel
def exec_key(order: int, fill_exec: int) -> Any:
    """Key of an execution id within its order."""
    mixed = fill_exec * np.uint64(0x9E3779B97F4A7C15) ^ order
    mixed ^= mixed >> np.uint64(31)
    return mixed | np.uint64(1)


@kernel
def rank(kind: int) -> Any:
    """Order of events of one instant where no sequence decides."""
    if kind < 5:
        return kind
    if kind == _FILLED:
        return 20
    if kind == _BUSTED or kind == _CORRECTED:
        return 21
    if kind >= 20:
        return kind - 10
    return kind + 20


@kernel
def before(a: Row, b: Row) -> bool:
    """Whether event a is folded before event b, whatever their order of arrival."""
    if a.ts != b.ts:
        return a.ts < b.ts
    if a.seq != b.seq and a.seq >= 0 and b.seq >= 0:
        return a.seq < b.seq
    if rank(a.kind) != rank(b.kind):
        return rank(a.kind) < rank(b.kind)
    if a.cum_qty != b.cum_qty and a.cum_qty == a.cum_qty and b.cum_qty == b.cum_qty:
        return a.cum_qty < b.cum_qty
    if a.exec != b.exec:
        return a.exec < b.exec
    if a.qty != b.qty:
        return a.qty < b.qty
    if a.px != b.px:
        return a.px < b.px
    return a.pos < b.pos


@kernel
def same_number(a: float, b: float) -> bool:
    """Equal, or both missing."""
    return a == b or (a != a and b != b)


@kernel
def is_same(a: Row, b: Row) -> bool:
    """Whether two events are one message stored twice."""
    return (
        a.ts == b.ts
        and a.kind == b.kind
        and a.seq == b.seq
        and a.exec == b.exec
        and a.exec_ref == b.exec_ref
        and same_number(a.qty, b.qty)
        and same_number(a.px, b.px)
        and same_number(a.cum_qty, b.cum_qty)
        and (a.exec != 0 or a.seq >= 0 or a.cum_qty == a.cum_qty or a.kind != _FILLED
             or a.pos == b.pos)
    )  # fmt: skip


@kernel
def _note_exec(tables: Tables, order: Row, at: int, fill_exec: int) -> None:
    """Remember that the execution id was used, and whether it was before."""
    if fill_exec == 0:
        return
    key = exec_key(order.order, fill_exec)
    if find(tables.exec_table, key) < 0:
        put(tables.exec_table, key, at)
    else:
        order.reuses = 1


@kernel
def keep(tables: Tables, slot: int, event: Row) -> tuple[Any, ...]:
    """Add an event to its order's sorted list.

    Returns (row, at the tail): row −1 where the same message is in the list already.
    """
    orders, kept, nexts = tables.orders, tables.kept, tables.nexts
    at = tables.used[KEPTS]
    row = kept[at]
    row.slot = slot
    row.window = 0
    row.mids = -1
    row.kind = event.kind
    row.status = 0
    row.liquidity = event.liquidity
    row.source = event.source
    row.flags = 0
    row.stamp_flags = event.stamp_flags
    row.reason = event.reason
    row.own = 1 if event.own_print == 1 else 0
    row.venue_done = 0
    row.ts = event.ts_event
    row.known = event.t_eff
    row.seq = event.seq
    row.pos = event.pos
    row.exec = event.exec
    row.exec_ref = event.exec_ref
    row.venue = event.venue
    is_fill = event.kind == _FILLED or event.kind == _CORRECTED
    row.qty = event.last_qty if is_fill or event.kind == _BUSTED else event.order_qty
    row.px = event.last_px if is_fill or event.kind == _BUSTED else event.limit_px
    row.eff_qty = row.qty
    row.eff_px = row.px
    row.order_qty = event.order_qty
    row.cum_qty = event.cum_qty
    row.leaves_qty = event.leaves_qty
    row.fee = event.fee
    row.reported_avg_px = event.reported_avg_px
    row.bid = event.bid
    row.ask = event.ask
    row.quote_ts = event.quote_ts
    row.vol_open = event.vol_open
    row.vol_close = event.vol_close
    row.pv_open = event.pv_open
    row.pv_close = event.pv_close
    row.mid_s = event.mid_s
    row.open_s = event.open_s
    row.open_px = event.open_px
    row.own_qty = event.last_qty if row.own else 0.0
    row.own_px = event.last_px if row.own else 0.0

    order = orders[slot]
    after = order.last
    while after >= 0 and before(row, kept[after]):
        after = kept[after].prev
    probe = after
    while probe >= 0 and kept[probe].ts == row.ts:
        if is_same(row, kept[probe]):
            return -1, False
        probe = kept[probe].prev
    tail = after == order.last
    row.prev = after
    behind = nexts[after] if after >= 0 else order.first
    nexts[at] = behind
    if behind >= 0:
        kept[behind].prev = at
    else:
        order.last = at
    if after >= 0:
        nexts[after] = at
    else:
        order.first = at
    tables.used[KEPTS] = at + 1
    if event.kind == _FILLED:
        _note_exec(tables, order, at, event.exec)
        mids = tables.used[MIDS]
        row.mids = mids
        tables.used[MIDS] = mids + 1
        tables.mids[:, mids] = np.nan
        tables.mids[0, mids] = event.mid_m60s
        tables.mids[1, mids] = event.mid_m30s
        tables.mids[2, mids] = event.mid_m5s
        tables.mids[3, mids] = (event.bid + event.ask) / 2.0 if event.bid <= event.ask else np.nan
    return at, tail


@kernel
def slot_of(tables: Tables, order: int, root: int) -> Any:
    """Row of an order, made where it is new."""
    slot = find(tables.order_table, order)
    if slot >= 0:
        return slot
    slot = tables.used[ORDERS]
    tables.used[ORDERS] = slot + 1
    put(tables.order_table, order, slot)
    tables.orders[slot].order = order
    tables.orders[slot].root = root
    tables.orders[slot].family = slot
    tables.sums[slot, :, :] = 0.0
    return slot


@kernel
def add_ref(tables: Tables, ancestor: int, kept_row: int) -> None:
    """Put a child's fill into an ancestor's list, sorted as its own events would be."""
    refs, kept = tables.refs, tables.kept
    at = tables.used[REFS]
    tables.used[REFS] = at + 1
    order = tables.orders[ancestor]
    after = order.last_ref
    while after >= 0 and before(kept[kept_row], kept[refs[after].kept]):
        after = refs[after].prev
    refs[at].kept = kept_row
    refs[at].prev = after
    refs[at].next = refs[after].next if after >= 0 else order.first_ref
    if refs[at].next >= 0:
        refs[refs[at].next].prev = at
    else:
        order.last_ref = at
    if after >= 0:
        refs[after].next = at
    else:
        order.first_ref = at


@kernel
def add_venue(tables: Tables, slot: int, venue: int, qty: float) -> None:
    """Add to an order's quantity at a venue; the list is sorted by the venue's key."""
    venues = tables.venues
    at = tables.orders[slot].venues
    previous = -1
    length = 1
    while at >= 0 and venues[at].venue < venue:
        previous = at
        at = venues[at].next
        length += 1
    if at < 0 or venues[at].venue != venue:
        fresh = tables.used[VENUES]
        tables.used[VENUES] = fresh + 1
        venues[fresh].venue = venue
        venues[fresh].next = at
        tables.venue_qty[fresh, 0] = 0.0
        tables.venue_qty[fresh, 1] = 0.0
        if previous >= 0:
            venues[previous].next = fresh
        else:
            tables.orders[slot].venues = fresh
        while at >= 0:
            at = venues[at].next
            length += 1
        tables.used[MOST_VENUES] = max(tables.used[MOST_VENUES], length)
        at = fresh
    add(tables.venue_qty[at], qty)


@kernel
def new_agg(tables: Tables, slot: int) -> None:
    """Give an order room for its children's sums."""
    at = tables.used[AGGS]
    tables.used[AGGS] = at + 1
    tables.orders[slot].agg = at
    tables.agg_sums[at, :, :] = 0.0
