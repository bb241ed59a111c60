"""The recovery store: where a stopped process left its state."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from domain.errors import RecoveryError

PARTS = 1
"""Parts of a new store: more of them made snapshots slower."""
PAGE_BYTES = 65_536
"""Snapshots are megabytes: with the usual pages of 4 KB they took twice as long to write."""
_NEW = "new-"


def prepare_recovery(folder: Path) -> None:
    """Make an empty recovery store where there is none. Raises RecoveryError.

    It is made beside its place and moved there whole, so that whoever is killed meanwhile
    leaves none rather than half of one.
    """
    from bytewax.recovery import init_db_dir

    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not any(folder.glob("part-*.sqlite3")):
            with TemporaryDirectory(prefix=_NEW, dir=folder) as name:
                init_db_dir(Path(name), PARTS)
                for part in Path(name).glob("part-*.sqlite3"):
                    _widen_pages(part)
                    # Of several processes that make one, the first one's is everybody's.
                    with suppress(FileExistsError):
                        (folder / part.name).hardlink_to(part)
    except OSError as error:
        why = error.strerror or error
        raise RecoveryError(f"cannot use the recovery folder {folder}: {why}") from error
    except sqlite3.Error as error:
        raise RecoveryError(f"cannot use the recovery folder {folder}: {error}") from error


def _widen_pages(part: Path) -> None:
    """SQLite sets the size of pages when it writes a file anew, and not while it keeps a WAL."""
    with closing(sqlite3.connect(part, isolation_level=None)) as store:
        for statement in (
            "PRAGMA journal_mode = DELETE",
            f"PRAGMA page_size = {PAGE_BYTES}",
            "VACUUM",
            "PRAGMA journal_mode = WAL",
        ):
            store.execute(statement)
