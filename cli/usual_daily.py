"""What is usual, derived once a day for as long as a deployment runs."""

import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from cli.history_store import ask_history
from cli.reference_bus import publish_records, read_book, reference_bus
from domain.instants import END_OF_TIME
from runtime.logs import set_up_logs

if TYPE_CHECKING:
    from domain.reference import ReferenceRecord
    from domain.reference_book import ReferenceBook
    from runtime.settings import Settings

AFTER_MIDNIGHT = timedelta(minutes=5)
"""The history of the day before is then complete, as a rule."""
_LOOK_S = 30.0
"""Time between two looks at the clock, which may be set."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The stored days that records come from."""

    history_url: str | None
    days: int
    calendar: str

    def records(self, until: date) -> "list[ReferenceRecord]":
        """Records that hold from a day on, from the days before it. Raises ServerError."""
        from analytics.usual import Wanted, usual_records

        wanted = Wanted(until, self.days, self.calendar)
        return ask_history(self.history_url, lambda connection: usual_records(connection, wanted))


def newest_day() -> date:
    """The newest day in UTC that began at least five minutes ago."""
    return (datetime.now(UTC) - AFTER_MIDNIGHT).date()


def publish_daily(settings: "Settings", stored: Stored, bus_url: str | None) -> None:
    """Publish at once and after each midnight until SIGTERM.

    Raises ServerError and BusError where a store or the bus does not answer.
    """
    set_up_logs(settings.log_level, settings.log_format)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    each_day(lambda day: publish_day(stored, day, bus_url), stop.wait)


def each_day(publish: Callable[[date], None], wait: Callable[[float], bool]) -> None:
    """Call `publish` for the newest day, and for each that begins until `wait` gives True."""
    day = newest_day()
    publish(day)
    structlog.get_logger("usual").info("ready")
    while not wait(_LOOK_S):
        if newest_day() > day:
            day = newest_day()
            publish(day)


def publish_day(stored: Stored, day: date, bus_url: str | None) -> None:
    """Publish the records of a day, save of those that somebody else gives records of."""
    log = structlog.get_logger("usual")
    records = stored.records(day)
    if not records:
        log.info("nothing_usual_yet", until=day.isoformat())
        return
    mine, theirs = dealt(records, read_book(bus_url))
    if mine:
        with reference_bus(bus_url) as bus:
            *_, _ = publish_records(bus, mine)
    log.info("usual_published", since=day.isoformat(), records=len(mine), kept=theirs)


def dealt(
    records: "Sequence[ReferenceRecord]", book: "ReferenceBook"
) -> "tuple[list[ReferenceRecord], list[str]]":
    """Records to publish, and the subjects whose newest record is not from stored days."""
    mine: list[ReferenceRecord] = []
    theirs: list[str] = []
    for record in records:
        held = book.scope(record.key, END_OF_TIME)
        if held is None or held.source == record.source:
            mine.append(record)
        else:
            theirs.append(record.key)
    return mine, theirs
