"""When an exchange trades: sessions with holidays, half days, lunch breaks.

A session has the date the exchange gives it, which for futures and currencies may open the
evening before. It is in session from its open (included) to its close (excluded). Times are
UNIX ns, dates the exchange's own. Calendars go by MIC (`XNYS`, `XLON`, …); `24/7` suits
crypto, cut at midnight UTC, and `24/5` currencies, from Sunday to Friday 17:00 New York and
cut there each day, holidays not taken out. Holidays more than a year ahead of the table's
making follow from the exchanges' rules and may still be changed by them; outside the years of
the table (`covers` tells) every weekday is a full session, so that a monitor goes on.

Every function raises ConfigurationError for a calendar that does not exist.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import numpy as np

from domain.calendar_table import Rules, rules_of
from domain.instants import NO_TIME, SECOND
from domain.vocabulary import AssetClass

_DAY = timedelta(days=1)

TRADING = np.dtype(
    [
        ("open", "i8"),  # UNIX ns; trading from here, included
        ("close", "i8"),  # UNIX ns; to here, excluded
        ("before", "i8"),  # trading ns of the table's earlier rows
        ("session_before", "i8"),  # trading ns of the same session's earlier rows
        ("session", "i8"),  # trading ns of the whole session
        ("date", "i8"),  # days since 1970 of the session's date
    ]
)
"""Stretches of trading in order of time: a session without a break is one row."""


@dataclass(frozen=True, slots=True)
class Session:
    """One session of one exchange; the break is NO_TIME where there is none."""

    calendar: str
    date: date
    open_ns: int
    close_ns: int
    half_day: bool
    """Whether it trades for less time than an ordinary day does."""
    break_start_ns: int = NO_TIME
    break_end_ns: int = NO_TIME

    @property
    def intervals(self) -> tuple[tuple[int, int], ...]:
        """(open, close) ns of each uninterrupted stretch of trading."""
        if self.break_start_ns == NO_TIME:
            return ((self.open_ns, self.close_ns),)
        return ((self.open_ns, self.break_start_ns), (self.break_end_ns, self.close_ns))

    @property
    def trading_ns(self) -> int:
        """Trading time, the break taken out."""
        return sum(close - opened for opened, close in self.intervals)


def default_calendar(asset_class: AssetClass) -> str:
    """Calendar of an instrument whose reference data names none.

    Only currencies have hours that do not depend on the exchange; all else is taken as
    trading always, so that no time is cut on a guess.
    """
    return "24/5" if asset_class is AssetClass.FX else "24/7"


def covers(calendar: str, ns: int) -> bool:
    """Whether the holidays around this time are known."""
    rules = rules_of(calendar)
    return rules.first <= _day_of(rules, ns) <= rules.last


def session(calendar: str, day: date) -> Session | None:
    """The session of this date, None on a holiday or weekend."""
    return _session(rules_of(calendar).name, day)


def session_at(calendar: str, ns: int) -> Session | None:
    """The session that is open at this time, its lunch break included; None between sessions."""
    for found in _sessions_near(calendar, ns):
        if found.open_ns <= ns < found.close_ns:
            return found
    return None


def is_trading(calendar: str, ns: int) -> bool:
    """Whether this time is within a session and not in its break."""
    found = session_at(calendar, ns)
    return found is not None and not found.break_start_ns <= ns < found.break_end_ns


def sessions_between(calendar: str, first: date, last: date) -> list[Session]:
    """Sessions of the dates from first to last, both included."""
    days = (first + _DAY * n for n in range((last - first).days + 1))
    return [found for day in days if (found := session(calendar, day))]


def previous_session(calendar: str, day: date) -> Session:
    """The last session before this date."""
    return _search(calendar, day, -_DAY)


def next_session(calendar: str, day: date) -> Session:
    """The first session after this date."""
    return _search(calendar, day, _DAY)


def latest_session(calendar: str, ns: int) -> Session:
    """The session that opened last at or before this time, whether still open or not."""
    day = _day_of(rules_of(calendar), ns) + _DAY
    found = session(calendar, day) or previous_session(calendar, day)
    while found.open_ns > ns:
        found = previous_session(calendar, found.date)
    return found


def next_close(calendar: str, ns: int) -> int:
    """UNIX ns of the first close after this time."""
    day = _day_of(rules_of(calendar), ns) - _DAY
    found = session(calendar, day) or next_session(calendar, day)
    while found.close_ns <= ns:
        found = next_session(calendar, found.date)
    return found.close_ns


def trading_ns(calendar: str, start_ns: int, end_ns: int) -> int:
    """Trading time from start to end; breaks, nights, weekends and holidays are cut out."""
    stretches = trading_intervals(calendar, start_ns, end_ns)
    clipped = np.clip(stretches, start_ns, end_ns)
    return int((clipped[:, 1] - clipped[:, 0]).sum())


def trading_intervals(calendar: str, start_ns: int, end_ns: int) -> np.ndarray:
    """Stretches of trading that overlap [start, end): int64 (n, 2) of open and close ns.

    Sorted, not clipped to start and end; a break makes two of a session.
    """
    table = trading_table(calendar, start_ns, end_ns)
    rows = table[(table["open"] < end_ns) & (table["close"] > start_ns)]
    return np.stack([rows["open"], rows["close"]], axis=1)


def trading_table(calendar: str, start_ns: int, end_ns: int) -> np.ndarray:
    """TRADING rows of every whole session that overlaps [start, end), for kernels."""
    if end_ns <= start_ns:
        return np.empty(0, TRADING)
    rules = rules_of(calendar)
    first, last = _day_of(rules, start_ns) - _DAY, _day_of(rules, end_ns) + _DAY
    days = sessions_between(calendar, first, last)
    rows = list(_rows(s for s in days if s.open_ns < end_ns and s.close_ns > start_ns))
    return np.array(rows, TRADING)


def _rows(sessions: Iterable[Session]) -> Iterator[tuple[int, ...]]:
    before = 0
    for found in sessions:
        inside = 0
        date_days = (found.date - date(1970, 1, 1)).days
        for opened, close in found.intervals:
            yield opened, close, before, inside, found.trading_ns, date_days
            before += close - opened
            inside += close - opened


def session_seconds(calendar: str, ns: int) -> float:
    """Trading seconds of an ordinary, full session under the hours in force at this time."""
    rules = rules_of(calendar)
    return 60.0 * _minutes(rules.usual(_day_of(rules, ns)))


def _minutes(hours: tuple[int, ...]) -> int:
    return sum(close - opened for opened, close in zip(hours[::2], hours[1::2], strict=True))


def _day_of(rules: Rules, ns: int) -> date:
    return datetime.fromtimestamp(ns // SECOND, rules.zone).date()


def _sessions_near(calendar: str, ns: int) -> Iterator[Session]:
    day = _day_of(rules_of(calendar), ns)
    for near in (day, day + _DAY, day - _DAY):
        found = session(calendar, near)
        if found:
            yield found


def _search(calendar: str, day: date, step: timedelta) -> Session:
    while True:
        day += step
        found = session(calendar, day)
        if found:
            return found


@lru_cache(maxsize=1 << 14)
def _session(name: str, day: date) -> Session | None:
    rules = rules_of(name)
    hours = rules.of(day)
    if hours is None:
        return None
    times = [_utc_ns(rules, day, minute) for minute in hours]
    half_day = _minutes(hours) < _minutes(rules.usual(day))
    if len(times) == 2:
        return Session(name, day, times[0], times[1], half_day)
    return Session(name, day, times[0], times[3], half_day, times[1], times[2])


def _utc_ns(rules: Rules, day: date, minute: int) -> int:
    days, minute = divmod(minute, 1440)
    day += _DAY * days
    local = datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=rules.zone)
    return int(local.astimezone(UTC).timestamp()) * SECOND
