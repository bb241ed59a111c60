"""Statuses into the history store: the upsert, new and replayed, beside plain COPY.

The rows are whole statuses of some 4 kB as the bus carries them; a row is one status, which
also brings its order up to date. Everything runs against an embedded server on the same
machine, a commit a batch. Before anything is timed the stored bodies are compared with the
published ones, byte for byte.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import quantiles
from typing import Any

import numpy as np
import psycopg

from benchmarks.report import note, parser, show
from bus.base import Stored
from bus.connect import open_bus
from domain.columns import blank
from domain.keys import key_of
from domain.reasons import Reason
from domain.rows import STATUS, STATUS_METRICS, Rows, Venues
from domain.topics import JSON_TYPE
from domain.vocabulary import EventKind, OrderState, Topic
from runtime.history_server import EmbeddedPostgres
from runtime.servers import EmbeddedServer
from runtime.settings import load_settings
from sinks.history.columns import HEADER, TRAILER
from sinks.history.connection import connect, run
from sinks.history.migrate import migrate
from sinks.history.sink import HistorySink, Update, decode
from sinks.history.tables import STATUSES
from sinks.history.writer import HistoryClient, Origin, Packed, Sourced, pack
from sinks.updates import updates_of

NS = 1_700_000_000_000_000_000
ORDERS = 2_000
PARTITIONS = 4
"""Of the bus; an order's statuses are all in one."""
EVENTS = 500
"""Events in one message, as the monitor writes them."""
_TEXTS = {"symbol": "IBM", "desk": "DESK", "broker": "BRK1", "algo": "VWAP", "strategy": "INDEX",
          "trader": "t01", "client": "PENSION-7", "currency": "USD"}  # fmt: skip


