"""One stream of log lines of many processes, each with the name of the one that wrote it.

Nobody waits for the stream: where its reader is slow, such as a terminal that is held,
lines are left out and counted.
"""

import json
import sys
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

import structlog

MOST_WAITING = 10_000
"""Lines kept for a slow reader."""


class LogStream:
    """Takes lines of any process and writes them, as `format_` says, from a thread of its own."""

    def __init__(
        self, format_: Literal["json", "console"] = "console", out: TextIO | None = None
    ) -> None:
        self._out = sys.stderr if out is None else out
        self._render: Any = (
            structlog.processors.JSONRenderer(ensure_ascii=False)
            if format_ == "json"
            else structlog.dev.ConsoleRenderer(colors=self._out.isatty(), timestamp_key="time")
        )
        self._lines: deque[dict[str, Any]] = deque()
        self._left_out = 0
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="log-stream", daemon=True)
        self._thread.start()

    def put(self, process: str, line: bytes) -> None:
        """Take a line that this process wrote: a JSON object as it is, other text as an event."""
        entry = {**_entry(line), "process": process}
        with self._changed:
            if len(self._lines) < MOST_WAITING:
                self._lines.append(entry)
            else:
                self._left_out += 1
            self._changed.notify()

    def close(self, wait_s: float = 2.0) -> None:
        """Write what waits, for so long at most."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(wait_s)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines or self._closed)
                if not self._lines:
                    return
                entry = self._lines.popleft()
                left_out, self._left_out = self._left_out, 0
            with suppress(OSError, ValueError):
                if left_out:
                    self._write(_entry(b"log_lines_left_out", level="warning", lines=left_out))
                self._write(entry)

    def _write(self, entry: dict[str, Any]) -> None:
        level = str(entry.get("level", "info"))
        self._out.write(self._render(None, level, entry) + "\n")
        self._out.flush()


def _entry(line: bytes, *, level: str = "info", **more: Any) -> dict[str, Any]:
    with suppress(ValueError):
        found = json.loads(line)
        if isinstance(found, Mapping) and "event" in found:
            return dict(found)
    time = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return {"event": line.decode(errors="replace"), "level": level, "time": time, **more}
