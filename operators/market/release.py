"""Kernels that stamp waiting events, mark open orders and follow fills."""

from typing import Any

import numpy as np

from domain.instants import SECOND
from domain.rows import MarketFlag
from domain.vocabulary import EventKind
from operators.kernel import Row, Table, kernel
from operators.lookup import find, put, remove
from operators.market.bars import note_closed
from operators.market.state import OWN_PRINT_WINDOW_NS
from operators.market.tape import interval_at, mid_at, stamp

_FILLED = int(EventKind.ORDER_FILLED)
_BUSTED = int(EventKind.FILL_BUSTED)
_ACCEPTED = int(EventKind.ORDER_ACCEPTED)
_REPLACED = int(EventKind.ORDER_REPLACED)
_CANCELLED = int(EventKind.ORDER_CANCELLED)
_REJECTED = int(EventKind.ORDER_REJECTED)
_EXPIRED = int(EventKind.ORDER_EXPIRED)
_ROUTES = int(EventKind.ROUTE_SENT)
_MARK = int(EventKind.MARK)
_OWN_PRINT = int(EventKind.OWN_PRINT)
_WINDOW = OWN_PRINT_WINDOW_NS
_MS = 1_000_000
_LATE = MarketFlag.LATE
_SECOND = SECOND
_NEVER = (1 << 63) - 1


