"""Kernels that fold an order's events, in order of (ts_event, seq), into its state."""

from typing import Any

import numpy as np

from domain.instants import NO_TIME
from domain.rows import FillStatus
from domain.vocabulary import Anomaly, EventKind, OrderState
from operators.kernel import Row, Table, kernel
from operators.lookup import find, put
from operators.market.tape import valid_mid
from operators.orders.horizons import sharing_parent
from operators.orders.keep import add_ref, add_venue, exec_key, new_agg, slot_of
from operators.orders.sums import (
    N_SUMS,
    NOTIONAL,
    OWN_NOTIONAL,
    OWN_QTY,
    QTY,
    ROUTED_QTY,
    add,
    add_pair,
    fill_terms,
)
from operators.orders.tables import DEEPEST, KEPTS, ORDERS, Tables

_ACCEPTED = int(EventKind.ORDER_ACCEPTED)
_WANTS_CANCEL = int(EventKind.ORDER_PENDING_CANCEL)
_WANTS_REPLACE = int(EventKind.ORDER_PENDING_REPLACE)
_REPLACED = int(EventKind.ORDER_REPLACED)
_CANCELLED = int(EventKind.ORDER_CANCELLED)
_CANCEL_REJECTED = int(EventKind.CANCEL_REJECTED)
_REJECTED = int(EventKind.ORDER_REJECTED)
_EXPIRED = int(EventKind.ORDER_EXPIRED)
_DONE_FOR_DAY = int(EventKind.ORDER_DONE_FOR_DAY)
_SUSPENDED = int(EventKind.ORDER_SUSPENDED)
_FILLED = int(EventKind.ORDER_FILLED)
_BUSTED = int(EventKind.FILL_BUSTED)
_CORRECTED = int(EventKind.FILL_CORRECTED)
_SENT = int(EventKind.ROUTE_SENT)
_ACKNOWLEDGED = int(EventKind.ROUTE_ACKNOWLEDGED)

_S_UNKNOWN = int(OrderState.UNKNOWN)
_S_NEW = int(OrderState.NEW)
_S_PARTIAL = int(OrderState.PARTIALLY_FILLED)
_S_FILLED = int(OrderState.FILLED)
_S_CANCELLED = int(OrderState.CANCELLED)
_S_REPLACED = int(OrderState.REPLACED)
_S_REJECTED = int(OrderState.REJECTED)
_S_EXPIRED = int(OrderState.EXPIRED)
_S_DONE = int(OrderState.DONE_FOR_DAY)
_S_SUSPENDED = int(OrderState.SUSPENDED)
_S_PENDING_CANCEL = int(OrderState.PENDING_CANCEL)
_S_PENDING_REPLACE = int(OrderState.PENDING_REPLACE)

_REUSED = int(Anomaly.EXEC_ID_REUSED)
_FELL = int(Anomaly.CUM_QTY_FELL)
_OVERFILL = int(Anomaly.OVERFILL)
_VIOLATION = int(Anomaly.STATE_VIOLATION)
_NEVER_ACCEPTED = int(Anomaly.NEVER_ACCEPTED)
_UNKNOWN_EXEC = int(Anomaly.UNKNOWN_EXEC)
_AVG_DIFFERS = int(Anomaly.AVG_PX_DIFFERS)
_CUM_DIFFERS = int(Anomaly.CUM_QTY_DIFFERS)
_AFTER_CLOSE = int(Anomaly.FILL_AFTER_CLOSE)
_RESTATED = int(Anomaly.RESTATED)

_COUNTED = FillStatus.COUNTED
_REPEATED = FillStatus.REPEATED
_IS_BUSTED = FillStatus.BUSTED
_IS_CORRECTED = FillStatus.CORRECTED
# Two averages agree within the digits that counterparties print.
_AVG_TOLERANCE = 1e-6


@kernel
def is_closed(life: int) -> bool:
    """FILLED, CANCELLED, REJECTED or EXPIRED."""
    return life in (_S_FILLED, _S_CANCELLED, _S_REJECTED, _S_EXPIRED)


@kernel
def index_tables(tables: Tables) -> None:
    """Fill both lookups from the arenas, after a resume or an eviction."""
    for i in range(tables.used[ORDERS]):
        put(tables.order_table, tables.orders[i].order, i)
    for i in range(tables.used[KEPTS]):
        row = tables.kept[i]
        if row.kind == _FILLED and row.exec != 0:
            key = exec_key(tables.orders[row.slot].order, row.exec)
            if find(tables.exec_table, key) < 0:
                put(tables.exec_table, key, i)


