"""Hours of the day in which nobody wants to be woken for less than the worst."""

import re
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from domain.instants import SECOND

_SHAPE = re.compile(r"(\d{2}:\d{2})\s*-\s*(\d{2}:\d{2})\s+(\S+)", re.ASCII)


class QuietHours:
    """A stretch of every day in which only CRITICAL pages go out."""

    # No dataclass: the decoder would take those apart by itself, and this comes as one text.
    __slots__ = ("begin", "end", "zone")

    def __init__(self, begin: time, end: time, zone: ZoneInfo) -> None:
        self.begin = begin
        self.end = end
        self.zone = zone

    def end_of(self, ns: int) -> int | None:
        """When the quiet stretch ends that this moment lies in, in ns; None in none."""
        local = datetime.fromtimestamp(ns // SECOND, self.zone)
        clock = local.time()
        if self.begin < self.end:
            is_quiet = self.begin <= clock < self.end
        else:
            is_quiet = clock >= self.begin or clock < self.end
        if not is_quiet:
            return None
        day = local.date() + timedelta(days=clock >= self.end)
        return int(datetime.combine(day, self.end, self.zone).timestamp()) * SECOND


def quiet_hours(text: str) -> QuietHours:
    """Such as `22:00-07:00 Europe/London`. Raises ValueError."""
    found = _SHAPE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"expected quiet hours such as 22:00-07:00 Europe/London, got {text!r}")
    begin, end, zone = found.groups()
    try:
        told = QuietHours(time.fromisoformat(begin), time.fromisoformat(end), ZoneInfo(zone))
    except KeyError:
        raise ValueError(f"no time zone is called {zone!r}") from None
    except ValueError:
        raise ValueError(f"no such time of day in {text!r}") from None
    if told.begin == told.end:
        raise ValueError(f"quiet hours must leave some of the day, got {text!r}")
    return told
