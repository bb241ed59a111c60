"""The demo as its user runs it: real servers, a real worker, and nothing left behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from cli.demo_feed import PublishedAt
from cli.demo_tally import Tally

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 240


@pytest.fixture
def home():
    """A folder of its own for sockets, so that only this test's servers are found.

    PostgreSQL's user can reach it, also where the tests run as root.
    """
    path = Path(tempfile.mkdtemp(prefix="xm", dir="/tmp"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def environment(home):
    return {**os.environ, "XDG_RUNTIME_DIR": str(home), "TMPDIR": str(home), "COLUMNS": "200"}


@pytest.fixture
def start(environment):
    started: list[subprocess.Popen[str]] = []

    def demo(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "demo", *arguments],
            cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield demo
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_for(what: Callable[[], object], process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not what():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.1)


def address(process: subprocess.Popen[str]) -> str:
    """The page's address, as the demo says it."""
    assert process.stderr is not None
    for line in process.stderr:
        if "page: " in line:
            return line.partition("page: ")[2].split()[0]
    raise AssertionError("the demo said no address")


def descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def all_gone(processes: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=15)
    return not [p for p in alive if p.status() != psutil.STATUS_ZOMBIE]


def left_in(home: Path) -> list[Path]:
    return [p for p in home.glob("execmon-*") if not p.name.startswith("execmon-of-")]


def test_the_demo_ends_by_itself_with_its_figures(execmon, home, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home))
    monkeypatch.setattr(tempfile, "tempdir", str(home))
    before = set(psutil.Process().children(recursive=True))

    done = execmon(
        "demo", "--seconds", "4", "--json", "--events-per-s", "100", "--open-orders", "8",
        "--fault", "garbage:rate=0.01",
    )  # fmt: skip

    assert done.code == 0, done.err
    found = done.json
    assert found["seconds"] >= 4
    assert found["orders"] > 0
    assert found["updates"] >= found["orders"]
    assert found["dead_letters"] > 0
    assert found["published_total"] > 100
    assert found["latency_count"] > 0
    assert found["rows_stored"] > found["orders"]
    assert 0 < found["latency_p50_ms"] <= found["latency_p99_ms"]
    assert not found["interrupted"]
    assert set(psutil.Process().children(recursive=True)) <= before
    assert left_in(home) == []


def test_the_demo_can_be_watched_from_another_terminal_and_ends_on_ctrl_c(start, environment):
    def other(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "cli.main", *arguments],
            cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    process = start()
    orders: list[dict[str, object]] = []

    def shown() -> bool:
        done = other("watch", "--once", "--json")
        if done.returncode == 0:
            orders[:] = json.loads(done.stdout)["orders"]
        return bool(orders)

    wait_for(shown, process)
    one = other("status", str(orders[0]["order_id"]), "--json")
    second = other("clock", "--seconds", "1")
    page = urllib.request.urlopen(str(address(process)), timeout=10).read()
    children = descendants(process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)

    assert json.loads(one.stdout)["order_id"] == orders[0]["order_id"]
    assert second.returncode == 4
    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert b"Execution Monitor" in page
    assert [line.split()[0] for line in out.splitlines()[-7:]] == [
        "orders", "fills", "updates", "latency", "latency", "dead", "rows",
    ]  # fmt: skip
    assert len(children) >= 3
    assert all_gone(children)


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_no_process_is_left_however_the_demo_dies(start, home, signum, code):
    process = start()
    wait_for(lambda: len(descendants(process)) >= 3, process)
    children = descendants(process)

    process.send_signal(signum)
    process.communicate(timeout=60)

    assert process.returncode == code
    assert all_gone(children)
    assert signum == signal.SIGKILL or left_in(home) == []
    # A folder with a lock that nobody holds is removed by the next start of a server.
    assert all((folder / "lock").exists() for folder in left_in(home))


def test_a_worker_that_does_not_start_is_said_in_its_own_words(start, environment):
    environment["EXECMON_GROUPS"] = "2"
    environment["EXECMON_PARTITIONS"] = "4"

    process = start("--seconds", "2")
    _, err = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 2
    assert "partitions" in err


def test_an_events_publication_is_taken_once_and_forgotten_in_time():
    times = PublishedAt()
    times.note([("A", 1)], 10**9)
    times.note([("A", 1), ("B", 2)], 2 * 10**9)

    assert times.take(("A", 1)) == 10**9
    assert times.take(("A", 1)) is None
    times.note([("C", 3)], 200 * 10**9)
    assert times.take(("B", 2)) is None
    assert times.take(("C", 3)) == 200 * 10**9


class _NoClient:
    def pubsub(self, **_: object) -> None:
        return None


def test_no_latency_without_a_timed_event():
    tally = Tally(_NoClient(), PublishedAt())

    assert tally.latencies().p99_ms is None
    assert (tally.orders, tally.fills, tally.updates) == (0, 0, 0)
