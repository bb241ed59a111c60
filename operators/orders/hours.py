"""Trading time as the order stage needs it: sessions by calendar, halts by symbol.

Times that matter to an order lie within `REACH_NS` of the instant at which it is measured, so
whatever else the tables hold changes no result.
"""

from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

import numpy as np

from domain.calendar_table import calendar_of_code
from domain.calendars import trading_table
from domain.instants import NO_TIME, SECOND
from operators.arrays import joined
from operators.kernel import Row, Table, kernel
from operators.pieces import HALT

_DAY_NS = 86_400 * SECOND
_JUST_NS = 60 * SECOND
REACH_NS = 30 * _DAY_NS
"""How far a window may reach to either side of the instant at which it is asked for."""

HOURS = np.dtype(
    [
        ("open", "i8"),
        ("close", "i8"),
        ("before", "i8"),  # trading ns of the calendar's earlier rows
        ("inside", "i8"),  # trading ns of the same session's earlier rows
        ("session", "i8"),  # trading ns of the whole session
        ("nth", "i8"),  # sessions of the calendar before this one
    ]
)
"""Stretches of trading of every calendar in use, each calendar's in order of time."""

CALENDAR = np.dtype(
    [
        ("code", "i8"),
        ("first", "i8"),  # hours[first:last] are the calendar's
        ("last", "i8"),
        ("since", "i8"),  # UNIX ns from and until which they are whole
        ("until", "i8"),
    ]
)


@kernel
def first_uncovered(codes: Table, times: Table, calendars: Table, begin: int) -> Any:
    """Index of the first row whose calendar's hours are not known around its time."""
    for i in range(begin, codes.shape[0]):
        code = codes[i]
        if code == 0:
            continue
        known = False
        for k in range(calendars.shape[0]):
            row = calendars[k]
            if row.code == code:
                known = row.since <= times[i] - REACH_NS and times[i] + REACH_NS <= row.until
        if not known:
            return i
    return codes.shape[0]


@kernel
def hours_of(calendars: Table, code: int) -> tuple[Any, ...]:
    """(first, last) row of a calendar's hours, equal where it always trades."""
    for k in range(calendars.shape[0]):
        if calendars[k].code == code:
            return calendars[k].first, calendars[k].last
    return 0, 0


@kernel
def stretch_at(hours: Table, first: int, last: int, t: int) -> Any:
    """Row of the last stretch of trading that opens at or before t, or first − 1."""
    lo = first
    hi = last
    while lo < hi:
        middle = (lo + hi) >> 1
        if hours[middle].open <= t:
            lo = middle + 1
        else:
            hi = middle
    return lo - 1


@kernel
def trading_until(hours: Table, first: int, last: int, t: int) -> Any:
    """Trading ns of a calendar's hours before t; without a calendar every one counts."""
    if first == last:
        return t
    k = stretch_at(hours, first, last, t)
    if k < first:
        return np.int64(0)
    return hours[k].before + min(t, hours[k].close) - hours[k].open


@kernel
def trading_ns(hours: Table, first: int, last: int, start: int, end: int) -> Any:
    """Trading ns in (start, end], 0 where the end is not after the start."""
    if end <= start:
        return np.int64(0)
    return trading_until(hours, first, last, end) - trading_until(hours, first, last, start)


@kernel
def session_place(hours: Table, first: int, last: int, t: int) -> tuple[Any, ...]:
    """(sessions before, share of the newest one's trading time that has passed at t)."""
    k = stretch_at(hours, first, last, t)
    if k < first:
        return np.int64(0), 0.0
    row = hours[k]
    return row.nth, (row.inside + min(t, row.close) - row.open) / row.session


@kernel
def session_close(hours: Table, first: int, last: int, t: int) -> Any:
    """Close of the session that is open at t, else of the next; NO_TIME where none is known."""
    k = stretch_at(hours, first, last, t)
    if k < first or t >= hours[k].close:
        k += 1
    while k + 1 < last and hours[k + 1].nth == hours[k].nth:
        k += 1
    return hours[k].close if k < last else NO_TIME


@kernel
def session_open(hours: Table, first: int, last: int, t: int) -> Any:
    """Open of the newest session that began at or before t; NO_TIME where none is known."""
    k = stretch_at(hours, first, last, t)
    while k > first and hours[k].inside > 0:
        k -= 1
    return hours[k].open if k >= first else NO_TIME


@kernel
def next_open(hours: Table, first: int, last: int, t: int) -> Any:
    """When trading begins next after t; NO_TIME where it is not known."""
    k = stretch_at(hours, first, last, t) + 1
    return hours[k].open if k < last else NO_TIME


@kernel
def first_halt(halts: Table, symbol: Row) -> Any:
    """Index of a symbol's first halt; that of another, or the end, where it has none."""
    lo = 0
    hi = halts.shape[0]
    while lo < hi:
        middle = (lo + hi) >> 1
        if halts[middle].symbol < symbol:
            lo = middle + 1
        else:
            hi = middle
    return lo


