"""The bus alone: what it takes and gives a second, and how long a message is on its way.

Columns (500 events as an Arrow stream), arrays (50 events as JSON) and single events go
through Redis Streams and through Pulsar, each server by itself on this machine. Throughput is
one writer that waits for each call's receipt, and then one reader by name that reads it all.
Latency is an open loop: every 5 ms what is due is handed over in one process, each partition
to a thread that writes all it has in one call and waits for the receipts, and read in another;
an event counts from when it was due to when the reader has it. Nothing counts before both sides
agree on every event. Writer and reader keep the collector off what their libraries left in
memory: a look through it would stop them for 0.1 s, and they stand for other programs.
"""

import argparse
import gc
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Self, cast

import numpy as np
import pyarrow as pa

from benchmarks.report import note, parser, show
from bus.base import Bus, Outgoing, Place
from bus.connect import open_bus
from domain.errors import ServerError
from domain.topics import ARROW_TYPE, JSON_TYPE
from domain.vocabulary import Topic
from runtime.pulsar_server import PulsarServer
from runtime.servers import EmbeddedServer
from runtime.settings import Settings, load_settings

PARTITIONS = 4
SLICE_S = 0.005
WARM_S = 2.0
"""Events at the beginning that are not timed: connections and compilers settle."""
AT_ONCE = 100
"""Messages handed to the bus in one call where throughput is measured."""
_GIVE_UP_S = 60.0
EVENT = (
    b'{"type":"quote","symbol":"IBM","bid":225.01,"ask":225.03,"bid_size":300,"ask_size":500,'
    b'"ts_event":"2026-11-20T14:30:02.499000000Z"}'
)


def columns(events: int) -> bytes:
    """So many quotes as an Arrow stream."""
    names = ("bid", "ask", "bid_size", "ask_size")
    arrays = {
        "type": pa.array(["quote"] * events).dictionary_encode(),
        "symbol": pa.array(["IBM"] * events).dictionary_encode(),
        **{name: pa.array(np.full(events, 225.01)) for name in names},
        "ts_event": pa.array(np.full(events, 1_795_000_000_000_000_000)),
    }
    table = pa.table(arrays)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def array(events: int) -> bytes:
    """So many quotes as one JSON array."""
    return b"[" + b",".join([EVENT] * events) + b"]"


@dataclass(frozen=True, slots=True)
class Shape:
    """How events travel."""

    name: str
    most: int
    """Events in one message."""
    content_type: str
    body: Callable[[int], bytes]


SHAPES = (
    Shape("columns", 500, ARROW_TYPE, columns),
    Shape("arrays", 50, JSON_TYPE, array),
    Shape("single", 1, JSON_TYPE, lambda _: EVENT),
)


@dataclass(frozen=True, slots=True)
class Server:
    """Where a bus is, in a form that another process can be given."""

    url: str
    admin_url: str = ""

    def settings(self) -> Settings:
        """As the product would be told."""
        return load_settings({"bus_url": self.url, "pulsar_admin_url": self.admin_url}, env={})

    def open(self) -> Bus:
        """A bus with its layout."""
        bus = open_bus(self.url, self.settings())
        bus.set_up(dict.fromkeys(Topic, PARTITIONS), 16)
        return bus


@contextmanager
def servers() -> Generator[dict[str, Server]]:
    """Both servers; Pulsar only where Java and Maven are."""
    with EmbeddedServer("bus", durable=True) as redis:
        found = {"redis": Server(redis.url)}
        try:
            with PulsarServer() as pulsar:
                yield found | {"pulsar": Server(f"{pulsar.url}/public/bench", pulsar.admin_url)}
        except ServerError as error:
            note(str(error))
            yield found


def places() -> list[Place]:
    """Partitions that are written to in turn."""
    return [(Topic.MARKET_DATA, partition) for partition in range(PARTITIONS)]


