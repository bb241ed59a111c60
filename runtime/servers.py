"""Embedded Valkey servers: the bus keeps what it was told, the status store forgets.

Each server listens on a unix socket in a private folder and on no port. On Linux the
kernel kills it when the process that started it dies, however that happens.
"""

import os
import subprocess
import threading
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from shutil import disk_usage

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from domain.errors import ServerError
from runtime import valkey
from runtime.addresses import Servers, announced
from runtime.child import launched
from runtime.private_dirs import Lock, make_private_dir, own_dir, remove_private_dir

EMBEDDED = "embedded"
_NO_ROOM = 1_000_000


class EmbeddedServer:
    """One Valkey process on a unix socket.

    `data_dir` keeps an append-only log there, synced at every write; without it and with
    `durable` the log is in the private folder and goes with it. Use as a context manager.
    """

    def __init__(
        self, name: str, *, durable: bool, data_dir: Path | None = None, start_s: float = 30.0
    ) -> None:
        self.name = name
        self.durable = durable
        self.data_dir = data_dir.absolute() if data_dir else None
        self.start_s = start_s
        self._process: subprocess.Popen[bytes] | None = None
        self._dir: Path | None = None
        self._locks: list[Lock] = []

    @property
    def socket_path(self) -> Path:
        """Path of the unix socket. Raises ServerError before the start."""
        if self._dir is None:
            raise ServerError(f"the embedded {self.name} server is not running; start it first")
        return self._dir / f"{self.name}.sock"

    @property
    def url(self) -> str:
        """Address for clients: `unix://…`."""
        return f"unix://{self.socket_path}"

    @property
    def pid(self) -> int:
        """Process id. Raises ServerError while not running."""
        if self._process is None or self._process.poll() is not None:
            raise ServerError(f"the embedded {self.name} server is not running")
        return self._process.pid

    def start(self) -> "EmbeddedServer":
        """Start and wait until it answers. Raises ServerError with the server's own words."""
        if self._process is not None:
            raise ServerError(f"the embedded {self.name} server is already running")
        self._dir, lock = make_private_dir()
        self._locks.append(lock)
        try:
            work_dir = self._work_dir()
            self._launch(work_dir)
            self._wait_until_ready()
        except BaseException:
            self.stop(timeout_s=1.0)
            raise
        return self

    def restart(self) -> None:
        """Start again on the same socket and data after the process was killed."""
        if self._process is None:
            raise ServerError(f"the embedded {self.name} server was never started")
        self._end_process(5.0)
        self.socket_path.unlink(missing_ok=True)
        self._launch(self._data())
        self._wait_until_ready()

    def kill(self) -> None:
        """End the process at once, as a crash would; `restart` brings it back."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End the process and remove the private folder; a second call does nothing."""
        self._end_process(timeout_s)
        self._process = None
        if self._dir is not None:
            remove_private_dir(self._dir)
            self._dir = None
        for lock in self._locks:
            lock.release()
        self._locks.clear()

    def __enter__(self) -> "EmbeddedServer":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _end_process(self, timeout_s: float) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _data(self) -> Path:
        assert self._dir is not None
        return self.data_dir / self.name if self.data_dir else self._dir

    def _work_dir(self) -> Path:
        path = own_dir(self._data())
        if self.data_dir:
            lock = Lock.take(path / "lock")
            if lock is None:
                raise ServerError(
                    f"{path} is in use by another process; stop that one or choose another data_dir"
                )
            self._locks.append(lock)
        return path

    def _launch(self, work_dir: Path) -> None:
        assert self._dir is not None
        config = self._dir / f"{self.name}.conf"
        config.write_text(valkey.config_text(self.socket_path, work_dir, durable=self.durable))
        program = valkey.binary()
        started = threading.Event()
        failure: list[Exception] = []

        # The kernel ties the server's life to the starting *thread*, so one is kept for it.
        def keep() -> None:
            try:
                self._process = self._popen(program, config, work_dir)
            except Exception as error:
                failure.append(error)
            started.set()
            if self._process is not None:
                self._process.wait()

        threading.Thread(target=keep, name=f"keep-{self.name}", daemon=True).start()
        started.wait()
        if failure:
            raise ServerError(f"cannot run {program}: {failure[0]}") from failure[0]

    def _popen(self, program: str, config: Path, work_dir: Path) -> subprocess.Popen[bytes]:
        assert self._dir is not None
        with (self._dir / f"{self.name}.log").open("wb") as log:
            return subprocess.Popen(
                launched([program, str(config)]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=work_dir,
                env={**os.environ, "LC_ALL": "C"},
                pass_fds=[lock.fd for lock in self._locks],
                start_new_session=True,
            )

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        client = redis.Redis(
            unix_socket_path=str(self.socket_path),
            socket_timeout=2.0,
            retry=Retry(NoBackoff(), 0),
        )
        deadline = time.monotonic() + self.start_s
        with client:
            while time.monotonic() < deadline:
                if self._process.poll() is not None:
                    raise ServerError(
                        f"the embedded {self.name} server did not start: {self.last_words()}"
                    )
                with suppress(redis.RedisError):
                    if client.ping():
                        return
                time.sleep(0.01)
        raise ServerError(
            f"the embedded {self.name} server did not answer within {self.start_s:g} s: "
            f"{self.last_words()}"
        )

    def last_words(self) -> str:
        """The end of its log, for an error message."""
        if self._dir is None:
            return "it left no log"
        try:
            text = (self._dir / f"{self.name}.log").read_text(errors="replace")
        except OSError:
            return "it left no log"
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if disk_usage(self._data()).free < _NO_ROOM:
            lines.append(f"no room is left on the disk of {self._data()}")
        return " | ".join(lines[-3:]) or "it left no log"


@contextmanager
def open_servers(
    bus_url: str = EMBEDDED, status_url: str = EMBEDDED, data_dir: Path | None = None
) -> Generator[Servers]:
    """Start the servers whose address is `embedded`; others are passed through untouched.

    `data_dir` keeps the bus for the next start; without it the bus ends with the block.
    Other processes of this user learn the embedded addresses from `find_servers`.
    """
    embedded = EMBEDDED in {bus_url, status_url}
    with ExitStack() as stack:
        if bus_url == EMBEDDED:
            bus = EmbeddedServer("bus", durable=True, data_dir=data_dir)
            bus_url = stack.enter_context(bus).url
        if status_url == EMBEDDED:
            status_url = stack.enter_context(EmbeddedServer("status", durable=False)).url
        servers = Servers(bus_url, status_url)
        if embedded:
            stack.enter_context(announced(servers, data_dir))
        yield servers
