"""The kernel that takes stamped events in order and gives the rows they cause."""

from typing import Any

import numpy as np

from domain.columns import HAS_DETAIL, SHOWS_ONLY
from domain.instants import NO_TIME
from domain.rows import MarketFlag
from domain.vocabulary import Anomaly, EventKind
from operators.kernel import Row, Table, kernel
from operators.lookup import find
from operators.market.release import next_mark_after
from operators.orders.fold import (
    add_own_print,
    adopt,
    fold_one,
    is_closed,
    refold,
    target_of,
    window_digest,
)
from operators.orders.keep import add_ref, keep, slot_of
from operators.orders.layout import RESTATED_ONCE
from operators.orders.measure import filled_qty, measure, state_of
from operators.orders.numbering import count_event, see_market, write_numbered
from operators.orders.records import write_known_fill
from operators.orders.tables import MOST_VENUES, Tables

_FILLED = int(EventKind.ORDER_FILLED)
_BUSTED = int(EventKind.FILL_BUSTED)
_CORRECTED = int(EventKind.FILL_CORRECTED)
_ROUTES = int(EventKind.ROUTE_SENT)
_ACKNOWLEDGED = int(EventKind.ROUTE_ACKNOWLEDGED)
_MARK = int(EventKind.MARK)
_OWN_PRINT = int(EventKind.OWN_PRINT)
_LATE = int(Anomaly.LATE)
_STAMPED_LATE = MarketFlag.LATE
_FOR_A_SCREEN = MarketFlag.SHOWS_ONLY
_MS = 1_000_000

MOST_ROWS = 8
"""Rows that one event may cause: its order's, and one for each generation above."""
WAIT = 1
REPEATED = 2
"""Values of `later`: the row is not decided yet and comes again, or it was there before."""
TOUCHES = 1
CLIMBS = 2
"""How an event reaches the generations above its order."""


@kernel
def apply_detail(
    tables: Tables, slot: int, at: int, ts: int, details: Table, source: int, pos: int
) -> None:
    """Take over what event `at` says once of the order; an older message fills only gaps."""
    lo = 0
    hi = details.shape[0]
    while lo < hi:
        middle = (lo + hi) >> 1
        row = details[middle]
        if row.source < source or (row.source == source and row.pos < pos):
            lo = middle + 1
        else:
            hi = middle
    if lo >= details.shape[0] or details[lo].pos != pos or details[lo].source != source:
        return
    d = details[lo]
    order = tables.orders[slot]
    tables.kept[at].window = window_digest(d.start_ts, d.end_ts)
    newer = ts >= order.detail_ts
    if newer:
        order.detail_ts = ts
    if d.cl_ord != 0 and (newer or order.cl_ord == 0):
        order.cl_ord = d.cl_ord
    if d.broker != 0 and (newer or order.broker == 0):
        order.broker = d.broker
    if d.algo != 0 and (newer or order.algo == 0):
        order.algo = d.algo
    if d.strategy != 0 and (newer or order.strategy == 0):
        order.strategy = d.strategy
    if d.trader != 0 and (newer or order.trader == 0):
        order.trader = d.trader
    if d.desk != 0 and (newer or order.desk == 0):
        order.desk = d.desk
    if d.client != 0 and (newer or order.client == 0):
        order.client = d.client
    if d.currency != 0 and (newer or order.currency == 0):
        order.currency = d.currency
    if d.ord_type != 0 and (newer or order.ord_type == 0):
        order.ord_type = d.ord_type
    if d.time_in_force != 0 and (newer or order.time_in_force == 0):
        order.time_in_force = d.time_in_force
    if d.asset_class != 0 and (newer or order.asset_class == 0):
        order.asset_class = d.asset_class
    if d.schedule != 0 and (newer or order.schedule == 0):
        order.schedule = d.schedule
    if d.decision_ts != NO_TIME and (newer or order.decision_ts == NO_TIME):
        order.decision_ts = d.decision_ts
    if d.start_ts != NO_TIME and (newer or order.start_ts == NO_TIME):
        order.start_ts = d.start_ts
    if d.end_ts != NO_TIME and (newer or order.end_ts == NO_TIME):
        order.end_ts = d.end_ts
    if d.decision_px == d.decision_px and (newer or order.decision_px != order.decision_px):
        order.decision_px = d.decision_px
    if d.participation == d.participation and (newer or order.participation != order.participation):
        order.participation = d.participation
    if d.kappa_t == d.kappa_t and (newer or order.kappa_t != order.kappa_t):
        order.kappa_t = d.kappa_t
    if d.profile != 0 and (newer or order.profile == 0):
        order.profile = d.profile


