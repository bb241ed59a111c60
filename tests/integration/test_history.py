"""History is whole: the store away under load, the process killed, the topic read again."""

import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import msgspec
import psycopg
import pytest

from bus.base import START, Outgoing
from bus.connect import open_bus
from cli.worker import environment
from domain.instants import format_rfc3339
from domain.vocabulary import Topic
from runtime.addresses import Servers
from runtime.history_server import EmbeddedPostgres
from runtime.servers import EmbeddedServer
from runtime.settings import load_settings
from sinks.history.migrate import migrate

ROOT = Path(__file__).resolve().parents[2]
NS = 1_790_000_000_000_000_000
UPDATES = Topic.EXECUTION_UPDATES


def events(number):
    """The events of step `number` of an order: its timeline, its fill, its status, its record."""
    order, seq = f"A/{number % 97} #ü", number // 97 + 1
    at = format_rfc3339(NS + number * 1_001_001)
    head = {"order_id": order, "symbol": "IBM", "side": "BUY"}
    place = {"pos": number, "source": 7, "ts_event": at, "known_at": at, "seq": None}
    px = 100 + number / 7
    status = {
        **head, "state": "PARTIALLY_FILLED", "as_of": at, "last_updated": at, "seq": seq,
        "avg_px": px, "slippage_bps": -px / 3, "has_children": False, "restated": False,
        "venue_distribution": {"XNAS": 1 / 3, "ARCX": 2 / 3}, "alerts": [], "desk": "US",
        "config_version": "x" * 2000,
    }  # fmt: skip
    yield {"kind": "order_event", **head, "type": "order_filled", "last_px": px, **place}
    yield {"kind": "fill", **head, "status": "COUNTED", "last_px": px, "mid_1s": px / 3, **place}
    yield {"kind": "status", "order_id": order, "status": status}
    if seq % 5 == 0:
        yield {"kind": "order", **status, "reasons": {}}


def publish(bus, numbers):
    """A message for each ten steps, every order's in one partition."""
    partitions = bus.partitions(UPDATES)
    for first in range(numbers.start, numbers.stop, 10):
        for partition in range(partitions):
            mine = [
                event
                for number in range(first, min(first + 10, numbers.stop))
                if number % 97 % partitions == partition
                for event in events(number)
            ]
            if mine:
                bus.append([Outgoing(UPDATES, partition, msgspec.json.encode(mine))])


def published(bus):
    """Bodies of every status on the bus by natural key, and how many there are of each kind."""
    bodies, kinds = {}, Counter()
    for partition in range(bus.partitions(UPDATES)):
        place, position = (UPDATES, partition), START
        while batch := bus.reader().read({place: position}, 500, 0).get(place):
            position = batch[-1].position
            for message in batch:
                for event in msgspec.json.decode(message.body, type=list[dict[str, msgspec.Raw]]):
                    kind = msgspec.json.decode(event["kind"])
                    kinds[kind] += 1
                    if kind == "status":
                        body = bytes(event["status"])
                        found = msgspec.json.decode(body)
                        bodies[found["order_id"], found["seq"]] = body.decode()
    return bodies, kinds


def ask(url, query):
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def stored(url):
    """Every row of every table, as text."""
    tables = ("execution_monitoring_ts", "orders", "fills", "order_events", "order_tca")
    return {
        name: ask(url, f"SELECT t::text, xmin::text FROM {name} t ORDER BY 1") for name in tables
    }


def assert_whole(bus, url):
    """Nothing missing, nothing twice, every body to the last digit."""
    bodies, kinds = published(bus)
    rows = ask(url, "SELECT order_id, seq, body::text FROM execution_monitoring_ts")
    assert len(rows) == len(bodies) == kinds["status"]
    assert {(order, seq): body for order, seq, body in rows} == bodies
    for table, kind in (("fills", "fill"), ("order_events", "order_event")):
        assert ask(url, f"SELECT count(*), count(DISTINCT pos) FROM {table}") == [
            (kinds[kind], kinds[kind])
        ]
    assert ask(url, "SELECT count(*) FROM orders") == [(97,)]
    newest = {order: max(s for o, s in bodies if o == order) for order, _ in bodies}
    assert dict(ask(url, "SELECT order_id, seq FROM orders")) == newest


@pytest.fixture
def bus_server():
    with EmbeddedServer("bus", durable=True) as server:
        yield server


@pytest.fixture
def bus(bus_server):
    found = open_bus(bus_server.url)
    settings = load_settings({}, env={})
    found.set_up({Topic(n): count for n, count in settings.partitions.items()}, settings.groups)
    yield found
    found.close()


