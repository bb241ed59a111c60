"""Whatever is set wrong: each command says so in one clear line, with the documented exit code."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
import pytest
import redis

from runtime.history_server import EmbeddedPostgres
from runtime.servers import EmbeddedServer
from sinks.history.migrate import migrate

ROOT = Path(__file__).resolve().parents[2]
LONG_RUNNING = [("worker",), ("clock",), ("history",), ("api",), ("up",)]
OF_THE_BUS = [("worker",), ("clock",), ("history",), ("dead-letters", "ls"),
              ("reference", "show", "IBM")]  # fmt: skip
OF_THE_STATUS_STORE = [("status", "A1"), ("watch", "--once")]
OF_THE_HISTORY_STORE = [("history",), ("db", "status"), ("db", "migrate"), ("keys", "ls")]
OTHERS = [("demo", "--seconds", "1"), ("config", "show"), *OF_THE_STATUS_STORE, ("keys", "ls"),
          ("db", "status"), ("dead-letters", "ls")]  # fmt: skip
NOWHERE = "127.0.0.1:1"
SECRET = "hunter2"
"""A password that is wrong, and shown nowhere."""


class Locked:
    """Servers that want the password `right`."""

    def __init__(self, bus, status, history):
        self.bus, self.status, self.history = bus, status, history
        for server in (self.bus, self.status):
            with redis.Redis.from_url(server.url) as client:
                client.config_set("requirepass", "right")
        migrate(self.history.url)
        with psycopg.connect(self.history.url, autocommit=True) as connection:
            connection.execute("CREATE ROLE desk LOGIN PASSWORD 'right'")
            [rules] = connection.execute("SHOW hba_file").fetchone()
            Path(rules).write_text(f"local all desk scram-sha-256\n{Path(rules).read_text()}")
            connection.execute("SELECT pg_reload_conf()")

    def env(self, **other):
        """Right addresses, but for those that are given."""
        return {
            "EXECMON_BUS_URL": at(self.bus, "right"),
            "EXECMON_STATUS_URL": at(self.status, "right"),
            "EXECMON_HISTORY_URL": self.history.url,
            **other,
        }


def at(server, password):
    return server.url.replace("unix://", f"unix://:{password}@")


@pytest.fixture(scope="module")
def locked():
    with tempfile.TemporaryDirectory(prefix="xm", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        with (
            EmbeddedServer("bus", durable=False) as bus,
            EmbeddedServer("status", durable=False) as status,
            EmbeddedPostgres(Path(folder) / "history") as history,
        ):
            yield Locked(bus, status, history)


@pytest.fixture
def setting(monkeypatch):
    def call(**env):
        for name, value in env.items():
            monkeypatch.setenv(name, value)

    return call


def only_line(ended):
    [line] = ended.err.splitlines()
    assert line.startswith("execmon: ")
    assert SECRET not in line
    return line


@pytest.mark.parametrize("command", [*LONG_RUNNING, *OTHERS], ids=" ".join)
def test_an_unknown_variable(execmon, setting, command):
    setting(EXECMON_BUSURL="redis://bus")

    ended = execmon(*command)

    assert ended.code == 2
    assert only_line(ended).endswith(
        "no setting is called busurl (variable EXECMON_BUSURL); did you mean bus_url?"
    )


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("EXECMON_API_PORT", "abc", "api_port: must be a valid integer"),
        ("EXECMON_EPOCH_S", "soon", "epoch_s: must be a valid number"),
        ("EXECMON_BUS_URL", "bus:6379", "bus_url: expected embedded or one of redis://"),
        ("EXECMON_LOG_FORMAT", "xml", "log_format: must be 'json' or 'console'"),
        ("EXECMON_PARTITIONS", "orders:4", "partitions: expected NAME=NUMBER"),
    ],
)
@pytest.mark.parametrize("command", LONG_RUNNING, ids=" ".join)
def test_a_value_of_the_wrong_type(execmon, setting, command, variable, value, words):
    setting(**{variable: value})

    ended = execmon(*command)

    assert ended.code == 2
    line = only_line(ended)
    assert line.startswith(f"execmon: {words}")
    assert line.endswith(f"(variable {variable})")


@pytest.mark.parametrize("command", OF_THE_BUS, ids=" ".join)
def test_a_bus_that_is_not_there(execmon, setting, locked, command):
    setting(**locked.env(EXECMON_BUS_URL=f"redis://u:{SECRET}@{NOWHERE}"))

    ended = execmon(*command)

    assert ended.code == 4
    assert only_line(ended).startswith(f"execmon: the bus does not answer: redis://{NOWHERE}: ")


@pytest.mark.parametrize("command", OF_THE_BUS, ids=" ".join)
@pytest.mark.parametrize("password", [SECRET, ""])
def test_a_wrong_password_of_the_bus(execmon, setting, locked, command, password):
    url = at(locked.bus, password) if password else locked.bus.url
    setting(**locked.env(EXECMON_BUS_URL=url))

    ended = execmon(*command)

    assert ended.code == 4
    line = only_line(ended)
    assert line.startswith(f"execmon: the bus refused: {locked.bus.url}: ")
    assert "password" in line


@pytest.mark.parametrize("command", OF_THE_STATUS_STORE, ids=" ".join)
def test_a_status_store_that_is_not_there_or_wants_another_password(
    execmon, setting, locked, command
):
    setting(**locked.env(EXECMON_STATUS_URL=f"redis://{NOWHERE}"))
    away = execmon(*command)
    setting(EXECMON_STATUS_URL=at(locked.status, SECRET))
    refused = execmon(*command)

    assert (away.code, refused.code) == (4, 4)
    assert f"the status store redis://{NOWHERE} does not answer" in only_line(away)
    assert only_line(refused).endswith("; correct EXECMON_STATUS_URL")


@pytest.mark.parametrize("command", OF_THE_HISTORY_STORE, ids=" ".join)
def test_a_history_store_that_is_not_there_or_wants_another_password(
    execmon, setting, locked, command
):
    setting(**locked.env(EXECMON_HISTORY_URL=f"postgresql://desk:{SECRET}@{NOWHERE}/x"))
    away = execmon(*command)
    setting(EXECMON_HISTORY_URL=locked.history.url.replace("execmon@", f"desk:{SECRET}@"))
    refused = execmon(*command)

    assert (away.code, refused.code) == (4, 4)
    assert f"the history store postgresql://{NOWHERE}/x does not answer" in only_line(away)
    assert 'password authentication failed for user "desk"' in only_line(refused)
    assert only_line(refused).endswith("; correct EXECMON_HISTORY_URL")


@pytest.mark.parametrize("command", ["api", "up"])
def test_a_port_that_is_taken(execmon_process, locked, command, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        more = ("--data-dir", str(tmp_path)) if command == "up" else ()

        ended = execmon_process(command, "--port", port, *more, **locked.env())

    assert ended.code == 2
    last = ended.err.splitlines()[-1]
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in last
    assert "choose another with --port or EXECMON_API_PORT" in last


@pytest.mark.parametrize(
    ("variable", "event", "words"),
    [
        ("EXECMON_HISTORY_URL", "keys_unread", "password authentication failed"),
        ("EXECMON_STATUS_URL", "feed_lost", "invalid username-password pair"),
    ],
)
def test_an_api_that_starts_without_a_server_says_once_why(
    locked, tmp_path, variable, event, words
):
    wrong = {
        "EXECMON_HISTORY_URL": locked.history.url.replace("execmon@", f"desk:{SECRET}@"),
        "EXECMON_STATUS_URL": at(locked.status, SECRET),
    }
    env = {**os.environ, **locked.env(**{variable: wrong[variable]}), "EXECMON_API_PORT": "0"}
    log = tmp_path / "log"
    with log.open("wb") as err:
        api = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "api"],
            cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=err,
        )  # fmt: skip
    until = time.monotonic() + 60
    while event not in log.read_text() or "ready" not in log.read_text():
        assert api.poll() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.05)
    api.send_signal(signal.SIGTERM)

    assert api.wait(30) == 143
    [said] = [line for line in log.read_text().splitlines() if "warning" in line]
    assert event in said
    assert words in said
