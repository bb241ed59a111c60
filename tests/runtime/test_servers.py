"""Embedded servers: private, durable, and gone with whoever started them."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import pytest
import redis

from domain.errors import ServerError
from runtime import child, private_dirs, valkey
from runtime.addresses import Servers, find_servers, needed
from runtime.private_dirs import Lock, base_dir, make_private_dir, own_dir
from runtime.servers import EmbeddedServer, open_servers


@pytest.fixture(autouse=True)
def short_base(monkeypatch):
    """A runtime folder of the test's own; pytest's are too long for sockets."""
    path = Path(tempfile.mkdtemp(prefix="xm", dir="/tmp"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(path))
    yield path
    shutil.rmtree(path, ignore_errors=True)


def client(url):
    return redis.Redis.from_url(url, decode_responses=True)


def wait_until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


def is_gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_both_servers_answer_on_private_sockets_and_on_no_port(short_base):
    with open_servers() as found:
        for url in (found.bus_url, found.status_url):
            assert client(url).ping()
            assert client(url).config_get("port") == {"port": "0"}
            socket = Path(url.removeprefix("unix://"))
            assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
            assert stat.S_IMODE(socket.stat().st_mode) == 0o700
            pid = client(url).info("server")["process_id"]
            assert psutil.Process(pid).net_connections(kind="inet") == []
        assert found.bus_url != found.status_url


def test_the_bus_syncs_every_write_and_the_status_store_keeps_nothing():
    with open_servers() as found:
        bus, status = client(found.bus_url), client(found.status_url)
        assert bus.config_get("append*")["appendonly"] == "yes"
        assert bus.config_get("appendfsync") == {"appendfsync": "always"}
        assert status.config_get("appendonly") == {"appendonly": "no"}
        for server in (bus, status):
            assert server.config_get("save") == {"save": ""}
            assert server.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_nothing_is_left_after_a_clean_stop(short_base):
    with open_servers() as found:
        pids = [
            client(url).info("server")["process_id"] for url in (found.bus_url, found.status_url)
        ]

    assert all(is_gone(pid) for pid in pids)
    assert list(short_base.glob("execmon-*/*.sock")) == []
    assert [p.name for p in short_base.iterdir()] == [f"execmon-of-{os.getuid()}"]


def test_an_address_that_is_given_starts_no_server(short_base):
    with open_servers("redis://host:1", "redis://host:2") as found:
        assert found == Servers("redis://host:1", "redis://host:2")
        assert list(short_base.iterdir()) == []


def test_a_kept_bus_has_its_messages_after_a_restart(tmp_path):
    with open_servers(data_dir=tmp_path / "data") as found:
        client(found.bus_url).xadd("s", {"a": "1"})

    with open_servers(data_dir=tmp_path / "data") as found:
        assert client(found.bus_url).xlen("s") == 1
        assert client(found.status_url).dbsize() == 0


def test_a_relative_folder_is_taken_from_where_the_command_ran(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with EmbeddedServer("bus", durable=True, data_dir=Path("data")) as server:
        assert client(server.url).config_get("dir") == {"dir": str(tmp_path / "data" / "bus")}


def test_what_was_acknowledged_survives_kill_9(tmp_path):
    with EmbeddedServer("bus", durable=True, data_dir=tmp_path) as server:
        for i in range(100):
            client(server.url).xadd("s", {"n": i})
        server.kill()
        server.restart()

        assert client(server.url).xlen("s") == 100


def test_two_processes_cannot_share_one_bus_folder(tmp_path):
    with (
        EmbeddedServer("bus", durable=True, data_dir=tmp_path),
        pytest.raises(ServerError, match="is in use by another process"),
    ):
        EmbeddedServer("bus", durable=True, data_dir=tmp_path).start()


_PARENT = """
import sys, time
from pathlib import Path
from runtime.servers import open_servers
import redis
with open_servers(data_dir=Path(sys.argv[1])) as found:
    for url in (found.bus_url, found.status_url):
        print(redis.Redis.from_url(url).info("server")["process_id"], flush=True)
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_kill_9_of_the_parent_leaves_no_process_and_no_folder(tmp_path, short_base):
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pids = [int(parent.stdout.readline()) for _ in range(2)]
    assert parent.stdout.readline() == "ready\n"
    assert find_servers(tmp_path) is not None

    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()

    wait_until(lambda: all(is_gone(pid) for pid in pids))
    parent.stdout.close()
    assert find_servers(tmp_path) is None
    for path in short_base.glob("execmon-*"):
        os.utime(path, (0, 0))
    with EmbeddedServer("bus", durable=True, data_dir=tmp_path) as server:
        assert client(server.url).ping()
        assert len(list(short_base.glob("execmon-*"))) == 1


