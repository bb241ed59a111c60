"""The embedded history store: kept between runs, private, and gone with whoever started it."""

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
import psycopg
import pytest

from domain.errors import RecoveryError, ServerError
from runtime import history_server, postgres, postgres_server
from runtime.history_server import EmbeddedPostgres, find_history, open_history
from runtime.private_dirs import Lock


@pytest.fixture(autouse=True)
def short_base(monkeypatch):
    """A runtime folder of the test's own; pytest's are too long for sockets."""
    path = Path(tempfile.mkdtemp(prefix="xm", dir="/tmp"))
    path.chmod(0o755)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(path))
    init = postgres.init_command
    monkeypatch.setattr(postgres, "init_command", lambda *args: [*init(*args), "--no-sync"])
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def folder(short_base):
    """Where history is kept; pytest's own folders are closed to PostgreSQL's user."""
    return short_base / "kept" / "history"


def ask(url, query):
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(query)
        return cursor.fetchone() if cursor.description else None


def is_gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def wait_until(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


def test_it_answers_on_a_private_socket_and_on_no_port(short_base):
    with EmbeddedPostgres() as server:
        assert ask(server.url, "SELECT current_setting('listen_addresses')") == ("",)
        [sockets] = short_base.glob("execmon-*/pg")
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        process = psutil.Process(server.pid)
        assert process.net_connections(kind="inet") == []
        assert process.uids().effective != 0

    assert is_gone(process.pid)
    assert list(short_base.iterdir()) == []


def test_texts_are_unicode_and_compare_by_code_point():
    with EmbeddedPostgres() as server:
        found = ask(server.url, "SELECT upper('ü'), 'A/1 #ü' < 'a', current_setting('timezone')")
        assert found == ("Ü", True, "UTC")


def test_what_was_stored_is_there_at_the_next_start(folder):
    with open_history(folder=folder) as url:
        ask(url, "CREATE TABLE t AS SELECT 7 AS n")

    assert find_history(folder) is None
    with open_history(folder=folder) as url:
        assert ask(url, "SELECT n FROM t") == (7,)


def test_whoever_comes_second_uses_the_one_that_runs(folder):
    with open_history(folder=folder) as first:
        with open_history(folder=folder) as second:
            assert second == first == find_history(folder)
        assert ask(first, "SELECT 1") == (1,)
        with pytest.raises(ServerError, match="is in use by another process"):
            EmbeddedPostgres(folder).start()


@pytest.mark.parametrize("text", ["", "7\n", "7\n/data\n0\n5432\n\n", "7\n/d\n0\n5432\n/nowhere\n"])
def test_a_server_that_is_only_starting_is_not_found_yet(folder, text):
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "postmaster.pid").write_text(text)

    assert find_history(folder) is None


def test_an_address_that_is_given_starts_nothing(short_base, folder):
    with open_history("postgresql://host/db", folder) as url:
        assert url == "postgresql://host/db"
        assert list(short_base.iterdir()) == []


def test_what_was_committed_survives_kill_9(folder):
    with EmbeddedPostgres(folder) as server:
        ask(server.url, "CREATE TABLE t AS SELECT 7 AS n")
        server.kill()

        server.restart()

        assert ask(server.url, "SELECT n FROM t") == (7,)
        server.kill()
    # The dead server's number may belong to somebody else by now: here, to us.
    pid_file = folder / "data" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")

    with open_history(folder=folder) as url:
        assert ask(url, "SELECT n FROM t") == (7,)


