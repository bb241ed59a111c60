"""GET status over HTTP: latency at a fixed rate, and the most one API process answers.

The rate is an open loop: a request is due at its time whether or not those before it were
answered, and its latency counts from when it was due. The API runs in a process of its own,
with identity, rate limit and counters as deployed.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from statistics import quantiles
from typing import cast
from urllib.parse import quote

import numpy as np
import psutil
import psycopg
import uvloop

from api.store.keys import create
from benchmarks.report import note, parser, show
from bus.connect import open_bus
from cli.child import Child
from domain.columns import blank
from domain.instants import SECOND
from domain.keys import key_of
from domain.rows import STATUS, Rows
from domain.vocabulary import EventKind, OrderState, Topic
from runtime.history_server import EmbeddedPostgres
from runtime.servers import open_servers
from sinks.history.migrate import migrate
from sinks.status import StatusPartition, StatusSettings

ORDERS = 1_000
CONNECTIONS = 32


class Caller(asyncio.Protocol):
    """One keep-alive connection that sends its next request when the last was answered."""

    def __init__(self, key: str, done: list[float]) -> None:
        self._head = f" HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: {key}\r\n\r\n".encode()
        self._done = done
        self._due: deque[tuple[float, bytes]] = deque()
        self._left = -1
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self.wrong = 0
        self.on_free = lambda: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self._transport = cast(asyncio.Transport, transport)

    def ask(self, path: bytes, due: float) -> None:
        """Send a request, now or after those that wait."""
        self._due.append((due, path))
        if len(self._due) == 1:
            self._send()

    def _send(self) -> None:
        assert self._transport is not None
        self._transport.write(b"GET " + self._due[0][1] + self._head)

    def data_received(self, data: bytes) -> None:
        """Take an answer, or a part of it."""
        self._buffer += data
        if self._left < 0:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._buffer[:end].lower()
            self.wrong += not head.startswith(b"http/1.1 200")
            at = head.index(b"content-length: ") + 16
            self._left = end + 4 + int(head[at:].split(b"\r\n", 1)[0])
        if len(self._buffer) < self._left:
            return
        self._buffer, self._left = self._buffer[self._left :], -1
        due, _ = self._due.popleft()
        self._done.append(time.perf_counter() - due)
        if self._due:
            self._send()
        self.on_free()


async def connected(port: int, key: str, done: list[float], count: int) -> list[Caller]:
    """Connections to the API."""
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: Caller(key, done), "127.0.0.1", port)
        for _ in range(count)
    ]
    return [caller for _, caller in made]


async def open_loop(
    port: int, key: str, paths: Sequence[bytes], rate: float, seconds: float
) -> list[float]:
    """Latencies, s, of requests at a fixed rate."""
    done: list[float] = []
    callers = await connected(port, key, done, CONNECTIONS)
    count = round(rate * seconds)
    began = time.perf_counter() + 0.1
    sent = 0
    while sent < count:
        now = time.perf_counter()
        while sent < count and began + sent / rate <= now:
            callers[sent % CONNECTIONS].ask(paths[sent % len(paths)], began + sent / rate)
            sent += 1
        # The loop counts in milliseconds: less would spin, and take a core from the API.
        await asyncio.sleep(0.001)
    while len(done) < count:
        await asyncio.sleep(0.01)
    _must_be_right(callers)
    return done


async def closed_loop(port: int, key: str, paths: Sequence[bytes], seconds: float) -> float:
    """Requests answered a second when each connection asks again at once."""
    done: list[float] = []
    callers = await connected(port, key, done, CONNECTIONS)
    until = time.perf_counter() + seconds
    asked = 0

    def again(caller: Caller) -> None:
        nonlocal asked
        now = time.perf_counter()
        if now < until:
            asked += 1
            caller.ask(paths[asked % len(paths)], now)

    for caller in callers:
        caller.on_free = lambda caller=caller: again(caller)
        again(caller)
    await asyncio.sleep(seconds + 0.2)
    _must_be_right(callers)
    return len(done) / seconds


def _must_be_right(callers: Sequence[Caller]) -> None:
    wrong = sum(caller.wrong for caller in callers)
    if wrong:
        raise SystemExit(f"{wrong} answers were not 200")


def statuses(count: int) -> Rows:
    """Rows of so many open orders."""
    rows = blank(STATUS, count)
    names = {key_of(name): name for name in (*map(order_id, range(count)), "US-CASH", "IBM")}
    rows["order"] = rows["root"] = [key_of(order_id(n)) for n in range(count)]
    rows["desk"], rows["symbol"] = key_of("US-CASH"), key_of("IBM")
    rows["ts"] = rows["known"] = time.time_ns() // SECOND * SECOND
    rows["events"] = rows["seq"] = rows["numbered"] = 1
    rows["kind"], rows["state"] = EventKind.ORDER_FILLED, OrderState.PARTIALLY_FILLED
    rng = np.random.default_rng(1)
    for name in rows.dtype.names or ():
        if rows.dtype[name] == np.float64:
            rows[name] = rng.normal(10, 3, count)
    return Rows(status=rows, names=names)


def order_id(n: int) -> str:
    """Such as a desk has them."""
    return f"US-{n:06d}/{n % 7}"


def main(arguments: Sequence[str]) -> None:
    """Measure, and print the figures."""
    options = parser("api", __doc__ or "")
    options.add_argument("--rate", type=float, default=1_000.0, help="requests a second")
    options.add_argument("--seconds", type=float, default=10.0, help="length of each measurement")
    told = options.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="execmon-bench-") as folder:
        show("api", measure(told, Path(folder)), as_json=told.json)


def measure(told: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Figures of one run over embedded servers."""
    with open_servers() as servers, EmbeddedPostgres() as history:
        migrate(history.url)
        with psycopg.connect(history.url) as connection:
            _, key = create(connection, "bench", ["read"], ["US-CASH"], by="bench")
        bus = open_bus(servers.bus_url)
        bus.set_up(dict.fromkeys(Topic, 4), 16)
        bus.close()
        part = StatusPartition(servers.status_url, StatusSettings(conflate_ms=0))
        part.write_batch([statuses(ORDERS)])
        part.snapshot()
        part.close()
        env = {
            **os.environ,
            "EXECMON_BUS_URL": servers.bus_url,
            "EXECMON_STATUS_URL": servers.status_url,
            "EXECMON_HISTORY_URL": history.url,
            "EXECMON_API_READS_PER_S": "1000000",
            "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
        }
        argv = [sys.executable, "-m", "cli.main", "api", "--port", "0"]
        log = folder / "api.log"
        with Child(argv, env, log) as child:
            return _figures(told, key, _port(log, child), child.pid)


