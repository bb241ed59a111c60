"""Alerts in the history store: the newest state of each, and every published step."""

import json

import psycopg
import pytest
from psycopg.rows import dict_row

from bus.base import Stored
from domain.alerts import Change, CloseReason
from domain.errors import Refused
from domain.published import Severity
from domain.thresholds import AlertType
from domain.vocabulary import Topic
from sinks.alert_events import change_message
from sinks.history.alerts import alert_rows_of
from sinks.history.sink import HistorySink, decode
from tests.alert_data import raised, then

ALERTS = Topic.EXECUTION_ALERTS


def body(change):
    return change_message(change, 1, 1, 16).body


def spoilt(**changes):
    told = json.loads(body(raised()))
    for path, value in changes.items():
        part, _, name = path.rpartition("__")
        where = told[part] if part else told
        if value is None:
            del where[name]
        else:
            where[name] = value
    return json.dumps(told).encode()


@pytest.fixture
def write(any_history_url, bus):
    partition = HistorySink(any_history_url, bus).build_part("history", "00", None)

    def call(*changes):
        updates = []
        for number, change in enumerate(changes):
            message = Stored(f"{number}-0", 0, body(change), "application/json", {})
            update, dead = decode(0, message, ALERTS)
            assert not dead
            updates.append(update)
        partition.write_batch(updates)
        partition.snapshot()

    yield call
    partition.close()


@pytest.fixture
def ask(any_history_url):
    with psycopg.connect(any_history_url, autocommit=True, row_factory=dict_row) as connection:
        yield lambda query, *values: connection.execute(query, values).fetchall()


def life():
    first = raised("AL1", "A/1 #ü", severity=Severity.HIGH)
    acked = then(first, Change.ACKNOWLEDGED, by="mia", why="looking", acked_by="mia")
    closed = then(acked, Change.CLOSED, by="mia", why="traded", closed_by="mia",
                  close_reason=CloseReason.TRUE_ACTED)  # fmt: skip
    return first, acked, closed


def test_an_alert_has_one_row_with_its_newest_state_and_a_row_for_each_step(write, ask):
    write(*life())

    [row] = ask("SELECT * FROM alerts")
    steps = ask("SELECT * FROM alert_transitions ORDER BY seq")
    assert (row["alert_id"], row["scope"], row["type"]) == ("AL1", "A/1 #ü", "SLOW_EXECUTION")
    assert (row["state"], row["close_reason"], row["closed_by"]) == ("CLOSED", "TRUE_ACTED", "mia")
    assert (row["seq"], row["transition"], row["acked_by"]) == (3, 3, "mia")
    assert row["ended_ns"] == row["changed_ns"] == row["started_ns"] + 2 * 10**9
    assert row["order_ids"] == ["A/1 #ü"]
    assert (row["current_progress"], row["execution_speed"]) == (0.45, 0.642857)
    assert (row["evidence"]["threshold"], row["config_version"]) == (0.2, "c1")
    assert row["severity_history"] == [{"severity": "HIGH", "at": "2026-11-20T14:31:00Z"}]
    assert [(step["seq"], step["change"], step["by"]) for step in steps] == [
        (1, "RAISED", "system"), (2, "ACKNOWLEDGED", "mia"), (3, "CLOSED", "mia"),
    ]  # fmt: skip


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_whatever_the_order_the_newest_state_stays_and_no_step_is_lost(write, ask, order):
    told = life()
    for number in order:
        write(told[number])
    write(*told)

    assert ask("SELECT state, seq FROM alerts") == [{"state": "CLOSED", "seq": 3}]
    assert ask("SELECT count(*) FROM alert_transitions") == [{"count": 3}]


def test_writing_again_touches_no_row(write, ask):
    write(*life())
    query = "SELECT xmin::text FROM alerts UNION ALL SELECT xmin::text FROM alert_transitions"
    before = ask(query)

    write(*life())

    assert ask(query) == before


def test_a_silent_feed_is_a_row_without_numbers(write, ask):
    write(raised("D1", "feed:md-3", kind="DATA", desk="-", recommendation="silent for 12 s"))

    [row] = ask("SELECT * FROM alerts")
    assert (row["type"], row["scope"], row["desk"]) == ("DATA", "feed:md-3", "-")
    assert (row["recommendation"], row["current_progress"]) == ("silent for 12 s", None)


def test_an_alert_about_a_venue_is_found_by_its_orders(write, ask):
    write(raised("AL1", "venue:XNAS", kind=AlertType.VENUE_ISSUE, order_ids=["A", "B"]))

    assert ask("SELECT alert_id FROM alerts WHERE order_ids @> '[\"B\"]'") == [{"alert_id": "AL1"}]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"[]", "Expected `object`"),
        (b"{", "not a JSON object"),
        (spoilt(monitoring=None), "monitoring is missing"),
        (spoilt(execution_alert=None), "missing required field `execution_alert`"),
        (spoilt(timestamp="yesterday"), "expected a time"),
        (spoilt(monitoring__seq=1 << 63), "must be 1 to"),
        (spoilt(monitoring__transition=-1), "must be 1 to"),
        (b'{"incident":null,"event_id":"x","timestamp":"2026-11-20T14:31:00Z"}', "Expected"),
    ],
)
def test_what_is_no_alert_is_refused_in_words(raw, words):
    with pytest.raises(Refused) as refused:
        alert_rows_of(raw)
    assert words in refused.value.words


def test_an_unreadable_alert_is_a_dead_letter_of_its_topic():
    _, [letter] = decode(3, Stored("1-0", 7, b"gibberish", "application/json", {}), ALERTS)

    assert (letter.topic, letter.partition, letter.position) == ("execution-alerts", 3, "1-0")
