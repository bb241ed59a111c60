"""WebSockets of one API process: from the status store to a thousand clients.

1,000 clients follow 100 orders, ten an order, while the status sink writes 2,000 updates a
second on a schedule that waits for nobody; each update is a whole status. An update counts
from its `published_at`, just before the store is told, to its arrival at each client. What a
client was told it did not get (`skipped`) is counted too, and nothing else may be missing.
Writer and clients run on the same machine, each in a process of its own.
"""

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, cast
from urllib.parse import quote

import numpy as np
import psutil
import redis
import uvloop

from benchmarks.bus_load import order_id
from benchmarks.deployed import deployed
from benchmarks.report import note, parser, show
from benchmarks.socket_client import Received, SocketClient
from benchmarks.status_rows import some_of, status_rows
from domain.instants import MILLISECOND, parse_rfc3339
from domain.topics import FEED
from sinks.status import StatusPartition, StatusSettings

SLICE_S = 0.005
WARM_S = 1.0
"""Updates at the beginning that are not timed."""
_SETTLE_S = 3.0


def write(url: str, orders: int, per_s: float, seconds: float) -> float:
    """Write updates of each order in turn at a rate; gives how late the writer was, p99, ms."""
    whole = status_rows(orders)
    sink = StatusPartition(url, StatusSettings(conflate_ms=0.0, feed_length=100_000))
    each = max(round(per_s * SLICE_S), 1)
    began = time.monotonic() + 0.1
    late_s: list[float] = []
    for number in range(round(seconds * per_s / each)):
        due = began + number * each / per_s
        time.sleep(max(due - time.monotonic(), 0.0))
        late_s.append(time.monotonic() - due)
        at = np.arange(number * each, (number + 1) * each)
        for seq in np.unique(at // orders):
            mine = at[at // orders == seq] % orders
            sink.write_batch([some_of(whole, mine, int(seq) + 2)])
    sink.snapshot()
    sink.close()
    return 1e3 * float(np.percentile(late_s, 99))


def _write(pipe: Connection, *arguments: Any) -> None:
    pipe.recv()
    pipe.send(write(*arguments))


async def listen(
    url: str, port: int, key: str, told: argparse.Namespace, writer: Connection, pid: int
) -> dict[str, Any]:
    """Connect everybody, let the writer write, and wait until all is quiet."""
    api = psutil.Process(pid)
    alone_b = api.memory_info().rss
    received: list[Received] = []
    loop = asyncio.get_running_loop()
    clients: list[SocketClient] = []
    for number in range(told.clients):
        path = f"/api/v1/monitoring/{quote(order_id(number % told.orders), safe='')}/stream"
        _, client = await loop.create_connection(
            lambda path=path: SocketClient(path, key, received), "127.0.0.1", port
        )
        clients.append(client)
        if number % 50 == 49:
            await client.ready.wait()
    for client in clients:
        await client.ready.wait()
    _must_be_open(clients)
    await asyncio.sleep(1.0)
    idle_b = api.memory_info().rss
    note(f"{len(clients):,} clients are there; {told.rate:g} updates/s for {told.seconds:g} s")
    before, since = api.cpu_times(), time.monotonic()
    writer.send("begin")
    most_b = idle_b
    quiet = since
    count = -1
    while not writer.poll() or time.monotonic() - quiet < _SETTLE_S:
        await asyncio.sleep(0.2)
        most_b = max(most_b, api.memory_info().rss)
        if len(received) != count:
            count, quiet = len(received), time.monotonic()
    after, until = api.cpu_times(), quiet
    _must_be_open(clients)
    busy_s = after.user + after.system - before.user - before.system
    return {
        **figures(received, clients, told, stored(url)),
        "kb_per_client": round((idle_b - alone_b) / len(clients) / 1024, 1),
        "kb_per_client_at_rate": round((most_b - alone_b) / len(clients) / 1024, 1),
        "cores_at_rate": round(busy_s / max(until - since, 1e-9), 2),
        "writer_late_p99_ms": round(writer.recv(), 3),
    }


def _must_be_open(clients: Sequence[SocketClient]) -> None:
    closed = [client.closed for client in clients if client.closed]
    if closed:
        raise SystemExit(f"{len(closed)} clients were let go; the first: {closed[0]}")


def stored(url: str) -> Counter[str]:
    """Updates of each order in the feed, its first status left out."""
    found: Counter[str] = Counter()
    position = "-"
    with redis.Redis.from_url(url) as client:
        while entries := cast(Any, client.xrange(FEED, position, "+", count=1_000)):
            found.update(fields[b"order_id"].decode() for _, fields in entries)
            position = f"({entries[-1][0].decode()}"
    return Counter({name: count - 1 for name, count in found.items()})


def figures(
    received: Sequence[Received],
    clients: Sequence[SocketClient],
    told: argparse.Namespace,
    stored: Mapping[str, int],
) -> dict[str, Any]:
    """Latencies, and the books: whatever a client did not get it was told of."""
    for number, client in enumerate(clients):
        updates = stored[order_id(number % told.orders)]
        if client.deltas + client.skipped != updates:
            raise SystemExit(
                f"client {number} misses updates of which nothing was said: it has "
                f"{client.deltas} and {client.skipped} left out, of {updates}"
            )
    published = {text: parse_rfc3339(text.decode()) for text in {one.published for one in received}}
    at_ns = np.array([one.at_ns for one in received])
    from_ns = np.array([published[one.published] for one in received])
    counted = from_ns >= from_ns.min() + WARM_S * 1e9
    ms = (at_ns - from_ns)[counted] / MILLISECOND
    delivered = sum(client.deltas for client in clients)
    skipped = sum(client.skipped for client in clients)
    return {
        "clients": len(clients),
        "orders": told.orders,
        "updates_per_s": told.rate,
        "p50_ms": round(float(np.percentile(ms, 50)), 3),
        "p99_ms": round(float(np.percentile(ms, 99)), 3),
        "p999_ms": round(float(np.percentile(ms, 99.9)), 3),
        "updates": sum(stored.values()),
        "delivered": delivered,
        "conflated": skipped,
        "conflated_share": round(skipped / (skipped + delivered), 4),
    }


def measure(told: argparse.Namespace) -> dict[str, Any]:
    """One run."""
    with deployed() as stand:
        here, there = get_context("spawn").Pipe()
        arguments = (there, stand.servers.status_url, told.orders, told.rate, told.seconds)
        writer = get_context("spawn").Process(target=_write, args=arguments, daemon=True)
        writer.start()
        sink = StatusPartition(stand.servers.status_url, StatusSettings(conflate_ms=0.0))
        sink.write_batch([status_rows(told.orders)])
        sink.snapshot()
        sink.close()
        key, port, pid = stand.start_api()
        try:
            return uvloop.run(listen(stand.servers.status_url, port, key, told, here, pid))
        finally:
            writer.kill()


def main(arguments: Sequence[str]) -> None:
    """Measure, and print the figures."""
    options = parser("websocket", __doc__ or "")
    options.add_argument("--clients", type=int, default=1_000, help="WebSockets")
    options.add_argument("--orders", type=int, default=100, help="orders they follow")
    options.add_argument("--rate", type=float, default=2_000.0, help="updates a second")
    options.add_argument("--seconds", type=float, default=15.0, help="length of the measurement")
    told = options.parse_args(arguments)
    show("websocket", measure(told), as_json=told.json)


if __name__ == "__main__":
    main(sys.argv[1:])