def test_a_server_outlives_the_thread_that_asked_for_it():
    server = EmbeddedServer("bus", durable=False)
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()

    assert client(server.url).ping()
    pid = server.pid
    server.stop()
    assert is_gone(pid)


def test_a_server_that_does_not_start_says_why_in_its_own_words(tmp_path, monkeypatch):
    log = tmp_path / "bus" / "appendonlydir"
    log.mkdir(parents=True)
    (log / "appendonly.aof.manifest").write_text("nonsense\n")

    with pytest.raises(ServerError, match=r"did not start: .*manifest"):
        EmbeddedServer("bus", durable=True, data_dir=tmp_path).start()


def test_a_server_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(valkey, "binary", lambda: "/bin/sleep")
    monkeypatch.setattr(child, "LAUNCH", "import time; time.sleep(60)")

    with pytest.raises(ServerError, match=r"did not answer within 0\.3 s"):
        EmbeddedServer("bus", durable=False, start_s=0.3).start()


def test_a_server_that_is_not_running_says_so():
    server = EmbeddedServer("bus", durable=False)

    for ask in (lambda: server.url, lambda: server.pid, server.restart):
        with pytest.raises(ServerError, match=r"not running|never started"):
            ask()
    server.stop()
    with server, pytest.raises(ServerError, match="already running"):
        server.start()


def test_other_commands_find_the_running_servers_and_only_those(tmp_path):
    assert find_servers() is None
    with pytest.raises(ServerError, match="start `execmon demo`"):
        needed(find_servers())

    with open_servers() as first:
        assert needed(find_servers()) == first
        with open_servers() as second:
            assert find_servers() == second
        with open_servers(data_dir=tmp_path) as third:
            assert find_servers(tmp_path) == third

    assert find_servers() is None
    assert find_servers(tmp_path) is None


def test_sockets_avoid_folders_whose_names_are_too_long(monkeypatch, tmp_path):
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))

    with EmbeddedServer("status", durable=False) as server:
        assert len(str(server.socket_path)) <= private_dirs.SOCKET_PATH_LIMIT
        assert client(server.url).ping()


def test_without_any_usable_folder_the_words_name_those_tried(monkeypatch, tmp_path):
    monkeypatch.setattr(private_dirs, "SOCKET_PATH_LIMIT", 5)

    with pytest.raises(ServerError, match="set XDG_RUNTIME_DIR to a short path"):
        base_dir()


def test_folders_of_dead_processes_are_swept_and_those_in_use_are_not(short_base):
    used, held = make_private_dir()
    dead, lock = make_private_dir()
    lock.release()
    for path in (used, dead):
        os.utime(path, (0, 0))

    fresh, other = make_private_dir()

    assert used.exists()
    assert not dead.exists()
    assert fresh.exists()
    held.release()
    other.release()
    other.release()


def test_a_folder_that_is_not_ours_is_refused(tmp_path, monkeypatch):
    assert stat.S_IMODE(own_dir(tmp_path / "new").stat().st_mode) == 0o700
    monkeypatch.setattr(private_dirs.os, "getuid", lambda: 12345)
    with pytest.raises(ServerError, match="belongs to user"):
        own_dir(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ServerError, match="cannot make the folder"):
        own_dir(tmp_path / "file")


def test_a_lock_is_held_by_one(tmp_path):
    lock = Lock.take(tmp_path / "lock")
    assert lock is not None
    assert Lock.take(tmp_path / "lock") is None

    lock.release()

    again = Lock.take(tmp_path / "lock")
    assert again is not None
    again.release()


def test_a_machine_without_the_program_is_told(monkeypatch):
    def none() -> str:
        raise valkey.ValkeyBinaryNotFoundError("Unsupported architecture: riscv64")

    monkeypatch.setattr(valkey, "get_binary_path", none)

    with pytest.raises(ServerError, match="no embedded server on this machine: Unsupported"):
        EmbeddedServer("bus", durable=False).start()


def test_a_server_that_ignores_the_polite_request_is_killed():
    server = EmbeddedServer("bus", durable=False).start()
    pid = server.pid
    os.kill(pid, signal.SIGSTOP)

    server.stop(timeout_s=0.2)

    assert is_gone(pid)


def test_a_program_that_cannot_be_run_is_told(monkeypatch):
    monkeypatch.setattr(child.sys, "executable", "/nowhere/python")

    with pytest.raises(ServerError, match=r"cannot run .*nowhere"):
        EmbeddedServer("bus", durable=False).start()
