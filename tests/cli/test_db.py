"""`execmon db`: once, in words, and never down."""

import psycopg
import pytest

from sinks.history.migrate import migrations


@pytest.mark.usefixtures("without_timescale")
def test_migrating_twice_is_a_no_op(execmon, empty_history_url):
    before = execmon("db", "status", "--history-url", empty_history_url, "--json").json
    first = execmon("db", "migrate", "--history-url", empty_history_url, "--json").json
    second = execmon("db", "migrate", "--history-url", empty_history_url, "--json").json
    after = execmon("db", "status", "--history-url", empty_history_url, "--json").json

    names = [step.name for step in migrations()]
    assert (before["version"], before["pending"]) == (0, names)
    assert (first["applied"], second["applied"]) == (names, [])
    assert after["version"] == after["newest"] == len(names)
    assert (after["pending"], after["timescaledb"]) == ([], None)
    assert "plain tables" in first["notices"][0]


@pytest.mark.usefixtures("without_timescale")
def test_it_is_told_to_people_too(execmon, empty_history_url):
    done = execmon("db", "migrate", "--history-url", empty_history_url)

    assert done.code == 0
    assert f"version      {migrations()[-1].version}" in done.out
    assert "applied      history, service" in done.out
    assert "note: TimescaleDB is not there" in done.err


def test_a_newer_schema_ends_with_5(execmon, history_url):
    with psycopg.connect(history_url) as connection:
        connection.execute("INSERT INTO schema_migrations (version, name) VALUES (99, 'x')")

    for command in ("migrate", "status"):
        refused = execmon("db", command, "--history-url", history_url)
        assert refused.code == 5
        assert "version 99, newer than the" in refused.err


def test_a_store_that_is_away_ends_with_4_and_keeps_the_password(execmon):
    refused = execmon("db", "status", "--history-url", "postgresql://me:secret@127.0.0.1:1/x")

    assert refused.code == 4
    assert "does not answer" in refused.err
    assert "secret" not in refused.err


def test_an_address_of_another_kind_is_refused(execmon):
    refused = execmon("db", "status", "--history-url", "mysql://h/x")

    assert refused.code == 2
    assert "expected embedded or one of postgresql://…" in refused.err
