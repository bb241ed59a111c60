"""The reference topic of the bus, as the reference commands use it."""

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress

from bus.base import START, Bus, Place
from bus.publish import publish
from domain.errors import BusDown, BusError, Refused
from domain.instants import format_rfc3339
from domain.reference import ReferenceRecord
from domain.reference_book import ReferenceBook
from domain.reference_check import to_wire
from domain.topics import JSON_TYPE
from domain.vocabulary import Topic
from domain.wire import split_json
from runtime.settings import Settings, load_settings

RECORDS_AT_ONCE = 500
_READ_AT_ONCE = 2000
_MARK = b'"reference"'


@contextmanager
def reference_bus(url: str | None, *, set_up: bool = False) -> Generator[Bus]:
    """The bus at this address, as configured if None; with `set_up` it is laid out if new.

    Raises ConfigurationError, ServerError where no embedded bus runs, and BusError.
    """
    from cli.servers import message_bus

    settings = load_settings({"bus_url": url})
    with message_bus(settings) as bus:
        if set_up:
            _lay_out(bus, settings)
        yield bus


def _lay_out(bus: Bus, settings: Settings) -> None:
    """Keep the layout a bus has, whatever the settings say; a new one gets the settings'."""
    try:
        bus.partitions(Topic.REFERENCE)
    except BusDown:
        raise
    except BusError:
        partitions = {Topic(name): number for name, number in settings.partitions.items()}
        bus.set_up(partitions, settings.groups)


def publish_records(bus: Bus, records: Sequence[ReferenceRecord]) -> Iterator[int]:
    """Publish in order; gives the number of records stored so far after each round trip."""
    for first in range(0, len(records), RECORDS_AT_ONCE):
        now = format_rfc3339(time.time_ns())
        some = records[first : first + RECORDS_AT_ONCE]
        publish(bus, [{**to_wire(record), "ts_event": now} for record in some], Topic.REFERENCE)
        yield first + len(some)


def read_book(url: str | None) -> ReferenceBook:
    """Every record on the bus, known from the time at which it was stored."""
    book = ReferenceBook()
    with reference_bus(url) as bus:
        reader = bus.reader()
        try:
            after: dict[Place, str] = {
                (Topic.REFERENCE, n): START for n in range(bus.partitions(Topic.REFERENCE))
            }
            while found := reader.read(after, _READ_AT_ONCE, 0):
                for place, messages in found.items():
                    after[place] = messages[-1].position
                    for stored in messages:
                        if stored.content_type == JSON_TYPE and _MARK in stored.body:
                            _add(book, stored.body, stored.ts)
        finally:
            reader.close()
    return book


def _add(book: ReferenceBook, body: bytes, known: int) -> None:
    """Take the records of a message; what is none is the monitor's to report, not ours."""
    with suppress(Refused):
        for raw in split_json(body):
            with suppress(Refused):
                book.add_json(raw, known=known)
