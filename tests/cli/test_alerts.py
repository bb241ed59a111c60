"""`execmon alerts`: ls, show and actions on real servers, the desk step stood in for."""

import getpass
import threading
from uuid import UUID

import psycopg
import pytest

import cli.alerts
import cli.alerts_act
from bus.connect import open_bus
from cli.alert_rows import age
from cli.deliveries import awaited
from dataflows.notify import decode_control
from domain.alerts import Change
from domain.channels_check import notify_of
from domain.published import Severity
from domain.thresholds import AlertType
from domain.vocabulary import Topic
from runtime.servers import EmbeddedServer
from runtime.settings import load_settings
from sinks.alerts import AlertPartition, AlertSettings
from sinks.notify.outbox import Outbox
from sinks.notify.store import Store
from sources.bus_messages import MessageSource
from tests.alert_data import Desk, raised, then
from tests.receivers import Answer, HttpReceiver

NOWHERE = "postgresql:///x?host=/nowhere"
WHO = getpass.getuser()


@pytest.fixture
def bus():
    with EmbeddedServer("bus", durable=False) as server:
        found = open_bus(server.url)
        found.set_up(dict.fromkeys(Topic, 2), 16)
        yield found
        found.close()


@pytest.fixture
def store():
    with EmbeddedServer("status", durable=False) as server:
        yield server


@pytest.fixture
def desk(bus, store):
    part = AlertPartition(bus, store.url, AlertSettings())
    with Desk(bus, part, []) as found:
        yield found
    part.close()


@pytest.fixture
def act(execmon, bus, store):
    def call(*arguments, history_url=NOWHERE):
        return execmon(
            "alerts", *arguments, "--bus-url", bus.url, "--status-url", store.url,
            "--history-url", history_url,
        )  # fmt: skip

    return call


@pytest.fixture
def ls(execmon, store):
    def call(*options):
        ended = execmon("alerts", "ls", "--status-url", store.url, "--json", *options)
        assert ended.code == 0, ended.err
        return [one["alert_id"] for one in ended.json["alerts"]]

    return call


def test_open_alerts_are_listed_the_most_severe_first(execmon, desk, ls, store):
    over = raised("A0")
    desk.give(
        over, then(over, Change.RESOLVED), raised("A1", "X", severity=Severity.LOW),
        raised("A2", "[Y]", severity=Severity.CRITICAL, desk="EU-CASH"),
        raised("A3", "venue:XNAS", kind=AlertType.VENUE_ISSUE, order_ids=["X"], t=5,
               suppressed_by="A2"),
    )  # fmt: skip

    assert ls() == ["A2", "A3", "A1"]
    assert ls("--desk", "EU-CASH") == ["A2"]
    assert ls("--min-severity", "medium") == ["A2", "A3"]
    assert ls("--order", "X") == ["A3", "A1"]
    table = execmon("alerts", "ls", "--status-url", store.url).out
    assert "[Y]" in table
    assert "CRITICAL" in table


def test_none_is_said(execmon, store):
    assert "no open alerts" in execmon("alerts", "ls", "--status-url", store.url).out


def test_one_is_shown_with_its_life(execmon, desk, store):
    first = raised("A1", "A/1 #ü")
    desk.give(first, then(first, Change.ACKNOWLEDGED, by="mia", why="on it"))

    ended = execmon("alerts", "show", "A1", "--status-url", store.url, "--json")
    shown = execmon("alerts", "show", "A1", "--status-url", store.url)

    assert [step["change"] for step in ended.json["transitions"]] == ["RAISED", "ACKNOWLEDGED"]
    assert "ACKNOWLEDGED by mia: on it" in shown.out
    assert "A/1 #ü" in shown.out
    assert "threshold          0.2" in shown.out


def test_an_alert_is_acknowledged_snoozed_and_closed(act, desk):
    desk.give(raised("A1"))

    acked = act("ack", "A1", "--why", "on it", "--json").json
    snoozed = act("snooze", "A1", "--minutes", 5)
    closed = act("close", "A1", "--reason", "true_acted", "--json").json

    assert (acked["state"], acked["acked_by"], acked["audited"]) == ("ACKED", WHO, False)
    assert snoozed.out == f"A1 SNOOZED by {WHO}\n"
    assert (closed["close_reason"], closed["closed_by"]) == ("TRUE_ACTED", WHO)
    assert [step["why"] for step in closed["transitions"]] == ["", "on it", "", ""]
    assert [event["type"] for event in desk.heard] == [
        "alert_acknowledged", "alert_snoozed", "alert_closed",
    ]  # fmt: skip


