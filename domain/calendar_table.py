"""The generated table of exchange sessions, unpacked into rules a date can be asked of.

`deploy/make_calendars.py` writes the table; this module reads it when a calendar is first
asked for. Two calendars are not exchanges and need no table: `24/7` and `24/5`.
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from domain.errors import ConfigurationError
from domain.keys import crc_of

TABLE = Path(__file__).with_name("calendars.json")

ALIASES = {
    "NYSE": "XNYS", "XNAS": "XNYS", "NASDAQ": "XNYS", "XASE": "XNYS", "ARCX": "XNYS",
    "BATS": "XNYS", "BATY": "XNYS", "EDGA": "XNYS", "EDGX": "XNYS", "IEXG": "XNYS",
    "XBOS": "XNYS", "XPHL": "XNYS", "XPSX": "XNYS", "XCIS": "XNYS", "XCHI": "XNYS",
    "MEMX": "XNYS", "LTSE": "XNYS", "EPRL": "XNYS", "TSX": "XTSE", "XTSX": "XTSE",
    "LSE": "XLON", "AIMX": "XLON", "XFRA": "XETR", "FWB": "XETR", "SIX": "XSWX",
    "XVTX": "XSWX", "JPX": "XTKS", "HKEX": "XHKG", "SEHK": "XHKG", "ASX": "XASX",
    "XSHE": "XSHG", "XNSE": "XBOM", "CME": "CMES", "XCME": "CMES", "CBOT": "CMES",
    "XCBT": "CMES", "NYMEX": "CMES", "XNYM": "CMES", "COMEX": "CMES", "XCEC": "CMES",
    "CFE": "XCBF", "ICE": "IEPA", "IFUS": "IEPA", "CRYPTO": "24/7", "FX": "24/5",
}  # fmt: skip
"""Other names of a calendar, and exchanges that keep another's sessions."""

Hours = tuple[int, ...]
"""Minutes after local midnight: open and close, or open, break start, break end, close."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides whether a date has a session, and when it trades.

    Outside first–last, where no holiday is known, every weekday has the ordinary hours.
    """

    name: str
    zone: ZoneInfo
    first: date
    last: date
    hours: tuple[tuple[date, Hours], ...]
    """Ordinary hours with the date each came into force, oldest first."""
    closed: frozenset[date] = frozenset()
    weekend: frozenset[date] = frozenset()
    """Saturdays and Sundays with a session."""
    special: dict[date, Hours] = field(default_factory=dict)

    def usual(self, day: date) -> Hours:
        """The ordinary hours in force on a date."""
        return self.hours[max(0, bisect_right(self.hours, day, key=lambda h: h[0]) - 1)][1]

    def of(self, day: date) -> Hours | None:
        """Hours of this date's session, None without one."""
        if day in self.closed or (day.weekday() >= 5 and day not in self.weekend):
            return None
        return self.special.get(day) or self.usual(day)


_EVER = (date(1970, 1, 2), date(2261, 12, 31))


class _AllDays(frozenset[date]):
    def __contains__(self, day: object) -> bool:
        return True


_BUILT_IN = {
    "24/7": Rules("24/7", ZoneInfo("UTC"), *_EVER, ((_EVER[0], (0, 1440)),), weekend=_AllDays()),
    "24/5": Rules("24/5", ZoneInfo("America/New_York"), *_EVER, ((_EVER[0], (-420, 1020)),)),
}


@cache
def _table() -> dict[str, Any]:
    return msgspec.json.decode(TABLE.read_bytes())["calendars"]


def calendar_names() -> tuple[str, ...]:
    """Every calendar with sessions of its own, without other names for it."""
    return (*_BUILT_IN, *_table())


def calendar_code(name: str) -> int:
    """Number of a calendar, 1–65,535, in columns and snapshots; 0 there is none."""
    return crc_of(canonical(name)) % 65_535 + 1


@cache
def calendar_of_code(code: int) -> str:
    """The calendar of a number that `calendar_code` gave. Raises KeyError for any other."""
    return {calendar_code(name): name for name in calendar_names()}[code]


def canonical(name: str) -> str:
    """The calendar that another name means: `XNAS` keeps `XNYS`.

    Raises ConfigurationError with the names there are.
    """
    found = ALIASES.get(name, name)
    if found in _BUILT_IN or found in _table():
        return found
    names = ", ".join(sorted({*calendar_names(), *ALIASES}))
    raise ConfigurationError(f"no calendar is called {name!r}; there are {names}")


@cache
def rules_of(name: str) -> Rules:
    """Rules of a calendar by any of its names. Raises ConfigurationError for an unknown one."""
    name = canonical(name)
    if name in _BUILT_IN:
        return _BUILT_IN[name]
    entry = _table()[name]
    hours = ((date.fromisoformat(day), _hours(text)) for day, text in entry["hours"].items())
    return Rules(
        name=name,
        zone=ZoneInfo(entry["zone"]),
        first=date.fromisoformat(entry["first"]),
        last=date.fromisoformat(entry["last"]),
        hours=tuple(sorted(hours)),
        closed=frozenset(_days(entry["closed"])),
        weekend=frozenset(_days(entry["weekend"])),
        special={
            day: _hours(text) for text, days in entry["special"].items() for day in _days(days)
        },
    )


def _hours(text: str) -> Hours:
    """`570-960`, or `-420-1020` where the session opens the evening before."""
    sign = -1 if text.startswith("-") else 1
    first, *rest = text.lstrip("-").split("-")
    return (sign * int(first), *map(int, rest))


def _days(by_year: dict[str, str]) -> list[date]:
    return [
        date(int(year), int(day[:2]), int(day[2:]))
        for year, days in by_year.items()
        for day in days.split()
    ]