@kernel
def next_mark_after(t: int, phase_ms: int, interval_ns: int) -> Any:
    """First mark time of an order strictly after t."""
    phase = (np.int64(phase_ms) * _MS) % interval_ns
    return ((t - phase) // interval_ns + 1) * interval_ns + phase


@kernel
def _find_print(symbol: Row, prints: Table, fill_exec: int, t: int, until: int) -> Any:
    """Index of the unused own print of an execution within the window, or −1."""
    if fill_exec == 0:
        return -1
    for i in range(symbol.print_start + symbol.print_count - 1, symbol.print_start - 1, -1):
        if prints[i].ts < t - _WINDOW:
            break
        if prints[i].ts <= until and prints[i].exec == fill_exec and prints[i].used == 0:
            return i
    return -1


@kernel
def _find_like_print(symbol: Row, prints: Table, fill: Row) -> Any:
    """Index of an unused print of the same price, size and venue near the fill, or −1."""
    for i in range(symbol.print_start, symbol.print_start + symbol.print_count):
        kept = prints[i]
        if kept.ts > fill.ts_event + _WINDOW:
            break
        if (
            kept.ts >= fill.ts_event - _WINDOW
            and kept.used == 0
            and kept.exec == 0
            and kept.venue == fill.venue
            and kept.price == fill.price
            and kept.size == fill.size
        ):
            return i
    return -1


@kernel
def write_mark(out: Row, tracked: Row, t: int) -> None:
    """Fill in the identity of a mark row; the other fields stay zero."""
    out.kind = _MARK
    out.side = tracked.side
    out.side_code = tracked.side_code
    out.order_group = tracked.order_group
    out.order = tracked.order
    out.root = tracked.root
    out.parent = tracked.parent
    out.symbol = tracked.symbol_key
    out.phase = tracked.phase_ms
    out.ts_event = t
    out.t_eff = t
    out.ts_ingest = 0
    out.source = 255
    out.seq = -1
    out.market_seq = -1
    out.pos = -1


@kernel
def is_trading(symbol: Row, intervals: Table, t: int) -> bool:
    """Whether the symbol's sessions, where any are known, are open at t."""
    if symbol.first_interval == symbol.last_interval:
        return True
    k = interval_at(intervals, symbol.first_interval, symbol.last_interval, t)
    return k >= symbol.first_interval and t <= intervals[k, 1]


@kernel
def emit_marks(
    order: Row,
    until: int,
    out: Table,
    count: int,
    symbols: Table,
    ticks: Table,
    seconds: Table,
    intervals: Table,
    feed: Table,
    interval_ns: int,
) -> Any:
    """Write the order's marks before `until`; returns the new count.

    −1, and the order as it was, where `out` is too small.
    """
    symbol = symbols[order.symbol]
    first = order.next_mark
    while order.next_mark < until:
        t = order.next_mark
        if not is_trading(symbol, intervals, t):
            order.next_mark = t + interval_ns
            continue
        if count >= out.shape[0]:
            order.next_mark = first
            return -1
        row = out[count]
        write_mark(row, order, t)
        stamp(row, symbol, ticks[order.symbol], seconds[order.symbol], intervals, feed, t, -1)
        row.own_print = 0
        count += 1
        order.next_mark = t + interval_ns
    return count


@kernel
def _drop_tracked(tracked: Table, table: Table, row: int, n: int) -> Any:
    """Take an order out of the table of open orders; the last row takes its place."""
    remove(table, tracked[row].order)
    last = n - 1
    if row != last:
        remove(table, tracked[last].order)
        tracked[row] = tracked[last]
        put(table, tracked[row].order, row)
    return last


@kernel
def _track(
    event: Row, tracked: Table, table: Table, n: int, symbol_row: int, interval_ns: int
) -> tuple[Any, ...]:
    """Bring the table of open orders up to this event. Returns (rows in use, this row)."""
    row = find(table, event.order)
    if row < 0:
        row = n
        n += 1
        put(table, event.order, row)
        order = tracked[row]
        order.order = event.order
        order.root = event.root
        order.parent = event.parent
        order.symbol_key = event.symbol
        order.symbol = symbol_row
        order.phase_ms = event.phase
        order.order_group = event.order_group
        order.side = event.side
        order.side_code = event.side_code
        order.exec = 0
        order.order_qty = np.nan
        order.cum_qty = 0.0
        order.open = 1
        order.next_mark = next_mark_after(event.t_eff, event.phase, interval_ns)
        order.since_s = max(event.t_eff // _SECOND, 0)
    tracked[row].last_ts = event.t_eff
    return n, row


@kernel
def _add_fill(order: Row, event: Row) -> Any:
    """Running quantity of an open order: the sender's where it says so."""
    before = order.cum_qty
    if event.cum_qty == event.cum_qty:
        order.cum_qty = max(order.cum_qty, event.cum_qty)
    elif event.exec == 0 or event.exec != order.exec:
        order.cum_qty += event.last_qty
    order.exec = event.exec
    return order.cum_qty - before


@kernel
def _take_back(order: Row, event: Row) -> None:
    """A bust: the order is open for what it takes back, all of it where it does not say."""
    left = order.cum_qty - event.last_qty
    order.cum_qty = max(0.0, left) if left == left else 0.0
    order.exec = 0


@kernel
def _apply(event: Row, order: Row) -> bool:
    """Whether the order is still open after the event."""
    kind = event.kind
    if kind == _ACCEPTED or kind == _REPLACED:
        if event.order_qty == event.order_qty:
            order.order_qty = event.order_qty
    if kind == _CANCELLED or kind == _REJECTED or kind == _EXPIRED:
        return False
    if kind == _FILLED and event.leaves_qty == 0.0:
        return False
    return not order.cum_qty >= order.order_qty


@kernel
def met_at(event: Row, lateness_ns: int) -> int:
    """When an event meets the market: its own time, or as late as ticks are surely kept."""
    return max(event.ts_event, event.t_eff - lateness_ns)


@kernel
def _stamp_event(
    event: Row,
    symbol: Row,
    ticks: Table,
    seconds: Table,
    intervals: Table,
    feed: Table,
    lateness_ns: int,
) -> None:
    t = met_at(event, lateness_ns)
    if t == event.ts_event:
        stamp(event, symbol, ticks, seconds, intervals, feed, t, event.market_seq)
    else:
        stamp(event, symbol, ticks, seconds, intervals, feed, t, -1)
        event.stamp_flags |= _LATE


@kernel
def stamp_events(
    rows: Table,
    begin: int,
    out: Table,
    count: int,
    symbol_table: Table,
    symbols: Table,
    ticks: Table,
    prints: Table,
    seconds: Table,
    intervals: Table,
    feed: Table,
    tracked: Table,
    tracked_table: Table,
    n_tracked: int,
    followed: Table,
    followed_end: int,
    interval_ns: int,
    lateness_ns: int,
    spans: Table,
    n_spans: Table,
) -> tuple[Any, ...]:
    """Stamp events and keep the tables of open orders and followed fills.

    `rows` come stamped in place; marks that fall before an event go to `out`, the seconds of
    orders that close to `spans`, as far as there is room. Returns
    (index reached, marks in out, tracked, followed): the index is short of the rows when
    `out` is full.
    """
    for i in range(begin, rows.shape[0]):
        event = rows[i]
        slot = find(symbol_table, event.symbol)
        symbol = symbols[slot]
        # A route says nothing of how far its order's own partition has come.
        is_route = event.kind >= _ROUTES
        for key in (event.order, event.parent):
            known = find(tracked_table, key) if key != 0 and not is_route else -1
            if known >= 0:
                marked = emit_marks(
                    tracked[known], event.t_eff, out, count,
                    symbols, ticks, seconds, intervals, feed, interval_ns,
                )  # fmt: skip
                if marked < 0:
                    return i, count, n_tracked, followed_end
                count = marked
        _stamp_event(event, symbol, ticks[slot], seconds[slot], intervals, feed, lateness_ns)
        event.own_print = 0
        if is_route:
            continue
        n_tracked, row = _track(event, tracked, tracked_table, n_tracked, slot, interval_ns)
        order = tracked[row]
        if event.kind == _FILLED:
            more = _add_fill(order, event)
            found = _find_print(symbol, prints[slot], event.exec, event.ts_event, event.ts_event)
            if found >= 0:
                prints[slot, found].used = 1
                event.own_print = 1
            if event.parent != 0 and more > 0:
                parent = find(tracked_table, event.parent)
                if parent >= 0:
                    tracked[parent].cum_qty += more
                    if tracked[parent].cum_qty >= tracked[parent].order_qty:
                        note_closed(spans, n_spans, tracked[parent], event.t_eff)
                        n_tracked = _drop_tracked(tracked, tracked_table, parent, n_tracked)
                        row = find(tracked_table, event.order)
                        order = tracked[row]
            followed_end = _follow(followed, followed_end, event, slot, met_at(event, lateness_ns))
        if event.kind == _BUSTED:
            _take_back(order, event)
            parent = find(tracked_table, event.parent) if event.parent != 0 else -1
            if parent >= 0:
                _take_back(tracked[parent], event)
        elif not _apply(event, order):
            note_closed(spans, n_spans, order, event.t_eff)
            n_tracked = _drop_tracked(tracked, tracked_table, row, n_tracked)
    return rows.shape[0], count, n_tracked, followed_end


@kernel
def _follow(followed: Table, end: int, event: Row, slot: int, met: int) -> Any:
    """Add a fill to those whose later mids are awaited, in order of effective time."""
    at = end
    while at > 0 and followed[at - 1].t_eff > event.t_eff:
        followed[at] = followed[at - 1]
        at -= 1
    fill = followed[at]
    fill.t_eff = event.t_eff
    fill.ts_event = met
    fill.pos = event.pos
    fill.order = event.order
    fill.root = event.root
    fill.venue = event.venue
    fill.exec = event.exec
    fill.price = event.last_px
    fill.size = event.last_qty
    fill.symbol = slot
    fill.source = event.source
    fill.order_group = event.order_group
    fill.matched = event.own_print
    fill.side = event.side
    return end + 1


@kernel
def earliest_mark(tracked: Table, n_tracked: int) -> Any:
    """When the next mark of any open order is due."""
    earliest = _NEVER
    for i in range(n_tracked):
        earliest = min(earliest, tracked[i].next_mark)
    return earliest


@kernel
def mark_open_orders(
    until: int,
    begin: int,
    out: Table,
    symbols: Table,
    ticks: Table,
    seconds: Table,
    intervals: Table,
    feed: Table,
    tracked: Table,
    n_tracked: int,
    interval_ns: int,
) -> tuple[Any, ...]:
    """Write the marks before `until` of open orders from row `begin` on.

    Returns (row reached, marks in out): the row is short of the end when `out` is full.
    """
    count = 0
    for i in range(begin, n_tracked):
        marked = emit_marks(
            tracked[i], until, out, count, symbols, ticks, seconds, intervals, feed, interval_ns
        )
        if marked < 0:
            return i, count
        count = marked
    return n_tracked, count


@kernel
def drop_idle(
    tracked: Table, table: Table, n_tracked: int, until: int, idle_ns: int, spans: Table,
    n_spans: Table,
) -> Any:  # fmt: skip
    """Stop marking orders of unknown size that were silent for `idle_ns` at `until`."""
    row = 0
    while row < n_tracked:
        order = tracked[row]
        if order.last_ts < until - idle_ns and order.order_qty != order.order_qty:
            note_closed(spans, n_spans, order, order.last_ts + idle_ns)
            n_tracked = _drop_tracked(tracked, table, row, n_tracked)
        else:
            row += 1
    return n_tracked


@kernel
def _horizon_row(
    row: Row,
    fill: Row,
    k: int,
    horizon_index: Table,
    horizon_ns: Table,
    symbols: Table,
    ticks: Table,
    due: int,
) -> None:
    row.t_eff = due
    row.order = fill.order
    row.pos = fill.pos
    row.source = fill.source
    row.index = horizon_index[k]
    row.order_group = fill.order_group
    row.mid = mid_at(symbols[fill.symbol], ticks[fill.symbol], fill.ts_event + horizon_ns[k])


@kernel
def count_due(
    until: int,
    own_until: int,
    ended: bool,
    followed: Table,
    end: int,
    cursors: Table,
    horizon_ns: Table,
) -> tuple[Any, ...]:
    """How many mids `follow_fills` will write, and how many fills `match_own_prints` looks at."""
    mids = 0
    for k in range(horizon_ns.shape[0]):
        at = cursors[k]
        while at < end and followed[at].t_eff + horizon_ns[k] < until:
            at += 1
        mids += at - cursors[k]
        if ended:
            for late in range(at, end):
                if followed[late].ts_event + horizon_ns[k] < until:
                    mids += 1
    at = cursors[cursors.shape[0] - 1]
    while at < end and followed[at].t_eff + _WINDOW < own_until:
        at += 1
    return mids, at - cursors[cursors.shape[0] - 1]


@kernel
def follow_fills(
    until: int,
    ended: bool,
    followed: Table,
    end: int,
    cursors: Table,
    horizon_index: Table,
    horizon_ns: Table,
    symbols: Table,
    ticks: Table,
    out: Table,
) -> Any:
    """Write the mids that fell due before `until`; returns how many.

    `out` has room for as many as `count_due` says. At the end of the input a late fill's
    horizon counts by its own time, since nothing more will come.
    """
    count = 0
    for k in range(horizon_ns.shape[0]):
        at = cursors[k]
        while at < end and followed[at].t_eff + horizon_ns[k] < until:
            fill = followed[at]
            due = fill.t_eff + horizon_ns[k]
            _horizon_row(out[count], fill, k, horizon_index, horizon_ns, symbols, ticks, due)
            count += 1
            at += 1
        cursors[k] = at
        if ended:
            for late in range(at, end):
                fill = followed[late]
                if fill.ts_event + horizon_ns[k] < until:
                    _horizon_row(
                        out[count], fill, k, horizon_index, horizon_ns, symbols, ticks, until - 1
                    )
                    count += 1
            cursors[k] = end
    return count


@kernel
def match_own_prints(
    until: int,
    followed: Table,
    end: int,
    cursors: Table,
    symbols: Table,
    prints: Table,
    out: Table,
) -> Any:
    """Rows for fills whose print was found on the tape by two seconds after them."""
    count = 0
    last = cursors.shape[0] - 1
    at = cursors[last]
    while at < end and followed[at].t_eff + _WINDOW < until:
        fill = followed[at]
        at += 1
        if fill.matched:
            continue
        symbol = symbols[fill.symbol]
        found = _find_print(
            symbol, prints[fill.symbol], fill.exec, fill.ts_event, fill.ts_event + _WINDOW
        )
        if found < 0:
            found = _find_like_print(symbol, prints[fill.symbol], fill)
        if found < 0:
            continue
        prints[fill.symbol, found].used = 1
        row = out[count]
        row.kind = _OWN_PRINT
        row.order = fill.order
        row.root = fill.root
        row.source = fill.source
        row.pos = fill.pos
        row.order_group = fill.order_group
        row.ts_event = fill.ts_event
        row.t_eff = fill.t_eff + _WINDOW
        row.last_qty = prints[fill.symbol, found].size
        row.last_px = prints[fill.symbol, found].price
        row.seq = -1
        count += 1
    cursors[last] = at
    return count


@kernel
def stamp_newest(
    rows: Table,
    symbol_table: Table,
    symbols: Table,
    ticks: Table,
    seconds: Table,
    intervals: Table,
    feed: Table,
    lateness_ns: int,
) -> None:
    """Stamp waiting events with the newest quote there is, for a provisional answer."""
    for i in range(rows.shape[0]):
        event = rows[i]
        slot = find(symbol_table, event.symbol)
        symbol = symbols[slot]
        _stamp_event(event, symbol, ticks[slot], seconds[slot], intervals, feed, lateness_ns)
        event.own_print = 0