def test_what_was_done_and_refused_is_in_the_audit(act, desk, history_url):
    desk.give(raised("A1"))
    assert act("ack", "A1", history_url=history_url).code == 0
    assert act("ack", "A1", history_url=history_url).code == 3

    with psycopg.connect(history_url) as connection:
        lines = connection.execute("SELECT who, action, target, outcome FROM audit ORDER BY id")
        assert lines.fetchall() == [
            (WHO, "execmon alerts ack", "A1", "done"),
            (WHO, "execmon alerts ack", "A1", "refused"),
        ]


def test_a_pipeline_that_does_not_answer_is_said(act, desk, monkeypatch):
    monkeypatch.setattr(cli.alerts_act, "PATIENCE_S", 0.1)
    desk.give(raised("A1"))
    desk.is_deaf = True

    ended = act("ack", "A1")

    assert ended.code == 4
    assert "alert A1 is OPEN still" in ended.err


@pytest.fixture
def channel(bus, tmp_path, monkeypatch):
    """A running `execmon notify` stood in for: takes tests, sends to a real server."""
    monkeypatch.setenv("EXECMON_NOTIFY_DIR", str(tmp_path))
    monkeypatch.setattr(cli.alerts, "PATIENCE_S", 20.0)
    with HttpReceiver() as http:
        table = {"channels": {"hook": {"kind": "slack", "url": http.url}}}
        outbox = Outbox(notify_of(table), Store(tmp_path))
        source = MessageSource(bus, Topic.CONTROL, linger_ms=0.0, reader="test")
        parts = [source.build_part("", name, None) for name in source.list_parts()]
        ended = threading.Event()

        def work():
            while not ended.is_set():
                for part in parts:
                    for batch in part.next_batch():
                        for message in batch.messages:
                            outbox.take(decode_control(batch.partition, message))
                ended.wait(0.01)

        thread = threading.Thread(target=work)
        outbox.start()
        thread.start()
        yield http
        ended.set()
        thread.join()
        for part in parts:
            part.close()
        outbox.close()


def last(ended):
    return ended.out.splitlines()[-1]


def test_a_channel_is_tested_and_says_what_became_of_it(execmon, bus, channel):
    options = ("--bus-url", bus.url, "--history-url", NOWHERE)
    channel.answers = [Answer(), Answer(404, b"no such hook"), Answer(503, b"not now")]

    sent = execmon("alerts", "test", "hook", *options, "--json")
    refused = execmon("alerts", "test", "hook", *options)
    waiting = execmon("alerts", "test", "hook", *options)
    unknown = execmon("alerts", "test", "hok", *options)

    assert (sent.code, sent.json["state"], sent.json["words"], sent.json["audited"]) == (
        0, "DELIVERED", "answered 200", False,
    )  # fmt: skip
    # What sends writes its log here too.
    assert (refused.code, last(refused)) == (
        1, "hook: undelivered, refused: answered 404: no such hook",
    )  # fmt: skip
    assert (waiting.code, last(waiting)) == (1, "hook: waiting, answered 503: not now")
    assert last(unknown) == "hok: undelivered, no channel is called 'hok'; there are hook"


def test_a_test_that_nobody_takes_is_said(execmon, bus, monkeypatch, tmp_path):
    monkeypatch.setattr(cli.alerts, "PATIENCE_S", 0.1)
    monkeypatch.setenv("EXECMON_NOTIFY_DIR", str(tmp_path))

    ended = execmon("alerts", "test", "hook", "--bus-url", bus.url, "--history-url", NOWHERE)

    assert ended.code == 4
    assert "is `execmon notify` running?" in ended.err


def test_what_another_machine_sent_is_read_from_the_history(history_url, tmp_path):
    key = "0bfbd0f1-30b8-54d6-9b4d-2b1c2a1f0c77"
    settings = load_settings({"notify_dir": str(tmp_path), "history_url": history_url}, env={})
    with psycopg.connect(history_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO notifications VALUES (%s, 'c', 'TEST', %s, '*', 'LOW', 'DELIVERED', 's',"
            " now(), now(), now(), 1, false, null, 'answered 200', 1)", [key, key],
        )  # fmt: skip

    assert awaited(settings, key, 0.0) == ("DELIVERED", "answered 200")
    assert awaited(settings, str(UUID(int=1)), 0.0) is None


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("show", "A9"), 3, "there is no alert A9"),
        (("ls", "--min-severity", "bad"), 2, "--min-severity must be one of LOW"),
        (("snooze", "A1", "--minutes", "61"), 2, "at most 60"),
        (("close", "A1", "--reason", "bored"), 2, "--reason must be one of TRUE_ACTED"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(execmon, store, arguments, code, words):
    ended = execmon("alerts", *arguments, "--status-url", store.url)

    assert ended.code == code
    assert words in ended.err


def test_ages_are_told_as_people_do():
    assert [age(s) for s in (-1, 12.4, 500, 9_000)] == ["0 s", "12 s", "8 min", "2.5 h"]
