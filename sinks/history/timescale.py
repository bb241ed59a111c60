"""Hypertables, columnstore, retention and continuous aggregates of TimescaleDB.

Every step looks before it acts, so doing it again changes nothing and follows changed settings.
"""

from dataclasses import dataclass
from datetime import timedelta

from sinks.history.connection import Connection, run

HOUR_S = 3_600.0
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSettings:
    """What an operator may choose."""

    chunk_s: float = HOUR_S
    """Time in one chunk of execution_monitoring_ts."""
    columnstore_after_s: float = 7 * DAY_S
    """Age at which chunks become columns; beyond what is ever replayed."""
    keep_s: float | None = None
    """Age at which rows are dropped; None keeps them."""


@dataclass(frozen=True, slots=True)
class Series:
    """A table whose rows have a time, and how it is cut."""

    table: str
    time: str
    segment: str
    order: str
    minute: int
    """Past the hour at which its jobs run, so that two never meet."""


SERIES = (
    Series("execution_monitoring_ts", "timestamp", "order_id", "timestamp DESC, seq DESC", 5),
    Series("fills", "ts", "order_id", "ts DESC, source, pos", 15),
    Series("order_events", "ts", "order_id", "ts DESC, source, pos", 25),
    Series("market_bars", "ts", "symbol", "ts DESC, interval_ms", 35),
    Series("alert_evaluations", "known_at", "order_id", "known_at DESC, seq DESC", 45),
)
ROLLUP = "rollup_hourly"
_SIGN = "CASE f.side WHEN 'BUY' THEN 1 WHEN 'SELL' THEN -1 END"
ROLLUP_QUERY = f"""
SELECT {{hour}} AS hour, f.venue, o.algo, o.broker, o.strategy, o.desk, o.currency,
    count(*) AS fills,
    sum(f.last_qty) AS qty,
    sum(f.last_qty * f.last_px) AS notional_ccy,
    sum(f.fee) AS fee_ccy,
    count(f.mid) AS fills_with_mid,
    sum(f.last_qty * f.mid) AS mid_notional_ccy,
    sum(2 * {_SIGN} * (f.last_px - f.mid) * f.last_qty) AS effective_spread_ccy
FROM fills AS f JOIN orders AS o ON f.order_id = o.order_id
WHERE f.status IN ('COUNTED', 'CORRECTED')
GROUP BY 1, 2, 3, 4, 5, 6, 7
"""


def _chunk(series: Series, settings: StorageSettings) -> timedelta:
    if series.table == "execution_monitoring_ts":
        return timedelta(seconds=settings.chunk_s)
    return timedelta(seconds=max(settings.chunk_s, DAY_S))


def make_hypertable(connection: Connection, series: Series, settings: StorageSettings) -> None:
    """Cut the table into chunks of the time that is set."""
    chunk = _chunk(series, settings)
    known = run(
        connection,
        "SELECT time_interval FROM timescaledb_information.dimensions "
        "WHERE hypertable_schema = current_schema() AND hypertable_name = %s",
        (series.table,),
    ).fetchone()
    if known is None:
        if kind_of(connection, ROLLUP) == "v":
            run(connection, f"DROP VIEW {ROLLUP}")
        run(
            connection,
            "SELECT create_hypertable(%s::regclass, by_range(%s, %s::interval), "
            "create_default_indexes => false, migrate_data => true)",
            (series.table, series.time, chunk),
        )
    elif known[0] != chunk:
        run(
            connection,
            "SELECT set_chunk_time_interval(%s::regclass, %s::interval)",
            (series.table, chunk),
        )