def messages(rows: int, version: str = "v1", seed: int = 0) -> list[bytes]:
    """Statuses of 2,000 orders as messages of the bus; another version has other bodies."""
    rng = np.random.default_rng(seed)
    names = {key_of(name): name for name in (*_TEXTS.values(), "XNYS", "ARCX")}
    names |= {key_of(f"ORDER-{n:06d}"): f"ORDER-{n:06d}" for n in range(ORDERS)}
    status = blank(STATUS, rows)
    at = np.arange(rows)
    keys = np.array([key_of(f"ORDER-{n:06d}") for n in range(ORDERS)], "u8")
    status["order"] = status["root"] = keys[at % ORDERS]
    for column, name in _TEXTS.items():
        status[column] = key_of(name)
    status["seq"] = status["events"] = at // ORDERS + 1
    status["ts"] = status["known"] = NS + at * 1_000_123
    status["arrival_ts"] = NS
    status["kind"], status["state"] = EventKind.ORDER_FILLED, OrderState.PARTIALLY_FILLED
    status["side"], status["numbered"] = 1, 1
    for name in ("order_qty", "cum_qty", "leaves_qty", "avg_px", "last_qty", "last_px"):
        status[name] = rng.uniform(1, 1000, rows)
    for number, name in enumerate(STATUS_METRICS):
        status[name] = rng.normal(0, 50, rows) if number % 3 else np.nan
        status["reasons"][:, number] = 0 if number % 3 else Reason.NO_REFERENCE
    venues = Venues(
        np.arange(rows + 1) * 2,
        np.tile(np.array([key_of("XNYS"), key_of("ARCX")], "u8"), rows),
        rng.uniform(1, 100, 2 * rows),
    )
    events = list(updates_of(Rows(status, venues, names=names), NS, version))
    each = [events[number::PARTITIONS] for number in range(PARTITIONS)]
    parts = (own[i : i + EVENTS] for i in range(0, rows // PARTITIONS, EVENTS) for own in each)
    return [b"[" + b",".join(part) + b"]" for part in parts]


def decoded(bodies: Sequence[bytes]) -> list[Update]:
    """The messages as the flow hands them to the sink."""
    stored = (Stored(f"{n}-0", NS, body, JSON_TYPE, {}) for n, body in enumerate(bodies))
    return [decode(0, message)[0] for message in stored]


def batches(updates: Sequence[Update], size: int) -> list[list[Sourced]]:
    """Rows of `size` statuses each, with their orders'."""
    origin = Origin(0, "0-0", b"", NS)
    rows = [Sourced(row, origin) for update in updates for row in update.rows]
    per_status = len(rows) // sum(1 for r in rows if r.row.table is STATUSES)
    step = size * per_status
    return [rows[i : i + step] for i in range(0, len(rows), step)]


def refuse(sourced: Sourced, words: str) -> None:
    """Nothing may be refused here."""
    raise AssertionError(f"{sourced.row.table.name}: {words}")


@contextmanager
def client(url: str) -> Iterator[HistoryClient]:
    """A writer of its own connection."""
    found = HistoryClient(url, refuse)
    yield found
    found.close()


def empty(url: str) -> None:
    """Begin with empty tables."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE execution_monitoring_ts, orders")
        connection.execute("CHECKPOINT")


def upserted_s(url: str, parts: Sequence[Sequence[Sourced]]) -> list[float]:
    """Seconds of each batch, from rows to committed."""
    found: list[float] = []
    with client(url) as writer:
        writer.send(Packed((), ()))
        for part in parts:
            began = time.perf_counter()
            writer.send(pack(part))
            found.append(time.perf_counter() - began)
    return found


def copied_s(url: str, parts: Sequence[Sequence[Sourced]]) -> float:
    """Seconds of plain COPY of the same statuses into an empty table of the same shape."""
    took = 0.0
    with connect(url) as connection:
        run(connection, "DROP TABLE IF EXISTS plain_copy")
        run(connection, "CREATE TABLE plain_copy (LIKE execution_monitoring_ts INCLUDING ALL)")
        statement: Any = STATUSES.copy.replace("new_execution_monitoring_ts", "plain_copy")
        for part in parts:
            began = time.perf_counter()
            rows = [STATUSES.encode(s.row.values) for s in part if s.row.table is STATUSES]
            with connection.cursor() as cursor, cursor.copy(statement) as copy:
                copy.write(b"".join([HEADER, *rows, TRAILER]))
            took += time.perf_counter() - began
        run(connection, "DROP TABLE plain_copy")
    return took


def sink_s(url: str, bus_url: str, bodies: Sequence[bytes]) -> float:
    """Seconds through the whole sink: decoded here, written on the sink's threads, durable."""
    bus = open_bus(bus_url)
    sink = HistorySink(url, bus, load_settings({}, env={}).history_writers)
    writers = [sink.build_part("history", name, None) for name in sink.list_parts()]
    began = time.perf_counter()
    for number, body in enumerate(bodies):
        writers[number % PARTITIONS % len(writers)].write_batch(decoded([body]))
    for writer in writers:
        writer.snapshot()
    took = time.perf_counter() - began
    for writer in writers:
        writer.close()
    bus.close()
    return took


def check(url: str, bodies: Sequence[bytes]) -> None:
    """Every published status is stored, once, byte for byte."""
    empty(url)
    upserted_s(url, batches(decoded(bodies), 1_000))
    published = {
        values[-1].decode()
        for update in decoded(bodies)
        for values in [row.values for row in update.rows if row.table is STATUSES]
    }
    with psycopg.connect(url) as connection:
        stored = connection.execute("SELECT body::text FROM execution_monitoring_ts").fetchall()
    if len(stored) != len(published) or {text for (text,) in stored} != published:
        raise SystemExit("the stored bodies are not the published ones: nothing was timed")


def figures(rows: int, repeat: int) -> dict[str, Any]:
    """Every figure, the best of some repetitions of each."""
    bodies, other = messages(rows), messages(rows, version="v2")
    new, changed = decoded(bodies), decoded(other)
    found: dict[str, Any] = {"rows": rows, "body_bytes": sum(map(len, bodies)) // rows}
    seconds: dict[str, list[float]] = {}
    with EmbeddedPostgres() as store, EmbeddedServer("bus", durable=True) as bus_server:
        url = store.url
        migrate(url)
        bus = open_bus(bus_server.url)
        bus.set_up(dict.fromkeys(Topic, 1), 16)
        bus.close()
        check(url, bodies[: max(1, 2_000 // EVENTS)])
        latencies: list[float] = []
        for _ in range(repeat):
            for size in (1_000, 10_000):
                empty(url)
                fresh = upserted_s(url, batches(new, size))
                if size == 1_000:
                    latencies += fresh
                seconds.setdefault(f"rows_per_s_{size}", []).append(sum(fresh))
                again = sum(upserted_s(url, batches(changed, size)))
                seconds.setdefault(f"rows_per_s_{size}_conflicting", []).append(again)
            same = sum(upserted_s(url, batches(changed, 10_000)))
            seconds.setdefault("rows_per_s_10000_replayed", []).append(same)
            copied = copied_s(url, batches(new, 10_000))
            seconds.setdefault("copy_rows_per_s", []).append(copied)
            empty(url)
            sunk = sink_s(url, bus_server.url, bodies)
            seconds.setdefault("rows_per_s", []).append(sunk)
            replayed = sink_s(url, bus_server.url, bodies)
            seconds.setdefault("rows_per_s_sink_replayed", []).append(replayed)
    found |= {name: rows / min(took) for name, took in seconds.items()}
    found["ratio_to_copy"] = found["rows_per_s_10000"] / found["copy_rows_per_s"]
    cuts = quantiles(latencies, n=100, method="inclusive")
    return found | {"p50_ms": cuts[49] * 1e3, "p99_ms": cuts[98] * 1e3}


def main(arguments: Sequence[str]) -> int:
    """Measure and print."""
    options = _parser().parse_args(arguments)
    note("writing statuses of 2,000 orders to an embedded PostgreSQL")
    show("history", figures(options.rows, options.repeat), as_json=options.json)
    return 0


def _parser() -> argparse.ArgumentParser:
    found = parser("history", "Statuses into the history store, beside plain COPY.")
    found.add_argument("--rows", type=int, default=40_000, help="statuses; a multiple of 10,000")
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
