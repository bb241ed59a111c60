"""A Pulsar broker by itself on loopback, from the published artifacts: for tests and trials.

`python -m runtime.pulsar_server` runs one until Ctrl-C; with a command behind `--` it runs
that with the broker's addresses in its environment, and ends with it.
"""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import httpx

from domain.errors import ExecmonError, ServerError
from runtime.child import launched
from runtime.ports import free_ports
from runtime.private_dirs import Lock, make_private_dir, remove_private_dir
from runtime.pulsar_jars import FOLDER, resolved

_OPEN = (
    "java.base/java.io", "java.base/java.lang", "java.base/java.nio", "java.base/java.util.zip",
    "java.base/jdk.internal.loader", "java.base/jdk.internal.misc",
    "java.base/jdk.internal.platform", "java.base/sun.net", "java.management/sun.management",
    "jdk.management/com.sun.management.internal",
)  # fmt: skip
_JVM = (
    "-Xms256m", "-Xmx1g", "-XX:MaxDirectMemorySize=512m",
    # A broker that lives for minutes on two cores loses more to the second compiler than it gains.
    "-XX:TieredStopAtLevel=1",
)  # fmt: skip
_STARTS = 4
_SETTLING_S = 3.0
_MAIN = "org.apache.pulsar.PulsarStandaloneStarter"


