"""What people do to alerts: said on the bus, done by the pipeline, in the audit."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from api.alerts.models import AlertDetail
from domain.alerts import AlertAction, Change
from domain.instants import format_rfc3339, parse_rfc3339
from tests.alert_data import raised, then

ALERTS = "/api/v1/alerts"


def post(api, alert_id, action, body=None, **headers):
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return api.client.post(f"{ALERTS}/{alert_id}/{action}", json=body, headers=told)


def test_an_acknowledgement_is_answered_with_what_the_pipeline_made_of_it(served, desk, bus):
    desk.give(raised("A1"))

    answer = post(served, "A1", "ack", {"why": "on it"}, X_Request_Id="r-7")

    found = AlertDetail.model_validate_json(answer.content)
    assert answer.status_code == 200, answer.text
    assert (found.state.value, found.acked_by, found.seq) == ("ACKED", "local", 2)
    assert (found.transitions[1].by, found.transitions[1].why) == ("local", "on it")
    [event] = desk.heard
    assert (event["type"], event["scope"], event["request_id"]) == (
        "alert_acknowledged", "US-CASH", "r-7",
    )  # fmt: skip


def test_an_acknowledgement_needs_no_body(served, desk):
    desk.give(raised("A1"))

    assert served.client.post(f"{ALERTS}/A1/ack").json()["state"] == "ACKED"


def test_a_snooze_ends_after_minutes_or_at_a_time(served, desk):
    desk.give(raised("A1"), raised("A2", "B"))
    began = time.time_ns()
    until = format_rfc3339(began + 600 * 10**9)

    minutes = post(served, "A1", "snooze", {"minutes": 15})
    instant = post(served, "A2", "snooze", {"until": until, "why": "lunch"})

    ahead_s = (parse_rfc3339(minutes.json()["snoozed_until"]) - began) / 1e9
    assert 900 <= ahead_s < 960
    assert (instant.json()["snoozed_until"], instant.json()["state"]) == (until, "SNOOZED")


def test_a_close_says_what_was_found(served, desk):
    desk.give(raised("A1"))

    found = post(served, "A1", "close", {"reason": "FALSE_MARKET", "why": "index fell"}).json()

    assert (found["state"], found["close_reason"], found["closed_by"]) == (
        "CLOSED", "FALSE_MARKET", "local",
    )  # fmt: skip
    assert found["ended_at"] == found["changed_at"]


@pytest.mark.parametrize(
    ("action", "body", "words"),
    [
        ("snooze", {}, "either minutes or until"),
        ("snooze", {"minutes": 61}, "less than or equal to 60"),
        ("snooze", {"minutes": 1, "until": "2026-01-01T00:00:00Z"}, "either minutes or until"),
        ("snooze", {"until": "2026-01-01T00:00:00Z"}, "the end must be ahead"),
        ("snooze", {"until": "2099-01-01T00:00:00Z"}, "at most 60 minutes away"),
        ("close", {}, "reason"),
        ("close", {"reason": "BORED"}, "TRUE_ACTED"),
        ("ack", {"colour": "red"}, "colour"),
    ],
)
def test_what_makes_no_sense_is_a_422_and_nothing_is_passed_on(served, desk, action, body, words):
    desk.give(raised("A1"))

    answer = post(served, "A1", action, body)

    assert answer.status_code == 422
    assert words in answer.json()["detail"]
    assert desk.heard == []


def test_what_is_over_or_done_already_is_a_409_in_words(served, desk, stored, store):
    open_one, past = raised("A1"), raised("A2", "B")
    desk.give(open_one, past, then(past, Change.RESOLVED))
    post(served, "A1", "ack")

    twice = post(served, "A1", "ack")
    over = post(served, "A2", "close", {"reason": "DUPLICATE"})
    old = raised("A3", "C")
    stored(old, then(old, Change.EXPIRED))
    long_over = post(served, "A3", "ack")

    assert [one.status_code for one in (twice, over, long_over)] == [409, 409, 409]
    assert "already" in twice.json()["detail"]
    assert "RESOLVED" in over.json()["detail"]
    assert "EXPIRED" in long_over.json()["detail"]
    assert len(desk.heard) == 1


def test_one_that_history_has_open_and_the_store_not_yet_can_be_tried_again(served, desk, stored):
    stored(raised("A1"))

    answer = post(served, "A1", "ack")

    assert (answer.status_code, answer.json()["dependency"]) == (503, "status store")


def test_a_pipeline_that_does_not_answer_is_a_202_with_the_alert_as_it_stands(serve, desk):
    desk.give(raised("A1"))
    desk.is_deaf = True
    with serve(action_wait_s=0.05) as api:
        answer = post(api, "A1", "ack")

    assert answer.status_code == 202
    assert answer.json()["state"] == "OPEN"


def test_another_change_meanwhile_is_not_taken_for_the_answer(serve, desk):
    first = raised("A1")
    desk.give(first)
    desk.is_deaf = True
    with serve(action_wait_s=0.5) as api, ThreadPoolExecutor() as pool:
        asked = pool.submit(post, api, "A1", "ack")
        desk.give(then(first, Change.REMINDED))
        answer = asked.result()

    assert (answer.status_code, answer.json()["seq"]) == (202, 2)


def test_with_the_same_key_it_is_done_once(served, desk):
    desk.give(raised("A1"))

    first, second = (post(served, "A1", "ack", Idempotency_Key="k") for _ in range(2))

    assert first.json() == second.json()
    assert second.headers["idempotent-replayed"] == "true"
    assert len(desk.heard) == 1
    assert post(served, "A1", "ack").status_code == 409


def test_an_action_needs_the_scope_and_the_desk_and_is_in_the_audit(
    serve, desk, make_key, history, eventually
):
    desk.give(raised("A1"), raised("A2", "B", desk="EU-CASH"))
    reader, us = make_key("reader"), make_key("us", "operate", ["US-CASH"])
    with serve() as api:

        def ask(alert_id, headers):
            return api.client.post(f"{ALERTS}/{alert_id}/ack", headers=headers, json={"why": "w"})

        eventually(lambda: api.client.get(f"{ALERTS}/A1", headers=us).status_code == 200)
        assert ask("A1", reader).status_code == 403
        assert ask("A2", us).status_code == ask("none", us).status_code == 404
        assert ask("A1", us).json()["acked_by"] == "us"
        assert ask("A1", us).status_code == 409

        def lines():
            found = history.execute(
                "SELECT who, target, outcome, detail->>'why' FROM audit"
                " WHERE target IS NOT NULL ORDER BY id"
            ).fetchall()
            return found if len(found) >= 3 else None

        assert eventually(lines) == [
            ("us", "A2", "refused", "another desk's alert"),
            ("us", "A1", "done", "w"),
            (
                "us", "A1", "refused",
                "alert A1 was acknowledged by us already; only an open one can be acknowledged",
            ),
        ]  # fmt: skip


def test_actions_are_what_the_pipeline_reads(served, desk):
    import msgspec

    desk.give(raised("A1"))
    post(served, "A1", "close", {"reason": "TRUE_ACTED"})

    action = msgspec.convert(desk.heard[0], AlertAction)
    assert (action.alert_id, action.by, action.reason) == ("A1", "local", "TRUE_ACTED")


def test_a_channel_is_tested_on_the_bus(served, desk, eventually):
    answer = served.client.post(f"{ALERTS}/test-send", json={"channel": "desk mail"})

    assert (answer.status_code, answer.json()["channel"]) == (202, "desk mail")
    [event] = eventually(lambda: list(desk.heard))
    assert (event["type"], event["channel"], event["by"]) == ("send_tested", "desk mail", "local")
    assert event["request_id"] == answer.json()["request_id"]


def test_without_a_bus_nothing_can_be_done(serve, desk):
    desk.give(raised("A1"))
    with serve(bus_url="") as api:
        answer = post(api, "A1", "ack")

    assert (answer.status_code, answer.json()["dependency"]) == (503, "bus")
