"""The events of an order and of those below it, in order of time."""

from dataclasses import dataclass
from typing import Any

from psycopg.sql import SQL

from analytics.history.connection import Connection, Desks, Row, fetch_all
from analytics.history.orders import family_of

_EVENTS = SQL("""
SELECT e.order_id, e."type", e.root_order_id, e.parent_order_id, e.symbol, e.venue, e.exec_id,
    e.exec_ref_id, e.side, e.ts_ns, e.known_ns, e.seq, e.pos, e.source, e.order_qty, e.limit_px,
    e.last_qty, e.last_px, e.cum_qty, e.leaves_qty, e.fee, e.avg_px, e.liquidity, e.reject_reason,
    s.ts_ns AS sent_ns
FROM order_events AS e
LEFT JOIN LATERAL (
    SELECT s.ts_ns FROM order_events AS s
    WHERE e."type" IN ('route_acknowledged', 'route_rejected', 'route_timed_out')
        AND s.order_id = e.order_id AND s."type" = 'route_sent' AND s.ts_ns <= e.ts_ns
        AND s.exec_id IS NOT DISTINCT FROM e.exec_id
    ORDER BY s.ts_ns DESC LIMIT 1
) AS s ON true
WHERE e.order_id = ANY(%(family)s) AND {}
ORDER BY e.ts_ns, e.source, e.pos, e.order_id LIMIT %(limit)s""")
_ALL = SQL("true")
_BEHIND = SQL(
    "(e.ts_ns, e.source, e.pos, e.order_id)"
    " > (%(after_ns)s, %(after_source)s, %(after_pos)s, %(after_id)s)"
)


@dataclass(frozen=True, slots=True)
class EventPlace:
    """The last event of a page."""

    ts_ns: int
    source: int
    pos: int
    order_id: str


async def list_events(
    connection: Connection,
    order_id: str,
    *,
    desks: Desks,
    limit: int,
    children: bool = True,
    after: EventPlace | None = None,
) -> list[Row] | None:
    """Order and route events as they came, oldest first; None where the order is not seen.

    `sent_ns` is when the route was sent that the event answers.
    """
    family = await family_of(connection, order_id, desks=desks, children=children)
    if not family:
        return None
    values: dict[str, Any] = {"family": family, "limit": limit}
    if after is not None:
        values |= {
            "after_ns": after.ts_ns, "after_source": after.source, "after_pos": after.pos,
            "after_id": after.order_id,
        }  # fmt: skip
    query = _EVENTS.format(_ALL if after is None else _BEHIND)
    return await fetch_all(connection, query, values)
