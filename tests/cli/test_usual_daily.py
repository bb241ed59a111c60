"""What is usual, derived each day: which days, and which records."""

import signal
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest
from structlog.testing import capture_logs

import cli.usual_daily as daily
from bus.connect import open_bus
from cli.usual_daily import AFTER_MIDNIGHT, dealt, each_day
from domain.reference import Baseline, ReferenceRecord
from domain.reference_book import ReferenceBook
from domain.reference_check import to_wire
from domain.wire import encode
from runtime.servers import EmbeddedServer
from runtime.settings import load_settings

MONDAY = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets."""

    class Clock(datetime):
        time = MONDAY

        @classmethod
        def now(cls, tz=None):
            return cls.time

    monkeypatch.setattr(daily, "datetime", Clock)
    return Clock


def record(scope, source="stored days", since="2026-11-20"):
    baselines = {"reject_rate": Baseline(n=300, mean=0.02)}
    return ReferenceRecord(
        type="reference", scope=scope, source=source, effective_from=since, baselines=baselines
    )


def book(*records):
    found = ReferenceBook()
    for n, one in enumerate(records):
        found.add_json(encode(to_wire(one)), known=n)
    return found


def test_each_day_is_published_once_and_only_when_it_is_complete(clock):
    midnight = datetime(2026, 11, 24, tzinfo=UTC)
    times = iter(
        [midnight - timedelta(seconds=1), midnight, midnight + AFTER_MIDNIGHT,
         midnight + timedelta(hours=20), midnight + timedelta(days=3)]
    )  # fmt: skip
    published = []

    def wait(_seconds):
        clock.time = next(times, None)
        return clock.time is None

    each_day(published.append, wait)

    assert published == [date(2026, 11, 23), date(2026, 11, 24), date(2026, 11, 26)]


def test_records_of_somebody_else_are_kept():
    new = [record(f"venue:{name}", since="2026-11-23") for name in ("A", "B", "C")]
    held = book(record("venue:A"), record("venue:B", source="the desk's own"))

    mine, theirs = dealt(new, held)

    assert [one.key for one in mine] == ["venue:A", "venue:C"]
    assert theirs == ["venue:B"]


def test_records_of_a_day_to_come_are_somebodys_too():
    held = book(record("venue:A", source="the desk's own", since="2030-01-01"))

    assert dealt([record("venue:A")], held) == ([], ["venue:A"])


def test_it_publishes_what_is_stored_until_it_is_told_to_stop(history_url, execmon):
    day = datetime.now(UTC).date() - timedelta(days=2)
    with psycopg.connect(history_url) as connection:
        for pos, kind in enumerate(("route_sent", "route_acknowledged")):
            connection.execute(
                'INSERT INTO order_events (order_id, "type", venue, exec_id, ts_ns, pos, ts,'
                " source) VALUES ('A', %s, 'XNAS', 'r', %s, %s, %s, 0)",
                (kind, 2_000_000 * pos, pos, day),
            )
    with EmbeddedServer("bus", durable=True) as server:
        settings = load_settings({"bus_url": server.url}, env={})
        bus = open_bus(server.url, settings)
        bus.set_up(dict(settings.partitions), settings.groups)
        bus.close()
        where = ["--bus", server.url, "--history-url", history_url]
        command = [sys.executable, "-m", "cli.main", "reference", "usual", "--daily", *where]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            for line in process.stderr:
                if "ready" in line:
                    break
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        shown = execmon("reference", "show", "venue:XNAS", "--bus", server.url, "--json").json

    assert shown["baselines"]["ack_ms"] == {
        "n": 1, "median": 2.0, "p95": 2.0, "p99": 2.0
    }  # fmt: skip


def test_without_stored_days_it_waits_for_the_next(history_url):
    stored = daily.Stored(history_url, 20, "XNYS")
    with capture_logs() as logs:
        daily.publish_day(stored, date(2026, 11, 23), "redis://nowhere")

    assert [log["event"] for log in logs] == ["nothing_usual_yet"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--daily", "--json"), "--daily publishes; it takes no --until, --out or --json"),
        (("--daily", "--until", "2026-11-20"), "it takes no --until"),
        (("--calendar", "MARS"), "usual_calendar: no calendar is called 'MARS'"),
    ],
)
def test_a_slip_is_told_in_words(execmon, options, words):
    ended = execmon("reference", "usual", *options)

    assert ended.code == 2
    assert words in ended.err


def test_days_are_named_where_none_are_configured(execmon, monkeypatch):
    monkeypatch.setenv("EXECMON_USUAL_DAYS", "0")

    ended = execmon("reference", "usual")

    assert ended.code == 2
    assert "usual_days is 0: say with --days how many days to read" in ended.err