_PARENT = """
import sys, time
from pathlib import Path
from runtime.history_server import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1])) as server:
    print(server.pid, flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_it_shuts_down_when_its_starter_is_killed_and_the_next_one_waits(folder):
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.stdout.close()

    parent.send_signal(signal.SIGKILL)
    parent.wait()

    with open_history(folder=folder) as url:
        assert is_gone(pid)
        assert ask(url, "SELECT 1") == (1,)
    assert "shut down" in (folder / "server.log").read_text()


def test_it_outlives_the_thread_that_asked_for_it():
    server = EmbeddedPostgres()
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()

    assert ask(server.url, "SELECT 1") == (1,)
    pid = server.pid
    server.stop()
    server.stop()
    assert is_gone(pid)


def test_data_of_another_major_version_are_refused_in_words(folder):
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "PG_VERSION").write_text("16\n")

    with pytest.raises(RecoveryError, match=r"written by PostgreSQL 16.*brings 18.*pg_dump of 16"):
        EmbeddedPostgres(folder).start()


def test_a_folder_of_something_else_is_left_alone(folder):
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "thesis.txt").write_text("mine")

    with pytest.raises(ServerError, match="holds something else than a database"):
        EmbeddedPostgres(folder).start()
    assert (folder / "data" / "thesis.txt").read_text() == "mine"


def test_a_database_that_was_half_made_is_made_again(folder):
    (folder / "data.new").mkdir(parents=True)
    (folder / "data.new" / "PG_VERSION").write_text("18\n")

    with open_history(folder=folder) as url:
        assert ask(url, "SELECT 1") == (1,)
    assert not (folder / "data.new").exists()


def test_a_folder_that_cannot_be_made_is_told(short_base):
    (short_base / "file").write_text("")

    with pytest.raises(ServerError, match=r"cannot keep history in .*EXECMON_HISTORY_DIR"):
        EmbeddedPostgres(short_base / "file" / "history").start()


def test_a_server_that_does_not_start_says_why_in_its_own_words(folder):
    with EmbeddedPostgres(folder):
        pass
    (folder / "data" / "postgresql.conf").write_text("shared_buffers = nonsense\n")

    with pytest.raises(ServerError, match=r'did not start: .*"shared_buffers"|nonsense'):
        EmbeddedPostgres(folder).start()


def test_a_full_disk_is_told_in_the_servers_words(folder, monkeypatch):
    monkeypatch.setattr(
        postgres, "init_command",
        lambda *_: ["/bin/sh", "-c", "echo 'could not write: No space left on device'; exit 1"],
    )  # fmt: skip

    with pytest.raises(ServerError, match=r"cannot make a database in .*No space left on device"):
        EmbeddedPostgres(folder).start()
    assert not (folder / "data").exists()


def test_a_server_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(postgres, "server_command", lambda *_: ["/bin/sleep", "60"])

    with pytest.raises(ServerError, match=r"did not answer within 0\.3 s"):
        EmbeddedPostgres(start_s=0.3).start()


def test_a_server_that_is_not_running_says_so():
    server = EmbeddedPostgres()

    for question in (lambda: server.url, lambda: server.pid, server.restart):
        with pytest.raises(ServerError, match=r"not running|never started"):
            question()
    with server, pytest.raises(ServerError, match="already running"):
        server.start()


def test_a_machine_without_the_programs_is_told(monkeypatch):
    monkeypatch.setattr(postgres, "find_spec", lambda _: None)

    with pytest.raises(ServerError, match=r"no embedded PostgreSQL 18.*EXECMON_HISTORY_URL"):
        EmbeddedPostgres().start()


def test_a_program_that_cannot_be_run_is_told(monkeypatch, folder):
    with EmbeddedPostgres(folder):
        pass
    monkeypatch.setattr(postgres_server.sys, "executable", "/nowhere/python")

    with pytest.raises(ServerError, match=r"cannot run the history server.*nowhere"):
        EmbeddedPostgres(folder).start()


def test_a_folder_whose_holder_never_ends_is_reported(folder):
    folder.mkdir(parents=True)
    lock = Lock.take(folder / "lock")
    assert lock is not None

    with (
        pytest.raises(ServerError, match="is in use by another process"),
        history_server._started(folder, patience_s=0.2),
    ):
        pass
    lock.release()


# Root only: PostgreSQL itself runs as somebody else.

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root chooses another user")


@as_root
def test_data_belong_to_the_user_the_server_runs_as(folder):
    with EmbeddedPostgres(folder) as server:
        owner = (folder / "data").stat().st_uid
        assert owner == psutil.Process(server.pid).uids().effective == postgres.runner(folder)[0]
        assert stat.S_IMODE((folder / "data").stat().st_mode) == 0o700


@as_root
def test_a_folder_that_the_servers_user_cannot_enter_is_told(short_base):
    closed = short_base / "closed"
    closed.mkdir(mode=0o700)

    with pytest.raises(ServerError, match=r"cannot enter .*closed.*/var/lib/execmon/history"):
        EmbeddedPostgres(closed / "history").start()


@as_root
def test_programs_in_a_closed_folder_are_made_reachable(monkeypatch, short_base):
    closed = short_base / "closed"
    closed.mkdir(mode=0o700)
    package = postgres.programs().parent
    install = closed / package.name / postgres.programs().name
    shutil.copytree(postgres.programs(), install, copy_function=os.link)
    libraries = f"{package.name}.libs"
    shutil.copytree(package.with_name(libraries), closed / libraries, copy_function=os.link)
    monkeypatch.setattr(postgres, "programs", lambda: install)

    with EmbeddedPostgres() as server:
        assert ask(server.url, "SELECT 1") == (1,)


def test_folders_are_open_to_their_owner_group_or_all(tmp_path):
    tmp_path.chmod(0o710)
    found = tmp_path.stat()

    assert postgres._barred(tmp_path, None) is None
    postgres.check_reach(tmp_path, None)
    for user, barred in (((found.st_uid, 1), False), ((4242, 4242), True)):
        names = {path for path in [postgres._barred(tmp_path, user)] if path}
        assert (tmp_path in names or any(p in tmp_path.parents for p in names)) is barred


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's own folders are closed to the server")
def test_root_whose_runtime_folder_is_closed_gets_its_socket_elsewhere(short_base, monkeypatch):
    short_base.chmod(0o700)

    with EmbeddedPostgres() as server:
        assert str(short_base) not in server.url
