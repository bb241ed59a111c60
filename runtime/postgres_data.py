"""The folder of an embedded PostgreSQL: one owner at a time, made whole or not at all."""

import os
import subprocess
import sys
from pathlib import Path
from shutil import rmtree

from domain.errors import RecoveryError, ServerError
from runtime import postgres
from runtime.private_dirs import Lock

_ADVICE = "choose another folder with EXECMON_HISTORY_DIR"
User = tuple[int, int] | None


def take(folder: Path) -> Lock:
    """Make the folder if need be and lock it. Raises ServerError where that cannot be."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = Lock.take(folder / "lock")
    except OSError as error:
        raise ServerError(
            f"cannot keep history in {folder}: {error.strerror}; {_ADVICE}"
        ) from error
    if lock is None:
        raise ServerError(f"{folder} is in use by another process; stop that one or {_ADVICE}")
    return lock


def own(folder: Path, user: User) -> None:
    """Make a private folder that belongs to the user the server runs as."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if user is not None:
        os.chown(folder, *user)


def prepare(home: Path, install: Path, user: User, work_dir: Path) -> None:
    """Make the database in `home`/data, or check that it is of our version.

    Raises RecoveryError for another version, ServerError with initdb's own words.
    """
    data = home / "data"
    found = postgres.version_of(data)
    if found is None:
        _make(home, install, user, work_dir)
    elif found != str(postgres.MAJOR):
        raise RecoveryError(
            f"the history in {home} was written by PostgreSQL {found}, this program "
            f"brings {postgres.MAJOR}: {_ADVICE}, or move it over with pg_dump of {found}"
        )


def _make(home: Path, install: Path, user: User, work_dir: Path) -> None:
    """Make the database aside, so that a half-made one is never taken for a whole."""
    data, fresh = home / "data", home / "data.new"
    if data.exists() and any(data.iterdir()):
        raise ServerError(f"{data} holds something else than a database; {_ADVICE}")
    postgres.check_reach(home, user)
    rmtree(fresh, ignore_errors=True)
    own(fresh, user)
    command = postgres.launch(postgres.init_command(install, fresh), user)
    done = subprocess.run(
        [sys.executable, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=work_dir,
        env=postgres.environment(),
        start_new_session=True,
        check=False,
    )
    if done.returncode:
        rmtree(fresh, ignore_errors=True)
        words = postgres.last_lines(done.stdout.decode(errors="replace"))
        raise ServerError(f"cannot make a database in {home}: {words}")
    fresh.replace(data)