@pytest.fixture
def store():
    """A history store that the test may kill; what was committed survives."""
    with EmbeddedPostgres() as server:
        migrate(server.url)
        yield server


class Process:
    """The history dataflow as a command, killed at the end."""

    def __init__(self, bus_url, store_url, folder, log):
        self.log = log
        self._argv = [sys.executable, "-m", "cli.main", "history"]
        settings = load_settings({"recovery_dir": str(folder)}, env={})
        self._env = dict(environment(
            settings, Servers(bus_url, "unix:///none"), EXECMON_HISTORY_URL=store_url,
            EXECMON_EPOCH_S="0.2",
        ))  # fmt: skip
        self.start()

    def start(self):
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self._argv, env=self._env, cwd=ROOT, stdout=out, stderr=out
            )

    def end(self, signum):
        self.process.send_signal(signum)
        return self.process.wait(60)


@pytest.fixture
def history(bus_server, bus, store, tmp_path):
    process = Process(bus_server.url, store.url, tmp_path / "recovery", tmp_path / "log")
    yield process
    if process.process.poll() is None:
        process.end(signal.SIGKILL)


def count(url):
    try:
        return ask(url, "SELECT count(*) FROM execution_monitoring_ts")[0][0]
    except psycopg.OperationalError:
        return -1


def wait_until(condition, process, seconds=90):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.process.poll() is None, process.log.read_text()[-2000:]
        assert time.monotonic() < deadline, process.log.read_text()[-2000:]
        time.sleep(0.02)


def test_a_store_that_was_away_under_load_lacks_nothing_and_has_nothing_twice(history, store, bus):
    publisher = threading.Thread(target=publish, args=(bus, range(4_000)))
    publisher.start()
    wait_until(lambda: count(store.url) > 200, history)

    for _ in range(2):
        store.kill()
        before = bus.lag((UPDATES, 0), START)
        wait_until(lambda b=before: bus.lag((UPDATES, 0), START) > b + 20
                   or not publisher.is_alive(), history)  # fmt: skip
        wait_until(lambda: "write_waits" in history.log.read_text(), history)
        store.restart()
        known = count(store.url)
        wait_until(lambda k=known: count(store.url) > k, history)
    publisher.join()

    wait_until(lambda: count(store.url) >= 4_000, history)
    assert history.end(signal.SIGTERM) == 143
    assert_whole(bus, store.url)
    log = history.log.read_text()
    assert 2 <= log.count("write_waits") == log.count("write_goes_on") <= 6
    assert "Traceback" not in log


def test_kill_9_in_the_middle_and_again_leaves_the_same_rows(history, store, bus):
    publish(bus, range(3_000))
    for kills, part in enumerate((0.1, 0.4, 0.7), 1):
        wait_until(lambda k=kills: history.log.read_text().count("ready") == k, history)
        wait_until(lambda p=part: count(store.url) >= 3_000 * p, history)
        history.end(signal.SIGKILL)
        if kills == 1:
            assert count(store.url) < 3_000, "the kill came too late to show anything"
        history.start()

    wait_until(lambda: history.log.read_text().count("ready") == 4, history)
    wait_until(lambda: count(store.url) >= 3_000, history)

    assert history.end(signal.SIGTERM) == 143
    assert_whole(bus, store.url)


def test_reading_the_whole_topic_again_changes_no_row(history, store, bus, tmp_path):
    publish(bus, range(1_500))
    wait_until(lambda: count(store.url) >= 1_500, history)
    assert history.end(signal.SIGTERM) == 143
    before = stored(store.url)

    again = Process(bus.url, store.url, tmp_path / "anew", tmp_path / "log2")
    publish(bus, range(1_500, 1_510))
    wait_until(lambda: count(store.url) >= 1_510, again)
    assert again.end(signal.SIGTERM) == 143

    after = stored(store.url)
    for table in ("execution_monitoring_ts", "fills", "order_events"):
        assert set(before[table]) <= set(after[table])
        assert len(after[table]) == len(before[table]) + 10
    assert len(set(after["orders"]) - set(before["orders"])) == 10


def test_it_ends_although_the_store_is_away(history, store, bus):
    publish(bus, range(100))
    wait_until(lambda: count(store.url) >= 100, history)
    store.kill()
    publish(bus, range(100, 200))
    wait_until(lambda: "write_waits" in history.log.read_text(), history)

    assert history.end(signal.SIGTERM) == 143
    assert any(words in history.log.read_text() for words in ("write_left", "is still on the bus"))

    store.restart()
    history.start()
    wait_until(lambda: count(store.url) >= 200, history)
    assert_whole(bus, store.url)