@kernel
def reset_own(order: Row) -> None:
    """Forget what the order's own events said, before folding them all again."""
    order.first_fill = -1
    order.last_fill = -1
    order.life = _S_UNKNOWN
    order.pending = 0
    order.accepted = 0
    order.arrival_ts = NO_TIME
    order.closed_ts = NO_TIME
    order.order_qty = np.nan
    order.limit_px = np.nan
    order.reported_cum_qty = np.nan
    order.reported_avg_px = np.nan
    order.removed_qty = 0.0
    order.ack_ms_sum = 0.0
    order.acks = 0
    order.final_mid = np.nan
    order.base = -1
    order.window = 0
    order.arrival_bid = np.nan
    order.arrival_ask = np.nan
    order.flags = 0


@kernel
def _close(order: Row, life: int, ts: int) -> None:
    if is_closed(order.life) and order.life != life:
        order.flags |= _VIOLATION
        return
    order.life = life
    order.pending = 0
    order.closed_ts = ts


@kernel
def _accept(order: Row, event: Row) -> None:
    if order.accepted:
        return
    order.accepted = 1
    order.arrival_ts = event.ts
    order.arrival_bid = event.bid
    order.arrival_ask = event.ask
    order.arrival_vol = event.vol_open
    order.arrival_pv = event.pv_open
    order.arrival_mid_s = event.mid_s
    order.arrival_open_s = event.open_s
    order.arrival_flags = event.stamp_flags
    order.window = event.window
    if event.qty == event.qty:
        order.order_qty = event.qty
    order.limit_px = event.px
    if order.life == _S_UNKNOWN:
        order.life = _S_NEW


