"""The notify flow: what it reads, what it passes on, where it begins again."""

from datetime import timedelta

import msgspec
import pytest
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSink, cluster_main

from bus.base import Outgoing, Stored
from bus.connect import open_bus
from dataflows.notify import (
    decode,
    decode_control,
    history_address,
    layout,
    notify_folder,
    notify_graph,
)
from domain.channels import Trial
from domain.instants import SECOND
from domain.reasons import DeadLetterReason
from domain.topics import JSON_TYPE
from domain.vocabulary import Topic
from runtime.servers import EmbeddedServer
from runtime.settings import load_settings
from sources.bus_messages import MessageSource
from tests.alert_messages import alert_event, changed, publish_alerts, raw_of

T0 = 1_789_997_600 * SECOND


@pytest.fixture(scope="module")
def bus():
    with EmbeddedServer("bus", durable=False) as server:
        found = open_bus(server.url)
        found.set_up(dict.fromkeys(Topic, 2), 16)
        yield found
        found.close()


def stored(body):
    return Stored("7-0", T0, body, JSON_TYPE, {})


def test_alerts_of_a_message_are_read_and_what_is_none_is_a_dead_letter():
    good = raw_of(alert_event(at=T0))
    body = b"[" + good + b',{"event_id":"x"}]'

    alert, letter = decode(1, stored(body))

    assert alert.raw == good
    assert letter.reason is DeadLetterReason.INVALID_EVENT
    assert letter.message == b'{"event_id":"x"}'
    assert (letter.topic, letter.partition, letter.position) == ("execution-alerts", 1, "7-0")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"no json", DeadLetterReason.UNREADABLE),
        (b"\xff", DeadLetterReason.UNREADABLE),
        (
            msgspec.json.encode(msgspec.structs.replace(alert_event(at=T0), timestamp="now")),
            DeadLetterReason.BAD_TIME,
        ),
        (
            msgspec.json.encode(changed(alert_event(at=T0), not_before="soon")),
            DeadLetterReason.BAD_TIME,
        ),
    ],
)
def test_what_cannot_be_read_says_why(body, reason):
    [letter] = decode(0, stored(body))

    assert letter.reason is reason
    assert letter.message == body


TESTED = b'{"type":"send_tested","channel":"desk","ts_event":"2026-09-21T13:33:20Z"}'


def test_of_what_is_on_control_only_tests_of_channels_are_taken():
    more = b'{"type":"clock","ts_event":"2026-09-21T13:33:20Z"},{"type":7},{"type":"alert_closed"},'
    first, second = decode_control(1, stored(b"[" + more + TESTED + b"," + TESTED + b"]"))

    assert (first.channel, first.test_id) == ("desk", "1/7-0/3")
    assert first.key != second.key
    assert decode_control(1, stored(b"no json")) == decode_control(1, stored(b"[")) == []


@pytest.mark.parametrize(
    "body",
    [
        TESTED.replace(b'"channel":"desk",', b""),
        TESTED.replace(b'"desk"', b"7"),
        TESTED.replace(b"2026-09-21T13:33:20Z", b"now"),
    ],
)
def test_a_test_that_cannot_be_read_is_a_dead_letter(body):
    [letter] = decode_control(0, stored(body))

    assert (letter.reason, letter.topic) == (DeadLetterReason.INVALID_EVENT, "control")
    assert letter.message == body


def test_tests_of_channels_come_by_way_of_the_same_steps(bus):
    bus.append([Outgoing(Topic.CONTROL, 1, body) for body in (TESTED, b"no json", b"{}")])
    bus.append([Outgoing(Topic.CONTROL, 1, TESTED.replace(b'"desk"', b"7"))])
    told, letters = [], []
    source = MessageSource(bus, Topic.CONTROL, linger_ms=0.0, stop_at_end=True, reader="c")
    cluster_main(
        notify_graph(source, TestingSink(told), TestingSink(letters)), [], 0,
        epoch_interval=timedelta(0), worker_count_per_proc=1,
    )  # fmt: skip

    [(key, trial)] = told
    assert key == "1"
    assert isinstance(trial, Trial)
    assert [key for key, _ in letters] == ["control-1"]


def test_snapshots_are_of_the_partitions_of_both_topics():
    found = layout(load_settings({}, env={}))

    assert set(found["partitions"]) == {"execution-alerts", "control"}


def test_a_restart_goes_on_behind_the_snapshot(bus, tmp_path):
    init_db_dir(tmp_path, 1)

    def run():
        alerts, letters = [], []
        source = MessageSource(
            bus, Topic.EXECUTION_ALERTS, linger_ms=0.0, stop_at_end=True, reader="t"
        )
        cluster_main(
            notify_graph(source, TestingSink(alerts), TestingSink(letters)), [], 0,
            epoch_interval=timedelta(0), recovery_config=RecoveryConfig(tmp_path),
            worker_count_per_proc=1,
        )  # fmt: skip
        return [alert.told.execution_alert.order_id for _, alert in alerts], letters

    publish_alerts(bus, *(alert_event(f"A{n}", at=T0) for n in range(20)))
    bus.append([Outgoing(Topic.EXECUTION_ALERTS, 0, b"no json")])
    first, [(key, letter)] = run()
    publish_alerts(bus, alert_event("B", at=T0))
    second, letters = run()

    assert sorted(first) == sorted(f"A{n}" for n in range(20))
    assert key == "execution-alerts-0"
    assert letter.message == b"no json"
    assert (second, letters) == (["B"], [])


def test_the_folder_and_the_store_are_where_the_settings_say(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def settings(**more):
        return load_settings(more, env={})

    assert notify_folder(settings(notify_dir=str(tmp_path))) == tmp_path
    assert notify_folder(settings(data_dir=str(tmp_path))) == tmp_path / "notify"
    assert notify_folder(settings()).name == "notify"
    assert history_address(settings(history_url="postgresql://h/d")) == "postgresql://h/d"
    assert history_address(settings(history_dir=str(tmp_path / "none"))) is None
