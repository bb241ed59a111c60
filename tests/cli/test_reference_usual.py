"""`execmon reference usual`: from a store that somebody filled to the bus."""

import json

import psycopg
import pytest

from runtime.servers import EmbeddedServer


@pytest.fixture
def usual(execmon, history_url):
    def call(*options, until="2026-11-21"):
        where = ("--history-url", history_url)
        return execmon("reference", "usual", "--until", until, *options, *where)

    return call


@pytest.fixture
def routed(history_url):
    events = [(f"A{n}", kind) for n in range(4) for kind in ("route_sent", "route_acknowledged")]
    with psycopg.connect(history_url) as connection:
        for pos, (order_id, kind) in enumerate(events):
            connection.execute(
                'INSERT INTO order_events (order_id, "type", venue, exec_id, ts_ns, pos, ts,'
                " source) VALUES (%s, %s, 'XNAS', 'r', %s, %s, '2026-11-20T14:30:00Z', 0)",
                (order_id, kind, 2_000_000 * pos, pos),
            )


def test_the_records_are_shown_and_go_to_a_file(usual, routed, tmp_path):
    out = tmp_path / "usual.ndjson"

    ended = usual("--out", str(out))

    assert ended.code == 0, ended.err
    [line] = [line for line in ended.out.splitlines() if "venue:XNAS" in line]
    assert line.split() == ["venue:XNAS", "1", "4", "0.00%", "2.0", "ms"]
    assert "1 records from 2026-11-21 on, 0 published" in ended.out
    [record] = map(json.loads, out.read_text().splitlines())
    assert record["scope"] == "venue:XNAS"
    assert record["baselines"]["ack_ms"]["p99"] == 2.0


def test_published_records_are_on_the_bus(usual, routed, execmon):
    with EmbeddedServer("bus", durable=True) as server:
        where = ("--bus", server.url, "--json")
        found = usual("--publish", *where).json
        shown = execmon("reference", "show", "venue:XNAS", *where).json

    assert found["published"] == len(found["records"]) == 1
    assert shown["baselines"] == found["records"][0]["baselines"]


def test_without_stored_days_it_says_so(usual):
    ended = usual()

    assert ended.code == 3
    assert "no route with an outcome and no finished order of an algorithm before 2026-11-21" in (
        ended.err
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--calendar", "MARS"), "MARS"),
        (("--out", "/nowhere/x.ndjson"), "cannot write /nowhere/x.ndjson"),
    ],
)
def test_a_slip_is_told_in_words(usual, routed, options, words):
    ended = usual(*options)

    assert ended.code == 2
    assert words in ended.err


def test_a_day_that_is_none_is_told_in_words(usual):
    assert "--until must be a day such as 2026-11-20" in usual(until="tomorrow").err
