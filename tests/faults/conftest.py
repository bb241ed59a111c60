"""A live desk on real servers, whose books are compared with what was published.

FAULT_SECONDS is how long an outage lasts: short by default, 30 by `make faults`.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
import redis

from bus.base import START
from bus.clock import ClockThread, ClockWriter
from bus.connect import open_bus
from bus.publish import Publisher
from cli.recovery import prepare_recovery
from cli.worker import environment
from domain.errors import BusDown
from domain.instants import format_rfc3339
from domain.topics import status_key
from domain.vocabulary import Topic
from runtime.addresses import Servers
from runtime.servers import EmbeddedServer
from runtime.settings import load_settings

OUTAGE_S = float(os.environ.get("FAULT_SECONDS", "3"))
ROOT = Path(__file__).resolve().parents[2]
ORDERS = 12
LOT = 100.0


class Desk:
    """Orders of one symbol, filled in turn; remembers what is on the bus."""

    def __init__(self, bus: Any) -> None:
        self.filled: Counter[str] = Counter()
        self.execs: set[str] = set()
        self._bus = bus
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        publisher = Publisher(self._bus)
        number = 0
        while not self._stop.is_set():
            now = format_rfc3339(time.time_ns())
            publisher.add({"type": "quote", "symbol": "IBM", "bid": 9.99, "ask": 10.01,
                           "bid_size": 100, "ask_size": 100, "ts_event": now})  # fmt: skip
            order = f"O{number % ORDERS}"
            if number < ORDERS:
                publisher.add({"type": "order_accepted", "order_id": order, "symbol": "IBM",
                               "side": "BUY", "order_qty": 1e6, "ts_event": now})  # fmt: skip
            else:
                exec_id = f"E{number}"
                publisher.add({"type": "order_filled", "order_id": order, "symbol": "IBM",
                               "side": "BUY", "exec_id": exec_id, "last_qty": LOT,
                               "last_px": 10.0, "ts_event": now})  # fmt: skip
                self.filled[order] += 1
                self.execs.add(exec_id)
            number += 1
            self._flush(publisher)
            self._stop.wait(0.02)

    def _flush(self, publisher: Publisher) -> None:
        while True:
            try:
                publisher.flush()
            except BusDown:
                time.sleep(0.05)
            else:
                return


class Rig:
    """Two servers, the clock, one worker process, and the desk."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.bus_server = stack.enter_context(EmbeddedServer("bus", durable=True))
        self.status_server = stack.enter_context(EmbeddedServer("status", durable=False))
        self.settings = load_settings(
            {"bus_url": self.bus_server.url, "status_url": self.status_server.url,
             "recovery_dir": str(folder / "recovery"), "epoch_s": 1.0, "mark_interval_s": 1.0},
            env={},
        )  # fmt: skip
        self.bus = open_bus(self.bus_server.url, timeout_s=2.0)
        stack.callback(self.bus.close)
        self.status = redis.Redis.from_url(self.status_server.url, socket_timeout=2.0)
        stack.callback(self.status.close)
        self.log = folder / "worker.log"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        """The newest process of each name."""
        self._stack = stack

    def set_up(self) -> None:
        self.bus.set_up(dict(self.settings.partitions), self.settings.groups)

    def start_worker(self) -> subprocess.Popen[bytes]:
        assert self.settings.recovery_dir is not None
        prepare_recovery(self.settings.recovery_dir)
        return self.start("worker")

    def start(self, name: str, **more: str) -> subprocess.Popen[bytes]:
        """A process of the product; all of them share one log."""
        env = environment(
            self.settings, Servers(self.bus_server.url, self.status_server.url),
            EXECMON_LOG_FORMAT="json", EXECMON_EPOCH_S="1", EXECMON_MARK_INTERVAL_S="1", **more,
        )  # fmt: skip
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "cli.main", name],
                cwd=ROOT, env=dict(env), stdout=log, stderr=log,
            )  # fmt: skip
        self._stack.callback(_end, process)
        self.processes[name] = process
        return process

    def start_api(self, history_url: str, **more: str) -> int:
        """Gives its port."""
        self.start("api", EXECMON_API_PORT="0", EXECMON_API_HEARTBEAT_S="0.5",
                   EXECMON_HISTORY_URL=history_url, **more)  # fmt: skip

        def said() -> list[str]:
            return [log["address"] for log in self.logs("ready") if "address" in log]

        self.wait_for(said)
        return int(said()[-1].rpartition(":")[2])

    def start_clock(self) -> None:
        self._stack.enter_context(ClockThread(ClockWriter(self.bus)))

    def start_desk(self) -> Desk:
        desk = Desk(self.bus)
        desk.start()
        self._stack.callback(desk.stop)
        return desk

    def logs(self, *events: str) -> list[dict[str, Any]]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return [log for log in found if log["event"] in events]

    def wait_for(self, what: Callable[[], object], seconds: float = 60.0) -> float:
        """Wait until it is so; gives how long it took."""
        began = time.monotonic()
        while not what():
            assert time.monotonic() - began < seconds, self.log.read_text()[-3000:]
            time.sleep(0.02)
        return time.monotonic() - began

    def shown(self) -> dict[str, float]:
        """Filled quantity by order, as the status store says."""
        found: dict[str, float] = {}
        for number in range(ORDERS):
            body: Any = self.status.hget(status_key(f"O{number}"), "body")
            if body is not None:
                found[f"O{number}"] = msgspec.json.decode(body)["cum_qty"]
        return found

    def updates(self) -> list[dict[str, Any]]:
        """Every update on the bus, repeats dropped; a repeat that differs is an error."""
        by_id: dict[str, dict[str, Any]] = {}
        reader = self.bus.reader()
        for partition in range(self.bus.partitions(Topic.EXECUTION_UPDATES)):
            place, position = (Topic.EXECUTION_UPDATES, partition), START
            while found := reader.read({place: position}, 1000, 0).get(place):
                position = found[-1].position
                for message in found:
                    for event in msgspec.json.decode(message.body):
                        by_id[event["event_id"]] = event
        reader.close()
        return list(by_id.values())

    def check_books(self, desk: Desk) -> None:
        """Let the desk trade on, then end it: all it published is shown and stored, no more."""
        traded = len(desk.execs)
        self.wait_for(lambda: len(desk.execs) > traded + 30)
        desk.stop()
        expected = {order: LOT * count for order, count in desk.filled.items()}
        self.wait_for(lambda: self.shown() == expected)

        def stored() -> Counter[str]:
            fills = [e for e in self.updates() if e["kind"] == "order_event" and e.get("exec_id")]
            return Counter(event["exec_id"] for event in fills)

        self.wait_for(lambda: set(stored()) >= desk.execs)
        assert set(stored()) == desk.execs


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """Everything set up, nothing but the servers running."""
    with ExitStack() as stack:
        yield Rig(tmp_path, stack)


