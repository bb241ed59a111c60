"""How the tables are stored: hypertables where TimescaleDB is there, plain tables elsewhere.

Setting up again changes nothing, follows changed settings, and turns plain tables into
hypertables once the extension is there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from sinks.history.connection import Connection, in_words, run
from sinks.history.timescale import (
    ROLLUP,
    ROLLUP_QUERY,
    SERIES,
    StorageSettings,
    keep_aggregate,
    keep_columnstore,
    keep_retention,
    kind_of,
    make_hypertable,
)

__all__ = ["Storage", "StorageSettings", "describe_storage", "set_up_storage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """What was found or set up."""

    timescaledb: str | None
    """Version of the extension, None on plain PostgreSQL."""
    hypertables: Sequence[str] = ()
    columnstore: Sequence[str] = ()
    retention: Sequence[str] = ()
    aggregates: Sequence[str] = ()
    notices: Sequence[str] = ()


_PLAIN_HOUR = "date_bin('1 hour', f.ts, TIMESTAMPTZ '2000-01-01 00:00Z')"
_PLAIN = "TimescaleDB is not there: plain tables, roll-ups computed when asked, nothing dropped"
_APACHE = (
    "TimescaleDB runs without its community licence: hypertables, but no columnstore, no "
    "retention, roll-ups computed when asked"
)


def set_up_storage(connection: Connection, settings: StorageSettings) -> Storage:
    """Make the storage what it should be; run by one session at a time."""
    notices: list[str] = []
    version = _extension(connection, notices)
    if version is not None:
        for series in SERIES:
            with connection.transaction():
                make_hypertable(connection, series, settings)
    if version is not None and _is_community(connection):
        for series in SERIES:
            with connection.transaction():
                keep_columnstore(connection, series, settings)
                keep_retention(connection, series, settings)
        with connection.transaction():
            keep_aggregate(connection, settings)
    else:
        notices.append(_PLAIN if version is None else _APACHE)
        with connection.transaction():
            _view(connection)
    found = describe_storage(connection)
    return Storage(
        timescaledb=found.timescaledb,
        hypertables=found.hypertables,
        columnstore=found.columnstore,
        retention=found.retention,
        aggregates=found.aggregates,
        notices=notices,
    )


def describe_storage(connection: Connection) -> Storage:
    """What is there now."""
    version = _version(connection)
    if version is None:
        return Storage(timescaledb=None)
    jobs = (
        "SELECT hypertable_name FROM timescaledb_information.jobs "
        "WHERE proc_name = '{}' AND hypertable_schema = current_schema() ORDER BY 1"
    )
    return Storage(
        timescaledb=version,
        hypertables=_names(
            connection,
            "SELECT hypertable_name FROM timescaledb_information.hypertables "
            "WHERE hypertable_schema = current_schema() ORDER BY 1",
        ),
        columnstore=_names(connection, jobs.format("policy_compression")),
        retention=_names(connection, jobs.format("policy_retention")),
        aggregates=_names(
            connection,
            "SELECT view_name FROM timescaledb_information.continuous_aggregates "
            "WHERE view_schema = current_schema() ORDER BY 1",
        ),
    )


def _names(connection: Connection, query: str) -> tuple[str, ...]:
    return tuple(row[0] for row in run(connection, query).fetchall())


def _version(connection: Connection) -> str | None:
    found = run(connection, "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")
    row = found.fetchone()
    return None if row is None else str(row[0])


def _extension(connection: Connection, notices: list[str]) -> str | None:
    """Version of the extension, created where the server has it loaded."""
    version = _version(connection)
    if version is not None:
        return version
    # Without its loader the server would end our session at CREATE EXTENSION.
    row = run(connection, "SELECT current_setting('timescaledb.disable_load', true)").fetchone()
    if row is None or row[0] is None:
        return None
    try:
        run(connection, "CREATE EXTENSION IF NOT EXISTS timescaledb")
    except psycopg.Error as error:
        notices.append(f"TimescaleDB could not be created: {in_words(error)}")
    return _version(connection)


def _is_community(connection: Connection) -> bool:
    row = run(connection, "SELECT current_setting('timescaledb.license', true)").fetchone()
    return row is not None and row[0] == "timescale"


def _view(connection: Connection) -> None:
    """The roll-up by the hour, computed at every look."""
    if kind_of(connection, ROLLUP) is None:
        run(connection, f"CREATE VIEW {ROLLUP} AS {ROLLUP_QUERY.format(hour=_PLAIN_HOUR)}")
