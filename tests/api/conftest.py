"""The API served for real: uvicorn on a port of its own, real servers behind it."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import redis
import uvloop
from fastapi import FastAPI

import sinks
from api.app import create_app
from api.config import ApiConfig, LimitConfig
from api.server import ApiServer, address_of, listen
from api.service import Service
from api.store import keys
from bus.connect import open_bus
from bus.redis_streams import RedisBus
from domain.columns import blank
from domain.keys import key_of
from domain.rows import STATUS, Rows
from domain.vocabulary import EventKind, OrderState, Topic
from runtime.history_server import EmbeddedPostgres
from runtime.servers import EmbeddedServer
from sinks.status import StatusPartition, StatusSettings

T0 = 1_700_000_000 * 1_000_000_000
MIGRATIONS = Path(sinks.__file__).parent / "history" / "migrations"
FAST = LimitConfig(reads_per_s=100_000.0, writes_per_s=100_000.0)


@pytest.fixture(scope="session")
def history_server() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres() as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            for file in sorted(MIGRATIONS.glob("*.sql")):
                connection.execute(file.read_bytes())
        yield server


@pytest.fixture(scope="session")
def bus_server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer("bus", durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def status_server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer("status", durable=False) as server:
        yield server


@pytest.fixture
def store(status_server: EmbeddedServer) -> Iterator[Any]:
    """An empty status store."""
    client = redis.Redis.from_url(status_server.url)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def bus(bus_server: EmbeddedServer) -> Iterator[RedisBus]:
    """An empty bus with two partitions a topic."""
    found = open_bus(bus_server.url)
    assert isinstance(found, RedisBus)
    found._client.flushall()
    found.set_up(dict.fromkeys(Topic, 2), 16)
    yield found
    found.close()


@pytest.fixture
def history(history_server: EmbeddedPostgres) -> Iterator[psycopg.Connection[Any]]:
    """An empty history store."""
    with psycopg.connect(history_server.url, autocommit=True) as connection:
        connection.execute(
            "TRUNCATE monitoring_sessions, api_keys, audit, idempotency, alerts, alert_transitions,"
            " silences, subscriptions, subscription_progress, notifications, alert_evaluations "
            "RESTART IDENTITY"
        )
        yield connection


@pytest.fixture
def own_history() -> Iterator[tuple[psycopg.Connection[Any], EmbeddedPostgres]]:
    """A history store that the test may kill."""
    with EmbeddedPostgres() as server:
        connection = psycopg.connect(server.url, autocommit=True)
        for file in sorted(MIGRATIONS.glob("*.sql")):
            connection.execute(file.read_bytes())
        yield connection, server


@pytest.fixture
def config(
    store: Any,
    bus: RedisBus,
    history: Any,
    status_server: EmbeddedServer,
    history_server: EmbeddedPostgres,
) -> ApiConfig:
    return ApiConfig(
        status_url=status_server.url,
        bus_url=bus.url,
        history_url=history_server.url,
        key_refresh_s=0.05,
        heartbeat_s=0.5,
        limits=FAST,
    )


@dataclass
class Served:
    """A running API."""

    url: str
    app: FastAPI
    client: httpx.Client

    @property
    def service(self) -> Service:
        return self.app.state.service


@contextmanager
def serving(config: ApiConfig, **more: Any) -> Iterator[Served]:
    """Serve in a thread until the block ends; raises what the start raised."""
    app = create_app(config, **more)
    listener = listen("127.0.0.1", 0)
    url = address_of(listener)
    ready = threading.Event()
    failures: list[BaseException] = []
    server = ApiServer(app, config, ready.set)

    async def run() -> None:
        async with app.router.lifespan_context(app):
            await server.serve(sockets=[listener])

    def work() -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(run())
        except BaseException as error:
            failures.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=work, name="api", daemon=True)
    thread.start()
    assert ready.wait(30)
    if failures:
        listener.close()
        raise failures[0]
    with httpx.Client(base_url=url, timeout=20) as client:
        try:
            yield Served(url, app, client)
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()
    if failures:
        raise failures[0]


@pytest.fixture(scope="session")
def serve_all() -> Callable[..., Any]:
    """`serving` for fixtures that outlive a test: `with serve_all(config) as api`."""
    return serving


@pytest.fixture
def served(config: ApiConfig) -> Iterator[Served]:
    """The API as whoever is on this machine gets it: no keys, no limits that matter."""
    with serving(config) as found:
        yield found


@pytest.fixture
def serve(config: ApiConfig) -> Callable[..., Any]:
    """Serves with other settings: `with serve(heartbeat_s=1) as api`."""

    def make(*, routers: Any = None, status_known_at: Any = None, **changes: Any) -> Any:
        more = {} if routers is None else {"routers": routers}
        return serving(replace(config, **changes), status_known_at=status_known_at, **more)

    return make


_NAMES = ("order", "root", "parent", "symbol", "desk", "broker", "algo", "trader", "currency")


def status_rows(order: str = "A", *, events: int = 1, t: float = 0.0, **values: Any) -> Rows:
    """One status row: `status_rows("A", events=3, t=1.5, desk="US")`; `t` is s after T0."""
    names: dict[int, str] = {}
    ts = T0 + round(t * 1e9)
    told = {
        "order": order, "root": order, "symbol": "IBM", "ts": ts, "known": ts, "events": events,
        "seq": events, "numbered": 1, "state": OrderState.PARTIALLY_FILLED, "side": 1,
        "kind": EventKind.ORDER_FILLED, "order_qty": 100.0, "cum_qty": 10.0, "leaves_qty": 90.0,
        "slippage_bps": 0.1 + events / 3, "fill_rate": 0.25, **values,
    }  # fmt: skip
    row = blank(STATUS, 1)
    for name, value in told.items():
        if name in _NAMES:
            names[key_of(value)] = value
        row[name] = key_of(value) if name in _NAMES else value
    if told.get("provisional"):
        row["numbered"], row["seq"] = 0, -1
    return Rows(status=row, names=names)


@pytest.fixture
def write(status_server: EmbeddedServer, store: Any) -> Iterator[Callable[..., None]]:
    """Writes statuses as the pipeline does: `write("A", events=2, desk="US")`."""
    part = StatusPartition(status_server.url, StatusSettings(conflate_ms=0, feed_length=10_000))

    def call(order: str = "A", **values: Any) -> None:
        part.write_batch([status_rows(order, **values)])
        part.snapshot()

    yield call
    with suppress(Exception):
        part.close()


@pytest.fixture
def make_key(history: psycopg.Connection[Any]) -> Callable[..., dict[str, str]]:
    """Makes an API key and gives the header that shows it."""

    def make(
        name: str, scope: str = "read", desks: list[str] | None = None, **more: Any
    ) -> dict[str, str]:
        scopes = ["read", "operate", "admin"]
        told = scopes[: scopes.index(scope) + 1]
        _, key = keys.create(history, name, told, desks, by="test", **more)
        return {"Authorization": f"Bearer {key}"}

    return make


@pytest.fixture
def eventually() -> Callable[[Callable[[], Any]], Any]:
    """Asks until the answer is true, for 20 s at most."""

    def ask(question: Callable[[], Any]) -> Any:
        until = time.monotonic() + 20
        while not (found := question()):
            assert time.monotonic() < until, "it never became true"
            time.sleep(0.02)
        return found

    return ask


@pytest.fixture
def own_status() -> Iterator[tuple[EmbeddedServer, Callable[..., None]]]:
    """A status store that the test may kill, and what writes to it."""
    with EmbeddedServer("status", durable=False) as server:
        part = StatusPartition(server.url, StatusSettings(conflate_ms=0))

        def call(order: str = "A", **values: Any) -> None:
            part.write_batch([status_rows(order, **values)])
            part.snapshot()

        yield server, call
        part.close()
