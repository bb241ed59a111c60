"""What was shown of an order: its rows in time, its newest status, and what was known when."""

from dataclasses import dataclass
from typing import Any

import msgspec
from psycopg.sql import SQL, Composable

from analytics.history.connection import (
    ENTITLED,
    Connection,
    Desks,
    Row,
    all_of,
    desk_list,
    fetch_all,
    fetch_one,
    timestamp_of,
)

_ROWS = SQL("""
SELECT t.ts_ns, t.order_id, t.execution_progress, t.fill_rate, t.average_price, t.market_impact,
       t.cost_efficiency, t.slippage, t.venue_distribution, t.alerts, t.seq, t.known_ns{}
FROM execution_monitoring_ts AS t JOIN orders AS o USING (order_id)
WHERE t.order_id = %(order_id)s AND """)
_BODY = SQL(", t.body::text AS body")
_NOTHING = SQL("")


@dataclass(frozen=True, slots=True)
class StatusPlace:
    """The last row of a page."""

    ts_ns: int
    seq: int


async def list_statuses(
    connection: Connection,
    order_id: str,
    *,
    desks: Desks,
    limit: int,
    from_ns: int | None = None,
    to_ns: int | None = None,
    descending: bool = True,
    after: StatusPlace | None = None,
    with_body: bool = False,
) -> list[Row]:
    """Rows of an order with `from_ns` ≤ event time < `to_ns`, newest first unless told.

    With `with_body`, `body` is the text of the whole status as it was published.
    """
    conditions: list[Composable] = [ENTITLED]
    values: dict[str, Any] = {"order_id": order_id, "desks": desk_list(desks), "limit": limit}
    # The timestamp lets the store skip chunks; the nanoseconds decide.
    if from_ns is not None:
        conditions.append(SQL('t."timestamp" >= %(from_time)s AND t.ts_ns >= %(from_ns)s'))
        values |= {"from_time": timestamp_of(from_ns), "from_ns": from_ns}
    if to_ns is not None:
        conditions.append(SQL('t."timestamp" <= %(to_time)s AND t.ts_ns < %(to_ns)s'))
        values |= {"to_time": timestamp_of(to_ns), "to_ns": to_ns}
    if after is not None:
        than = SQL("<" if descending else ">")
        conditions.append(
            SQL('(t."timestamp", t.seq) {} (%(after_time)s, %(after_seq)s)').format(than)
        )
        values |= {"after_time": timestamp_of(after.ts_ns), "after_seq": after.seq}
    way = SQL("DESC" if descending else "ASC")
    query = SQL('{}{} ORDER BY t."timestamp" {}, t.seq {} LIMIT %(limit)s').format(
        _ROWS.format(_BODY if with_body else _NOTHING), all_of(conditions), way, way
    )
    return await fetch_all(connection, query, values)


_KNOWN_AT = SQL("""
SELECT t.body::text AS body
FROM execution_monitoring_ts AS t JOIN orders AS o USING (order_id)
WHERE t.order_id = %(order_id)s AND t.known_ns <= %(known_ns)s AND {}
ORDER BY t.known_ns DESC, t.seq DESC LIMIT 1""").format(ENTITLED)


async def status_known_at(
    connection: Connection, order_id: str, known_ns: int, *, desks: Desks
) -> bytes | None:
    """The status as it was known at this instant, as JSON; None where nothing was yet."""
    values = {"order_id": order_id, "known_ns": known_ns, "desks": desk_list(desks)}
    return _body(await fetch_one(connection, _KNOWN_AT, values))


_NEWEST = SQL("""
SELECT t.body::text AS body
FROM orders AS o JOIN execution_monitoring_ts AS t USING (order_id, "timestamp", seq)
WHERE o.order_id = %(order_id)s AND {}""").format(ENTITLED)


async def newest_status(connection: Connection, order_id: str, *, desks: Desks) -> bytes | None:
    """The newest final status of an order, as JSON; None where there is none to be seen."""
    values = {"order_id": order_id, "desks": desk_list(desks)}
    return _body(await fetch_one(connection, _NEWEST, values))


_RECORD = SQL("""
SELECT r.body::text AS body FROM order_tca AS r JOIN orders AS o USING (order_id)
WHERE r.order_id = %(order_id)s AND {}""").format(ENTITLED)


async def order_record(connection: Connection, order_id: str, *, desks: Desks) -> Row | None:
    """The whole record of a finished order, None until it is written."""
    values = {"order_id": order_id, "desks": desk_list(desks)}
    found = await fetch_one(connection, _RECORD, values)
    return None if found is None else msgspec.json.decode(found["body"])


def _body(row: Row | None) -> bytes | None:
    return None if row is None else row["body"].encode()