def keep_columnstore(connection: Connection, series: Series, settings: StorageSettings) -> None:
    """Compress chunks once they are of the age that is set."""
    after = timedelta(seconds=settings.columnstore_after_s)
    if _policy(connection, series, "policy_compression", "compress_after") == after:
        return
    run(connection, f"CALL remove_columnstore_policy('{series.table}', if_exists => true)")
    run(
        connection,
        f"ALTER TABLE {series.table} SET (timescaledb.enable_columnstore = true, "
        f"timescaledb.segmentby = '{series.segment}', timescaledb.orderby = '{series.order}')",
    )
    run(
        connection,
        f"CALL add_columnstore_policy('{series.table}', after => %s::interval, "
        f"schedule_interval => INTERVAL '1 hour', initial_start => {_start(series.minute)})",
        (after,),
    )


def keep_retention(connection: Connection, series: Series, settings: StorageSettings) -> None:
    """Drop chunks once they are of the age that is set, or never."""
    wanted = None if settings.keep_s is None else timedelta(seconds=settings.keep_s)
    if _policy(connection, series, "policy_retention", "drop_after") == wanted:
        return
    run(connection, f"SELECT remove_retention_policy('{series.table}', if_exists => true)")
    if wanted is not None:
        run(
            connection,
            f"SELECT add_retention_policy('{series.table}', drop_after => %s::interval, "
            f"schedule_interval => INTERVAL '1 hour', "
            f"initial_start => {_start(series.minute + 20)})",
            (wanted,),
        )


def _start(minute: int) -> str:
    return f"date_trunc('hour', now()) + INTERVAL '1 hour {minute % 60} minutes'"


def _policy(
    connection: Connection, series: Series, procedure: str, member: str
) -> timedelta | None:
    row = run(
        connection,
        "SELECT (config->>%s)::interval FROM timescaledb_information.jobs "
        "WHERE hypertable_schema = current_schema() AND hypertable_name = %s "
        "AND proc_name = %s",
        (member, series.table, procedure),
    ).fetchone()
    return None if row is None else row[0]


def keep_aggregate(connection: Connection, settings: StorageSettings) -> None:
    """Keep the roll-up by the hour up to date in the background."""
    row = run(
        connection,
        "SELECT materialization_hypertable_name FROM timescaledb_information.continuous_aggregates "
        "WHERE view_schema = current_schema() AND view_name = %s",
        (ROLLUP,),
    ).fetchone()
    if row is None:
        run(connection, f"DROP VIEW IF EXISTS {ROLLUP}")
        query = ROLLUP_QUERY.format(hour="time_bucket(INTERVAL '1 hour', f.ts)")
        run(
            connection,
            f"CREATE MATERIALIZED VIEW {ROLLUP} WITH (timescaledb.continuous, "
            f"timescaledb.materialized_only = false) AS {query} WITH NO DATA",
        )
    _refresh(connection, None if row is None else str(row[0]), settings)


def _refresh(connection: Connection, stored_in: str | None, settings: StorageSettings) -> None:
    # A refresh of what retention has dropped would drop it from the roll-up too.
    begin = None if settings.keep_s is None else timedelta(seconds=settings.keep_s / 2)
    if stored_in is not None:
        row = run(
            connection,
            "SELECT (config->>'start_offset')::interval FROM timescaledb_information.jobs "
            "WHERE hypertable_name = %s AND proc_name = 'policy_refresh_continuous_aggregate'",
            (stored_in,),
        ).fetchone()
        if row is not None and row[0] == begin:
            return
        run(
            connection,
            f"SELECT remove_continuous_aggregate_policy('{ROLLUP}', if_exists => true)",
        )
    run(
        connection,
        f"SELECT add_continuous_aggregate_policy('{ROLLUP}', start_offset => %s::interval, "
        "end_offset => INTERVAL '1 hour', schedule_interval => INTERVAL '15 minutes')",
        (begin,),
    )


def kind_of(connection: Connection, name: str) -> str | None:
    """What a relation is: `r` a table, `v` a view; None where there is none."""
    row = run(
        connection,
        "SELECT relkind::text FROM pg_class WHERE oid = to_regclass(%s)",
        (name,),
    ).fetchone()
    return None if row is None else str(row[0])
