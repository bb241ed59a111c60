"""Trading intervals of the symbols of a group, as arrays that kernels search."""

from collections.abc import Mapping

import numpy as np

from domain.calendars import trading_table
from domain.instants import NO_TIME, SECOND
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
        self._around = NO_TIME

    def grow(self, now: int) -> bool:
        """Cover the time around `now`; whether the intervals changed."""
        if self._around != NO_TIME and abs(now - self._around) < _AHEAD_NS // 2:
            return False
        self._around = now
        self._ranges = {}
        self.intervals = np.empty((0, 4), np.int64)
        return True

    def interval_range(self, symbol: int) -> tuple[int, int]:
        """First and last + 1 row of `intervals` of a symbol; equal where it always trades."""
        calendar = self.calendar_of.get(symbol, self.default)
        if calendar is None or self._around == NO_TIME:
            return 0, 0
        if calendar not in self._ranges:
            table = trading_table(calendar, self._around - _BEHIND_NS, self._around + _AHEAD_NS)
            rows = np.stack([table[name] for name in _COLUMNS], axis=1)
            first = len(self.intervals)
            self.intervals = np.concatenate([self.intervals, rows])
            self._ranges[calendar] = (first, first + len(rows))
        return self._ranges[calendar]
