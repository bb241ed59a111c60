"""Kernels that fold market rows into a symbol's running sums and look instants up in them."""

from typing import Any

import numpy as np

from domain.instants import NO_TIME
from domain.rows import MarketFlag
from domain.vocabulary import MarketKind, TradeFlag
from operators.feed import silence_at, silent_since
from operators.kernel import Row, Table, kernel
from operators.lookup import find
from operators.usual_gap import SILENCE_NS

_QUOTE = int(MarketKind.QUOTE)
_PRINT = int(MarketKind.TRADE | MarketKind.AUCTION)
_HALTED = int(MarketKind.HALTED)
_RESUMED = int(MarketKind.RESUMED)
_ELIGIBLE = int(TradeFlag.ELIGIBLE)
_OPENING = int(TradeFlag.OPENING)
_SECOND = 1_000_000_000
_NO_TIME = NO_TIME
_KEPT = 128
_PRE_OPEN = MarketFlag.PRE_OPEN
_HALT_FLAG = MarketFlag.HALTED
_CLOSED = MarketFlag.CLOSED
_STALE = MarketFlag.STALE
_LATE = MarketFlag.LATE
_OPEN_IS_PRINT = MarketFlag.OPEN_IS_PRINT

DONE = 0
WIDEN_TICKS = 1
WIDEN_PRINTS = 2
"""Why `fold_market` stopped before the last row."""


@kernel
def valid_mid(bid: float, ask: float) -> Any:
    """Mid of a two-sided quote that is not crossed, else NaN."""
    if bid <= ask:
        return (bid + ask) / 2.0
    return np.nan


@kernel
def open_seconds(intervals: Table, first: int, last: int, start: int, end: int) -> Any:
    """Trading seconds in (start, end]; every second counts where no sessions are known."""
    if first == last:
        return (end - start) * 1e-9
    total = np.int64(0)
    lo = first
    hi = last
    while lo < hi:
        middle = (lo + hi) >> 1
        if intervals[middle, 1] <= start:
            lo = middle + 1
        else:
            hi = middle
    for i in range(lo, last):
        if intervals[i, 0] >= end:
            break
        total += min(end, intervals[i, 1]) - max(start, intervals[i, 0])
    return total * 1e-9


@kernel
def interval_at(intervals: Table, first: int, last: int, t: int) -> Any:
    """Index of the last trading interval that opens at or before t, or first − 1."""
    lo = first
    hi = last
    while lo < hi:
        middle = (lo + hi) >> 1
        if intervals[middle, 0] <= t:
            lo = middle + 1
        else:
            hi = middle
    return lo - 1


@kernel
def session_open(intervals: Table, first: int, k: int) -> Any:
    """When the session of interval k began: before its break, where it has one."""
    while k > first and intervals[k, 2] > 0:
        k -= 1
    return intervals[k, 0]


@kernel
def _keep_seconds(seconds: Table, symbol: Row, tick: Row, until: int) -> None:
    """Note the tick's mid for every whole second after it and through `until`."""
    first = tick.ts // _SECOND + 1
    last = until // _SECOND
    if last < first:
        return
    mid = valid_mid(tick.bid, tick.ask)
    for second in range(max(first, last - _KEPT + 1), last + 1):
        seconds[second % _KEPT] = mid
    symbol.second = last


@kernel
def _trim(symbols: Table, ticks: Table, seconds: Table, row: int, keep_from: int) -> None:
    """Forget ticks before `keep_from`, but for the last of them."""
    symbol = symbols[row]
    start = symbol.start
    end = start + symbol.count
    while start + 1 < end and ticks[row, start + 1].ts < keep_from:
        _keep_seconds(seconds[row], symbol, ticks[row, start], ticks[row, start + 1].ts)
        start += 1
        symbol.lost = 1
    symbol.count = end - start
    symbol.start = start


@kernel
def _make_room(
    symbols: Table, ticks: Table, prices: Table, seconds: Table, row: int, keep_from: int
) -> bool:
    """Whether there is room for one more tick of the symbol."""
    symbol = symbols[row]
    if symbol.start + symbol.count < ticks.shape[1]:
        return True
    _trim(symbols, ticks, seconds, row, keep_from)
    if symbol.start < ticks.shape[1] // 4:
        return False
    for i in range(symbol.count):
        ticks[row, i] = ticks[row, symbol.start + i]
    if prices.shape[1] > 0:
        for i in range(symbol.count):
            prices[row, i] = prices[row, symbol.start + i]
    symbol.start = 0
    return True


@kernel
def _make_print_room(symbols: Table, prints: Table, row: int, keep_from: int) -> bool:
    symbol = symbols[row]
    start = symbol.print_start
    end = start + symbol.print_count
    if end < prints.shape[1]:
        return True
    while start < end and prints[row, start].ts < keep_from:
        start += 1
    symbol.print_count = end - start
    symbol.print_start = start
    if start < prints.shape[1] // 4:
        return False
    for i in range(symbol.print_count):
        prints[row, i] = prints[row, start + i]
    symbol.print_start = 0
    return True


