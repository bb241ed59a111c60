"""Kills a process while its recovery store is being written: `watch.py FOLDER N PID`.

It sees the N-th change of the store's log files from outside, since the process itself may be
busy inside the engine just then.
"""

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path


def logs(folder: Path) -> list[tuple[str, int, int]]:
    """Name, size and time of each log file; one may vanish meanwhile."""
    found: list[tuple[str, int, int]] = []
    for file in folder.glob("*-wal"):
        with suppress(OSError):
            about = file.stat()
            found.append((file.name, about.st_size, about.st_mtime_ns))
    return found


def main(folder: Path, number: int, pid: int) -> None:
    """Wait for the change, then kill; ends with the process."""
    while number and os.getppid() == pid:
        before = logs(folder)
        while logs(folder) == before and os.getppid() == pid:
            time.sleep(0.0002)
        number -= 1
        time.sleep(0.01 if number else 0)
    if os.getppid() == pid:
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
