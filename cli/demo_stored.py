"""What the demo left on its bus and in its history."""

import time

import psycopg

from bus.base import START, Bus
from domain.errors import ExecmonError
from domain.vocabulary import Topic
from sinks.history.connection import connect

_PATIENCE_S = 10.0
_QUIET_S = 1.0
_COUNT = """
SELECT (SELECT count(*) FROM execution_monitoring_ts) + (SELECT count(*) FROM orders)
     + (SELECT count(*) FROM fills) + (SELECT count(*) FROM order_events)
"""


def dead_letters(bus: Bus) -> int:
    """Messages that were refused."""
    return sum(
        bus.lag((Topic.DEAD_LETTER, p), START) for p in range(bus.partitions(Topic.DEAD_LETTER))
    )


def rows_stored(history_url: str) -> int | None:
    """Statuses, orders, fills and events in history once no more come; None without one."""
    if not history_url:
        return None
    try:
        with connect(history_url) as connection:
            return _settled(connection)
    except (psycopg.Error, ExecmonError):
        return None


def _settled(connection: psycopg.Connection[tuple[int]]) -> int:
    began = since = time.monotonic()
    rows = -1
    while True:
        found = connection.execute(_COUNT).fetchone()
        now = time.monotonic()
        if found is not None and found[0] != rows:
            rows, since = found[0], now
        if now - since > _QUIET_S or now - began > _PATIENCE_S:
            return rows
        time.sleep(0.1)
