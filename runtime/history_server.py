"""The embedded history store: one folder has one server.

Whoever comes second uses the one that runs.
"""

import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from runtime.postgres_server import EmbeddedPostgres, url_of
from runtime.private_dirs import Lock
from runtime.servers import EMBEDDED

__all__ = ["EmbeddedPostgres", "find_history", "open_history"]


@contextmanager
def open_history(url: str = EMBEDDED, folder: Path | None = None) -> Generator[str]:
    """Address of the history store, of the embedded server if it says so, started if needed.

    A server that already serves the folder is used and left running; one that is just
    ending is waited for.
    """
    if url != EMBEDDED:
        yield url
        return
    found = find_history(folder) if folder else None
    if found is not None:
        yield found
        return
    with _started(folder) as server:
        yield server


@contextmanager
def _started(folder: Path | None, patience_s: float = 30.0) -> Generator[str]:
    deadline = time.monotonic() + patience_s
    server = EmbeddedPostgres(folder)
    while folder is not None and _is_locked(folder):
        found = find_history(folder)
        if found is not None:
            yield found
            return
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    with server:
        yield server.url


def _is_locked(folder: Path) -> bool:
    if not (folder / "lock").exists():
        return False
    try:
        lock = Lock.take(folder / "lock")
    except OSError:
        return False
    if lock is None:
        return True
    lock.release()
    return False


def find_history(folder: Path) -> str | None:
    """Address of the embedded server that serves this folder now, else None."""
    try:
        lines = (folder / "data" / "postmaster.pid").read_text().splitlines()
        sockets = Path(lines[4])
    except (OSError, IndexError):
        return None
    if not sockets.is_absolute():
        # A server that is starting has not written its line yet.
        return None
    try:
        with psycopg.connect(url_of(sockets), connect_timeout=3):
            return url_of(sockets)
    except psycopg.Error:
        return None
