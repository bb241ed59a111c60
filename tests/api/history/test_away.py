"""What is answered while a server is away: what was asked for says which, the rest goes on."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from api.config import ApiConfig
from runtime.history_server import EmbeddedPostgres
from tests import history_data as data
from tests.history_store import fresh_database

NEED_HISTORY = (
    "/api/v1/orders",
    "/api/v1/orders/A2",
    "/api/v1/orders/A2/history",
    "/api/v1/orders/A2/timeline",
    "/api/v1/orders/A2/fills",
    "/api/v1/orders/A2/restatements",
    "/api/v1/orders/A2/metrics",
    "/api/v1/monitoring/A2/analytics",
    "/api/v1/rollups?by=venue",
)
LIVE = ("/api/v1/monitoring/A2/status", "/api/v1/orders?sort=attention")


@pytest.fixture(scope="module")
def not_configured(config: ApiConfig, serve_all: Callable[..., Any]) -> Iterator[Any]:
    with serve_all(replace(config, history_url="", bus_url="")) as served:
        yield served.client


@pytest.mark.parametrize("path", NEED_HISTORY)
def test_what_needs_history_says_that_it_is_away_and_when_to_ask_again(not_configured, path):
    answer = not_configured.get(path)

    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["dependency"] == "history store"
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize("path", LIVE)
def test_what_is_live_goes_on_without_history(not_configured, path):
    assert not_configured.get(path).status_code == 200


def test_dead_letters_say_that_the_bus_is_away(not_configured):
    for path in ("/api/v1/dead-letters", "/api/v1/dead-letters/0/1-0"):
        answer = not_configured.get(path)
        assert answer.status_code == 503
        assert answer.json()["dependency"] == "bus"


def test_history_that_is_stopped_is_missed_at_once_and_back_when_it_is(
    config: ApiConfig, serve_all: Callable[..., Any], example_rows: Any
) -> None:
    with EmbeddedPostgres() as server:
        url = fresh_database(server.url, "stopped")
        data.store_history(example_rows, url)
        with serve_all(replace(config, history_url=url)) as served:
            client = served.client
            assert client.get("/api/v1/orders").status_code == 200

            server.kill()
            for path in NEED_HISTORY[2:4]:
                answer = client.get(path)
                assert answer.status_code == 503, (path, answer.text)
                assert answer.json()["dependency"] == "history store"
            for path in LIVE:
                assert client.get(path).status_code == 200

            server.restart()
            answers = (client.get("/api/v1/orders").status_code for _ in range(200))
            assert any(status == 200 for status in answers)


def test_an_order_that_history_does_not_have_yet_is_answered_from_its_status(
    config: ApiConfig,
    serve_all: Callable[..., Any],
    history_server: EmbeddedPostgres,
    ready: Callable[[Any], None],
) -> None:
    url = fresh_database(history_server.url, "behind")
    with serve_all(replace(config, history_url=url)) as served:
        ready(served.client)
        found = served.client.get("/api/v1/orders/A2").json()
        assert (found["order_id"], found["is_open"]) == ("A2", True)
        for part in ("history", "timeline", "fills", "restatements"):
            answer = served.client.get(f"/api/v1/orders/A2/{part}")
            assert (answer.status_code, answer.json()["items"]) == (200, [])
        assert served.client.get("/api/v1/orders/A2/metrics").status_code == 200
        assert served.client.get("/api/v1/monitoring/A2/analytics").status_code == 200
        assert served.client.get("/api/v1/orders/nobody/fills").status_code == 404