@pytest.fixture
def live(rig: Rig) -> tuple[Rig, Desk]:
    """A desk that is being monitored."""
    rig.set_up()
    rig.start_worker()
    rig.wait_for(lambda: rig.logs("ready"), 240)
    rig.start_clock()
    desk = rig.start_desk()
    rig.wait_for(lambda: len(rig.shown()) == ORDERS and min(rig.shown().values()) > 0)
    return rig, desk


@pytest.fixture
def outage() -> Callable[[], None]:
    """Wait as long as an outage lasts."""
    return lambda: time.sleep(OUTAGE_S)


@pytest.fixture
def pause() -> Iterator[Callable[[int], psutil.Process]]:
    """Stop a process as if its machine were stuck; it goes on at the test's end at the latest."""
    paused: list[psutil.Process] = []

    def call(pid: int) -> psutil.Process:
        process = psutil.Process(pid)
        process.suspend()
        paused.append(process)
        return process

    yield call
    for process in paused:
        if process.is_running():
            process.resume()


@pytest.fixture
def disk() -> Iterator[Callable[[int], Path]]:
    """Makes a file system of so many MB; only root can."""
    made: list[Path] = []

    def call(mb: int) -> Path:
        if sys.platform != "linux" or os.geteuid() != 0:
            pytest.skip("only root can make a small file system")
        folder = Path(tempfile.mkdtemp(prefix="xm", dir="/tmp"))
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={mb}m", "tmpfs", str(folder)],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        if mounted.returncode:
            folder.rmdir()
            pytest.skip(f"no small file system here: {mounted.stderr.strip()}")
        made.append(folder)
        return folder

    yield call
    for folder in made:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        folder.rmdir()
