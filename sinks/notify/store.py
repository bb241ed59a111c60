"""What is to be sent and what became of it, in a file of this machine.

Not in the history store: its own failure is among what people are told of, and a page must go
out while it is away. What is here is mirrored there for showing. Everything that waits (for a
wider alert, the end of quiet hours, a digest, a channel to come back) waits here, as a time.
"""

import sqlite3
import threading
from collections.abc import Generator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

from domain.errors import RecoveryError, ServerError

VERSION = 1
FILE = "notify.sqlite3"
_SCHEMA = """
CREATE TABLE alerts (
    alert_id TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    body BLOB NOT NULL,             -- its newest event
    group_id TEXT,                  -- alert whose page covers it
    is_over INTEGER NOT NULL,
    is_covered INTEGER NOT NULL,    -- another alert explains it
    changed INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX alerts_group ON alerts (group_id) WHERE group_id IS NOT NULL;
CREATE INDEX alerts_changed ON alerts (changed);
CREATE TABLE notifications (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    channel TEXT NOT NULL,
    kind TEXT NOT NULL,
    alert_id TEXT NOT NULL,
    desk TEXT NOT NULL,
    severity TEXT NOT NULL,
    rank INTEGER NOT NULL,          -- of the severity
    state TEXT NOT NULL,
    due INTEGER NOT NULL,           -- not sent before, ns
    give_up INTEGER NOT NULL,       -- not tried after, ns
    created INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    unconfirmed INTEGER NOT NULL DEFAULT 0,
    is_repeat INTEGER NOT NULL DEFAULT 0,
    is_collected INTEGER NOT NULL DEFAULT 0,  -- goes into a digest
    digest TEXT,                    -- key of the one it went into
    subject TEXT NOT NULL DEFAULT '',
    page BLOB,                      -- as it is sent, from the first attempt on
    why TEXT NOT NULL DEFAULT '',
    words TEXT NOT NULL DEFAULT '',
    revision INTEGER NOT NULL DEFAULT 1,
    is_mirrored INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX notifications_due ON notifications (channel, state, due);
CREATE INDEX notifications_alert ON notifications (alert_id, channel);
CREATE INDEX notifications_unmirrored ON notifications (number) WHERE is_mirrored = 0;
CREATE INDEX notifications_changed ON notifications (changed);
CREATE TABLE subscriptions (
    subscription_id TEXT PRIMARY KEY,
    body BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE positions (
    subscription_id TEXT NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    position TEXT NOT NULL,
    PRIMARY KEY (subscription_id, topic, partition)
) WITHOUT ROWID;
"""


class State(StrEnum):
    """Where a notification stands."""

    WAITING = "WAITING"
    SENDING = "SENDING"
    """Being sent; found at a start, nobody knows whether it arrived."""
    DELIVERED = "DELIVERED"
    UNDELIVERED = "UNDELIVERED"
    """Nobody was told; `words` say why."""
    WITHDRAWN = "WITHDRAWN"
    """Not needed any more before it was sent."""
    COLLECTED = "COLLECTED"
    """Went into a digest."""


class Store:
    """The file. Safe to use from several threads of one process.

    Raises RecoveryError for a file of another version or one that is none.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._lock = threading.RLock()
        try:
            self._db = _opened(self.path)
        except sqlite3.OperationalError as error:
            raise ServerError(f"{self.path} cannot be opened: {error}") from error
        except sqlite3.DatabaseError as error:
            raise RecoveryError(
                f"{self.path} cannot be read: {error}; move it away to begin anew"
            ) from error

    @contextmanager
    def writing(self) -> Generator[sqlite3.Connection]:
        """A transaction, on the disk when the block ends; nothing of it where that fails."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def rows(self, query: str, values: tuple[Any, ...] = ()) -> list[sqlite3.Row]:
        """What a query finds."""
        with self._lock:
            return self._db.execute(query, values).fetchall()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()


def _opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA journal_mode = WAL")
    # A page that was sent must be known as sent after a loss of power too.
    db.execute("PRAGMA synchronous = FULL")
    [version] = db.execute("PRAGMA user_version").fetchone()
    if version == 0:
        db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
    elif version != VERSION:
        db.close()
        raise RecoveryError(
            f"{path} has version {version}, this program reads {VERSION}: use the program that "
            "wrote it, or move it away to begin anew"
        )
    return db


def insert(db: sqlite3.Connection, **values: object) -> None:
    """A new notification; one with a key that is known changes nothing."""
    names = ", ".join(values)
    marks = ", ".join("?" * len(values))
    db.execute(
        f"INSERT OR IGNORE INTO notifications ({names}) VALUES ({marks})", tuple(values.values())
    )


def read_only(folder: Path) -> sqlite3.Connection:
    """The file for looking, beside whoever writes it. Raises ServerError where there is none."""
    path = folder / FILE
    try:
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        db.row_factory = sqlite3.Row
        [version] = db.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error as error:
        raise ServerError(f"nothing was sent from {folder} so far: {FILE}: {error}") from error
    if version != VERSION:
        db.close()
        raise ServerError(f"{path} has version {version}, this program reads {VERSION}")
    return db
