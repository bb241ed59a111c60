"""Real processes, real servers."""

import os
import sys
import time

import psutil
import pytest

from domain.errors import BusDown, BusError, ServerError
from runtime.child import Child
from runtime.servers import EmbeddedServer
from runtime.unit import Ending
from runtime.units import Processes, ready_line
from runtime.work_units import ServerUnit, Task

READY = 'print(\'{"event": "ready"}\', flush=True); '


def python(code):
    return [sys.executable, "-c", code]


def wait_until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


def is_gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.fixture
def lines():
    return []


@pytest.fixture
def processes(lines):
    made = []

    def make(*codes):
        unit = Processes(
            "job", lambda: [python(code) for code in codes], lambda: os.environ,
            lambda name, line: lines.append((name, line.decode())),
        )  # fmt: skip
        made.append(unit)
        unit.start()
        return unit

    yield make
    for unit in made:
        unit.close()


def test_a_process_is_ready_when_its_log_says_so(processes, lines):
    unit = processes("import time; print('hello', flush=True); input if 0 else None; "
                     + READY + "time.sleep(99)")  # fmt: skip

    wait_until(unit.is_ready)

    assert lines == [("job", "hello"), ("job", '{"event": "ready"}')]
    assert unit.ended() is None
    assert unit.said("event") == "ready"
    assert unit.said("address") is None
    [pid] = unit.pids()
    unit.ask_to_end()
    wait_until(unit.ended)
    assert unit.ended() == Ending(-15, '{"event": "ready"}')
    assert is_gone(pid)


def test_readiness_is_one_event_of_a_log():
    assert not ready_line(b"compiling ready kernels")
    assert not ready_line(b'["ready"]')
    assert not ready_line(b'{"event": "not ready"}')
    assert ready_line(b'{"event": "ready", "inputs": 20}') == {"event": "ready", "inputs": 20}


def test_an_end_is_told_with_its_code_and_last_words(processes):
    unit = processes("import sys; sys.exit('execmon: no such setting')")

    wait_until(unit.ended)

    assert unit.ended() == Ending(1, "execmon: no such setting")
    assert not unit.is_ready()


def test_bad_luck_is_a_crash_whatever_its_code():
    unit = Processes(
        "api", lambda: [python("import sys; print('cannot listen'); sys.exit(2)")],
        lambda: os.environ, lambda *_: None, bad_luck=lambda ending: "listen" in ending.words,
    )  # fmt: skip
    unit.start()

    wait_until(unit.ended)

    assert unit.ended() == Ending(1, "cannot listen")


def test_the_end_that_others_followed_is_the_one_that_is_told(lines):
    unit = Processes(
        "job", lambda: [python("raise SystemExit(8)"), python("raise SystemExit(3)")],
        lambda: os.environ, lambda *_: None, following=frozenset({8}),
    )  # fmt: skip
    unit.start()
    wait_until(lambda: all(member.child.exit_code is not None for member in unit._members))

    assert unit.ended().code == 3
    unit.close()


def test_processes_of_a_cluster_live_and_die_together(processes, lines):
    stays = READY + "import time; time.sleep(99)"
    unit = processes(stays, stays)
    wait_until(unit.is_ready)
    first = unit.pids()
    assert {name for name, _ in lines} == {"job-0", "job-1"}

    psutil.Process(first[1]).kill()
    wait_until(unit.ended)
    unit.kill()

    assert unit.ended().code == -9
    assert all(is_gone(pid) for pid in first)
    unit.start()
    wait_until(unit.is_ready)
    assert not set(unit.pids()) & set(first)


def test_a_command_that_cannot_be_found_is_an_end_in_words(lines):
    def none():
        raise ServerError("the servers are not running")

    unit = Processes("job", none, lambda: os.environ, lambda *_: None)
    unit.start()

    assert unit.ended() == Ending(4, "the servers are not running")
    assert not unit.is_ready()


def test_a_child_and_its_own_children_are_gone_whatever_they_do():
    stubborn = (
        "import signal, subprocess, sys, time; signal.signal(15, signal.SIG_IGN); "
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)']); "
        "print(p.pid, flush=True); time.sleep(99)"
    )
    said = []
    child = Child(python(stubborn), os.environ, said.append)
    wait_until(lambda: said)
    child.ask()
    assert child.exit_code is None

    child.kill()

    assert is_gone(child.pid)
    wait_until(lambda: is_gone(int(said[0])))


PARENT = """
import os, sys, time
from runtime.child import Child
child = Child([sys.executable, "-c", "import time; time.sleep(99)"], os.environ, lambda _: None)
print(child.pid, flush=True)
time.sleep(99)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel does it on Linux")
def test_a_child_dies_with_its_parent_even_by_kill_9():
    said = []
    parent = Child(python(PARENT), {**os.environ, "PYTHONPATH": "."}, said.append)
    wait_until(lambda: said)

    psutil.Process(parent.pid).kill()

    wait_until(lambda: is_gone(int(said[0])))
    parent.kill()


def test_a_server_that_is_killed_comes_back_at_its_address(tmp_path):
    server = EmbeddedServer("bus", durable=True, data_dir=tmp_path)
    unit = ServerUnit("bus", server)
    unit.start()
    wait_until(unit.is_ready)
    url = server.url
    [pid] = unit.pids()

    psutil.Process(pid).kill()
    wait_until(unit.ended)
    unit.kill()
    unit.start()
    wait_until(unit.is_ready)

    assert server.url == url
    assert unit.pids() != [pid]
    assert unit.ended() is None
    unit.ask_to_end()
    wait_until(unit.ended)
    unit.close()
    assert unit.pids() == []


def test_a_server_that_cannot_start_says_why_and_can_be_tried_again(tmp_path):
    holder = EmbeddedServer("bus", durable=True, data_dir=tmp_path).start()
    unit = ServerUnit("bus", EmbeddedServer("bus", durable=True, data_dir=tmp_path))
    unit.start()
    wait_until(unit.ended)
    assert unit.ended().code == 4
    assert "is in use by another process" in unit.ended().words

    holder.stop()
    unit.start()
    wait_until(unit.is_ready)

    unit.close()


def test_a_task_is_ready_once_it_is_done_and_says_why_it_is_not():
    outcomes = iter([BusDown("away"), BusError("refused"), ValueError("odd"), None])

    def work():
        error = next(outcomes)
        if error:
            raise error

    task = Task("topics", work, final=lambda error: not isinstance(error, BusDown))
    endings = []
    for _ in range(3):
        task.start()
        wait_until(task.ended)
        endings.append(task.ended())
    task.start()
    wait_until(task.is_ready)

    assert endings == [
        Ending(4, "away"), Ending(4, "refused", final=True), Ending(1, "ValueError: odd"),
    ]  # fmt: skip
    assert task.ended() is None
    task.ask_to_end()
    assert task.ended() == Ending(0, "done")
