"""A child process that never outlives its parent."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

# Runs in the child: ask the kernel for SIGKILL at the parent's death, then become the
# command. A fork hook of our own would not be safe in a process with threads.
_LAUNCH = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None, use_errno=True).prctl(1, 9, 0, 0, 0)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the starting process is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""
_KIND_S = 5.0


class Child:
    """One process in a group of its own, its output in a file; use as a context manager.

    Start it from the main thread: the kernel ties its life to the thread that started it.
    """

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        self.log = log
        self._argv = [sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid()), *argv]
        self._env = dict(env)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Child":
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                self._argv,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        return self

    @property
    def pid(self) -> int:
        """Process id, also that of its group."""
        assert self._process is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended, None while it runs."""
        assert self._process is not None
        return self._process.poll()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ask it to end, then end its whole group."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_KIND_S)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def last_words(self, lines: int = 5) -> str:
        """The end of its output, for an error message."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        found = [line.strip() for line in text.splitlines() if line.strip()]
        return " | ".join(found[-lines:]) or "it wrote nothing"
