"""Tests of a channel that people ask for: one page for each request, soon given up."""

import msgspec
import pytest

from domain.channels import Trial
from tests.receivers import Answer


def asked(rig, channel="hook", *, ago=0.0, **more):
    trial = Trial(ts_event=rig.at(rig.now - round(ago * 1e9)), channel=channel, by="mia",
                  **{"test_id": "T1", **more})  # fmt: skip
    rig._intake.take([trial], rig.now)
    return trial


def test_a_test_is_sent_once_however_often_its_request_is_read(rig, http):
    found = rig()
    trial = asked(found)
    found.go()
    asked(found)
    found.restart()
    found.go()

    [page] = http.received
    assert page.json["kind"] == "TEST"
    assert page.json["subject"] == "Test of channel hook: nothing is wrong"
    assert page.key == trial.key
    [row] = found.rows()
    assert (row["state"], row["words"], row["desk"]) == ("DELIVERED", "answered 200", "*")


def test_who_asked_is_told(rig, mail):
    found = rig(["mail"])
    asked(found, "mail")
    found.go()

    [one] = mail.mails
    assert "Asked by: mia" in one.as_string()


def test_another_request_or_channel_is_another_page(rig, http):
    found = rig(["hook", "slack"])
    first = asked(found)
    keys = {first.key, asked(found, test_id="T2").key, asked(found, "slack").key}
    found.go()

    assert len(keys) == len(http.received) == 3


def test_a_refusal_is_kept_with_the_words_of_the_other_side(rig, http):
    http.answers = [Answer(403, b"no such hook")]
    found = rig()
    asked(found)
    found.go()

    [row] = found.rows()
    assert (row["state"], row["words"]) == ("UNDELIVERED", "refused: answered 403: no such hook")


def test_a_channel_that_is_not_there_is_said_with_those_that_are(rig, http):
    found = rig(["hook", "slack"])
    asked(found, "hok")
    found.go()

    [row] = found.rows("hok")
    assert row["state"] == "UNDELIVERED"
    assert row["words"] == "no channel is called 'hok'; there are hook, slack"
    assert http.received == []


def test_a_channel_that_is_away_for_a_minute_fails_its_test(rig, http):
    http.always = Answer(503, b"later")
    found = rig()
    asked(found)
    found.go(90)

    [row] = found.rows()
    assert row["state"] == "UNDELIVERED"
    assert row["words"].startswith("given up")
    assert "answered 503: later" in row["words"]
    assert row["attempts"] > 1


def test_a_request_that_nobody_waits_for_any_more_is_not_sent(rig, http):
    found = rig()
    asked(found, ago=601.0)
    asked(found, ago=599.0, test_id="T2")
    found.go()

    assert found.states() == ["WITHDRAWN", "DELIVERED"]
    assert len(http.received) == 1


def test_a_test_in_doubt_after_a_crash_is_repeated_once_with_its_key(rig, http):
    class Killed(BaseException):
        pass

    class Dying:
        def __init__(self, sender):
            self.sender = sender

        def send(self, page):
            self.sender.send(page)
            raise Killed

    found = rig()
    asked(found)
    courier = found.couriers["hook"]
    courier._sender = Dying(courier._sender)
    with pytest.raises(Killed):
        courier.step()
    assert found.restart() == 1
    asked(found)
    found.go()
    assert found.restart() == 0
    found.go()

    first, second = http.received
    assert first.key == second.key
    assert (first.json["repeat"], second.json["repeat"]) == (False, True)
    [row] = found.rows()
    assert (row["state"], row["is_repeat"]) == ("DELIVERED", 1)


def test_a_test_goes_out_in_quiet_hours_and_is_in_no_digest(rig, http):
    found = rig(quiet="00:00-23:59 UTC")
    found.raise_()
    found.raise_("B")
    asked(found)
    found.go()

    assert [one.json["kind"] for one in http.received] == ["TEST"]


def test_a_page_of_an_alert_goes_first(rig, http):
    found = rig()
    asked(found)
    found.raise_()
    found.go()

    assert [one.json["kind"] for one in http.received] == ["ALERT", "TEST"]


def test_a_request_is_read_as_it_was_written():
    trial = Trial(ts_event="2026-09-21T13:33:20Z", channel="a", by="b", test_id="c")
    raw = msgspec.json.encode({"type": "send_tested", **msgspec.to_builtins(trial)})

    assert msgspec.json.decode(raw, type=Trial) == trial
    assert msgspec.structs.replace(trial, by="x").key == trial.key
