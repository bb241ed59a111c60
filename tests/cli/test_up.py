"""A deployment as its operator runs it: real processes, killed and stopped."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 240


class Up:
    """A running `execmon up`."""

    def __init__(self, folder: Path, environment: dict[str, str], *arguments: str) -> None:
        self.folder = folder
        self.environment = environment
        self.logs: list[dict[str, Any]] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "up", "--data-dir", str(folder), *arguments],
            cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.logs.append(json.loads(line) if line.startswith("{") else {"event": line.strip()})

    def events(self) -> list[str]:
        return [log["event"] for log in self.logs]

    def wait_for(self, what: Callable[[], object], seconds: float = PATIENCE_S) -> Any:
        until = time.monotonic() + seconds
        while not (found := what()):
            assert self.process.poll() is None, self.logs[-20:]
            assert time.monotonic() < until, self.logs[-20:]
            assert "crash_loop" not in self.events(), self.logs[-20:]
            time.sleep(0.05)
        return found

    def state(self) -> dict[str, Any]:
        done = self.execmon("up", "--status", "--json")
        return json.loads(done.stdout) if done.returncode in {0, 1} else {}

    def execmon(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "cli.main", *arguments], cwd=ROOT, text=True,
            env={**self.environment, "EXECMON_DATA_DIR": str(self.folder)},
            capture_output=True, check=False, timeout=60,
        )  # fmt: skip

    def unit(self, name: str) -> dict[str, Any]:
        units = json.loads((self.folder / "up.json").read_bytes())["units"]
        [found] = [unit for unit in units if unit["name"] == name]
        return found

    def wait_until_ready(self, more_than: int = 0) -> None:
        self.wait_for(lambda: self.events().count("deployment_ready") > more_than)

    def kill_and_wait(self, name: str) -> None:
        """Kill a unit's last process and wait until it is back."""
        before = self.unit(name)
        psutil.Process(before["pids"][-1]).kill()
        self.wait_for(lambda: self.unit(name)["restarts"] > before["restarts"])
        self.wait_for(lambda: self.unit(name)["state"] == "ready")

    def end(self, signum: int) -> int:
        self.process.send_signal(signum)
        code = self.process.wait(60)
        self._reader.join(10)
        return code


def descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def all_gone(processes: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=15)
    return not [p for p in alive if p.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture
def home():
    """A folder that PostgreSQL's user can reach, also where the tests run as root."""
    path = Path(tempfile.mkdtemp(prefix="xm", dir="/tmp"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def environment(home):
    """Sockets in the test's own folder, so that only its servers are found."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("EXECMON_")}
    return {**kept, "XDG_RUNTIME_DIR": str(home), "TMPDIR": str(home),
            "EXECMON_LOG_FORMAT": "json"}  # fmt: skip


@pytest.fixture
def folder(home):
    return home / "data"


@pytest.fixture
def start(environment, folder):
    started: list[Up] = []

    def up(*arguments: str, folder: Path = folder) -> Up:
        started.append(Up(folder, environment, *arguments))
        return started[-1]

    yield up
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.wait()


def test_a_deployment_starts_in_order_and_brings_back_whatever_is_killed(start):
    up = start("--workers", "2")
    up.wait_until_ready()
    order = [log["unit"] for log in up.logs if log["event"] == "unit_ready"]
    assert order.index("bus") < order.index("topics") < order.index("worker")
    assert {"worker-0", "worker-1", "clock", "up"} <= {log.get("process") for log in up.logs}
    assert len(up.unit("worker")["pids"]) == 2
    bus_url = up.state()["addresses"]["bus"]

    for name in ("worker", "clock", "bus", "status", "postgres", "history", "notify"):
        up.kill_and_wait(name)

    up.wait_for(lambda: up.state().get("ready"))
    assert up.state()["addresses"]["bus"] == bus_url
    assert up.execmon("watch", "--once", "--json").returncode == 0
    shown = up.execmon("up", "--status")
    assert shown.returncode == 0
    assert "restarted 1×" in shown.stdout
    children = descendants(up.process)
    assert len(children) >= 5
    assert up.end(signal.SIGTERM) == 143
    assert all_gone(children)
    assert up.execmon("up", "--status").returncode == 4


def test_a_folder_has_one_deployment_and_keeps_its_data(start, folder):
    first = start()
    first.wait_until_ready()
    refused = first.execmon("up")
    other = start(folder=folder.with_name("other"))
    other.wait_until_ready()

    assert refused.returncode == 4
    assert f"(process {first.process.pid}); stop that one" in refused.stderr
    assert first.end(signal.SIGINT) == 130
    assert other.state()["ready"]
    again = start()
    again.wait_until_ready()
    assert (folder / "bus").is_dir()
    assert list((folder / "recovery").glob("*.sqlite3"))
    assert not [log for log in again.logs if log.get("level") == "error"]


def test_nothing_is_left_after_kill_9(start):
    up = start()
    up.wait_for(lambda: len(descendants(up.process)) >= 3)
    children = descendants(up.process)

    up.end(signal.SIGKILL)

    assert all_gone(children)
    assert up.state() == {}
    again = start()
    again.wait_until_ready()


def test_a_server_that_is_away_is_waited_for_and_said_once(start, tmp_path):
    up = start("--bus-url", f"unix://{tmp_path}/bus.sock")
    shows = up.folder / "up.json"
    up.wait_for(lambda: shows.exists() and up.unit("topics")["restarts"] >= 3)

    said = [log for log in up.logs if log["event"] == "unit_waits"]

    assert [log["unit"] for log in said] == ["topics"]
    assert "the bus does not answer" in said[0]["words"]
    assert up.unit("worker")["state"] == "waiting"
    shown = up.execmon("up", "--status")
    assert shown.returncode == 1
    assert "the bus does not answer" in shown.stdout
    assert up.end(signal.SIGTERM) == 143


def test_a_bus_of_another_layout_ends_the_deployment_in_words(start, environment, tmp_path):
    from bus.connect import open_bus
    from domain.vocabulary import Topic
    from runtime.servers import EmbeddedServer

    with EmbeddedServer("bus", durable=False) as server:
        bus = open_bus(server.url)
        bus.set_up(dict.fromkeys(Topic, 2), 2)
        bus.close()
        environment["EXECMON_GROUPS"] = "16"
        up = start("--bus-url", server.url)
        up.process.wait(PATIENCE_S)
        up._reader.join(10)

    assert up.process.returncode == 4
    assert "was set up with groups = 2, now 16" in up.logs[-1]["event"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--json"], "--json goes with --status"),
        (["--workers", "17"], "--workers"),
        (["--bus-url", "ftp://bus"], "expected embedded or one of"),
    ],
)
def test_a_wrong_command_line_is_refused_in_words(execmon, arguments, words):
    refused = execmon("up", *arguments)

    assert refused.code == 2
    assert words in refused.err


def test_more_workers_than_groups_are_refused(execmon, monkeypatch):
    monkeypatch.setenv("EXECMON_GROUPS", "2")

    refused = execmon("up", "--workers", "3")

    assert refused.code == 2
    assert "--workers must be at most the 2 groups, was 3" in refused.err


def test_a_status_store_that_refuses_us_ends_the_deployment_in_words(start):
    from redis import Redis

    from runtime.servers import EmbeddedServer

    with EmbeddedServer("status", durable=False) as server:
        Redis.from_url(server.url).config_set("requirepass", "secret")
        up = start("--status-url", server.url)
        up.process.wait(PATIENCE_S)
        up._reader.join(10)

    assert up.process.returncode == 4
    assert "refuses us: it wants a password" in up.logs[-1]["event"]


def test_a_port_that_was_asked_for_and_is_taken_ends_the_deployment_in_words(start):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        up = start("--port", str(taken.getsockname()[1]))
        up.process.wait(PATIENCE_S)
        up._reader.join(10)

    assert up.process.returncode == 2
    assert "cannot listen on 127.0.0.1 port" in up.logs[-1]["event"]
