"""The file of what is to be sent, its copy in the history store, and the threads beside it."""

import sqlite3
import threading
import time
from contextlib import closing

import psycopg
import pytest

from domain.channels_check import notify_of
from domain.errors import RecoveryError, ServerError
from domain.instants import SECOND
from sinks.notify.courier import Pace
from sinks.notify.intake import Alert
from sinks.notify.mirror import Mirror
from sinks.notify.outbox import KEEP_S, Outbox, sweep
from sinks.notify.sink import NotifySink
from sinks.notify.store import FILE, Store, read_only
from tests.alert_messages import alert_event, raw_of
from tests.receivers import Answer, HttpReceiver, MailReceiver, wait_for

from .conftest import T0

FAST = Pace(first_s=0.02, most_s=0.1)


def taken(*events):
    return [Alert(event, raw_of(event)) for event in events]


def hook(http, **more):
    return {"kind": "webhook", "url": http.url, "secret": "s" * 16, **more}


def outbox(store, channels, **more):
    table = {"channels": channels, "routes": [{"channels": list(channels)}]}
    return Outbox(notify_of(table), store, pace=FAST, **more)


def state_of(store, channel):
    rows = store.rows("SELECT state FROM notifications WHERE channel = ?", (channel,))
    return [row["state"] for row in rows]


def test_a_file_of_another_version_is_refused(tmp_path):
    Store(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        db.execute("PRAGMA user_version = 7")

    with pytest.raises(RecoveryError, match="has version 7, this program reads 1"):
        Store(tmp_path)


def test_a_file_that_is_none_is_refused(tmp_path):
    (tmp_path / FILE).write_bytes(b"not a database, and long enough to be told apart" * 100)

    with pytest.raises(RecoveryError, match="cannot be read"):
        Store(tmp_path)


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ServerError, match="cannot be opened"):
        Store(tmp_path / "none")
    with pytest.raises(ServerError, match="nothing was sent from"):
        read_only(tmp_path / "none")
    with closing(sqlite3.connect(tmp_path / FILE)):
        pass
    with pytest.raises(ServerError, match="has version 0"):
        read_only(tmp_path)


def test_what_fails_half_way_leaves_nothing(store):
    def half():
        with store.writing() as db:
            db.execute("INSERT INTO positions VALUES ('s', 't', 0, 'p')")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()

    assert not store.rows("SELECT * FROM positions")


def test_what_ended_long_ago_is_forgotten_and_what_waits_is_not(rig, store):
    found = rig(["hook", "slack"], routes=[
        {"channels": ["hook"]}, {"channels": ["slack"], "digest_below": "CRITICAL"},
    ])  # fmt: skip
    found.raise_()
    found.raise_("B", desk="EU", notify=False)
    found.go()
    sweep(store, T0 + round(KEEP_S) * SECOND - SECOND)
    assert len(found.rows()) == 1
    sweep(store, T0 + round(KEEP_S) * SECOND + 60 * SECOND)

    assert not found.rows()
    assert found.states("slack") == ["WAITING"]
    assert len(store.rows("SELECT * FROM alerts")) == 1


def test_a_dead_and_a_slow_channel_delay_no_other(store, http):
    with HttpReceiver() as dead, HttpReceiver() as slow, MailReceiver() as mail:
        dead.close()
        slow.always = Answer(hang=True)
        box = outbox(store, {
            "dead": hook(dead), "slow": hook(slow, timeout_s=30.0), "good": hook(http),
            "mail": {"kind": "smtp", "host": "127.0.0.1", "port": mail.port, "security": "none",
                     "sender": "a@b", "to": ["c@d"]},
        })  # fmt: skip
        box.start()
        slow_at = threading.Thread(target=slow.wait, args=(1,))
        box.take(taken(*(alert_event(f"A{n}", at=time.time_ns()) for n in range(15))))
        slow_at.start()

        assert len(http.wait(15)) == 15
        wait_for(lambda: len(mail.mails) == 15)
        slow_at.join()
        assert len(slow.received) == 1
        assert state_of(store, "slow").count("SENDING") == 1
        assert set(state_of(store, "dead")) <= {"WAITING", "SENDING"}

        with HttpReceiver(port=dead.port) as back:
            back.wait(15)
            wait_for(lambda: set(state_of(store, "dead")) == {"DELIVERED"})
        slow.close()
        box.close()