@kernel
def _elapse(symbol: Row, intervals: Table, t: int, since: int) -> None:
    """Carry the symbol's integrals to t with the quote that held until then.

    `since` is when its feed began: of a session that was open by then not all is known.
    """
    if symbol.last_ts != _NO_TIME and t > symbol.last_ts and symbol.halted == 0:
        mid = valid_mid(symbol.bid, symbol.ask)
        if mid == mid:
            passed = open_seconds(
                intervals, symbol.first_interval, symbol.last_interval, symbol.last_ts, t
            )
            symbol.open_s += passed
            symbol.mid_s += mid * passed
    k = interval_at(intervals, symbol.first_interval, symbol.last_interval, t)
    session = intervals[k, 0] if k >= symbol.first_interval else _NO_TIME
    if session != symbol.session:
        symbol.session = session
        symbol.open_px = np.nan
        symbol.open_is_print = 0
        day = session_open(intervals, symbol.first_interval, k) if session != _NO_TIME else session
        if day != symbol.day:
            symbol.day = day
            symbol.day_from = symbol.vol if _NO_TIME < since < day else np.nan
    symbol.last_ts = t


@kernel
def _fold_print(symbol: Row, row: Row, intervals: Table) -> None:
    if row.flags & _ELIGIBLE:
        symbol.vol += row.size
        symbol.pv += row.price * row.size
    if row.flags & _OPENING:
        symbol.open_px = row.price
        symbol.open_is_print = 0
    elif row.flags & _ELIGIBLE and symbol.open_px != symbol.open_px:
        k = interval_at(intervals, symbol.first_interval, symbol.last_interval, row.t_eff)
        if symbol.first_interval == symbol.last_interval or (
            k >= symbol.first_interval and row.t_eff < intervals[k, 1]
        ):
            symbol.open_px = row.price
            symbol.open_is_print = 1


@kernel
def first_unknown(rows: Table, begin: int, table: Table) -> Any:
    """Index of the first row from `begin` on whose symbol is not in the table."""
    for i in range(begin, rows.shape[0]):
        if find(table, rows[i].symbol) < 0:
            return i
    return rows.shape[0]


@kernel
def fold_market(
    rows: Table,
    begin: int,
    table: Table,
    symbols: Table,
    ticks: Table,
    prices: Table,
    prints: Table,
    seconds: Table,
    intervals: Table,
    keep_from: int,
    since: int,
) -> tuple[Any, ...]:
    """Fold market rows from index `begin` on; every symbol must have a row.

    `prices` has a column for each of `ticks`, or none where nobody needs them; `since` is when
    the feed began.

    Returns (reason, index): DONE and the number of rows, or what must be widened before
    going on at the index.
    """
    for i in range(begin, rows.shape[0]):
        row = rows[i]
        slot = find(table, row.symbol)
        symbol = symbols[slot]
        if not _make_room(symbols, ticks, prices, seconds, slot, keep_from):
            return WIDEN_TICKS, i
        is_print = row.kind & _PRINT != 0
        own = is_print and row.flags & _ELIGIBLE != 0 and (row.venue != 0 or row.exec != 0)
        if own and not _make_print_room(symbols, prints, slot, keep_from - 4 * _SECOND):
            return WIDEN_PRINTS, i
        _elapse(symbol, intervals, row.t_eff, since)
        if row.kind & _QUOTE and row.ts_event >= symbol.quote_ts:
            symbol.bid = row.bid
            symbol.ask = row.ask
            symbol.quote_ts = row.ts_event
        if is_print:
            _fold_print(symbol, row, intervals)
        if row.kind & _HALTED:
            symbol.halted = 1
        if row.kind & _RESUMED:
            symbol.halted = 0
        symbol.seq = row.seq
        if prices.shape[1] > 0:
            counts = is_print and row.flags & _ELIGIBLE != 0
            prices[slot, symbol.start + symbol.count] = row.price if counts else np.nan
        tick = ticks[slot, symbol.start + symbol.count]
        symbol.count += 1
        tick.ts = row.t_eff
        tick.seq = row.seq
        tick.quote_ts = symbol.quote_ts
        tick.bid = symbol.bid
        tick.ask = symbol.ask
        tick.vol = symbol.vol
        tick.pv = symbol.pv
        tick.mid_s = symbol.mid_s
        tick.open_s = symbol.open_s
        tick.open_px = symbol.open_px
        tick.day_from = symbol.day_from
        tick.halted = symbol.halted
        tick.open_is_print = symbol.open_is_print
        if own:
            kept = prints[slot, symbol.print_start + symbol.print_count]
            symbol.print_count += 1
            kept.ts = row.t_eff
            kept.price = row.price
            kept.size = row.size
            kept.venue = row.venue
            kept.exec = row.exec
            kept.used = 0
    return DONE, rows.shape[0]