@kernel
def _describe(order: Row, event: Row) -> None:
    """What any event may say of the order itself."""
    if order.side == 0:
        order.side = event.side
        order.side_code = event.side_code
    if order.symbol == 0:
        order.symbol = event.symbol
    order.phase_ms = event.phase
    order.root = event.root


@kernel
def _meet_event(tables: Tables, slot: int, event: Row, at: int) -> None:
    """What every generation above an order learns of an event, whether it gives a row or not."""
    is_execution = event.kind == _FILLED and tables.orders[slot].agg < 0
    ancestor = tables.orders[slot].parent_slot
    while ancestor >= 0:
        above = tables.orders[ancestor]
        if is_execution:
            add_ref(tables, ancestor, at)
        if above.symbol == 0:
            above.symbol = event.symbol
            above.side = event.side
            above.side_code = event.side_code
        if above.symbol != event.symbol:
            above.several_symbols = 1
        above.phase_ms = event.phase
        ancestor = above.parent_slot


@kernel
def take_event(
    tables: Tables, slot: int, event: Row, details: Table, terms: Table
) -> tuple[Any, ...]:
    """Fold one final event. Returns (its row, restated, reach): the row is −1 for a repeat.

    `reach` is CLIMBS where it changed what the generations above have traded, TOUCHES where it
    changed something else of them, or 0.
    """
    order = tables.orders[slot]
    adopted = False
    if event.parent != 0 and event.parent != event.order and order.parent_slot < 0:
        adopt(tables, slot, event.parent, event.root)
        order = tables.orders[slot]
        adopted = order.parent_slot >= 0
    at, tail = keep(tables, slot, event)
    if at < 0:
        return at, False, TOUCHES if adopted else 0
    _describe(order, event)
    if event.flags & HAS_DETAIL:
        apply_detail(tables, slot, at, event.ts_event, details, event.source, event.pos)
    count_event(order, event)
    see_market(order, event)
    rewrites = event.kind == _BUSTED or event.kind == _CORRECTED
    if rewrites:
        order.rewrites = 1
    is_fill = event.kind == _FILLED
    _meet_event(tables, slot, event, at)
    again = not tail or (order.rewrites and (is_fill or rewrites))
    if again:
        refold(tables, slot, terms)
    else:
        fold_one(tables, slot, at, terms)
    if event.stamp_flags & _STAMPED_LATE:
        order.flags |= _LATE
    if is_fill or rewrites:
        return at, again, CLIMBS
    if again or adopted:
        return at, again, CLIMBS if filled_qty(tables, slot) > 0.0 else TOUCHES
    changes_routed = event.kind >= _ROUTES and event.kind != _ACKNOWLEDGED
    return at, again, TOUCHES if changes_routed else 0


@kernel
def _execution_of(tables: Tables, slot: int, at: int) -> Any:
    """The execution that the event in row `at` is, or that it busts or corrects, or −1."""
    kind = tables.kept[at].kind
    if kind == _FILLED:
        return at
    if kind == _BUSTED or kind == _CORRECTED:
        return target_of(tables, tables.orders[slot], tables.kept[at], at)
    return -1


@kernel
def _held(event: Row, phase_ms: int, watermark: int, interval_ns: int) -> bool:
    """Whether a mark of the family, due before the event, is not decided yet."""
    if event.t_eff < watermark:
        return False
    if watermark == NO_TIME:
        return True
    return next_mark_after(watermark - 1, phase_ms, interval_ns) < event.t_eff


@kernel
def _concerns(tables: Tables, slot: int, event: Row, reach: int) -> bool:
    """Take an event of a descendant over; whether it gives a row.

    While an order is open, its next row or mark is soon enough for what is not traded.
    """
    order = tables.orders[slot]
    gives_row = reach == CLIMBS or is_closed(state_of(order, filled_qty(tables, slot)))
    if gives_row:
        count_event(order, event)
    is_news = reach == CLIMBS and event.kind != _OWN_PRINT
    if order.symbol == event.symbol and (is_news or order.now_ts == NO_TIME):
        see_market(order, event)
        order.now_known = max(order.now_known, event.t_eff)
    return gives_row


@kernel
def _leave_unshown(tables: Tables, slot: int) -> None:
    """Note for an order and every generation above that their next rows bring news."""
    while slot >= 0:
        tables.orders[slot].unshown = 1
        slot = tables.orders[slot].parent_slot


@kernel
def _write_venues(
    tables: Tables, slot: int, row: int, start: Table, key: Table, qty: Table
) -> None:
    """Executed quantity by venue behind those of the row before."""
    at = start[row]
    venue = tables.orders[slot].venues
    while venue >= 0:
        if tables.venue_qty[venue, 0] > 0.0:
            key[at] = tables.venues[venue].venue
            qty[at] = tables.venue_qty[venue, 0]
            at += 1
        venue = tables.venues[venue].next
    start[row + 1] = at


