"""What a running deployment says of itself, in a file of its data folder."""

import os
import time
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil

from domain.errors import ServerError
from runtime.private_dirs import Lock, own_dir
from runtime.supervise import Supervisor
from runtime.unit import State

_FILE = "up.json"
_LOCK = "up.lock"


class UnitState(msgspec.Struct, kw_only=True):
    """One unit of the deployment."""

    name: str
    state: str
    since_s: float
    """UNIX time of the last change."""
    restarts: int
    pids: list[int]
    words: str
    """Why it last ended, while it is not well."""


class DeploymentState(msgspec.Struct, kw_only=True):
    """A deployment as of its last change."""

    pid: int
    process_began_s: float
    began_s: float
    addresses: dict[str, str] = {}
    """Page and servers, passwords hidden."""
    ready: bool = False
    units: list[UnitState] = []


def take_folder(data_dir: Path) -> Lock:
    """Claim a data folder for this process. Raises ServerError where another has it."""
    lock = Lock.take(own_dir(data_dir) / _LOCK)
    if lock is None:
        other = read_state(data_dir)
        who = f" (process {other.pid})" if other else ""
        raise ServerError(
            f"another `execmon up` runs on {data_dir}{who}; stop that one, "
            "or choose another folder with --data-dir"
        )
    let_others_pass(data_dir)
    return lock


def let_others_pass(folder: Path) -> None:
    """PostgreSQL does not run as root: let its user through, though not look."""
    if os.geteuid() == 0:
        folder.chmod(0o711)


class StateFile:
    """Keeps the file up to date; the folder must be ours."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / _FILE
        pid = os.getpid()
        self.state = DeploymentState(
            pid=pid, process_began_s=psutil.Process(pid).create_time(), began_s=time.time()
        )

    def note(self, supervisor: Supervisor) -> None:
        """Write where every unit stands. A disk that is full does not end the deployment."""
        offset = time.time() - time.monotonic()
        self.state.ready = supervisor.is_ready()
        self.state.units = [
            UnitState(
                name=name,
                state=seat.state,
                since_s=seat.since + offset,
                restarts=seat.restarts,
                pids=seat.unit.pids(),
                words="" if seat.state is State.READY else seat.words,
            )
            for name, seat in supervisor.seats.items()
        ]
        fresh = self._path.with_suffix(".new")
        with suppress(OSError):
            fresh.touch(mode=0o600)
            fresh.write_bytes(msgspec.json.encode(self.state))
            fresh.replace(self._path)

    def remove(self) -> None:
        """The deployment is over."""
        self._path.unlink(missing_ok=True)


def read_state(data_dir: Path) -> DeploymentState | None:
    """What the deployment on this folder last said, None where none runs."""
    with suppress(OSError, msgspec.MsgspecError, psutil.Error):
        found = msgspec.json.decode((data_dir / _FILE).read_bytes(), type=DeploymentState)
        if abs(psutil.Process(found.pid).create_time() - found.process_began_s) < 1.0:
            return found
    return None
