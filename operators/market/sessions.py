"""Trading intervals of the symbols of a group, as arrays that kernels search."""

from collections.abc import Mapping

import numpy as np

from domain.calendar_table import calendar_code
from domain.calendars import trading_table
from domain.instants import END_OF_TIME, NO_TIME, SECOND
from domain.keys import key_of

_DAY_NS = 86_400 * SECOND
_BEHIND_NS = 10 * _DAY_NS
_AHEAD_NS = 30 * _DAY_NS
_COLUMNS = ("open", "close", "session_before", "session")


class Sessions:
    """Intervals of every calendar in use, joined; symbols without a calendar always trade.

    Columns of `intervals`: open and close, UNIX ns; trading ns of the session's earlier
    intervals; trading ns of the whole session.
    """

    def __init__(self, calendars: Mapping[str, str], default: str | None) -> None:
        self.calendar_of = {key_of(symbol): name for symbol, name in calendars.items()}
        self.default = default
        self.intervals = np.empty((0, 4), np.int64)
        self._ranges: dict[str, tuple[int, int]] = {}
        self._from = END_OF_TIME
        self._until = NO_TIME

    def learn(self, symbol: str, calendar: str) -> bool:
        """Take a symbol's calendar from its reference record; whether it is news."""
        key = key_of(symbol)
        if self.calendar_of.get(key) == calendar:
            return False
        self.calendar_of[key] = calendar
        return True

    def grow(self, now: int) -> bool:
        """Cover the time around `now` too; whether the intervals changed."""
        if self._from <= now - _BEHIND_NS // 2 and now + _AHEAD_NS // 2 <= self._until:
            return False
        self._from = min(self._from, now - _BEHIND_NS)
        self._until = max(self._until, now + _AHEAD_NS)
        self._ranges = {}
        self.intervals = np.empty((0, 4), np.int64)
        return True

    def code_of(self, symbol: int) -> int:
        """Number of a symbol's calendar, 0 where it always trades."""
        calendar = self.calendar_of.get(symbol, self.default)
        return 0 if calendar is None else calendar_code(calendar)

    def interval_range(self, symbol: int) -> tuple[int, int]:
        """First and last + 1 row of `intervals` of a symbol; equal where it always trades."""
        calendar = self.calendar_of.get(symbol, self.default)
        if calendar is None or self._until == NO_TIME:
            return 0, 0
        if calendar not in self._ranges:
            table = trading_table(calendar, self._from, self._until)
            rows = np.stack([table[name] for name in _COLUMNS], axis=1)
            first = len(self.intervals)
            self.intervals = np.concatenate([self.intervals, rows])
            self._ranges[calendar] = (first, first + len(rows))
        return self._ranges[calendar]
