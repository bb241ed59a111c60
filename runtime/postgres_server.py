"""One embedded PostgreSQL server, whose data stays between runs.

It listens on a unix socket in a private folder and on no port, and on Linux it shuts down
cleanly when the process that started it dies, however that happens.
"""

import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from signal import SIGINT, SIGQUIT
from urllib.parse import quote

import psycopg

from domain.errors import ServerError
from runtime import postgres, postgres_data
from runtime.private_dirs import Lock, make_private_dir, remove_private_dir

_LOG = "server.log"
_MOST_LOG_BYTES = 10_000_000


class EmbeddedPostgres:
    """One PostgreSQL server on a unix socket; use as a context manager.

    `folder` keeps its data; without one they are in the private folder and go with it.
    """

    def __init__(self, folder: Path | None = None, *, start_s: float = 60.0) -> None:
        self.folder = folder.absolute() if folder else None
        self.start_s = start_s
        self._process: subprocess.Popen[bytes] | None = None
        self._private: Path | None = None
        self._install = Path()
        self._user: tuple[int, int] | None = None
        self._locks: list[Lock] = []

    @property
    def url(self) -> str:
        """Address for clients: `postgresql://…`."""
        return url_of(self._sockets)

    @property
    def pid(self) -> int:
        """Process id. Raises ServerError while not running."""
        if self._process is None or self._process.poll() is not None:
            raise ServerError("the embedded history server is not running")
        return self._process.pid

    def start(self) -> "EmbeddedPostgres":
        """Start and wait until it answers.

        Raises ServerError with the server's own words, RecoveryError where another major
        version wrote the data.
        """
        if self._process is not None:
            raise ServerError("the embedded history server is already running")
        self._private, lock = make_private_dir(postgres.can_enter)
        self._locks.append(lock)
        try:
            if self.folder is not None:
                self._locks.append(postgres_data.take(self.folder))
            self._user = postgres.runner(self._data)
            self._prepare()
            self._launch()
            self._wait_until_ready()
        except BaseException:
            self.stop(timeout_s=2.0)
            raise
        return self

    def restart(self) -> None:
        """Start again on the same socket and data after the process was killed."""
        if self._process is None:
            raise ServerError("the embedded history server was never started")
        self._end_process(10.0)
        self._launch()
        self._wait_until_ready()

    def kill(self) -> None:
        """End the server at once, as a crash would; `restart` brings it back."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self, timeout_s: float = 30.0) -> None:
        """Shut down cleanly and remove the private folder; a second call does nothing."""
        self._end_process(timeout_s)
        self._process = None
        if self._private is not None:
            remove_private_dir(self._private)
            self._private = None
        for lock in self._locks:
            lock.release()
        self._locks.clear()

    def __enter__(self) -> "EmbeddedPostgres":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def _sockets(self) -> Path:
        if self._private is None:
            raise ServerError("the embedded history server is not running; start it first")
        return self._private / "pg"

    @property
    def _home(self) -> Path:
        assert self._private is not None
        return self.folder or self._private

    @property
    def _data(self) -> Path:
        return self._home / "data"

    def _end_process(self, timeout_s: float) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        for signum in (SIGINT, SIGQUIT):
            process.send_signal(signum)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout_s)
                return
        process.kill()
        process.wait()

    def _prepare(self) -> None:
        """Data of our version and a folder for the socket, both the runner's own."""
        assert self._private is not None
        if self._user is not None:
            # The runner must be able to pass; the data and the socket are its own.
            for folder in (self._private, self._home):
                folder.chmod(0o711)
        postgres_data.own(self._sockets, self._user)
        self._install = postgres.reachable(postgres.programs(), self._user, self._private)
        postgres_data.prepare(self._home, self._install, self._user, self._sockets)

    def _launch(self) -> None:
        alive = self._alone()
        # Whoever left this file is dead: its number may be another's by now.
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        try:
            self._start_process(alive)
        finally:
            alive.release()

    def _alone(self, patience_s: float = 10.0) -> Lock:
        """A lock that the server's processes hold, and nobody else once we let go of it.

        The sessions of a server that was killed end a little later than it.
        """
        assert self._private is not None
        deadline = time.monotonic() + patience_s
        while True:
            lock = Lock.take(self._private / "alive")
            if lock is not None:
                return lock
            if time.monotonic() > deadline:
                raise ServerError("sessions of the killed history server are still running")
            time.sleep(0.01)

    def _start_process(self, alive: Lock) -> None:
        command = postgres.launch(
            postgres.server_command(self._install, self._data, self._sockets), self._user
        )
        started = threading.Event()
        failure: list[Exception] = []

        # The kernel ties the server's life to the starting *thread*, so one is kept for it.
        def keep() -> None:
            try:
                self._process = self._popen(command, alive)
            except Exception as error:
                failure.append(error)
            started.set()
            if self._process is not None:
                self._process.wait()

        threading.Thread(target=keep, name="keep-history", daemon=True).start()
        started.wait()
        if failure:
            raise ServerError(f"cannot run the history server: {failure[0]}") from failure[0]

    def _popen(self, command: list[str], alive: Lock) -> subprocess.Popen[bytes]:
        log = self._home / _LOG
        with suppress(FileNotFoundError):
            if log.stat().st_size > _MOST_LOG_BYTES:
                log.replace(log.with_suffix(".log.old"))
        with log.open("ab", buffering=0) as out:
            # At once: the server must not write before the line that parts its words from others'.
            out.write(b"\n")
            return subprocess.Popen(
                [sys.executable, *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self._sockets,
                env=postgres.environment(),
                pass_fds=[lock.fd for lock in (*self._locks, alive)],
                start_new_session=True,
            )

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + self.start_s
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise ServerError(f"the embedded history server did not start: {self.last_words()}")
            with suppress(psycopg.OperationalError):
                _make_database(self._sockets)
                return
            time.sleep(0.02)
        raise ServerError(
            f"the embedded history server did not answer within {self.start_s:g} s: "
            f"{self.last_words()}"
        )

    def last_words(self) -> str:
        """The end of its log, for an error message."""
        if self._private is None:
            return "it left no log"
        try:
            text = (self._home / _LOG).read_text(errors="replace")
        except OSError:
            return "it left no log"
        return postgres.last_lines(text.rpartition("\n\n")[2])


def _make_database(sockets: Path) -> None:
    with psycopg.connect(url_of(sockets, "postgres"), connect_timeout=3, autocommit=True) as found:
        known = found.execute("SELECT 1 FROM pg_database WHERE datname = %s", (postgres.DATABASE,))
        if known.fetchone() is None:
            found.execute(f"CREATE DATABASE {postgres.DATABASE}")


def url_of(sockets: Path, database: str = postgres.DATABASE) -> str:
    """Address of the server whose socket is in this folder."""
    return f"postgresql://{postgres.USER}@/{database}?host={quote(str(sockets), safe='/')}"
