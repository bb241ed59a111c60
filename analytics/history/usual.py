"""What stored days say of venues and of algorithms at brokers, before anything is judged."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from psycopg.sql import SQL

from analytics.history.connection import Connection, Row, fetch_all

_LOOK_BACK = 3
"""Calendar days that are searched for each stored day wanted: weekends, holidays, pauses."""

_DAYS = SQL("""
SELECT DISTINCT (ts AT TIME ZONE 'UTC')::date AS day FROM order_events
WHERE ts >= %(since)s AND ts < %(until)s ORDER BY day DESC LIMIT %(most)s
""")

_ROUTES = SQL("""
WITH routes AS (
    SELECT max(venue) AS venue,
        min(ts_ns) FILTER (WHERE "type" = 'route_sent') AS sent_ns,
        min(ts_ns) FILTER (WHERE "type" IN ('route_acknowledged', 'route_rejected')) AS answer_ns,
        bool_or("type" = 'route_timed_out') AS timed_out,
        bool_or("type" = 'route_rejected') AS rejected,
        bool_or("type" = 'route_rejected' AND reject_reason = ANY(%(own)s)) AS own
    FROM order_events
    WHERE ts >= %(since)s AND ts < %(until)s AND "type" LIKE 'route\\_%%' AND exec_id IS NOT NULL
    GROUP BY order_id, exec_id
), outcomes AS (
    SELECT venue, (answer_ns - sent_ns) / 1e6 AS ack_ms,
        (answer_ns IS NOT NULL OR timed_out) AND NOT own AS counts,
        (rejected AND NOT own) OR timed_out AS failed
    FROM routes WHERE venue IS NOT NULL
)
SELECT venue, count(*) FILTER (WHERE counts) AS n,
    count(*) FILTER (WHERE counts AND failed) AS failures,
    count(ack_ms) AS answers,
    percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY ack_ms) AS ack_ms
FROM outcomes GROUP BY venue ORDER BY venue
""")

_MARKOUTS = SQL("""
SELECT venue, coalesce(root_order_id, order_id) AS order_id, coalesce(liquidity, '') AS liquidity,
    (ts AT TIME ZONE 'UTC')::date AS day, last_px, mid_60s,
    CASE WHEN side LIKE 'BUY%%' THEN 1.0 ELSE -1.0 END AS side
FROM fills
WHERE ts >= %(since)s AND ts < %(until)s AND status = 'COUNTED' AND venue IS NOT NULL
    AND side IS NOT NULL AND mid_60s IS NOT NULL
ORDER BY ts, source, pos
""")

_COSTS = SQL("""
SELECT algo, coalesce(broker, '-') AS broker, order_id,
    (closed_ts AT TIME ZONE 'UTC')::date AS day,
    (body ->> 'z_cost')::float8 AS z_cost, (body ->> 'risk_bps')::float8 AS risk_bps
FROM order_tca
WHERE closed_ts >= %(since)s AND closed_ts < %(until)s AND algo IS NOT NULL
    AND (body ->> 'z_cost') IS NOT NULL
    AND (parent_order_id IS NULL OR (body ->> 'schedule') IS NOT NULL)
ORDER BY closed_ts, order_id
""")


async def stored_days(connection: Connection, until: date, most: int) -> list[date]:
    """The newest UTC days before `until` that hold events, oldest first."""
    end = _midnight(until)
    values = {"since": end - timedelta(days=_LOOK_BACK * most + 7), "until": end, "most": most}
    return sorted(row["day"] for row in await fetch_all(connection, _DAYS, values))


async def routes_of_venues(
    connection: Connection, since: date, until: date, own_making: Sequence[str]
) -> list[Row]:
    """By venue: routes that had an outcome, how many failed, and how long answers took.

    Refused and timed-out routes failed, but for refusals of our own making, which do not
    count. `ack_ms` are the median, the 95th and the 99th percentile, None without answers.
    """
    values = {**_window(since, until), "own": list(own_making)}
    return await fetch_all(connection, _ROUTES, values)


async def markouts_of_fills(connection: Connection, since: date, until: date) -> list[Row]:
    """Each fill that counts with the mid a minute later."""
    return await fetch_all(connection, _MARKOUTS, _window(since, until))


async def costs_of_orders(connection: Connection, since: date, until: date) -> list[Row]:
    """Finished orders that an algorithm worked and whose `z_cost` is known.

    Parents, and children with a schedule of their own, as the live rules count them.
    """
    return await fetch_all(connection, _COSTS, _window(since, until))


def _window(since: date, until: date) -> dict[str, datetime]:
    return {"since": _midnight(since), "until": _midnight(until)}


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
