"""The recovery store: where a stopped process left its state."""

import sqlite3
from contextlib import closing
from pathlib import Path

from domain.errors import RecoveryError

PARTS = 1
"""Parts of a new store: more of them made snapshots slower."""
PAGE_BYTES = 65_536
"""Snapshots are megabytes: with the usual pages of 4 KB they took twice as long to write."""


def prepare_recovery(folder: Path) -> None:
    """Make an empty recovery store where there is none. Raises RecoveryError."""
    from bytewax.recovery import init_db_dir

    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not any(folder.glob("part-*.sqlite3")):
            init_db_dir(folder, PARTS)
            for part in folder.glob("part-*.sqlite3"):
                _widen_pages(part)
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