@kernel
def halt_end(halts: Table, i: int, limit: int) -> Any:
    """When the halt of row i ended, at most `limit`; its own time where the row ends one."""
    if halts[i].halted == 0:
        return halts[i].ts
    if i + 1 < halts.shape[0] and halts[i + 1].symbol == halts[i].symbol:
        return min(halts[i + 1].ts, limit)
    return limit


@kernel
def halted_ns(
    halts: Table, symbol: Row, hours: Table, first: int, last: int, start: int, end: int
) -> Any:
    """Trading ns in (start, end] in which the symbol was halted."""
    total = np.int64(0)
    i = first_halt(halts, symbol)
    while i < halts.shape[0] and halts[i].symbol == symbol and halts[i].ts < end:
        since = max(halts[i].ts, start)
        total += trading_ns(hours, first, last, since, halt_end(halts, i, end))
        i += 1
    return total


@kernel
def has_just_resumed(halts: Table, symbol: Row, now: int) -> bool:
    """Whether the symbol's last halt ended less than a minute before now."""
    found = False
    i = first_halt(halts, symbol)
    while i < halts.shape[0] and halts[i].symbol == symbol and halts[i].ts <= now:
        found = halts[i].halted == 0 and now - halts[i].ts < _JUST_NS
        i += 1
    return found


def with_halts(known: np.ndarray, news: np.ndarray) -> np.ndarray:
    """Halts by symbol and time, those of one instant as they came."""
    rows = joined((known, news), HALT)
    return rows.take(np.lexsort((rows["ts"], rows["symbol"])))


def recent_halts(halts: np.ndarray, before: int) -> np.ndarray:
    """Halts without those too long before an instant to be asked for, but for the newest."""
    newest = np.append(halts["symbol"][1:] != halts["symbol"][:-1], [True])[: len(halts)]
    return halts[newest | (halts["ts"] >= before - 2 * REACH_NS)]


class TradingHours:
    """Hours of the calendars in use, a year at a time, as tables for kernels."""

    def __init__(self) -> None:
        self.hours = np.empty(0, HOURS)
        self.calendars = np.empty(0, CALENDAR)
        self._years: dict[int, tuple[int, int]] = {}

    def cover(self, codes: np.ndarray, times: np.ndarray) -> bool:
        """Know the hours of each calendar around each time; whether the tables are others now."""
        at = first_uncovered(codes, times, self.calendars, 0)
        changed = at < len(codes)
        while at < len(codes):
            self._add(int(codes[at]), int(times[at]))
            at = first_uncovered(codes, times, self.calendars, at)
        return changed

    def _add(self, code: int, t: int) -> None:
        first, last = _year_of(t - REACH_NS - 2 * _DAY_NS), _year_of(t + REACH_NS + 2 * _DAY_NS)
        known = self._years.get(code, (first, last))
        self._years[code] = min(first, known[0]), max(last, known[1])
        parts: list[np.ndarray] = []
        rows = np.zeros(len(self._years), CALENDAR)
        n = 0
        for row, (calendar, (since, until)) in zip(rows, self._years.items(), strict=True):
            part = _hours(calendar_of_code(calendar), since, until)
            parts.append(part)
            row["code"], row["first"], row["last"] = calendar, n, n + len(part)
            # A session may open the evening before its date: the edges are not sure.
            row["since"] = _start_of(since) + 2 * _DAY_NS
            row["until"] = _start_of(until + 1) - 2 * _DAY_NS
            n += len(part)
        self.hours, self.calendars = np.concatenate(parts), rows


def _hours(calendar: str, since: int, until: int) -> np.ndarray:
    table = np.concatenate([_year(calendar, year) for year in range(since, until + 1)])
    out = np.zeros(len(table), HOURS)
    out["open"], out["close"] = table["open"], table["close"]
    lasted = table["close"] - table["open"]
    out["before"] = np.cumsum(lasted) - lasted
    out["inside"], out["session"] = table["session_before"], table["session"]
    out["nth"] = np.cumsum(table["session_before"] == 0) - 1
    return out


@lru_cache(maxsize=256)
def _year(calendar: str, year: int) -> np.ndarray:
    """Sessions whose date lies in a year."""
    table = trading_table(
        calendar, _start_of(year) - 3 * _DAY_NS, _start_of(year + 1) + 3 * _DAY_NS
    )
    first, last = ((date(y, 1, 1) - date(1970, 1, 1)).days for y in (year, year + 1))
    return table[(table["date"] >= first) & (table["date"] < last)]


def _year_of(ns: int) -> int:
    return datetime.fromtimestamp(ns // SECOND, UTC).year


def _start_of(year: int) -> int:
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * SECOND
