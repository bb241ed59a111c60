"""Kernels that let finished families go and close the gaps they leave, in place."""

from typing import Any

from operators.kernel import Row, Table, kernel
from operators.orders import sums as S
from operators.orders.fold import is_closed
from operators.orders.measure import state_of
from operators.orders.tables import AGGS, KEPTS, MIDS, ORDERS, REFS, VENUES, Tables


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
def _at(places: Table, row: int) -> Any:
    """New place of a row; none stays none."""
    return places[row] if row >= 0 else row


@kernel
def _number(places: Table, n: int) -> Any:
    """Turn marks of the rows that stay into their new places; returns how many stay."""
    count = 0
    for i in range(n):
        if places[i] >= 0:
            places[i] = count
            count += 1
    return count


@kernel
def _copy_pairs(sums: Table, to: int, row: int) -> None:
    for k in range(sums.shape[1]):
        sums[to, k, 0] = sums[row, k, 0]
        sums[to, k, 1] = sums[row, k, 1]


@kernel
def _mark_lists(tables: Tables, gone: Table, aggs: Table, refs: Table, venues: Table) -> None:
    """Mark with 0 the rows that belong to orders that stay."""
    for slot in range(tables.used[ORDERS]):
        if gone[slot]:
            continue
        order = tables.orders[slot]
        if order.agg >= 0:
            aggs[order.agg] = 0
        at = order.first_ref
        while at >= 0:
            refs[at] = 0
            at = tables.refs[at].next
        at = order.venues
        while at >= 0:
            venues[at] = 0
            at = tables.venues[at].next


@kernel
def _move_kept(tables: Tables, gone: Table, slots: Table, kept: Table) -> Any:
    """Close the gaps among events; their mids lie in the same order."""
    count = 0
    mids = 0
    for i in range(tables.used[KEPTS]):
        kept[i] = -1
        if gone[tables.kept[i].slot]:
            continue
        row = tables.kept[count]
        if count != i:
            tables.kept[count] = tables.kept[i]
            tables.nexts[count] = tables.nexts[i]
        row.slot = slots[row.slot]
        if row.mids >= 0:
            if row.mids != mids:
                for h in range(tables.mids.shape[0]):
                    tables.mids[h, mids] = tables.mids[h, row.mids]
            row.mids = mids
            mids += 1
        kept[i] = count
        count += 1
    tables.used[MIDS] = mids
    return count


@kernel
def _link_order(
    order: Row, slots: Table, kept: Table, aggs: Table, refs: Table, venues: Table
) -> None:
    order.first = _at(kept, order.first)
    order.last = _at(kept, order.last)
    order.first_fill = _at(kept, order.first_fill)
    order.last_fill = _at(kept, order.last_fill)
    order.base = _at(kept, order.base)
    order.first_ref = _at(refs, order.first_ref)
    order.last_ref = _at(refs, order.last_ref)
    order.venues = _at(venues, order.venues)
    order.agg = _at(aggs, order.agg)
    order.parent_slot = _at(slots, order.parent_slot)
    order.family = _at(slots, order.family)


@kernel
def close_gaps(
    tables: Tables,
    gone: Table,
    blank: Table,
    slots: Table,
    kept: Table,
    aggs: Table,
    refs: Table,
    venues: Table,
) -> None:
    """Take the orders that go out of every arena; the lookups are to be filled anew.

    The last five are room for the new place of each row in use of its arena, all −1;
    `blank` holds an order of which nothing is known.
    """
    n = tables.used[ORDERS]
    _mark_lists(tables, gone, aggs, refs, venues)
    for slot in range(n):
        slots[slot] = -1 if gone[slot] else 0
    orders = _number(slots, n)
    events = _move_kept(tables, gone, slots, kept)
    for slot in range(n):
        at = slots[slot]
        if at >= 0 and at != slot:
            tables.orders[at] = tables.orders[slot]
            _copy_pairs(tables.sums, at, slot)
    for slot in range(orders, n):
        tables.orders[slot] = blank[0]
    n_aggs, n_refs = tables.used[AGGS], tables.used[REFS]
    n_venues = tables.used[VENUES]
    tables.used[ORDERS] = orders
    tables.used[KEPTS] = events
    tables.used[AGGS] = _number(aggs, n_aggs)
    tables.used[REFS] = _number(refs, n_refs)
    tables.used[VENUES] = _number(venues, n_venues)
    for i in range(n_aggs):
        if aggs[i] >= 0 and aggs[i] != i:
            _copy_pairs(tables.agg_sums, aggs[i], i)
    for i in range(n_refs):
        if refs[i] >= 0:
            ref = tables.refs[refs[i]]
            if refs[i] != i:
                tables.refs[refs[i]] = tables.refs[i]
            ref.kept = kept[ref.kept]
            ref.next = _at(refs, ref.next)
            ref.prev = _at(refs, ref.prev)
    for i in range(n_venues):
        if venues[i] >= 0:
            venue = tables.venues[venues[i]]
            if venues[i] != i:
                tables.venues[venues[i]] = tables.venues[i]
                tables.venue_qty[venues[i], 0] = tables.venue_qty[i, 0]
                tables.venue_qty[venues[i], 1] = tables.venue_qty[i, 1]
            venue.next = _at(venues, venue.next)
    for i in range(events):
        row = tables.kept[i]
        tables.nexts[i] = _at(kept, tables.nexts[i])
        row.prev = _at(kept, row.prev)
    for slot in range(orders):
        _link_order(tables.orders[slot], slots, kept, aggs, refs, venues)
