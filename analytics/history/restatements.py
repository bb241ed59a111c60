"""Where a bust, a correction or a late event changed what had been said of an order."""

from typing import Any

import msgspec
from psycopg.sql import SQL

from analytics.history.connection import ENTITLED, Connection, Desks, Row, desk_list, fetch_all
from domain.rows import STATUS_METRICS

_ROWS = SQL("""
SELECT r.seq, r.ts_ns, r.known_ns, r.cause, old.body::text AS before, new.body::text AS after
FROM restatements AS r JOIN orders AS o USING (order_id)
LEFT JOIN execution_monitoring_ts AS new
    ON new.order_id = r.order_id AND new."timestamp" = r."timestamp" AND new.seq = r.seq
LEFT JOIN LATERAL (
    SELECT t.body FROM execution_monitoring_ts AS t
    WHERE t.order_id = r.order_id AND t.seq < r.seq ORDER BY t.seq DESC LIMIT 1
) AS old ON true
WHERE r.order_id = %(order_id)s AND (%(before)s::bigint IS NULL OR r.seq < %(before)s) AND {}
ORDER BY r.seq DESC LIMIT %(limit)s""").format(ENTITLED)
_COMPARED = ("state", "order_qty", "cum_qty", "leaves_qty", "avg_px", "fee", "fills",
             *STATUS_METRICS)  # fmt: skip


async def list_restatements(
    connection: Connection, order_id: str, *, desks: Desks, limit: int, before: int | None = None
) -> list[Row]:
    """Restatements, newest first, each with every figure before and after that it changed.

    With `before`, those of a smaller sequence.
    """
    values = {
        "order_id": order_id, "desks": desk_list(desks), "limit": limit, "before": before,
    }  # fmt: skip
    rows = await fetch_all(connection, _ROWS, values)
    for row in rows:
        row["changes"] = _changes(row.pop("before"), row.pop("after"))
    return rows


def _changes(before: str | None, after: str | None) -> list[dict[str, Any]]:
    if before is None or after is None:
        return []
    old, new = msgspec.json.decode(before), msgspec.json.decode(after)
    return [
        {"name": name, "before": old.get(name), "after": new.get(name)}
        for name in _COMPARED
        if old.get(name) != new.get(name)
    ]
