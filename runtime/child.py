"""A child process that never outlives its parent."""

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

# Runs in the child: ask the kernel for SIGKILL at the parent's death, then become the
# command. A fork hook of our own would not be safe in a process with threads.
LAUNCH = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None, use_errno=True).prctl(1, 9, 0, 0, 0)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the starting process is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""
_KEPT_LINES = 20


def launched(argv: Sequence[str]) -> list[str]:
    """The command line that runs this one and dies with this process."""
    return [sys.executable, "-I", "-S", "-c", LAUNCH, str(os.getpid()), *argv]


class Child:
    """One process in a group of its own; each line it writes is handed to `on_line`.

    Start it from a thread that lives as long as it should: the kernel ties its life to that
    thread. `on_line` is called on a thread of the child's own.
    """

    def __init__(
        self, argv: Sequence[str], env: Mapping[str, str], on_line: Callable[[bytes], None]
    ) -> None:
        self._on_line = on_line
        self._last: deque[str] = deque(maxlen=_KEPT_LINES)
        self._process = subprocess.Popen(
            launched(argv),
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name=f"log-{self.pid}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Process id, also that of its group."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended, None while it runs; a signal that ended it is a negative number."""
        return self._process.poll()

    def ask(self) -> None:
        """Ask it to end."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it and everything it started, at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join(1.0)

    def last_words(self, lines: int = 1) -> str:
        """The end of its output, for an error message."""
        self._reader.join(0.2 if self.exit_code is not None else 0.0)
        return " | ".join(list(self._last)[-lines:]) or "it wrote nothing"

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                text = line.strip()
                if text:
                    self._last.append(text.decode(errors="replace"))
                    self._on_line(text)