def _port(log: Path, child: Child) -> int:
    until = time.monotonic() + 60
    while time.monotonic() < until and child.exit_code is None:
        for line in log.read_text().splitlines() if log.exists() else ():
            if line.startswith("http://"):
                return int(line.rpartition(":")[2])
        time.sleep(0.05)
    raise SystemExit(f"the API did not start: {child.last_words()}")


def _figures(told: argparse.Namespace, key: str, port: int, pid: int) -> dict[str, float]:
    paths = [
        f"/api/v1/monitoring/{quote(order_id(n), safe='')}/status".encode() for n in range(ORDERS)
    ]
    run = uvloop.run
    run(closed_loop(port, key, paths, 1.0))
    note(f"open loop at {told.rate:g} requests/s")
    process = psutil.Process(pid)
    before = process.cpu_times()
    took = run(open_loop(port, key, paths, told.rate, told.seconds))
    after = process.cpu_times()
    note("closed loop")
    rates = [run(closed_loop(port, key, paths, told.seconds / 2)) for _ in range(told.repeat)]
    cuts = quantiles(took, n=1000, method="inclusive")
    busy = after.user + after.system - before.user - before.system
    return {
        "rate_per_s": told.rate,
        "requests": len(took),
        "p50_ms": 1e3 * cuts[499],
        "p99_ms": 1e3 * cuts[989],
        "p999_ms": 1e3 * cuts[998],
        "cores_at_rate": busy / told.seconds,
        "most_per_s": sorted(rates)[len(rates) // 2],
        "resident_mb": process.memory_info().rss / 1e6,
    }


if __name__ == "__main__":
    main(sys.argv[1:])
