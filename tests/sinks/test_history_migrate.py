"""The schema is brought up once, by one at a time, and never down."""

import threading

import psycopg
import pytest

from domain.errors import RecoveryError, ServerError
from sinks.history.migrate import check, migrate, migrations, status
from sinks.history.storage import StorageSettings

SERIES = ("alert_evaluations", "execution_monitoring_ts", "fills", "market_bars", "order_events")
SPECIFIED = {
    "timestamp": "timestamp with time zone",
    "order_id": "character varying",
    "execution_progress": "double precision",
    "fill_rate": "double precision",
    "average_price": "double precision",
    "market_impact": "double precision",
    "cost_efficiency": "double precision",
    "slippage": "double precision",
    "venue_distribution": "jsonb",
    "alerts": "jsonb",
}


def ask(url, query, *values):
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(query, values)
        return cursor.fetchall() if cursor.description else []


def schema_of(url):
    """Everything the catalogue says of our tables."""
    return ask(
        url,
        "SELECT table_name, column_name, data_type, column_default, is_nullable "
        "FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2",
    ), ask(url, "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1")


def test_versions_follow_each_other():
    assert [step.version for step in migrations()] == list(range(1, len(migrations()) + 1))


def test_an_empty_database_gets_every_step_and_a_second_time_none(empty_history_url):
    assert status(empty_history_url).version == 0
    assert status(empty_history_url).pending == [step.name for step in migrations()]

    first = migrate(empty_history_url)
    schema = schema_of(empty_history_url)
    second = migrate(empty_history_url)

    assert first.applied == [step.name for step in migrations()]
    assert second.applied == []
    assert schema_of(empty_history_url) == schema
    assert status(empty_history_url).pending == []
    assert status(empty_history_url).version == first.newest


def test_the_specified_table_is_as_specified(any_history_url):
    found = ask(
        any_history_url,
        "SELECT column_name, data_type, character_maximum_length FROM information_schema.columns "
        "WHERE table_name = 'execution_monitoring_ts'",
    )

    types = {name: kind for name, kind, _ in found}
    assert types.items() >= SPECIFIED.items()
    assert set(types) - set(SPECIFIED) == {"seq", "ts_ns", "known_ns", "body"}
    assert {length for name, _, length in found if name == "order_id"} == {100}
    keys = ask(
        any_history_url,
        "SELECT indexdef FROM pg_indexes WHERE tablename = 'execution_monitoring_ts' "
        "AND indexdef LIKE '%%UNIQUE%%'",
    )
    assert any('(order_id, "timestamp", seq)' in definition for (definition,) in keys)


def test_two_that_migrate_at_once_take_turns(empty_history_url):
    applied = []
    threads = [
        threading.Thread(target=lambda: applied.append(migrate(empty_history_url).applied))
        for _ in range(4)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(map(len, applied)) == [0, 0, 0, len(migrations())]


def test_a_step_that_fails_leaves_nothing_behind(empty_history_url):
    ask(empty_history_url, "CREATE TABLE fills ()")

    with pytest.raises(ServerError, match='relation "fills" already exists'):
        migrate(empty_history_url)

    assert status(empty_history_url).version == 0
    assert ask(empty_history_url, "SELECT to_regclass('orders')") == [(None,)]
    ask(empty_history_url, "DROP TABLE fills")
    assert migrate(empty_history_url).applied


def test_a_newer_schema_is_refused(history_url):
    ask(history_url, "INSERT INTO schema_migrations (version, name) VALUES (99, 'future')")

    for call in (migrate, status, check):
        with pytest.raises(RecoveryError, match=r"version 99, newer than the \d+ that this") as e:
            call(history_url)
        assert e.value.exit_code == 5


def test_an_older_schema_is_refused_until_it_is_migrated(empty_history_url):
    with pytest.raises(RecoveryError, match=r"is empty, this program needs .*execmon db migrate"):
        check(empty_history_url)
    migrate(empty_history_url)
    check(empty_history_url)
    ask(empty_history_url, "DELETE FROM schema_migrations WHERE version > 1")

    with pytest.raises(RecoveryError, match="is at version 1"):
        check(empty_history_url)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://me:secret@127.0.0.1:1/x", "does not answer"),
        ("postgresql:///x?host=/nowhere/at/all", "does not answer"),
        ("postgresql://h/x?nonsense=1", "is not an address"),
    ],
)
def test_a_store_that_is_not_there_is_told_without_its_password(url, words):
    with pytest.raises(ServerError, match=words) as error:
        status(url)
    assert "secret" not in str(error.value)


@pytest.mark.usefixtures("without_timescale")
def test_plain_tables_come_with_a_notice_and_a_view(empty_history_url):
    storage = migrate(empty_history_url).storage

    assert storage.timescaledb is None
    assert "plain tables" in storage.notices[0]
    assert ask(empty_history_url, "SELECT count(*) FROM rollup_hourly") == [(0,)]


# With TimescaleDB


def test_series_are_hypertables_with_one_hour_chunks(empty_timescale_url):
    storage = migrate(empty_timescale_url).storage

    assert storage.timescaledb is not None
    assert storage.hypertables == storage.columnstore == SERIES
    assert (storage.retention, storage.aggregates) == ((), ("rollup_hourly",))
    assert not storage.notices
    chunks = dict(ask(
        empty_timescale_url,
        "SELECT hypertable_name, extract(epoch FROM time_interval)::int "
        "FROM timescaledb_information.dimensions",
    ))  # fmt: skip
    assert chunks.pop("execution_monitoring_ts") == 3600
    assert set(chunks.values()) >= {86_400}
    assert migrate(empty_timescale_url).storage == storage


def jobs(url):
    return dict(ask(
        url,
        "SELECT proc_name || ' ' || hypertable_name, config - 'hypertable_id' "
        "FROM timescaledb_information.jobs WHERE hypertable_name IN "
        "('execution_monitoring_ts', 'fills')",
    ))  # fmt: skip


def test_changed_settings_are_followed(empty_timescale_url):
    migrate(empty_timescale_url)

    storage = migrate(
        empty_timescale_url,
        StorageSettings(chunk_s=7200.0, columnstore_after_s=3 * 86_400.0, keep_s=30 * 86_400.0),
    ).storage

    assert storage.retention == SERIES
    found = jobs(empty_timescale_url)
    assert found["policy_compression fills"] == {"compress_after": "3 days"}
    assert found["policy_retention fills"] == {"drop_after": "30 days"}
    assert migrate(empty_timescale_url).storage.retention == ()
    starts = ask(
        empty_timescale_url,
        "SELECT config->>'start_offset' FROM timescaledb_information.jobs "
        "WHERE proc_name LIKE 'policy_refresh%%'",
    )
    assert starts == [(None,)]


def test_plain_tables_become_hypertables_once_the_extension_is_there(
    empty_timescale_url, monkeypatch
):
    from sinks.history import storage

    monkeypatch.setattr(storage, "_extension", lambda *_: None)
    migrate(empty_timescale_url)
    ask(empty_timescale_url, "INSERT INTO execution_monitoring_ts (timestamp, order_id, seq, ts_ns,"
        "known_ns, body) VALUES (now(), 'A', 1, 0, 0, '{}')")  # fmt: skip
    monkeypatch.undo()

    assert migrate(empty_timescale_url).storage.hypertables == SERIES

    assert ask(empty_timescale_url, "SELECT order_id FROM execution_monitoring_ts") == [("A",)]
