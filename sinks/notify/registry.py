"""The subscriptions that are to be run: read from the history store, run from memory of it.

While that store is away they go on as last known. How far each has come is copied there.
"""

import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg
import structlog
from psycopg.types.json import Jsonb

from bus.base import Bus
from domain.errors import BusError, ServerRefused
from domain.instants import SECOND
from domain.published import Severity
from domain.subscriptions import Start, Subscription
from sinks.history.connection import Connection, connect, in_words
from sinks.notify.courier import Pace
from sinks.notify.runner import Progress, Runner
from sinks.notify.store import Store

_ACTIVE = """
SELECT s.subscription_id::text, s.generation, s.event_types, s.desk, s.desks, s.min_severity,
  s.destination, s.secret, s.start, p.positions
FROM subscriptions s LEFT JOIN subscription_progress p
  ON p.subscription_id = s.subscription_id AND p.generation = s.generation
WHERE s.state = 'ACTIVE' ORDER BY s.subscription_id
"""
_PROGRESS = """
INSERT INTO subscription_progress (subscription_id, generation, positions, delivered,
  last_delivered_at, failing_since, words, changed_at)
SELECT s.subscription_id, %s, %s, %s, %s, %s, %s, now() FROM subscriptions s
WHERE s.subscription_id = %s
ON CONFLICT (subscription_id) DO UPDATE SET
  generation = excluded.generation, positions = excluded.positions,
  delivered = CASE subscription_progress.generation WHEN excluded.generation
    THEN subscription_progress.delivered ELSE 0 END + excluded.delivered,
  last_delivered_at = coalesce(excluded.last_delivered_at, subscription_progress.last_delivered_at),
  failing_since = excluded.failing_since, words = excluded.words, changed_at = now()
"""
_END_S = 5.0
_log = structlog.get_logger("subscriptions")


class Registry:
    """Starts and stops a runner for each subscription, on a thread of its own."""

    def __init__(
        self,
        bus: Bus,
        store: Store,
        address: Callable[[], str | None],
        *,
        every_s: float = 1.0,
        pace: Pace | None = None,
    ) -> None:
        self._bus = bus
        self._store = store
        self._address = address
        self._every_s = every_s
        self._pace = pace
        self._stopped = threading.Event()
        self._connection: Connection | None = None
        self._runners: dict[str, Runner] = {}
        self._told: dict[str, Progress] = {}
        self._counted: dict[str, int] = {}
        self._remembered: list[Subscription] | None = None
        self._is_away = False
        self._thread = threading.Thread(target=self._run, name="subscriptions", daemon=True)

    def start(self) -> None:
        """Begin with what was last known."""
        self._thread.start()

    def close(self) -> None:
        """End every runner."""
        self._stopped.set()
        self._thread.join(2 * _END_S)

    def step(self) -> None:
        """Look once: begin, change and end runners, and say how far they are.

        Raises psycopg.Error, ServerRefused where the history store is away, BusError.
        """
        url = self._address()
        if url is None:
            raise psycopg.OperationalError("no history store is there")
        if self._connection is None or self._connection.closed:
            self._connection = connect(url)
        self._tell(self._connection)
        rows = self._connection.execute(_ACTIVE).fetchall()
        wanted = [_subscription(row) for row in rows]
        kept = {one.subscription_id: row[-1] for one, row in zip(wanted, rows, strict=True)}
        self._remember(wanted, kept)
        self._run_these({one.subscription_id: one for one in wanted})

    def _remember(
        self, wanted: list[Subscription], kept: Mapping[str, Mapping[str, Any] | None]
    ) -> None:
        """In the file, with positions that only the history store has: the file was lost."""
        if wanted == self._remembered:
            return
        with self._store.writing() as db:
            db.execute("DELETE FROM subscriptions")
            for one in wanted:
                db.execute(
                    "INSERT INTO subscriptions VALUES (?, ?)",
                    (one.subscription_id, msgspec.json.encode(one)),
                )
                places = [
                    (f"{one.subscription_id}/{one.generation}", topic, int(partition), position)
                    for topic, by_partition in (kept[one.subscription_id] or {}).items()
                    for partition, position in by_partition.items()
                ]
                db.executemany("INSERT OR IGNORE INTO positions VALUES (?, ?, ?, ?)", places)
        self._remembered = wanted

    def _run_these(self, wanted: Mapping[str, Subscription]) -> None:
        for id_, runner in list(self._runners.items()):
            if wanted.get(id_) != runner.subscription:
                runner.ask_to_end()
                runner.join(_END_S)
                del self._runners[id_]
                self._counted.pop(id_, None)
        for id_, one in wanted.items():
            if id_ not in self._runners:
                runner = self._runners[id_] = Runner(self._bus, self._store, one, pace=self._pace)
                runner.start()

    def _tell(self, connection: Connection) -> None:
        for id_, runner in self._runners.items():
            found = runner.progress()
            if self._told.get(id_) == found:
                continue
            new = found.delivered - self._counted.get(id_, 0)
            connection.execute(
                _PROGRESS,
                (runner.subscription.generation, Jsonb(found.positions), new,
                 _at(found.last_delivered_ns), _at(found.failing_since_ns), found.words, id_),
            )  # fmt: skip
            self._told[id_] = found
            self._counted[id_] = found.delivered

    def _run(self) -> None:
        self._from_memory()
        while not self._stopped.is_set():
            try:
                self.step()
            except (psycopg.Error, ServerRefused, OSError, BusError) as error:
                if not self._is_away:
                    _log.warning("subscriptions_as_known", why=in_words(error))
                self._is_away = True
            except Exception:
                _log.exception("subscriptions_failed")
            else:
                if self._is_away:
                    _log.info("subscriptions_known_again")
                self._is_away = False
            self._stopped.wait(self._every_s)
        self._end()

    def _from_memory(self) -> None:
        rows = self._store.rows("SELECT body FROM subscriptions")
        known = [msgspec.json.decode(row["body"], type=Subscription) for row in rows]
        try:
            self._run_these({one.subscription_id: one for one in known})
        except BusError as error:
            _log.warning("subscriptions_wait", why=str(error))

    def _end(self) -> None:
        until = time.monotonic() + _END_S
        for runner in self._runners.values():
            runner.ask_to_end()
        for runner in self._runners.values():
            runner.join(max(until - time.monotonic(), 0.0))
        if self._connection is not None:
            self._connection.close()


def _subscription(row: tuple[Any, ...]) -> Subscription:
    id_, generation, event_types, desk, desks, min_severity, destination, secret, start, _ = row
    return Subscription(
        subscription_id=id_,
        generation=generation,
        event_types=event_types,
        desks=desks if desk is None else [desk],
        min_severity=Severity(min_severity),
        url=destination.get("url") or "",
        secret=secret or "",
        topic=destination.get("topic") or "",
        start=msgspec.convert(start, Start),
    )


def _at(ns: int | None) -> datetime | None:
    return None if ns is None else datetime.fromtimestamp(ns / SECOND, UTC)
