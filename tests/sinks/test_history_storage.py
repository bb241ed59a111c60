"""Rows in the columnstore, and roll-ups that equal a query over the rows."""

import time

import psycopg
import pytest

from bus.base import Stored
from domain.instants import SECOND
from domain.rows import FillStatus
from sinks.history.migrate import migrate
from sinks.history.sink import HistorySink, decode
from sinks.updates import updates_of

NS = 1_700_000_000 * SECOND
HOUR = 3600.0


@pytest.fixture
def write(bus):
    def call(url, *rows):
        body = b"[" + b",".join(e for each in rows for e in updates_of(each, NS, "v1")) + b"]"
        update, dead = decode(0, Stored("1-0", NS, body, "application/json", {}))
        assert not dead
        partition = HistorySink(url, bus).build_part("history", "00", None)
        partition.write_batch([update])
        partition.close()

    return call


def ask(url, query):
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(query)
        return cursor.fetchall() if cursor.description else []


def refresh(url):
    """Bring the roll-up up to date, after the background job if that is just at it."""
    deadline = time.monotonic() + 30
    while True:
        try:
            ask(url, "CALL refresh_continuous_aggregate('rollup_hourly', NULL, NULL)")
        except psycopg.errors.LockNotAvailable:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


def desk(full_rows):
    """Orders of two desks that execute in three hours, one of them busted."""
    found = []
    for n in range(30):
        rows = full_rows(
            f"A{n}", t=n * HOUR / 10, desk=f"D{n % 2}", algo="VWAP", broker=f"B{n % 3}"
        )
        rows.fills["mid"], rows.fills["fee"] = 9.4 + n / 100, 0.5
        rows.fills["status"] = FillStatus.BUSTED if n == 7 else FillStatus.COUNTED
        found.append(rows)
    return found


ROWS = """
SELECT date_bin('1 hour', f.ts, TIMESTAMPTZ '2000-01-01 00:00Z'), f.venue, o.algo, o.broker, o.desk,
    count(*), sum(f.last_qty * f.last_px), sum(f.fee), count(f.mid)
FROM fills f JOIN orders o USING (order_id) WHERE f.status <> 'BUSTED'
GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
"""
ROLLUP = """
SELECT hour, venue, algo, broker, desk, fills, notional_ccy, fee_ccy, fills_with_mid
FROM rollup_hourly ORDER BY 1, 2, 3, 4, 5
"""


def test_roll_ups_by_the_hour_equal_a_query_over_the_fills(any_history_url, write, full_rows):
    write(any_history_url, *desk(full_rows))

    rolled = ask(any_history_url, ROLLUP)

    assert rolled == ask(any_history_url, ROWS)
    assert sum(row[5] for row in rolled) == 29
    [(cost,)] = ask(any_history_url, "SELECT sum(effective_spread_ccy) FROM rollup_hourly")
    assert cost == pytest.approx(sum(2 * (9.5 - 9.4 - n / 100) * 400 for n in range(30) if n != 7))


def test_a_refreshed_aggregate_equals_the_rows_after_a_late_fill(
    empty_timescale_url, write, full_rows
):
    migrate(empty_timescale_url)
    write(empty_timescale_url, *desk(full_rows))
    refresh(empty_timescale_url)
    assert ask(empty_timescale_url, ROLLUP) == ask(empty_timescale_url, ROWS)

    write(empty_timescale_url, full_rows("LATE", t=1.0, desk="D0"))
    refresh(empty_timescale_url)

    rolled = ask(empty_timescale_url, ROLLUP)
    assert rolled == ask(empty_timescale_url, ROWS)
    assert sum(row[5] for row in rolled) == 30


def test_old_chunks_become_columns_and_take_rows_again(empty_timescale_url, write, full_rows):
    migrate(empty_timescale_url)
    rows = desk(full_rows)
    write(empty_timescale_url, *rows)
    before = ask(empty_timescale_url, "SELECT * FROM execution_monitoring_ts ORDER BY order_id")
    ask(
        empty_timescale_url,
        "SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs "
        "WHERE proc_name = 'policy_compression'",
    )
    [(job,)] = ask(
        empty_timescale_url,
        "SELECT job_id FROM timescaledb_information.jobs WHERE proc_name = 'policy_compression' "
        "AND hypertable_name = 'execution_monitoring_ts'",
    )

    ask(empty_timescale_url, f"CALL run_job({job})")

    compressed = ask(
        empty_timescale_url,
        "SELECT count(*) FILTER (WHERE is_compressed), count(*) "
        "FROM timescaledb_information.chunks WHERE hypertable_name = 'execution_monitoring_ts'",
    )
    assert compressed == [(4, 4)]
    changed = full_rows("A3", t=3 * HOUR / 10, desk="D1", avg_px=9.75)
    write(empty_timescale_url, *rows, changed, full_rows("NEW", t=2.0, desk="D1"))
    after = ask(empty_timescale_url, "SELECT * FROM execution_monitoring_ts ORDER BY order_id")
    assert len(after) == 31
    same = [row for row in after if row[1] not in {"A3", "NEW"}]
    assert same == [row for row in before if row[1] != "A3"]
    assert ask(
        empty_timescale_url,
        "SELECT average_price FROM execution_monitoring_ts WHERE order_id = 'A3'",
    ) == [(9.75,)]
