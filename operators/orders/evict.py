"""Kernels that let finished families go and pack what stays."""

from typing import Any

from domain.vocabulary import EventKind, OrderState
from operators.kernel import Table, kernel
from operators.orders import sums as S
from operators.orders.fold import is_closed
from operators.orders.measure import state_of
from operators.orders.tables import AGGS, KEPTS, MIDS, ORDERS, REFS, VENUES, Tables

_FILLED_EVENT = int(EventKind.ORDER_FILLED)
_UNKNOWN = int(OrderState.UNKNOWN)


@kernel
def top_of(tables: Tables, slot: int) -> Any:
    """Slot of the family's root."""
    while tables.orders[slot].parent_slot >= 0:
        slot = tables.orders[slot].parent_slot
    return slot


@kernel
def stale_families(tables: Tables, before: int, gone: Table) -> Any:
    """Set gone[slot] for orders of families that ended, or went silent, before an instant.

    A family has ended when every member is closed; one whose size was never said is judged
    by its silence. Returns how many orders go.
    """
    n = tables.used[ORDERS]
    gone[:n] = 1
    for slot in range(n):
        order = tables.orders[slot]
        sums = tables.agg_sums[order.agg] if order.agg >= 0 else tables.sums[slot]
        state = state_of(order, sums[S.QTY, 0])
        ended = is_closed(state) or order.order_qty != order.order_qty
        newest = max(order.now_known, order.closed_ts)
        if not is_closed(state):
            newest = max(newest, order.now_ts)
        if not ended or newest >= before:
            gone[top_of(tables, slot)] = 0
    count = 0
    for slot in range(n):
        if gone[top_of(tables, slot)] == 0:
            gone[slot] = 0
        else:
            count += 1
    return count


@kernel
def pack_into(tables: Tables, gone: Table, new: Tables, slot_map: Table, kept_map: Table) -> None:
    """Copy the families that stay into empty tables, lists laid out in order."""
    n = tables.used[ORDERS]
    for slot in range(n):
        slot_map[slot] = -1
        if gone[slot]:
            continue
        at = new.used[ORDERS]
        new.used[ORDERS] = at + 1
        slot_map[slot] = at
        new.orders[at] = tables.orders[slot]
        new.sums[at] = tables.sums[slot]
        new.horizon_sums[at] = tables.horizon_sums[slot]
        if tables.orders[slot].agg >= 0:
            agg = new.used[AGGS]
            new.used[AGGS] = agg + 1
            new.agg_sums[agg] = tables.agg_sums[tables.orders[slot].agg]
            new.agg_horizon_sums[agg] = tables.agg_horizon_sums[tables.orders[slot].agg]
            new.orders[at].agg = agg
        _pack_events(tables, slot, new, at, kept_map)
        _pack_venues(tables, slot, new, at)
    for slot in range(n):
        at = slot_map[slot]
        if at < 0:
            continue
        parent = tables.orders[slot].parent_slot
        new.orders[at].parent_slot = slot_map[parent] if parent >= 0 else -1
        _pack_refs(tables, slot, new, at, kept_map)


@kernel
def _pack_events(tables: Tables, slot: int, new: Tables, at: int, kept_map: Table) -> None:
    order = new.orders[at]
    row = tables.orders[slot].first
    previous = -1
    order.first = -1
    while row >= 0:
        to = new.used[KEPTS]
        new.used[KEPTS] = to + 1
        kept_map[row] = to
        new.kept[to] = tables.kept[row]
        new.kept[to].slot = at
        new.kept[to].prev = previous
        new.kept[to].next = -1
        if tables.kept[row].mids >= 0:
            mids = new.used[MIDS]
            new.used[MIDS] = mids + 1
            new.mids[mids] = tables.mids[tables.kept[row].mids]
            new.kept[to].mids = mids
        if previous >= 0:
            new.kept[previous].next = to
        else:
            order.first = to
        if row == tables.orders[slot].first_fill:
            order.first_fill = to
        if row == tables.orders[slot].last_fill:
            order.last_fill = to
        previous = to
        row = tables.kept[row].next
    order.last = previous


@kernel
def _pack_venues(tables: Tables, slot: int, new: Tables, at: int) -> None:
    venue = tables.orders[slot].venues
    previous = -1
    new.orders[at].venues = -1
    while venue >= 0:
        to = new.used[VENUES]
        new.used[VENUES] = to + 1
        new.venues[to] = tables.venues[venue]
        new.venues[to].next = -1
        new.venue_qty[to] = tables.venue_qty[venue]
        if previous >= 0:
            new.venues[previous].next = to
        else:
            new.orders[at].venues = to
        previous = to
        venue = tables.venues[venue].next


@kernel
def _pack_refs(tables: Tables, slot: int, new: Tables, at: int, kept_map: Table) -> None:
    ref = tables.orders[slot].first_ref
    previous = -1
    new.orders[at].first_ref = -1
    while ref >= 0:
        to = new.used[REFS]
        new.used[REFS] = to + 1
        new.refs[to].kept = kept_map[tables.refs[ref].kept]
        new.refs[to].prev = previous
        new.refs[to].next = -1
        if previous >= 0:
            new.refs[previous].next = to
        else:
            new.orders[at].first_ref = to
        previous = to
        ref = tables.refs[ref].next
    new.orders[at].last_ref = previous