class PulsarServer:
    """One broker in a private folder, which goes with it. Use as a context manager.

    `more` are lines of its configuration; with a `token` it is asked for its health by that,
    with `tls` it listens for TLS too.
    """

    def __init__(
        self,
        *,
        more: Mapping[str, str] | None = None,
        token: str = "",
        tls: bool = False,
        start_s: float = 120.0,
    ) -> None:
        self.port, self.admin_port, tls_port, tls_admin_port = free_ports(4)
        self.tls_url = f"pulsar+ssl://127.0.0.1:{tls_port}"
        self.tls_admin_url = f"https://127.0.0.1:{tls_admin_port}"
        self._more = dict(more or {})
        if tls:
            self._more["brokerServicePortTls"] = str(tls_port)
            self._more["webServicePortTls"] = str(tls_admin_port)
        self._token = token
        self._start_s = start_s
        self._process: subprocess.Popen[bytes] | None = None
        self._dir: Path | None = None
        self._lock: Lock | None = None

    @property
    def url(self) -> str:
        """Address for clients."""
        return f"pulsar://127.0.0.1:{self.port}"

    @property
    def admin_url(self) -> str:
        """Address of its admin interface."""
        return f"http://127.0.0.1:{self.admin_port}"

    @property
    def pid(self) -> int:
        """Process id. Raises ServerError while not running."""
        if self._process is None or self._process.poll() is not None:
            raise ServerError("the Pulsar broker is not running")
        return self._process.pid

    def start(self) -> "PulsarServer":
        """Start and wait until it is healthy. Raises ServerError with its last words."""
        jars = resolved()
        self._dir, self._lock = make_private_dir()
        try:
            self._launch(jars)
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def restart(self) -> None:
        """Start again with the same data and ports after it was killed.

        A broker that finds its killed forerunner's registration may delete its own with it (it
        clears what is stale without looking again), and never makes a new topic afterwards. One
        more start finds nothing stale.
        """
        for _ in range(_STARTS):
            self.kill()
            self._launch(resolved())
            self._wait_until_ready()
            if self._stays_healthy():
                return
        raise ServerError(
            f"the Pulsar broker lost its bookie in each of {_STARTS} starts: {self.last_words()}"
        )

    def ensure_healthy(self) -> None:
        """Start it again if it is gone or can make no topic."""
        if self._process is not None and self._process.poll() is None:
            with suppress(httpx.HTTPError):
                if self._is_healthy():
                    return
        self.restart()

    def kill(self) -> None:
        """End the process at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """End it and remove its folder; a second call does nothing."""
        self.kill()
        self._process = None
        if self._dir is not None:
            remove_private_dir(self._dir)
            self._dir = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> "PulsarServer":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _launch(self, jars: Path) -> None:
        folder = self._dir
        assert folder is not None
        argv = self._command(jars, folder)
        started = threading.Event()

        # The kernel ties the broker's life to the starting thread, so one is kept for it.
        def keep() -> None:
            with (folder / "log").open("ab") as log:
                self._process = subprocess.Popen(
                    argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder,
                    start_new_session=True,
                )  # fmt: skip
            started.set()
            self._process.wait()

        threading.Thread(target=keep, name="keep-pulsar", daemon=True).start()
        started.wait()

    def _command(self, jars: Path, folder: Path) -> list[str]:
        lines = {
            "brokerServicePort": str(self.port),
            "webServicePort": str(self.admin_port),
            "listeningInterface": _loopback(),
            **self._more,
        }
        text = "".join(f"{name}={value}\n" for name, value in lines.items())
        config = folder / "broker.conf"
        config.write_text((FOLDER / "broker.conf").read_text(encoding="utf-8") + text)
        return launched(
            [
                "/usr/bin/env", "java", *_JVM,
                *(f"--add-opens={name}=ALL-UNNAMED" for name in _OPEN),
                "-Dio.netty.tryReflectionSetAccessible=true",
                f"-Dlog4j2.configurationFile={FOLDER / 'log4j2.xml'}",
                "-cp", f"{jars}/*", _MAIN, "--config", str(config), "-nss", "-nfw",
                "--metadata-dir", str(folder / "metadata"),
                "--bookkeeper-dir", str(folder / "bookkeeper"),
            ]
        )  # fmt: skip

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        until = time.monotonic() + self._start_s
        while time.monotonic() < until:
            if self._process.poll() is not None:
                raise ServerError(f"the Pulsar broker did not start: {self.last_words()}")
            with suppress(httpx.HTTPError):
                if self._is_healthy():
                    return
            time.sleep(0.1)
        raise ServerError(
            f"the Pulsar broker was not healthy within {self._start_s:g} s: {self.last_words()}"
        )

    def _stays_healthy(self) -> bool:
        until = time.monotonic() + _SETTLING_S
        while time.monotonic() < until:
            try:
                if not self._is_healthy():
                    return False
            except httpx.HTTPError:
                return False
            time.sleep(0.2)
        return True

    def _is_healthy(self) -> bool:
        """Whether it answers, and a new topic finds a bookie: after a crash that takes longer."""
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        base = f"{self.admin_url}/admin/v2"
        with httpx.Client(headers=headers, timeout=10.0) as client:
            if not client.get(f"{base}/brokers/health").is_success:
                return False
            topic = f"{base}/persistent/public/default/probe-{time.time_ns()}"
            made = client.put(topic)
            client.delete(topic, params={"force": "true"})
            return made.is_success

    def last_words(self) -> str:
        """The end of its log, for an error message."""
        try:
            assert self._dir is not None
            text = (self._dir / "log").read_text(errors="replace")
        except (OSError, AssertionError):
            return "it left no log"
        return " | ".join(text.strip().splitlines()[-3:]) or "it left no log"


def _loopback() -> str:
    names = [name for _, name in socket.if_nameindex()]
    return next((name for name in names if name.startswith("lo")), "lo")


def main(arguments: Sequence[str]) -> int:
    """Run a broker, and a command on it if one is given."""
    command = list(arguments[1:] if arguments[:1] == ["--"] else arguments)
    try:
        with PulsarServer() as server:
            addresses = {
                "EXECMON_BUS_URL": server.url,
                "EXECMON_PULSAR_ADMIN_URL": server.admin_url,
            }
            if command:
                return subprocess.run(
                    command, env={**os.environ, **addresses}, check=False
                ).returncode
            for name, value in addresses.items():
                sys.stdout.write(f"export {name}={value}\n")
            sys.stdout.flush()
            threading.Event().wait()
    except ExecmonError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