@kernel
def _half(t: int) -> Any:
    """15 bits that tell a time from others, 0 for none."""
    if t == NO_TIME:
        return np.int64(0)
    mixed = (np.uint64(t) ^ (np.uint64(t) >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15)
    return max(np.int64(mixed >> np.uint64(49)), np.int64(1))


@kernel
def window_digest(start: int, end: int) -> Any:
    """A number that is another where a start or an end is; parts that are not told are 0."""
    return _half(start) << 15 | _half(end)


@kernel
def _restart_schedule(order: Row, event: Row, at: int) -> None:
    """Start the schedule anew from an amendment that changes the quantity or the times."""
    told = order.order_qty == order.order_qty and event.qty == event.qty
    restarts = told and event.qty != order.order_qty
    for mask in (0x7FFF << 15, 0x7FFF):
        part = event.window & mask
        if part != 0 and part != order.window & mask:
            order.window = (order.window & ~mask) | part
            restarts = True
    if restarts:
        order.base = at


@kernel
def _replace(order: Row, event: Row, filled: float, at: int) -> None:
    if is_closed(order.life) and order.life != _S_FILLED:
        order.flags |= _VIOLATION
        return
    order.pending = 0
    _restart_schedule(order, event, at)
    if event.px == event.px:
        order.limit_px = event.px
    if event.qty == event.qty:
        order.order_qty = event.qty
    if filled > 0.0 and order.order_qty <= filled:
        order.order_qty = filled
        order.life = _S_FILLED
        order.closed_ts = event.ts
    else:
        order.life = _S_PARTIAL if filled > 0.0 else _S_REPLACED
        order.closed_ts = NO_TIME


@kernel
def _fold_life(order: Row, event: Row, filled: float, at: int) -> None:
    """An event, of row `at`, that is neither an execution nor of a route."""
    kind = event.kind
    if kind == _ACCEPTED:
        _accept(order, event)
    elif kind == _WANTS_CANCEL or kind == _WANTS_REPLACE:
        if is_closed(order.life):
            order.flags |= _VIOLATION
        else:
            order.pending = _S_PENDING_CANCEL if kind == _WANTS_CANCEL else _S_PENDING_REPLACE
    elif kind == _REPLACED:
        _replace(order, event, filled, at)
    elif kind == _CANCEL_REJECTED:
        order.pending = 0
    elif kind == _CANCELLED or kind == _REJECTED or kind == _EXPIRED:
        life = _S_CANCELLED
        if kind == _REJECTED:
            life = _S_REJECTED
        elif kind == _EXPIRED:
            life = _S_EXPIRED
        if not is_closed(order.life):
            order.final_mid = valid_mid(event.bid, event.ask)
        if order.order_qty != order.order_qty:
            order.order_qty = event.qty
        _close(order, life, event.ts)
    elif is_closed(order.life):
        order.flags |= _VIOLATION
    elif kind == _DONE_FOR_DAY:
        order.life = _S_DONE
    elif kind == _SUSPENDED:
        order.life = _S_SUSPENDED
    else:
        order.life = _S_PARTIAL if filled > 0.0 else _S_NEW


@kernel
def _same_exec_cum(tables: Tables, event: Row) -> bool:
    """Whether an earlier fill has this execution id and this cumulative quantity."""
    probe = event.prev
    while probe >= 0:
        other = tables.kept[probe]
        if other.kind == _FILLED and other.exec == event.exec:
            if event.cum_qty == event.cum_qty and other.cum_qty == other.cum_qty:
                if event.cum_qty == other.cum_qty:
                    return True
            elif event.qty == other.qty and event.px == other.px and event.ts == other.ts:
                return True
        probe = other.prev
    return False


@kernel
def _counts(tables: Tables, order: Row, event: Row) -> bool:
    """Whether a fill is a new execution, marking what is odd about it."""
    known_cum = event.cum_qty == event.cum_qty
    previous = order.reported_cum_qty - order.removed_qty
    if event.exec != 0 and order.reuses:
        if _seen_before(tables, event):
            if _same_exec_cum(tables, event):
                return False
            adds_up = known_cum and (previous != previous or event.cum_qty == previous + event.qty)
            if known_cum and not adds_up and event.cum_qty <= previous:
                return False
            event.flags |= _REUSED
    if known_cum and previous == previous and event.cum_qty < previous:
        event.flags |= _FELL
        return False
    return True


@kernel
def _seen_before(tables: Tables, event: Row) -> bool:
    """Whether an earlier fill of the order has this execution id."""
    probe = event.prev
    while probe >= 0:
        if tables.kept[probe].kind == _FILLED and tables.kept[probe].exec == event.exec:
            return True
        probe = tables.kept[probe].prev
    return False


@kernel
def _note_report(order: Row, event: Row, filled: float, notional: float) -> None:
    """Compare the counterparty's totals (FIX 14 and 6) with ours after this event."""
    if event.cum_qty == event.cum_qty:
        order.reported_cum_qty = event.cum_qty
        order.removed_qty = 0.0
        order.flags &= ~np.uint32(_CUM_DIFFERS)
        if event.cum_qty != filled:
            order.flags |= _CUM_DIFFERS
    if event.reported_avg_px == event.reported_avg_px:
        order.reported_avg_px = event.reported_avg_px
        order.flags &= ~np.uint32(_AVG_DIFFERS)
        if filled > 0.0:
            ours = notional / filled
            if abs(ours - event.reported_avg_px) > _AVG_TOLERANCE * abs(ours):
                order.flags |= _AVG_DIFFERS


@kernel
def _share_fill(tables: Tables, slot: int, at: int, terms: Table, sign: float) -> None:
    """Add a fill to its order's sums and venues and to every ancestor's."""
    fill = tables.kept[at]
    for k in range(N_SUMS):
        if terms[k] != 0.0:
            add(tables.sums[slot, k], sign * terms[k])
    if tables.orders[slot].agg < 0:
        add_venue(tables, slot, fill.venue, sign * fill.eff_qty)
    ancestor = sharing_parent(tables, slot)
    while ancestor >= 0:
        agg = tables.orders[ancestor].agg
        for k in range(N_SUMS):
            if terms[k] != 0.0:
                add(tables.agg_sums[agg, k], sign * terms[k])
        add_venue(tables, ancestor, fill.venue, sign * fill.eff_qty)
        ancestor = tables.orders[ancestor].parent_slot


@kernel
def _fold_fill(tables: Tables, slot: int, at: int, terms: Table) -> None:
    order = tables.orders[slot]
    event = tables.kept[at]
    if event.status == _IS_BUSTED:
        return
    event.flags = 0
    if not _counts(tables, order, event):
        event.status = _REPEATED
        order.flags |= event.flags
        return
    if event.status != _IS_CORRECTED:
        event.status = _COUNTED
    order.flags |= event.flags
    order.last_fill = at
    if order.first_fill < 0:
        order.first_fill = at
    fill_terms(terms, order, event)
    _share_fill(tables, slot, at, terms, 1.0)
    filled = tables.sums[slot, QTY, 0]
    if event.order_qty == event.order_qty and order.order_qty != order.order_qty:
        order.order_qty = event.order_qty
    if is_closed(order.life) and order.life != _S_FILLED:
        order.flags |= _AFTER_CLOSE
    elif filled >= order.order_qty or (order.order_qty != order.order_qty
                                       and event.leaves_qty == 0.0):  # fmt: skip
        order.life = _S_FILLED
        order.pending = 0
        order.closed_ts = event.ts
    elif order.life != _S_SUSPENDED:
        order.life = _S_PARTIAL
    if filled > order.order_qty:
        order.flags |= _OVERFILL
    _note_report(order, event, filled, tables.sums[slot, NOTIONAL, 0])


@kernel
def _fold_route(tables: Tables, slot: int, at: int) -> None:
    order = tables.orders[slot]
    event = tables.kept[at]
    qty = 0.0
    if event.kind == _SENT:
        qty = event.qty if event.qty == event.qty else 0.0
    elif event.kind == _ACKNOWLEDGED:
        probe = event.prev
        while probe >= 0:
            sent = tables.kept[probe]
            if sent.kind == _SENT and sent.exec == event.exec and event.exec != 0:
                order.ack_ms_sum += (event.ts - sent.ts) * 1e-6
                order.acks += 1
                break
            probe = sent.prev
    elif event.leaves_qty == event.leaves_qty:
        qty = -event.leaves_qty
    elif event.qty == event.qty:
        qty = -event.qty
    if qty != 0.0:
        add(tables.sums[slot, ROUTED_QTY], qty)
        ancestor = sharing_parent(tables, slot)
        while ancestor >= 0:
            add(tables.agg_sums[tables.orders[ancestor].agg, ROUTED_QTY], qty)
            ancestor = tables.orders[ancestor].parent_slot


@kernel
def fold_one(tables: Tables, slot: int, at: int, terms: Table) -> None:
    """Fold the event at row `at`, every earlier one of the order having been folded."""
    order = tables.orders[slot]
    event = tables.kept[at]
    if event.kind == _FILLED:
        _fold_fill(tables, slot, at, terms)
    elif event.kind >= _SENT:
        _fold_route(tables, slot, at)
    elif event.kind == _BUSTED or event.kind == _CORRECTED:
        if event.status == 0:
            order.flags |= _UNKNOWN_EXEC
        if event.kind == _BUSTED and event.cum_qty != event.cum_qty:
            order.removed_qty += event.eff_qty if event.status else 0.0
        _note_report(order, event, tables.sums[slot, QTY, 0], tables.sums[slot, NOTIONAL, 0])
    else:
        _fold_life(order, event, tables.sums[slot, QTY, 0], at)
    if not order.accepted:
        order.flags |= _NEVER_ACCEPTED
    else:
        order.flags &= ~np.uint32(_NEVER_ACCEPTED)


@kernel
def target_of(tables: Tables, order: Row, ref: Row, until: int) -> Any:
    """The fill that a bust or correction names, through earlier corrections, or −1."""
    name = ref.exec_ref if ref.exec_ref != 0 else ref.exec
    for _ in range(16):
        probe = order.first
        found = -1
        while probe >= 0:
            row = tables.kept[probe]
            if row.kind == _FILLED and row.exec == name:
                return probe
            if row.kind == _CORRECTED and probe != until and row.exec == name:
                found = probe
            probe = tables.nexts[probe]
        if found < 0 or tables.kept[found].exec_ref == name:
            return -1
        name = tables.kept[found].exec_ref
    return -1


@kernel
def _apply_rewrites(tables: Tables, order: Row) -> None:
    """Mark the fills that busts and corrections name, in order."""
    at = order.first
    while at >= 0:
        row = tables.kept[at]
        if row.kind == _FILLED:
            row.status = 0
            row.eff_qty = row.qty
            row.eff_px = row.px
        at = tables.nexts[at]
    at = order.first
    while at >= 0:
        row = tables.kept[at]
        if row.kind == _BUSTED or row.kind == _CORRECTED:
            target = target_of(tables, order, row, at)
            row.status = 0
            if target >= 0:
                row.status = _COUNTED
                fill = tables.kept[target]
                if row.kind == _BUSTED:
                    row.eff_qty = fill.eff_qty
                    fill.status = _IS_BUSTED
                else:
                    fill.status = _IS_CORRECTED
                    fill.eff_qty = row.qty
                    fill.eff_px = row.px
        at = tables.nexts[at]


@kernel
def _take_from_ancestors(tables: Tables, slot: int) -> None:
    """Take the order's own sums and venues out of every ancestor."""
    ancestor = sharing_parent(tables, slot)
    while ancestor >= 0:
        agg = tables.orders[ancestor].agg
        for k in range(N_SUMS):
            add_pair(tables.agg_sums[agg, k], tables.sums[slot, k], -1.0)
        venue = tables.orders[slot].venues
        while venue >= 0:
            add_venue(tables, ancestor, tables.venues[venue].venue, -tables.venue_qty[venue, 0])
            venue = tables.venues[venue].next
        ancestor = tables.orders[ancestor].parent_slot


@kernel
def _withdraw(tables: Tables, slot: int) -> None:
    """Take the order's own events out of its sums and of every ancestor's."""
    _take_from_ancestors(tables, slot)
    if tables.orders[slot].agg < 0:
        _clear_venues(tables, slot)
    tables.sums[slot, :, :] = 0.0


@kernel
def _clear_venues(tables: Tables, slot: int) -> None:
    venue = tables.orders[slot].venues
    while venue >= 0:
        tables.venue_qty[venue, :] = 0.0
        venue = tables.venues[venue].next


@kernel
def refold(tables: Tables, slot: int, terms: Table) -> None:
    """Fold all events of an order again, after one that came late or rewrites others."""
    order = tables.orders[slot]
    _withdraw(tables, slot)
    reset_own(order)
    if order.rewrites:
        _apply_rewrites(tables, order)
    at = order.first
    while at >= 0:
        fold_one(tables, slot, at, terms)
        at = tables.nexts[at]
    if order.rewrites:
        order.flags |= _RESTATED


@kernel
def adopt(tables: Tables, slot: int, parent_key: int, root: int) -> None:
    """Link an order to its parent and hand the parent what the order has traded so far."""
    parent = slot_of(tables, parent_key, root)
    generations = 1 + tables.orders[slot].below
    probe = parent
    while probe >= 0:
        if probe == slot:
            return
        generations += 1
        probe = tables.orders[probe].parent_slot
    if generations > DEEPEST:
        return
    if tables.orders[parent].agg < 0:
        _become_parent(tables, parent)
    tables.orders[parent].children += 1
    tables.orders[slot].parent_slot = parent
    tables.orders[slot].parent = parent_key
    below = tables.orders[slot].below
    ancestor = parent
    while ancestor >= 0:
        below += 1
        tables.orders[ancestor].below = max(tables.orders[ancestor].below, below)
        _hand_over(tables, slot, ancestor)
        ancestor = tables.orders[ancestor].parent_slot


@kernel
def _become_parent(tables: Tables, slot: int) -> None:
    """From now on the order's numbers are its children's; its own reports only reconcile."""
    _take_from_ancestors(tables, slot)
    _clear_venues(tables, slot)
    new_agg(tables, slot)


@kernel
def _hand_over(tables: Tables, slot: int, ancestor: int) -> None:
    agg = tables.orders[ancestor].agg
    nested = tables.orders[slot].agg
    for k in range(N_SUMS):
        if nested >= 0:
            add_pair(tables.agg_sums[agg, k], tables.agg_sums[nested, k], 1.0)
        else:
            add_pair(tables.agg_sums[agg, k], tables.sums[slot, k], 1.0)
    venue = tables.orders[slot].venues
    while venue >= 0:
        add_venue(tables, ancestor, tables.venues[venue].venue, tables.venue_qty[venue, 0])
        venue = tables.venues[venue].next
    if nested >= 0:
        ref = tables.orders[slot].first_ref
        while ref >= 0:
            add_ref(tables, ancestor, tables.refs[ref].kept)
            ref = tables.refs[ref].next
        return
    at = tables.orders[slot].first
    while at >= 0:
        if tables.kept[at].kind == _FILLED:
            add_ref(tables, ancestor, at)
        at = tables.nexts[at]


@kernel
def add_own_print(tables: Tables, slot: int, pos: int, source: int, qty: float, px: float) -> bool:
    """Note that the print of a fill was found on the tape. Returns whether the fill counts."""
    at = tables.orders[slot].last
    while at >= 0:
        row = tables.kept[at]
        if row.kind == _FILLED and row.pos == pos and row.source == source:
            break
        at = row.prev
    if at < 0 or tables.kept[at].own:
        return False
    row = tables.kept[at]
    row.own = 1
    row.own_qty = qty
    row.own_px = px
    if row.status != _COUNTED and row.status != _IS_CORRECTED:
        return False
    add(tables.sums[slot, OWN_QTY], qty)
    add(tables.sums[slot, OWN_NOTIONAL], qty * px)
    ancestor = sharing_parent(tables, slot)
    while ancestor >= 0:
        agg = tables.orders[ancestor].agg
        add(tables.agg_sums[agg, OWN_QTY], qty)
        add(tables.agg_sums[agg, OWN_NOTIONAL], qty * px)
        ancestor = tables.orders[ancestor].parent_slot
    return True
