"""Executions as the history store has them: at once, and whole with the order's record."""

from dataclasses import dataclass
from typing import Any

from psycopg.sql import SQL, Composable, Composed, Identifier

from analytics.history.connection import Connection, Desks, Row, fetch_all, list_of
from analytics.history.orders import family_of
from domain.rows import HORIZON_NAMES

_MIDS = tuple(f"mid_{name}" for name in HORIZON_NAMES)

_EXECUTIONS = SQL("""
    SELECT f.order_id, f.root_order_id, f.symbol, f.venue, f.exec_id, f.side, f.status,
        f.ts, f.ts_ns, f.known_ns, f.seq, f.pos, f.source, f.last_qty, f.last_px, f.fee, f.cum_qty,
        f.liquidity, f.bid, f.ask, f.mid, f.arrival_mid, f.quote_ns, {mids},
        f.anomalies,
        EXISTS (SELECT 1 FROM order_tca AS r WHERE r.order_id = f.order_id) AS settled
    FROM fills AS f
    WHERE {of_fill}
""")


def executions(condition: Composable) -> Composed:
    """Executions as a table; the condition is on `fills AS f`."""
    return _EXECUTIONS.format(
        mids=list_of([Identifier("f", name) for name in _MIDS]), of_fill=condition
    )


@dataclass(frozen=True, slots=True)
class FillPlace:
    """The last execution of a page."""

    ts_ns: int
    source: int
    pos: int
    order_id: str


async def list_fills(
    connection: Connection,
    order_id: str,
    *,
    desks: Desks,
    limit: int,
    children: bool = True,
    after: FillPlace | None = None,
) -> list[Row] | None:
    """Executions of an order and of those below it, oldest first; None where it is not seen.

    `settled` says whether the order's record is written, and with it every later mid.
    """
    family = await family_of(connection, order_id, desks=desks, children=children)
    if not family:
        return None
    values: dict[str, Any] = {"family": family, "limit": limit}
    behind = SQL("true")
    if after is not None:
        behind = SQL(
            "(ts_ns, source, pos, order_id)"
            " > (%(after_ns)s, %(after_source)s, %(after_pos)s, %(after_id)s)"
        )
        values |= {
            "after_ns": after.ts_ns, "after_source": after.source, "after_pos": after.pos,
            "after_id": after.order_id,
        }  # fmt: skip
    query = SQL(
        "SELECT * FROM ({}) AS x WHERE {} ORDER BY ts_ns, source, pos, order_id LIMIT %(limit)s"
    ).format(executions(SQL("f.order_id = ANY(%(family)s)")), behind)
    return await fetch_all(connection, query, values)