def throughput(server: Server, shape: Shape, events: int) -> dict[str, float]:
    """Events a second written, and read by name."""
    bus = server.open()
    before = {place: bus.end(place) for place in places()}
    count = max(events // shape.most, AT_ONCE)
    body = shape.body(shape.most)
    messages = [Outgoing(*places()[n % PARTITIONS], body, shape.content_type) for n in range(count)]
    began = time.perf_counter()
    for first in range(0, count, AT_ONCE):
        bus.append(messages[first : first + AT_ONCE])
    written_s = time.perf_counter() - began
    reader = bus.reader("bench-throughput")
    after = dict(before)
    # A durable reader is admitted before its first message is timed.
    reader.read(after, 1, 1)
    began = time.perf_counter()
    left = count
    while left > 0:
        left -= sum(map(len, _next(reader, after).values()))
    read_s = time.perf_counter() - began
    reader.close()
    bus.close()
    if left:
        raise SystemExit(f"{-left} messages too many were read")
    total = count * shape.most
    return {"write_per_s": total / written_s, "read_per_s": total / read_s}


def _next(reader: Any, after: dict[Place, str]) -> Mapping[Place, Any]:
    found = reader.read(after, 1_000, 1_000)
    for place, messages in found.items():
        after[place] = messages[-1].position
    return found


def receive(server: Server, shape: str, expected: int, pipe: Connection) -> None:
    """Read until so many events came; send back when each of them was there, and was due."""
    gc.freeze()
    bus = server.open()
    after = {place: bus.end(place) for place in places()}
    reader = bus.reader(f"bench-{shape}")
    reader.read(after, 1, 100)
    pipe.send(True)
    due: list[tuple[int, int, int]] = []
    seen = 0
    until = time.monotonic() + _GIVE_UP_S
    while seen < expected and time.monotonic() < until:
        found = reader.read(after, 1_000, 20)
        now = time.time_ns()
        for place, messages in found.items():
            after[place] = messages[-1].position
            for message in messages:
                events = int(message.meta["events"])
                due.append((now, int(message.meta["due"]), events))
                seen += events
            until = time.monotonic() + _GIVE_UP_S
    pipe.send(due)
    reader.close()
    bus.close()


def latency(server: Server, shape: Shape, per_s: float, seconds: float) -> dict[str, float]:
    """Milliseconds from when an event was due to when the reader had it."""
    context = get_context("spawn")
    mine, theirs = context.Pipe()
    each = max(round(per_s * SLICE_S), 1)
    slices = round((seconds + WARM_S) / SLICE_S)
    reader = context.Process(target=receive, args=(server, shape.name, each * slices, theirs))
    reader.start()
    mine.recv()
    gc.freeze()
    bus = server.open()
    bodies = {n: shape.body(n) for n in {min(shape.most, each), each % shape.most} if n}
    began_ns = time.time_ns() + 100_000_000
    late_ms: list[float] = []
    with ExitStack() as stack:
        writers = {place: stack.enter_context(Writer(bus)) for place in places()}
        for number in range(slices):
            due_ns = began_ns + round(number * SLICE_S * 1e9)
            time.sleep(max(due_ns - time.time_ns(), 0) / 1e9)
            late_ms.append((time.time_ns() - due_ns) / 1e6)
            for place, messages in _slice(shape, bodies, each, number, due_ns).items():
                writers[place].due(messages)
    found = cast(list[tuple[int, int, int]], mine.recv())
    reader.join()
    bus.close()
    if sum(events for *_, events in found) != each * slices:
        raise SystemExit(f"{shape.name}: not every event was read")
    timed = [entry for entry in found if entry[1] >= began_ns + WARM_S * 1e9]
    ms = np.repeat([(now - due) / 1e6 for now, due, _ in timed], [n for *_, n in timed])
    p50, p99, p999 = (float(np.percentile(ms, p)) for p in (50, 99, 99.9))
    return {"p50_ms": p50, "p99_ms": p99, "p999_ms": p999,
            "writer_late_p99_ms": float(np.percentile(late_ms, 99))}  # fmt: skip


class Writer:
    """Writes to one partition, in order, from a thread of its own."""

    def __init__(self, bus: Bus) -> None:
        self._append = bus.append
        self._due: deque[Outgoing] = deque()
        self._thread = ThreadPoolExecutor(1)
        self._calls: list[Future[None]] = []

    def due(self, messages: list[Outgoing]) -> None:
        """Have messages written; those of an earlier call that wait still go with them."""
        self._due.extend(messages)
        self._calls.append(self._thread.submit(self._write))

    def _write(self) -> None:
        if messages := [self._due.popleft() for _ in range(len(self._due))]:
            self._append(messages)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._thread.shutdown()
        for call in self._calls:
            call.result()


def _slice(
    shape: Shape, bodies: Mapping[int, bytes], each: int, number: int, due_ns: int
) -> dict[Place, list[Outgoing]]:
    sizes = [shape.most] * (each // shape.most)
    if each % shape.most:
        sizes.append(each % shape.most)
    found: dict[Place, list[Outgoing]] = {}
    for n, size in enumerate(sizes):
        place = places()[(number + n) % PARTITIONS]
        meta = {"due": str(due_ns), "events": str(size)}
        found.setdefault(place, []).append(Outgoing(*place, bodies[size], shape.content_type, meta))
    return found


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Every figure, by server and shape."""
    figures: dict[str, Any] = {}
    with servers() as found:
        for name, server in found.items():
            for shape in SHAPES:
                events = options.events if shape.most > 1 else options.events // 10
                rates = [throughput(server, shape, events) for _ in range(options.repeat)]
                for key in rates[0]:
                    middle = float(np.median([rate[key] for rate in rates]))
                    figures[f"{name}_{shape.name}_{key}"] = round(middle)
                for key, ms in latency(server, shape, options.rate, options.seconds).items():
                    figures[f"{name}_{shape.name}_{key}"] = round(ms, 2)
                note(f"{name} {shape.name} done")
    return figures


def main(arguments: list[str]) -> None:
    """Measure and print."""
    out = parser("bus", __doc__ or "")
    out.add_argument("--rate", type=float, default=10_000.0, help="events a second, latency")
    out.add_argument("--seconds", type=float, default=10.0, help="length of each latency run")
    out.add_argument("--events", type=int, default=1_000_000, help="events of a throughput run")
    options = out.parse_args(arguments)
    show("bus", measured(options), as_json=options.json)


if __name__ == "__main__":
    main(sys.argv[1:])
