"""Folders that only this user can enter, and locks that die with their holder.

A unix socket's path may have at most 107 bytes, so sockets live in short folders with
random names under `XDG_RUNTIME_DIR`, or under the system's folder for temporary files, or
under `/tmp`: the first that is writable and short enough.
"""

import contextlib
import fcntl
import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from domain.errors import ServerError

SOCKET_PATH_LIMIT = 107 if sys.platform == "linux" else 103
_PREFIX = "execmon-"
_LONGEST_NAME = "status.sock"
# A younger folder may belong to a process that is about to lock it.
_SETTLED_S = 5.0


class Lock:
    """An advisory lock on a file, held until `release` or the death of every holder.

    Child processes that inherit `fd` hold it too.
    """

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.fd = fd

    @classmethod
    def take(cls, path: Path) -> "Lock | None":
        """The lock, or None where another process holds it."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        return cls(path, fd)

    def release(self) -> None:
        """Let go; a second call does nothing."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def base_dir(suits: Callable[[Path], bool] = lambda _: True) -> Path:
    """The first folder that suits for sockets. Raises ServerError where none will do."""
    tried: list[str] = []
    for text in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"):
        if not text:
            continue
        path = Path(text)
        longest = path / f"{_PREFIX}12345678" / _LONGEST_NAME
        if len(os.fsencode(longest)) > SOCKET_PATH_LIMIT:
            tried.append(f"{path} (too long for a unix socket)")
        elif not os.access(path, os.W_OK | os.X_OK):
            tried.append(f"{path} (not writable)")
        elif not suits(path):
            tried.append(f"{path} (closed to the user that the server runs as)")
        else:
            return path
    raise ServerError(
        f"no folder for the servers' sockets: tried {', '.join(tried)}; "
        "set XDG_RUNTIME_DIR to a short path you can write to"
    )


def make_private_dir(suits: Callable[[Path], bool] = lambda _: True) -> tuple[Path, Lock]:
    """A new folder of mode 0700 with its lock; leftovers of dead processes are removed first."""
    base = base_dir(suits)
    _sweep(base)
    path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
    lock = Lock.take(path / "lock")
    if lock is None:
        raise ServerError(f"{path} was just made and is already locked")
    return path, lock


def remove_private_dir(path: Path, patience_s: float = 2.0) -> None:
    """Remove the folder, also while a process that was just killed still writes into it."""
    deadline = time.monotonic() + patience_s
    shutil.rmtree(path, ignore_errors=True)
    while path.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
        shutil.rmtree(path, ignore_errors=True)


def _sweep(base: Path) -> None:
    for path in base.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            found = path.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
                continue
            if not (path / "lock").exists() or time.time() - found.st_mtime < _SETTLED_S:
                continue
            lock = Lock.take(path / "lock")
            if lock:
                shutil.rmtree(path, ignore_errors=True)
                lock.release()


def own_dir(path: Path) -> Path:
    """Make a folder of mode 0700, or check that an existing one is ours.

    Raises ServerError where it cannot be made or belongs to somebody else.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = path.stat().st_uid
    except OSError as error:
        raise ServerError(f"cannot make the folder {path}: {error.strerror}") from error
    if owner != os.getuid():
        raise ServerError(f"{path} belongs to user {owner}; choose a folder of your own")
    if not os.access(path, os.W_OK | os.X_OK):
        raise ServerError(f"{path} is not writable; choose another folder or change its mode")
    return path
