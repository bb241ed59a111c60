import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.server import listen
from bus.connect import open_bus
from domain.vocabulary import Topic
from runtime.history_server import EmbeddedPostgres
from runtime.servers import EmbeddedServer

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def addresses() -> Iterator[dict[str, str]]:
    with (
        EmbeddedServer("bus", durable=False) as bus,
        EmbeddedServer("status", durable=False) as status,
        EmbeddedPostgres() as history,
    ):
        opened = open_bus(bus.url)
        opened.set_up(dict.fromkeys(Topic, 2), 16)
        opened.close()
        yield {
            "EXECMON_BUS_URL": bus.url,
            "EXECMON_STATUS_URL": status.url,
            "EXECMON_HISTORY_URL": history.url,
        }


@contextmanager
def running(env: dict[str, str], *more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "api", "--port", "0", *more],
        cwd=ROOT,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        yield process, process.stdout.readline().strip()
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_it_prints_its_address_answers_and_leaves_when_told(
    number: int, code: int, addresses: dict[str, str], execmon: Any, monkeypatch: Any
):
    for name, value in addresses.items():
        monkeypatch.setenv(name, value)
    assert execmon("db", "migrate", "--json").code == 0
    with running({**addresses, "EXECMON_LOG_FORMAT": "json"}) as (process, url):
        ready = httpx.get(f"{url}/readyz")
        assert ready.json()["state"] == "ready"
        assert httpx.get(f"{url}/version").json()["version"] != "unknown"

        process.send_signal(number)

        assert process.wait(20) == code
        assert process.stderr
        said = process.stderr.read()
        assert f'"address": "{url}"' in said
        assert "Traceback" not in said


def test_it_refuses_a_network_until_there_is_a_key(
    addresses: dict[str, str], execmon: Any, monkeypatch: Any
):
    for name, value in addresses.items():
        monkeypatch.setenv(name, value)
    assert execmon("db", "migrate", "--json").code == 0
    refused = execmon("api", "--host", "0.0.0.0", "--port", "0")
    assert refused.code == 2
    assert "refuses to start unauthenticated on 0.0.0.0" in refused.err

    made = execmon("keys", "create", "desk", "--scope", "operate", "--desk", "US", "--json").json
    header = {"X-Api-Key": made["key"]}
    with running(addresses, "--host", "0.0.0.0") as (_, url):
        order = f"{url}/api/v1/monitoring/A/status"
        assert httpx.get(order).status_code == 401
        assert httpx.get(order, headers=header).status_code == 404
    [key] = execmon("keys", "ls", "--json").json["keys"]
    assert (key["name"], key["scope"], key["desks"]) == ("desk", "operate", ["US"])
    assert (key["key_id"], key["state"]) == (made["key_id"], "holds")
    assert made["key"] not in execmon("keys", "ls").out

    assert execmon("keys", "revoke", "desk", "--json").json == {"revoked": [made["key_id"]]}
    assert execmon("keys", "revoke", "desk").code == 3
    assert "was revoked on" in execmon("keys", "ls", "--json").json["keys"][0]["state"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("keys", "create", "a", "--scope", "root"), "--scope must be one of read, operate, admin"),
        (("keys", "create", "a\nb"), "1–100 printable characters"),
        (("keys", "ls", "--history-url", "mysql://x"), "history_url: expected embedded or one of"),
    ],
)
def test_a_wrong_command_line_is_one_clear_line(arguments: Any, words: str, execmon: Any):
    ended = execmon(*arguments)

    assert ended.code == 2
    assert words in ended.err
    assert len(ended.err.splitlines()) == 1


def test_a_taken_port_is_one_clear_line(addresses: dict[str, str], execmon: Any, monkeypatch: Any):
    for name, value in addresses.items():
        monkeypatch.setenv(name, value)
    with listen("127.0.0.1", 0) as taken:
        ended = execmon("api", "--port", taken.getsockname()[1])

    assert ended.code == 2
    assert "Address already in use; choose another with --port" in ended.err


def test_a_history_store_that_is_not_there_is_one_clear_line(execmon: Any):
    ended = execmon("keys", "ls", "--history-url", "postgresql://nobody@/x?host=/nowhere")

    assert ended.code == 4
    assert "does not answer" in ended.err
