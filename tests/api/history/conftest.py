"""The API over a store of history that holds two desks' orders, real servers behind it."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import psycopg
import pytest

from api.config import ApiConfig, LimitConfig
from api.store import keys
from bus.connect import open_bus
from bus.redis_streams import RedisBus
from domain.rows import Rows
from domain.vocabulary import Topic
from runtime.history_server import EmbeddedPostgres
from runtime.servers import EmbeddedServer
from tests import alert_data as alerts
from tests import evaluation_data as evaluations
from tests import history_data as data
from tests.history_store import fresh_database

FAST = LimitConfig(reads_per_s=1e6, writes_per_s=1e6)


@pytest.fixture(scope="session")
def example_rows(tmp_path_factory: pytest.TempPathFactory) -> list[Rows]:
    return data.monitored(data.example_events(), tmp_path_factory.mktemp("example"))


@pytest.fixture(scope="session")
def live_server(example_rows: list[Rows]) -> Iterator[EmbeddedServer]:
    """A status store with the newest status of every order; nobody empties it."""
    with EmbeddedServer("status", durable=False) as server:
        data.store_live(example_rows, server.url)
        alerts.store_live_alerts(server.url, alerts.example_alerts())
        yield server


@pytest.fixture(scope="session")
def letters_server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer("bus", durable=False) as server:
        yield server


@pytest.fixture
def letters_bus(letters_server: EmbeddedServer) -> Iterator[RedisBus]:
    """An empty bus with two partitions a topic, the one behind the API."""
    found = open_bus(letters_server.url)
    assert isinstance(found, RedisBus)
    found._client.flushall()
    found.set_up(dict.fromkeys(Topic, 2), 16)
    yield found
    found.close()


@pytest.fixture(scope="session")
def config(
    history_server: EmbeddedPostgres,
    example_rows: list[Rows],
    live_server: EmbeddedServer,
    letters_server: EmbeddedServer,
) -> ApiConfig:
    url = fresh_database(history_server.url, "example")
    data.store_history(example_rows, url)
    alerts.store_alerts(url, alerts.example_alerts())
    evaluations.store_evaluations(url, evaluations.example_evaluations())
    return ApiConfig(
        status_url=live_server.url, bus_url=letters_server.url, history_url=url, limits=FAST,
        action_wait_s=0.05,
    )  # fmt: skip


# An API logs to stdout, so it must not outlive the module: other tests read theirs.
@pytest.fixture(scope="module")
def api(config: ApiConfig, serve_all: Callable[..., Any]) -> Iterator[httpx.Client]:
    """Whoever is on this machine: no keys."""
    with serve_all(config) as served:
        wait_until_ready(served.client)
        yield served.client


def wait_until_ready(client: httpx.Client) -> None:
    """Until the keys are read and history answers, for 20 s at most."""
    until = time.monotonic() + 20
    while client.get("/api/v1/orders").status_code == 503:
        assert time.monotonic() < until, "the API does not find its history"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def ready() -> Callable[[httpx.Client], None]:
    """`wait_until_ready` for APIs that a test serves itself."""
    return wait_until_ready


@dataclass
class Callers:
    """The same API with keys."""

    client: httpx.Client
    keys: dict[str, str]
    history_url: str

    def get(self, who: str, path: str, **more: Any) -> Any:
        return self.client.get(path, headers={"X-Api-Key": self.keys[who]}, **more)

    def post(self, who: str, path: str, **more: Any) -> Any:
        headers = {"X-Api-Key": self.keys[who], **more.pop("headers", {})}
        return self.client.post(path, headers=headers, **more)


WHO: dict[str, tuple[list[str], list[str] | None]] = {
    "admin": (["read", "operate", "admin"], None),
    "everyone": (["read", "operate"], None),
    "reader": (["read"], None),
    "us": (["read", "operate"], [data.US]),
    "us admin": (["read", "operate", "admin"], [data.US]),
    "eu": (["read"], [data.EU]),
    "none": (["read"], ["-"]),
    "nothing": (["read"], ["another desk"]),
}


@pytest.fixture(scope="session")
def keys_made(
    history_server: EmbeddedPostgres, example_rows: list[Rows]
) -> tuple[str, dict[str, str]]:
    """(a store of history with keys in it, the key of each caller)."""
    url = fresh_database(history_server.url, "keyed")
    data.store_history(example_rows, url)
    alerts.store_alerts(url, alerts.example_alerts())
    evaluations.store_evaluations(url, evaluations.example_evaluations())
    alerts.set_example_silences(url)
    with psycopg.connect(url, autocommit=True) as connection:
        made = {
            who: keys.create(connection, who, scopes, desks, by="test")[1]
            for who, (scopes, desks) in WHO.items()
        }
    return url, made


@pytest.fixture(scope="module")
def keyed(
    config: ApiConfig, keys_made: tuple[str, dict[str, str]], serve_all: Callable[..., Any]
) -> Iterator[Callers]:
    """Callers of different desks."""
    url, made = keys_made
    with serve_all(replace(config, history_url=url)) as served:
        wait_until_ready(served.client)
        yield Callers(served.client, made, url)