@kernel
def process(
    rows: Table,
    begin: int,
    later: Table,
    event_watermark: int,
    watermark: int,
    interval_ns: int,
    row_interval_ns: int,
    tables: Tables,
    details: Table,
    references: Table,
    terms: Table,
    out: Table,
    venue_start: Table,
    venue_key: Table,
    venue_qty: Table,
    fills: Table,
    total: Table,
    holding: Table,
    held: int,
    spare: Table,
) -> tuple[Any, ...]:
    """Fold rows in order and write the status rows they cause, and the executions.

    An execution is written by its own event and by each that busts or corrects it, without
    later mids, so that the rows depend on the events alone. `later` is set to WAIT for rows
    that come again. Returns (index reached, status rows, fills, families held); the index is
    short of the end when the output is full. The first `held` roots of `holding` are held
    already. `spare` is room for an order, `total` for a (sum, error) pair.
    """
    count = 0
    n_fills = 0
    room = out.shape[0]
    for i in range(begin, rows.shape[0]):
        row = rows[i]
        if row.t_eff >= event_watermark or (row.kind == _MARK and row.t_eff >= watermark):
            later[i] = WAIT
            continue
        if held > 0:
            waits = False
            for h in range(held):
                if holding[h] == row.root:
                    waits = True
                    break
            if waits:
                later[i] = WAIT
                continue
        phase = row.phase
        if row.kind == _OWN_PRINT:
            slot = find(tables.order_table, row.order)
            if slot < 0:
                continue
            phase = tables.orders[slot].phase_ms
        if row.kind != _MARK and _held(row, phase, watermark, interval_ns):
            later[i] = WAIT
            holding[held] = row.root
            held += 1
            continue
        most = MOST_ROWS * (tables.used[MOST_VENUES] + 2)
        if count + MOST_ROWS > room or venue_start[count] + most > venue_key.shape[0]:
            return i, count, n_fills, held
        if row.kind == _MARK:
            slot = find(tables.order_table, row.order)
            if slot < 0:
                continue
            order = tables.orders[slot]
            if is_closed(state_of(order, filled_qty(tables, slot))):
                continue
            only_shows = row.flags & SHOWS_ONLY
            if only_shows and row.ts_event < order.now_ts:
                continue
            if only_shows:
                spare[0] = order
            see_market(order, row)
            order.now_known = max(order.now_known, row.t_eff)
            status = out[count]
            since = (row.t_eff - (np.int64(row.phase) * _MS) % row_interval_ns) % row_interval_ns
            if since == 0 and not only_shows:
                write_numbered(tables, references, slot, False, status)
            else:
                order.unshown = 1
                measure(tables, references, slot, status)
            status.kind = _MARK
            if only_shows:
                status.market_flags |= _FOR_A_SCREEN
                tables.orders[slot] = spare[0]
            tables.orders[slot].restated &= RESTATED_ONCE
            _write_venues(tables, slot, count, venue_start, venue_key, venue_qty)
            count += 1
            continue
        restated = False
        if row.kind == _OWN_PRINT:
            slot = find(tables.order_table, row.order)
            if not add_own_print(tables, slot, row.pos, row.source, row.last_qty, row.last_px):
                continue
            count_event(tables.orders[slot], row)
            reach = CLIMBS
        else:
            slot = slot_of(tables, row.order, row.root)
            at, restated, reach = take_event(tables, slot, row, details, terms)
            if at < 0:
                later[i] = REPEATED
                if reach != 0:
                    _leave_unshown(tables, tables.orders[slot].parent_slot)
                continue
            execution = _execution_of(tables, slot, at)
            if execution >= 0:
                write_known_fill(tables, execution, restated, fills[n_fills], total)
                n_fills += 1
        leaf = slot
        for _ in range(MOST_ROWS):
            if slot < 0:
                break
            order = tables.orders[slot]
            if slot != leaf and not _concerns(tables, slot, row, reach):
                order.unshown = 1
                slot = order.parent_slot
                continue
            status = out[count]
            write_numbered(tables, references, slot, restated, status)
            if row.kind != _OWN_PRINT:
                status.ts = row.ts_event
            _write_venues(tables, slot, count, venue_start, venue_key, venue_qty)
            count += 1
            slot = order.parent_slot if reach != 0 else -1
    return rows.shape[0], count, n_fills, held


@kernel
def list_taken(rows: Table, later: Table, out: Table) -> Any:
    """Write the indices of events that were folded, without marks and own prints; how many."""
    count = 0
    for i in range(rows.shape[0]):
        if later[i] == 0 and rows[i].kind < _MARK:
            out[count] = i
            count += 1
    return count