def test_a_thousand_alerts_at_once_are_each_sent_once(store, http):
    box = outbox(store, {"good": hook(http)})
    box.start()
    events = [alert_event(f"A{n}", at=time.time_ns()) for n in range(1_000)]
    for at in range(0, 1_000, 16):
        box.take(taken(*events[at : at + 16]))

    wait_for(lambda: state_of(store, "good").count("DELIVERED") == 1_000, 120)
    box.close()
    assert len(http.received) == len(set(http.keys)) == 1_000


def test_a_courier_that_breaks_goes_on(store, http, monkeypatch):
    import sinks.notify.outbox as module

    monkeypatch.setattr(module, "_FAILED_S", 0.01)
    box = outbox(store, {"good": hook(http)})
    [courier] = box._couriers
    step, failures = courier.step, [OSError("disk"), OSError("disk")]

    def breaking():
        if failures:
            raise failures.pop()
        return step()

    monkeypatch.setattr(courier, "step", breaking)
    box.start()
    box.take(taken(alert_event(at=time.time_ns())))

    assert len(http.wait(1)) == 1
    box.close()


def test_a_defect_in_a_sender_is_one_page_s_end(rig, http, monkeypatch):
    found = rig()
    monkeypatch.setattr(found.couriers["hook"]._sender, "send", lambda page: 1 / 0)
    found.raise_()
    found.go()

    [row] = found.rows()
    assert row["state"] == "UNDELIVERED"
    assert "a defect of the product: division by zero" in row["words"]


def test_the_sink_starts_and_ends_what_works_beside_it(store, http):
    told = []

    class Beside:
        def start(self):
            told.append("start")

        def close(self):
            told.append("close")

    sink = NotifySink(outbox(store, {"good": hook(http)}), [Beside()])
    assert sink.list_parts() == ["00"]
    part = sink.build_part("notify", "00", None)
    part.write_batch(taken(alert_event(at=time.time_ns())))
    part.snapshot()
    http.wait(1)
    part.close()
    sink.close()

    assert told == ["start", "close"]


def shown(url):
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT alert_id, channel, state, attempts, words, desk FROM notifications"
        ).fetchall()


def test_the_copy_in_the_history_store_follows_and_waits_for_it(rig, http, store, history_url):
    address = [None]
    mirror = Mirror(store, lambda: address[0])
    found = rig()
    http.answers = [Answer(503)]
    found.raise_()
    found.go()
    with pytest.raises(psycopg.OperationalError, match="no history store is there"):
        mirror.copy()
    address[0] = history_url

    assert mirror.copy() == 1
    assert mirror.copy() == 0
    assert [row[2:] for row in shown(history_url)] == [
        ("WAITING", 1, "answered 503: ok", "US-CASH")
    ]
    found.go(30)
    assert mirror.copy() == 1
    assert [row[2:4] for row in shown(history_url)] == [("DELIVERED", 2)]


def test_the_copy_is_made_beside_the_sending(rig, store, history_url, monkeypatch):
    import sinks.notify.mirror as module

    monkeypatch.setattr(module, "_AGAIN_S", 0.05)
    urls = ["postgresql:///x?host=/nowhere", history_url]
    mirror = Mirror(store, lambda: urls.pop(0) if len(urls) > 1 else urls[0])
    mirror.start()
    found = rig()
    found.raise_("A")
    found.go()
    wait_for(lambda: len(shown(history_url)) == 1)
    found.raise_("B")
    found.go()
    mirror.close()

    assert len(shown(history_url)) == 2
