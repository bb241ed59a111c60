"""Executions and routes rolled up by venue. The definitions are those of `metrics.spreads`,
`metrics.markout` and `metrics.venues`, summed before they are divided.
"""

from collections.abc import Sequence

from psycopg.sql import SQL

from analytics.history.connection import (
    ENTITLED,
    Connection,
    Desks,
    Row,
    fetch_all,
    fragment,
    timestamp_of,
)
from analytics.history.fills import executions
from analytics.history.rollups import Ratio, Window, sums_of, window_values, with_metrics
from domain.rows import MARKOUT_HORIZONS, REALIZED_HORIZONS

_BPS = 1e4
_MIDS = SQL("last_qty * mid")
VENUE_RATIOS: Sequence[Ratio] = (
    Ratio("effective_spread_exec_mid_bps", SQL("2 * s * last_qty * (last_px - mid)"), _MIDS, _BPS),
    Ratio(
        "effective_spread_bps",
        SQL("2 * s * last_qty * (last_px - arrival_mid)"),
        SQL("last_qty * arrival_mid"),
        _BPS,
    ),
    Ratio(
        "price_improvement_bps",
        SQL("last_qty * CASE WHEN s > 0 THEN ask - last_px ELSE last_px - bid END"),
        _MIDS,
        _BPS,
    ),
    Ratio(
        "spread_capture",
        SQL(
            "last_qty * CASE WHEN s > 0 THEN ask - last_px ELSE last_px - bid END"
            " / nullif(ask - bid, 0)"
        ),
        SQL("CASE WHEN ask > bid THEN last_qty END"),
    ),
    *(
        Ratio(
            f"realized_spread_{h}_bps",
            fragment(f"2 * s * last_qty * (last_px - mid_{h})"),
            fragment(f"last_qty * mid + 0 * mid_{h}"),
            _BPS,
        )
        for h in REALIZED_HORIZONS
    ),
    *(
        Ratio(
            f"markout_cost_{h}_bps",
            fragment(f"s * last_qty * (last_px - mid_{h})"),
            fragment(f"last_qty * last_px + 0 * mid_{h}"),
            _BPS,
        )
        for h in MARKOUT_HORIZONS
    ),
    Ratio("fee_bps", SQL("fee"), SQL("last_qty * last_px"), _BPS),
)

_VENUES = SQL("""
WITH counted AS (
    SELECT coalesce(x.venue, '-') AS name, o.currency, x.*,
        CASE WHEN x.side = 'BUY' THEN 1.0 WHEN x.side = 'SELL' THEN -1.0 END AS s
    FROM ({executions}) AS x JOIN orders AS o USING (order_id)
    WHERE x.status IN ('COUNTED', 'CORRECTED') AND NOT o.has_children AND {entitled}
), sums AS (
    SELECT name, currency, count(DISTINCT order_id) AS orders, count(*) AS fills,
        sum(last_qty) AS executed_qty, sum(last_qty * last_px) AS executed_notional_ccy,
        sum(fee) AS fee_ccy, {ratios}
    FROM counted GROUP BY name, currency
)
SELECT *, executed_notional_ccy / nullif(sum(executed_notional_ccy)
        OVER (PARTITION BY currency), 0) AS notional_share
FROM sums ORDER BY executed_notional_ccy DESC NULLS LAST, name, currency LIMIT %(limit)s""")

_ROUTES = SQL("""
WITH routed AS (
    SELECT coalesce(e.venue, '-') AS name, e."type", e.ts_ns,
        (SELECT max(s.ts_ns) FROM order_events AS s
         WHERE e."type" = 'route_acknowledged' AND s.order_id = e.order_id
            AND s."type" = 'route_sent' AND s.ts_ns <= e.ts_ns
            AND s.exec_id IS NOT DISTINCT FROM e.exec_id) AS sent_ns
    FROM order_events AS e JOIN orders AS o USING (order_id)
    WHERE e.ts >= %(from_time)s AND e.ts <= %(to_time)s
        AND e.ts_ns >= %(from_ns)s AND e.ts_ns < %(to_ns)s
        AND e."type" LIKE 'route%%' AND {entitled}
), timed AS (
    SELECT name, "type", (ts_ns - sent_ns) / 1e6 AS ack_ms FROM routed
)
SELECT name, count(*) FILTER (WHERE "type" = 'route_sent') AS sent,
    count(*) FILTER (WHERE "type" = 'route_acknowledged') AS acknowledged,
    count(*) FILTER (WHERE "type" = 'route_rejected') AS rejected,
    count(*) FILTER (WHERE "type" = 'route_timed_out') AS timed_out,
    count(*) FILTER (WHERE "type" = 'route_cancelled') AS cancelled,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY ack_ms)::float8 AS ack_p50_ms,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY ack_ms)::float8 AS ack_p95_ms,
    percentile_cont(0.99) WITHIN GROUP (ORDER BY ack_ms)::float8 AS ack_p99_ms
FROM timed GROUP BY name""")


async def roll_up_venues(connection: Connection, window: Window, *, desks: Desks) -> list[Row]:
    """Executions of the window by venue and currency, largest first, with the venue's routes.

    Executions without a venue count under `-`; a venue that gave none comes last. Only orders
    without children count: those above them repeat their executions.
    """
    values = {
        **window_values(window, desks),
        "from_time": timestamp_of(window.from_ns),
        "to_time": timestamp_of(window.to_ns),
    }
    query = _VENUES.format(
        executions=executions(
            SQL(
                "f.ts >= %(from_time)s AND f.ts <= %(to_time)s"
                " AND f.ts_ns >= %(from_ns)s AND f.ts_ns < %(to_ns)s"
            )
        ),
        entitled=ENTITLED,
        ratios=sums_of(VENUE_RATIOS),
    )
    rows = await fetch_all(connection, query, values)
    routes = await fetch_all(connection, _ROUTES.format(entitled=ENTITLED), values)
    of_venue = {route.pop("name"): _rates(route) for route in routes}
    rows += [_unfilled(name) for name in sorted(of_venue.keys() - {row["name"] for row in rows})]
    return [
        {**with_metrics(row, VENUE_RATIOS, window.min_n), "routes": of_venue.get(row["name"])}
        for row in rows[: window.limit]
    ]


def _unfilled(name: str) -> Row:
    """A venue that took our routes and gave nothing."""
    sums = {f"{ratio.name}/{part}": None for ratio in VENUE_RATIOS for part in ("num", "den")}
    counts = {f"{ratio.name}/n": 0 for ratio in VENUE_RATIOS}
    nothing = dict.fromkeys(("executed_qty", "executed_notional_ccy", "notional_share", "fee_ccy"))
    return {"name": name, "currency": None, "orders": 0, "fills": 0, **nothing, **sums, **counts}


def _rates(route: Row) -> Row:
    sent = route["sent"]
    refused = route["rejected"] + route["timed_out"]
    return {
        **route,
        "reject_rate": refused / sent if sent else None,
        "cancel_rate": route["cancelled"] / sent if sent else None,
    }
