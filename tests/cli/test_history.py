"""`execmon history` alone: starts its store, refuses what it cannot use, ends when told."""

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

from bus.base import Outgoing
from bus.connect import open_bus
from cli.worker import environment
from domain.vocabulary import Topic
from runtime.addresses import Servers
from runtime.history_server import find_history, open_history
from runtime.servers import EmbeddedServer
from runtime.settings import load_settings
from sinks.history.migrate import migrations, status

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def bus_url():
    with EmbeddedServer("bus", durable=True) as server:
        yield server.url


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix="xm", dir="/tmp") as path:
        Path(path).chmod(0o755)
        yield Path(path) / "history"


def wait_until(condition, process, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_it_starts_and_migrates_an_embedded_store_and_keeps_its_rows(bus_url, folder):
    bar = b'{"kind":"bar","symbol":"IBM","ts":"2026-11-20T14:30:00Z","close":9.5}'
    bus = open_bus(bus_url)
    bus.set_up(dict(load_settings({}, env={}).partitions), 16)
    bus.append([Outgoing(Topic.EXECUTION_UPDATES, 0, bar)])
    env = environment(load_settings({}, env={}), Servers(bus_url, "unix:///none"))

    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "history", "--history-dir", str(folder)],
        cwd=ROOT, env=dict(env), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip

    newest = migrations()[-1].version

    def bars(url):
        with psycopg.connect(url) as connection:
            return connection.execute("SELECT symbol, close FROM market_bars").fetchall()

    wait_until(
        lambda: find_history(folder) and status(find_history(folder)).version == newest, process
    )
    wait_until(lambda: bars(find_history(folder)) == [("IBM", 9.5)], process)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)

    assert process.returncode == 143
    assert "Traceback" not in err
    assert find_history(folder) is None
    with open_history(folder=folder) as url:
        assert bars(url) == [("IBM", 9.5)]


def test_a_given_store_is_migrated_only_when_told_to(execmon_process, bus_url, empty_history_url):
    url = empty_history_url

    refused = execmon_process("history", "--bus-url", bus_url, "--history-url", url)

    assert refused.code == 5
    assert refused.err.splitlines()[-1].endswith("run `execmon db migrate`")
    assert status(url).version == 0


def test_a_bus_that_is_away_ends_it_with_4(execmon_process, folder, tmp_path):
    refused = execmon_process(
        "history", "--bus-url", f"unix://{tmp_path}/no.sock", "--history-dir", folder
    )

    assert refused.code == 4
    assert refused.err.splitlines()[-1].startswith("execmon: the bus does not answer")


def test_a_store_that_is_away_ends_it_with_4(execmon_process, bus_url):
    refused = execmon_process(
        "history", "--bus-url", bus_url, "--history-url", "postgresql:///x?host=/nowhere"
    )

    assert refused.code == 4
    assert "the history store postgresql:///x?host=/nowhere does not answer" in refused.err


def test_the_flow_alone_says_how_to_start_a_store(bus_url, folder, monkeypatch):
    from dataflows.history import addresses
    from domain.errors import ServerError

    settings = load_settings({"bus_url": bus_url, "history_dir": str(folder)}, env={})

    with pytest.raises(ServerError, match=r"no history server of yours .*`execmon history`"):
        addresses(settings)
    with open_history(folder=folder) as url:
        assert addresses(settings) == (bus_url, url)