@kernel
def last_before(ticks: Table, start: int, count: int, t: int, seq: int) -> Any:
    """Index of the newest tick visible at t: earlier, or as early with no higher sequence."""
    lo = start
    hi = start + count
    while lo < hi:
        middle = (lo + hi) >> 1
        if ticks[middle].ts < t:
            lo = middle + 1
        else:
            hi = middle
    if seq >= 0:
        while lo < start + count and ticks[lo].ts == t and ticks[lo].seq <= seq:
            lo += 1
    return lo - 1


@kernel
def mid_at(symbol: Row, ticks: Table, t: int) -> Any:
    """Mid of the last quote before t, NaN where there is none or it is crossed."""
    i = last_before(ticks, symbol.start, symbol.count, t, -1)
    if i < symbol.start:
        return np.nan
    return valid_mid(ticks[i].bid, ticks[i].ask)


@kernel
def mid_at_second(symbol: Row, ticks: Table, seconds: Table, t: int) -> Any:
    """Mid at the last whole second at or before t, from the ticks or the ring of seconds."""
    second = t // _SECOND
    if symbol.count == 0:
        return np.nan
    if ticks[symbol.start].ts < second * _SECOND:
        return mid_at(symbol, ticks, second * _SECOND)
    if symbol.second - _KEPT < second <= symbol.second:
        return seconds[second % _KEPT]
    return np.nan


@kernel
def stamp(
    out: Row,
    symbol: Row,
    ticks: Table,
    seconds: Table,
    intervals: Table,
    feed: Table,
    t: int,
    seq: int,
) -> None:
    """Write the market that instant t met into the stamp fields of `out`."""
    out.bid = np.nan
    out.ask = np.nan
    out.quote_ts = _NO_TIME
    out.vol_open = 0.0
    out.vol_close = 0.0
    out.pv_open = 0.0
    out.pv_close = 0.0
    out.mid_s = 0.0
    out.open_s = 0.0
    out.open_px = np.nan
    out.stamp_flags = 0
    i = last_before(ticks, symbol.start, symbol.count, t, seq)
    if i < symbol.start and symbol.lost:
        i = symbol.start
        out.stamp_flags |= _LATE
    if i >= symbol.start:
        tick = ticks[i]
        out.bid = tick.bid
        out.ask = tick.ask
        out.quote_ts = tick.quote_ts
        out.vol_open = tick.vol
        out.pv_open = tick.pv
        out.mid_s = tick.mid_s
        out.open_s = tick.open_s
        out.open_px = tick.open_px
        if tick.halted:
            out.stamp_flags |= _HALT_FLAG
        elif t > tick.ts:
            mid = valid_mid(tick.bid, tick.ask)
            if mid == mid:
                passed = open_seconds(
                    intervals, symbol.first_interval, symbol.last_interval, tick.ts, t
                )
                out.open_s += passed
                out.mid_s += mid * passed
    j = i
    if seq < 0:
        while j + 1 < symbol.start + symbol.count and ticks[j + 1].ts <= t:
            j += 1
    if j >= symbol.start:
        out.vol_close = ticks[j].vol
        out.pv_close = ticks[j].pv
        out.open_px = ticks[j].open_px
        if ticks[j].open_is_print:
            out.stamp_flags |= _OPEN_IS_PRINT
    out.session_x = np.nan
    out.day_vol = np.nan
    out.calendar = symbol.calendar
    spoke = silent_since(feed, t)
    opened = _NO_TIME
    trades = True
    if symbol.first_interval != symbol.last_interval:
        k = interval_at(intervals, symbol.first_interval, symbol.last_interval, t)
        if k < symbol.first_interval or t >= intervals[k, 1]:
            out.stamp_flags |= _CLOSED | _PRE_OPEN
            trades = False
        else:
            opened = intervals[k, 0]
            spoke = max(spoke, opened)
        if k >= symbol.first_interval:
            day = session_open(intervals, symbol.first_interval, k)
            if j >= symbol.start and ticks[j].ts >= day:
                out.day_vol = ticks[j].vol - ticks[j].day_from
            elif _NO_TIME < feed[0, 0] < day:
                out.day_vol = 0.0
        if k >= symbol.first_interval:
            passed = intervals[k, 2] + min(t, intervals[k, 1]) - intervals[k, 0]
            out.session_x = passed / intervals[k, 3]
    too_old = out.quote_ts != _NO_TIME and t - out.quote_ts > symbol.quote_limit
    if trades and (t - spoke > SILENCE_NS or too_old):
        out.stamp_flags |= _STALE
    if trades:
        out.stamp_flags |= silence_at(feed, t, opened)
    out.mid_m60s = mid_at_second(symbol, ticks, seconds, t - 60 * _SECOND)
    out.mid_m30s = mid_at_second(symbol, ticks, seconds, t - 30 * _SECOND)
    out.mid_m5s = mid_at_second(symbol, ticks, seconds, t - 5 * _SECOND)
