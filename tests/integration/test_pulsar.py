"""The whole monitor on a real Pulsar: worker and broker are killed, no event is lost."""

import subprocess
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis

from bus.base import START
from bus.clock import ClockThread, ClockWriter
from bus.publish import Publisher
from cli.recovery import prepare_recovery
from cli.worker import command, environment
from domain.errors import BusDown
from domain.instants import format_rfc3339
from domain.topics import status_key
from domain.vocabulary import INPUT_TOPICS, Topic
from runtime.addresses import Servers
from runtime.pulsar_server import PulsarServer
from runtime.servers import EmbeddedServer
from runtime.settings import load_settings
from sources.bus_source import READER
from tests.pulsar_broker import fresh_url, open_pulsar

ORDERS = 50
EVENTS = 100_000
AT_ONCE = 200
"""Events between two flushes."""
PAUSE_S = 0.3
"""Between two flushes, so that the kills come in the midst of them."""


class Desk:
    """100,000 events: a quote, then a fill of the next order, over and over."""

    def __init__(self, bus: Any) -> None:
        self.filled: Counter[str] = Counter()
        self.sent = 0
        self._publisher = Publisher(bus, batch=50)
        self._ahead = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Publish the rest at once."""
        self._ahead.set()
        self._thread.join(240)
        assert self.sent == EVENTS

    def _run(self) -> None:
        for number in range(EVENTS):
            base = {"symbol": "IBM", "ts_event": format_rfc3339(time.time_ns())}
            order = {**base, "order_id": f"O{number // 2 % ORDERS}", "side": "BUY"}
            if number % 2 == 0:
                quote = {"bid": 9.99, "ask": 10.01, "bid_size": 100, "ask_size": 100}
                self._publisher.add({"type": "quote", **base, **quote})
            elif number < 2 * ORDERS:
                self._publisher.add({"type": "order_accepted", **order, "order_qty": 1e6})
            else:
                fill = {"exec_id": f"E{number}", "last_qty": 10.0, "last_px": 10.0}
                self._publisher.add({"type": "order_filled", **order, **fill})
                self.filled[order["order_id"]] += 1
            if number % AT_ONCE == AT_ONCE - 1:
                self._flush()
                self.sent = number + 1
                self._ahead.wait(PAUSE_S)

    def _flush(self) -> None:
        while True:
            try:
                self._publisher.flush()
            except BusDown:
                time.sleep(0.1)
            else:
                return


def wait_for(condition: Any, log: Path, seconds: float = 180.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.1)


def backlog(bus: Any) -> int:
    """Entries of the inputs that the monitor has not acknowledged."""
    count = 0
    for topic in INPUT_TOPICS:
        for partition in range(bus.partitions(topic)):
            stats = bus.admin.get(f"{bus.admin.topic_path(topic, partition)}/stats")
            count += stats["subscriptions"].get(READER, {"msgBacklog": 1})["msgBacklog"]
    return count


def updates(bus: Any) -> dict[str, list[int]]:
    """Sequence numbers of each order's statuses as they are stored, repeats dropped."""
    found: dict[str, list[int]] = defaultdict(list)
    seen: set[str] = set()
    reader = bus.reader()
    for partition in range(bus.partitions(Topic.EXECUTION_UPDATES)):
        place, position = (Topic.EXECUTION_UPDATES, partition), START
        while messages := reader.read({place: position}, 1000, 0).get(place):
            position = messages[-1].position
            for message in messages:
                for event in msgspec.json.decode(message.body):
                    if event["kind"] == "status" and event["event_id"] not in seen:
                        seen.add(event["event_id"])
                        found[event["order_id"]].append(event["status"]["seq"])
    reader.close()
    return found


@pytest.mark.timeout(600)
def test_100_000_events_survive_kills_of_the_worker_and_of_the_broker(
    pulsar_server: Any, tmp_path: Path
) -> None:
    if not isinstance(pulsar_server, PulsarServer):
        pytest.skip("the Pulsar that is given is not ours to kill")
    url = fresh_url(pulsar_server)
    log = tmp_path / "worker.log"
    with EmbeddedServer("status", durable=False) as status_server:
        settings = load_settings(
            {"bus_url": url, "status_url": status_server.url, "epoch_s": 1.0,
             "recovery_dir": str(tmp_path / "recovery"),
             "pulsar_admin_url": pulsar_server.admin_url, "partitions": 2},
            env={},
        )  # fmt: skip
        assert settings.recovery_dir is not None
        prepare_recovery(settings.recovery_dir)
        bus = open_pulsar(pulsar_server, url)
        bus.set_up({Topic(name): n for name, n in settings.partitions.items()}, settings.groups)
        env = environment(settings, Servers(url, status_server.url),
                          EXECMON_PULSAR_ADMIN_URL=pulsar_server.admin_url,
                          EXECMON_PARTITIONS="2")  # fmt: skip
        status = redis.Redis.from_url(status_server.url)

        def start() -> subprocess.Popen[bytes]:
            with log.open("ab") as out:
                return subprocess.Popen(command(settings), env=dict(env), stdout=out, stderr=out)

        def shown() -> dict[str, float]:
            bodies = {f"O{n}": status.hget(status_key(f"O{n}"), "body") for n in range(ORDERS)}
            return {k: msgspec.json.decode(v)["cum_qty"] for k, v in bodies.items() if v}

        worker = start()
        try:
            with ClockThread(ClockWriter(bus)):
                desk = Desk(bus)
                wait_for(lambda: sum(shown().values()) > 1_000, log)
                worker.kill()
                worker.wait()
                worker = start()
                # A worker that starts while its broker is away ends; `execmon up` starts it again.
                wait_for(lambda: log.read_text().count("ready") == 2, log)
                sent = desk.sent
                pulsar_server.kill()
                pulsar_server.restart()
                assert sent < EVENTS
                desk.wait()

                expected = {order: 10.0 * count for order, count in desk.filled.items()}
                wait_for(lambda: shown() == expected, log)
            wait_for(lambda: backlog(bus) == 0, log)
            assert worker.poll() is None
        finally:
            worker.kill()
            worker.wait()
        sequences = updates(bus)
        bus.close()

    assert len(sequences) == ORDERS
    assert all(seqs == sorted(seqs) for seqs in sequences.values())
