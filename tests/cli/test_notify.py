"""`execmon notify test` and `ls`; the flow itself is run in tests/integration."""

import json
import time

import pytest

from domain.channels_check import notify_of
from sinks.notify.courier import Courier
from sinks.notify.intake import Alert, Intake
from sinks.notify.store import Store
from tests.alert_messages import alert_event, raw_of
from tests.receivers import Answer, HttpReceiver


@pytest.fixture
def http():
    with HttpReceiver() as found:
        yield found


@pytest.fixture
def table(http, monkeypatch, tmp_path):
    found = {"channels": {"desk": {"kind": "slack", "url": f"{http.url}/SECRET"}},
             "routes": [{"channels": ["desk"]}]}  # fmt: skip
    monkeypatch.setenv("EXECMON_NOTIFY", json.dumps(found))
    monkeypatch.setenv("EXECMON_NOTIFY_DIR", str(tmp_path))
    monkeypatch.setenv("EXECMON_HISTORY_DIR", str(tmp_path / "none"))
    return found


def test_a_channel_is_tried_and_says_what_happened(execmon, table, http):
    told = execmon("notify", "test", "desk", "--json")
    http.answers = [Answer(403, b"no_service")]
    refused = execmon("notify", "test", "desk")

    assert told.code == 0
    assert told.json == {"channel": "desk", "outcome": "delivered", "words": "answered 200"}
    assert "Test of channel desk" in http.received[0].json["text"]
    assert refused.code == 1
    assert refused.err.splitlines()[-1] == "execmon: desk: refused, answered 403: no_service"


def test_an_unknown_channel_is_refused_in_words(execmon, table):
    refused = execmon("notify", "test", "dsk")

    assert refused.code == 2
    assert "no channel is called 'dsk'; there are desk" in refused.err


def test_what_was_not_delivered_is_in_plain_sight(execmon, table, http, tmp_path):
    notify = notify_of(table)
    store = Store(tmp_path)
    now = time.time_ns()
    events = [alert_event("A1", at=now), alert_event("B2", at=now)]
    Intake(notify, store).take([Alert(event, raw_of(event)) for event in events], now)
    http.answers = [Answer(400, b"bad")]
    courier = Courier(notify, "desk", store)
    courier.step()
    courier.step()
    store.close()

    found = execmon("notify", "ls", "--state", "undelivered", "--json").json
    [one] = found["notifications"]
    assert (one["state"], one["words"], one["attempts"]) == (
        "UNDELIVERED", "refused: answered 400: bad", 1,
    )  # fmt: skip
    assert one["subject"] == "HIGH: SLOW_EXECUTION A1 (US-CASH)"
    assert found["states"] == {"DELIVERED": 1, "UNDELIVERED": 1}
    shown = execmon("notify", "ls", "--channel", "desk")
    assert "1 delivered, 1 undelivered" in shown.out
    assert execmon("notify", "ls", "--channel", "other", "--json").json["notifications"] == []


def test_a_wrong_state_and_a_folder_without_anything_are_told(execmon, table):
    assert "--state must be one of WAITING" in execmon("notify", "ls", "--state", "lost").err
    missing = execmon("notify", "ls")
    assert missing.code == 4
    assert "nothing was sent from" in missing.err


def test_without_a_bus_it_ends_with_4(execmon_process, tmp_path):
    refused = execmon_process(
        "notify", "--bus-url", f"unix://{tmp_path}/no.sock", "--recovery-dir", tmp_path,
        "--history-url", "postgresql:///x?host=/nowhere", EXECMON_NOTIFY_DIR=str(tmp_path),
    )  # fmt: skip

    assert refused.code == 4
    assert refused.err.splitlines()[-1].startswith("execmon: the bus does not answer")
