"""Write `domain/calendars.json` from exchange_calendars.

    .venv/bin/python deploy/make_calendars.py [--check]

The library (and pandas below it) is a build tool: the product reads only the table. Run this
after an exchange has announced new holidays and the library's new release knows them, and
commit the table with the release number it carries. `--check` writes nothing and fails when
the table on disk differs.

The table holds, per calendar: the time zone, the first and last day it speaks for, the
ordinary hours with the day each came into force, the weekdays without a session, weekend
sessions, and the days with other hours. Hours are minutes after local midnight of the
session's date (negative: the evening before), as `open-close` or
`open-break_start-break_end-close`; days are grouped by year as MMDD.
"""

import argparse
import json
import sys
from collections import Counter, defaultdict
from datetime import date, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from exchange_calendars.calendar_utils import global_calendar_dispatcher

TABLE = Path(__file__).resolve().parent.parent / "domain" / "calendars.json"
FIRST, LAST = date(1998, 1, 1), date(2050, 12, 31)
CALENDARS = (
    "XNYS", "XTSE", "XMEX", "BVMF", "CMES", "XCBF", "IEPA",
    "XLON", "XDUB", "XPAR", "XAMS", "XBRU", "XLIS", "XMIL", "XMAD", "XETR", "XEUR", "XSWX",
    "XWBO", "XSTO", "XCSE", "XHEL", "XOSL", "XWAR", "XJSE",
    "XTKS", "XHKG", "XSHG", "XTAI", "XKRX", "XSES", "XBOM", "XASX", "XNZE",
)  # fmt: skip
NEIGHBOURS = 30
"""Sessions from a day on among which the commonest hours are the ordinary ones."""


def sessions_of(name: str) -> tuple[str, date, date, dict[date, str]]:
    """Zone, first and last day known, and the local hours of each session."""
    factory: Any = global_calendar_dispatcher._calendar_factories[name]
    low, high = factory.bound_min(), factory.bound_max()
    first = FIRST if low is None else max(FIRST, low.date())
    last = LAST if high is None else min(LAST, high.date())
    # Some calendars get the very last session of the range asked for wrong: ask for more.
    end = LAST + timedelta(days=370) if high is None else high.date()
    calendar = factory(
        start=first.isoformat(), end=min(end, LAST + timedelta(days=370)).isoformat()
    )
    columns = ["open", "break_start", "break_end", "close"]
    hours: dict[date, str] = {}
    for midnight, *times in calendar.schedule[columns].loc[: last.isoformat()].itertuples():
        local = [t.tz_convert(calendar.tz).tz_localize(None) for t in times if not pd.isna(t)]
        minutes = [int((t - midnight).total_seconds() // 60) for t in local]
        hours[midnight.date()] = "-".join(f"{m:+d}" if m < 0 else str(m) for m in minutes)
    return str(calendar.tz), first, last, hours


def ordinary(hours: dict[date, str]) -> dict[date, str]:
    """For each day a change of the ordinary hours came into force, the hours."""
    days = sorted(hours)
    changes: dict[date, str] = {}
    current = ""
    for i, day in enumerate(days):
        ahead = Counter(hours[d] for d in days[i : i + NEIGHBOURS])
        settled = not current or len(days) - i >= NEIGHBOURS
        if settled and hours[day] != current and hours[day] == ahead.most_common(1)[0][0]:
            current = changes[day] = hours[day]
    return changes


def by_year(days: list[date]) -> dict[str, str]:
    """Days as `{"1998": "0119 0216"}`."""
    grouped: dict[str, list[str]] = defaultdict(list)
    for day in days:
        grouped[str(day.year)].append(f"{day:%m%d}")
    return {year: " ".join(texts) for year, texts in grouped.items()}


def entry(name: str) -> dict[str, Any]:
    """One calendar's part of the table."""
    zone, first, last, hours = sessions_of(name)
    changes = ordinary(hours)
    usual = ""
    closed: list[date] = []
    weekend: list[date] = []
    special: dict[str, list[date]] = defaultdict(list)
    day = first
    while day <= last:
        usual = changes.get(day, usual)
        if day in hours:
            if hours[day] != usual:
                special[hours[day]].append(day)
            if day.weekday() >= 5:
                weekend.append(day)
        elif day.weekday() < 5:
            closed.append(day)
        day += timedelta(days=1)
    return {
        "zone": zone,
        "first": first.isoformat(),
        "last": last.isoformat(),
        "hours": {day.isoformat(): text for day, text in changes.items()},
        "closed": by_year(closed),
        "weekend": by_year(weekend),
        "special": {text: by_year(days) for text, days in sorted(special.items())},
    }


def table() -> str:
    """The whole table as JSON, one calendar a line."""
    lines = [f"{json.dumps(name)}: {json.dumps(entry(name))}" for name in CALENDARS]
    made = json.dumps(f"exchange_calendars {version('exchange_calendars')}")
    return '{"made_with": ' + made + ', "calendars": {\n' + ",\n".join(lines) + "\n}}\n"


def main() -> int:
    """Write the table, or with --check compare it with the one on disk."""
    parser = argparse.ArgumentParser(description="Write domain/calendars.json")
    parser.add_argument("--check", action="store_true", help="write nothing, fail if it differs")
    check = parser.parse_args().check
    text = table()
    if not check:
        TABLE.write_text(text)
        return 0
    if TABLE.is_file() and TABLE.read_text() == text:
        return 0
    sys.stderr.write(f"{TABLE} is not what the library gives; run deploy/make_calendars.py\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
