"""What was sent and what was not, copied to the history store for showing.

It follows whenever that store is there; nothing waits for it.
"""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, LiteralString, cast

import psycopg
import structlog

from domain.errors import ServerRefused
from domain.instants import SECOND
from sinks.history.connection import Connection, connect, in_words
from sinks.notify.store import Store

_BATCH = 500
_COLUMNS = (
    "key", "channel", "kind", "alert_id", "desk", "severity", "state", "subject", "due_at",
    "created_at", "changed_at", "attempts", "is_repeat", "digest", "words", "revision",
)  # fmt: skip
_UPSERT = f"""
INSERT INTO notifications ({", ".join(_COLUMNS)}) VALUES ({", ".join(["%s"] * len(_COLUMNS))})
ON CONFLICT (key) DO UPDATE SET
  {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[1:])}
WHERE notifications.revision < excluded.revision
"""
_UNMIRRORED = f"SELECT * FROM notifications WHERE is_mirrored = 0 ORDER BY number LIMIT {_BATCH}"
_EVERY_S = 0.5
_AGAIN_S = 5.0
_log = structlog.get_logger("notify")


class Mirror:
    """Copies what changed, on a thread of its own. `address` may not know one yet."""

    def __init__(self, store: Store, address: Callable[[], str | None]) -> None:
        self._store = store
        self._address = address
        self._stopped = threading.Event()
        self._connection: Connection | None = None
        self._is_away = False
        self._thread = threading.Thread(target=self._run, name="notify-mirror", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Copy what is left if the store is there, and end."""
        self._stopped.set()
        self._thread.join(_AGAIN_S)

    def copy(self) -> int:
        """Copy some of what changed; gives how much. Raises psycopg.Error, ServerRefused."""
        rows = self._store.rows(_UNMIRRORED)
        if not rows:
            return 0
        url = self._address()
        if url is None:
            raise psycopg.OperationalError("no history store is there")
        if self._connection is None or self._connection.closed:
            self._connection = connect(url)
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.executemany(cast(LiteralString, _UPSERT), [_values(row) for row in rows])
        self._mark(rows)
        return len(rows)

    def _mark(self, rows: Sequence[sqlite3.Row]) -> None:
        with self._store.writing() as db:
            db.executemany(
                "UPDATE notifications SET is_mirrored = 1 WHERE number = ? AND revision = ?",
                [(row["number"], row["revision"]) for row in rows],
            )

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._stopped.wait(self._try())
        self._try()
        if self._connection is not None:
            self._connection.close()

    def _try(self) -> float:
        try:
            copied = self.copy()
        except Exception as error:
            if not isinstance(error, psycopg.Error | ServerRefused | OSError):
                _log.exception("mirror_defect")
            elif not self._is_away:
                _log.warning("mirror_waits", why=in_words(error))
            self._is_away = True
            return _AGAIN_S
        if self._is_away and copied:
            _log.info("mirror_goes_on")
            self._is_away = False
        return 0.0 if copied == _BATCH else _EVERY_S


def _values(row: sqlite3.Row) -> tuple[Any, ...]:
    return (
        row["key"], row["channel"], row["kind"], row["alert_id"], row["desk"], row["severity"],
        row["state"], row["subject"], _at(row["due"]), _at(row["created"]), _at(row["changed"]),
        row["attempts"], bool(row["is_repeat"]), row["digest"], row["words"], row["revision"],
    )  # fmt: skip


def _at(ns: int) -> datetime:
    return datetime.fromtimestamp(ns / SECOND, UTC)
