"""A test of a channel from the request to what became of it, by the flow as it is run."""

import time

import pytest

from bus.publish import publish
from domain.channels import Trial
from domain.instants import format_rfc3339
from domain.vocabulary import Topic
from tests.notify_process import Notify
from tests.receivers import Answer, HttpReceiver, MailReceiver

SEND = "/api/v1/alerts/test-send"
LIST = "/api/v1/notifications"


@pytest.fixture
def http():
    with HttpReceiver() as found:
        yield found


@pytest.fixture
def mail():
    with MailReceiver() as found:
        yield found


@pytest.fixture
def notify(bus, history_server, http, mail, tmp_path):
    channels = {
        "oms": {"kind": "webhook", "url": http.url, "secret": "s" * 16, "timeout_s": 60},
        "desk-mail": {"kind": "smtp", "host": "127.0.0.1", "port": mail.port, "security": "none",
                      "sender": "execmon@example.com", "to": ["desk@example.com"]},
    }  # fmt: skip
    found = Notify(
        bus, tmp_path, {"channels": channels}, EXECMON_PARTITIONS="2",
        EXECMON_HISTORY_URL=history_server.url,
    )  # fmt: skip
    yield found
    found.kill()


@pytest.fixture
def outcome(served, notify):
    """What the list of notifications says of a test, once it says something final."""

    def of(key):
        def asked():
            [*found] = served.client.get(LIST, params={"key": key}).json()["items"]
            return [one for one in found if one["state"] not in {"WAITING", "SENDING"}]

        [one] = notify.wait(asked)
        assert (one["key"], one["kind"]) == (key, "TEST")
        return one["channel"], one["state"], one["words"]

    return of


def test_what_became_of_each_test_is_among_the_notifications(served, outcome, http, mail):
    def send(channel, **headers):
        answer = served.client.post(SEND, json={"channel": channel}, headers=headers)
        assert answer.status_code == 202
        return answer.json()["key"]

    mailed, unknown = send("desk-mail"), send("deskmail")
    http.answers = [Answer(), Answer(401, b"who are you?")]
    taken = send("oms", **{"Idempotency-Key": "once"})
    again = send("oms", **{"Idempotency-Key": "once"})
    assert outcome(taken) == ("oms", "DELIVERED", "answered 200")
    refused = send("oms")

    assert outcome(mailed)[:2] == ("desk-mail", "DELIVERED")
    assert outcome(refused) == ("oms", "UNDELIVERED", "refused: answered 401: who are you?")
    words = "no channel is called 'deskmail'; there are oms, desk-mail"
    assert outcome(unknown) == ("deskmail", "UNDELIVERED", words)
    assert taken == again
    assert [one.key for one in http.received] == [taken, refused]
    [one] = mail.mails
    assert "Test of channel desk-mail: nothing is wrong" in one["Subject"]
    assert "Asked by: local" in one.as_string()


def test_a_request_told_twice_and_a_crash_amid_sending_give_one_labelled_repeat(
    bus, notify, outcome, http
):
    http.always = Answer(hang=True)
    at = format_rfc3339(time.time_ns())
    event = {"type": "send_tested", "channel": "oms", "test_id": "T1", "ts_event": at}
    publish(bus, [event, event], Topic.CONTROL)
    notify.wait(lambda: http.received)
    notify.kill()
    assert notify.states() == ["SENDING"]
    http.always = None
    notify.start()
    key = Trial(ts_event=at, channel="oms", test_id="T1").key
    assert outcome(key) == ("oms", "DELIVERED", "answered 200")
    notify.kill()
    notify.start()
    publish(bus, [{**event, "test_id": "T2"}], Topic.CONTROL)
    later = Trial(ts_event=at, channel="oms", test_id="T2").key
    assert outcome(later)[1] == "DELIVERED"

    assert [(one.key, one.json["repeat"]) for one in http.received] == [
        (key, False), (key, True), (later, False),
    ]  # fmt: skip


def test_whoever_may_read_sees_what_became_of_tests(served, make_key, notify, eventually):
    us = make_key("us", "operate", ["US-CASH"])
    eventually(lambda: served.client.get(LIST, headers=us).is_success)
    answer = served.client.post(SEND, json={"channel": "none"}, headers=us).json()
    found = notify.wait(
        lambda: served.client.get(LIST, headers=us, params={"key": answer["key"]}).json()["items"]
    )

    assert found[0]["state"] == "UNDELIVERED"
