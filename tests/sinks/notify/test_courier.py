"""What is sent, when, and what becomes of it: real servers, time moved by hand."""

import pytest

from domain.instants import SECOND
from tests.alert_messages import alert_event, alert_id
from tests.receivers import Answer, HttpReceiver

MINUTE = 60.0
HOUR = 3600.0


def later(rig, event, change, state, seq=2, **more):
    """The same alert's next event, now."""
    told = event.execution_alert
    more = {"severity": str(told.severity), "desk": event.monitoring.desk, **more}
    found = alert_event(
        told.order_id, at=rig.now, type_=str(told.alert_type), change=change, state=state,
        seq=seq, **more,
    )  # fmt: skip
    rig.take(found)
    return found


def test_an_alert_is_sent_once_however_often_it_is_read(rig, http):
    found = rig()
    event = found.raise_()
    found.take(event, event)
    found.go()
    found.take(event)
    found.go()

    [page] = http.received
    assert page.json["alert_id"] == alert_id(event)
    assert page.key == page.json["key"]
    assert found.states() == ["DELIVERED"]


@pytest.mark.parametrize(
    ("route", "is_sent"),
    [
        ({}, True),
        ({"desks": ["EU"]}, False),
        ({"desks": ["EU", "US-CASH"]}, True),
        ({"types": ["VENUE_ISSUE"]}, False),
        ({"types": ["SLOW_EXECUTION"]}, True),
        ({"min_severity": "CRITICAL"}, False),
        ({"min_severity": "LOW"}, True),
    ],
)
def test_a_route_takes_what_it_says(rig, http, route, is_sent):
    found = rig(**route)
    found.raise_()
    found.go()

    assert len(http.received) == is_sent


def test_orders_without_a_desk_have_routes_too(rig, http):
    found = rig(desks=["-"])
    found.raise_(desk="")
    found.go()

    assert len(http.received) == 1


def test_of_two_routes_to_a_channel_the_first_counts(rig, http):
    routes = [
        {"channels": ["hook"], "types": ["SLOW_EXECUTION"], "digest_below": "CRITICAL"},
        {"channels": ["hook", "slack"]},
    ]
    found = rig(["hook", "slack"], routes=routes)
    found.raise_()
    found.go()

    assert [one.path for one in http.received] == ["/slack"]
    assert found.states() == ["WAITING"]


def test_what_is_not_worth_sending_is_not_sent(rig, http):
    found = rig()
    found.raise_(notify=False)
    found.raise_("B", change="RESOLVED", state="RESOLVED")
    found.go()

    assert not found.rows()


def test_a_page_waits_for_a_wider_alert_which_takes_it_into_its_own(rig, http):
    found = rig()
    event = found.raise_(not_before=found.at(found.now + 30 * SECOND))
    other = found.raise_("B", not_before=found.at(found.now + 30 * SECOND))
    found.go(20)
    assert not http.received

    venue = found.raise_("venue:XNAS", type_="VENUE_ISSUE", order_ids=["A/1 #ü", "B", "C"])
    group = alert_id(venue)
    later(found, event, "SUPPRESSED", "OPEN", suppressed_by=group, group=group)
    later(found, other, "SUPPRESSED", "OPEN", suppressed_by=group, group=group)
    found.go(MINUTE)

    [page] = http.received
    assert page.json["alert_id"] == group
    assert page.json["lines"] == [
        "HIGH SLOW_EXECUTION A/1 #ü, 45% done, 70% expected",
        "HIGH SLOW_EXECUTION B, 45% done, 70% expected",
        "C",
    ]
    assert found.states() == ["WITHDRAWN", "WITHDRAWN", "DELIVERED"]
    assert f"covered by {group}" in found.rows()[0]["words"]


def test_a_page_that_nobody_claims_is_sent_after_its_wait(rig, http):
    found = rig()
    found.raise_(not_before=found.at(found.now + 30 * SECOND))
    found.go(29)
    assert not http.received
    found.go(2)

    assert len(http.received) == 1


@pytest.mark.parametrize(
    ("change", "state", "words"),
    [
        ("RESOLVED", "RESOLVED", "the alert was resolved before it was sent"),
        ("EXPIRED", "EXPIRED", "the alert was expired"),
        ("ACKNOWLEDGED", "ACKED", "acknowledged by ann"),
        ("SNOOZED", "SNOOZED", "snoozed by ann"),
    ],
)
def test_what_needs_nobody_any_more_is_not_sent(rig, http, change, state, words):
    found = rig()
    event = found.raise_(not_before=found.at(found.now + 30 * SECOND))
    later(found, event, change, state, by="ann")
    found.go(MINUTE)

    assert not http.received
    [row] = found.rows()
    assert row["state"] == "WITHDRAWN"
    assert words in row["words"]


def test_machines_hear_how_an_alert_went_on_and_people_do_not(rig, http, mail):
    found = rig(["hook", "duty", "slack", "teams", "mail"])
    event = found.raise_()
    found.go()
    later(found, event, "ACKNOWLEDGED", "ACKED", 2, by="ann")
    found.go()
    later(found, event, "RESOLVED", "RESOLVED", 3)
    found.go()

    paths = [one.path for one in http.received]
    assert {path: paths.count(path) for path in paths} == {
        "/hook": 3, "/v2/enqueue": 3, "/slack": 1, "/teams": 1,
    }  # fmt: skip
    events = [one.json for one in http.received if one.path == "/v2/enqueue"]
    assert [one["event_action"] for one in events] == ["trigger", "acknowledge", "resolve"]
    assert {one["dedup_key"] for one in events} == {alert_id(event)}
    hooks = [one.json for one in http.received if one.path == "/hook"]
    assert [one["kind"] for one in hooks] == ["ALERT", "ACKNOWLEDGED", "OVER"]
    assert len(mail.mails) == 1


def test_an_order_s_incident_ends_when_the_venue_s_takes_it(rig, http):
    found = rig(["duty"])
    event = found.raise_()
    found.go()
    later(found, event, "SUPPRESSED", "OPEN", suppressed_by="V", group="V")
    later(found, event, "SEVERITY", "OPEN", 3, suppressed_by="V", group="V")
    found.go()
    assert [one.json["event_action"] for one in http.received] == ["trigger", "resolve"]
    later(found, event, "UNSUPPRESSED", "OPEN", 4)
    found.go()
    later(found, event, "RESOLVED", "RESOLVED", 5)
    later(found, event, "CLOSED", "CLOSED", 6)
    found.go()

    assert [one.json["event_action"] for one in http.received[2:]] == ["trigger", "resolve"]


def test_what_was_never_told_is_not_ended(rig, http):
    found = rig(["duty"], digest_below="CRITICAL")
    event = found.raise_()
    later(found, event, "ACKNOWLEDGED", "ACKED")
    found.go(HOUR)

    assert not http.received


def test_quiet_hours_hold_pages_back_and_give_them_as_one(rig, http):
    # 13:33:20 UTC, so 14:33:20 in London.
    found = rig(["slack"], quiet="14:00-15:00 Europe/London")
    first = found.raise_("A")
    found.raise_("B", severity="MEDIUM")
    found.raise_("C", severity="CRITICAL")
    gone = found.raise_("D")
    acked = found.raise_("E")
    found.go(MINUTE)
    assert ["CRITICAL: SLOW_EXECUTION C" in one.json["text"] for one in http.received] == [True]
    later(found, gone, "RESOLVED", "RESOLVED")
    later(found, acked, "ACKNOWLEDGED", "ACKED")
    found.go(25 * MINUTE)
    assert len(http.received) == 1
    found.go(2 * MINUTE)

    [_, digest] = http.received
    text = digest.json["attachments"][0]["blocks"][0]["text"]["text"]
    assert "3 collected, 2 still open" in digest.json["text"]
    assert "HIGH SLOW_EXECUTION A" in text
    assert "MEDIUM SLOW_EXECUTION B" in text
    assert "HIGH SLOW_EXECUTION D, 45% done, 70% expected, resolved" in text
    assert "SLOW_EXECUTION E" not in text
    states = {row["alert_id"]: row["state"] for row in found.rows("slack")}
    assert states[alert_id(first)] == "COLLECTED"
    assert found.states("slack")[-1] == "DELIVERED"


def test_a_lone_page_after_quiet_hours_is_itself(rig, http):
    found = rig(quiet="14:00-15:00 Europe/London")
    found.raise_()
    found.go(30 * MINUTE)

    assert [one.json["kind"] for one in http.received] == ["ALERT"]


def test_what_becomes_worse_at_night_is_told_at_once_and_once(rig, http):
    found = rig(quiet="14:00-15:00 Europe/London")
    event = found.raise_()
    found.go(MINUTE)
    later(found, event, "SEVERITY", "OPEN", severity="CRITICAL")
    found.go(HOUR)

    assert [one.json["severity"] for one in http.received] == ["CRITICAL"]
    assert found.states() == ["WITHDRAWN", "DELIVERED"]


def test_a_digest_collects_and_comes_on_its_minutes(rig, http):
    found = rig(digest_below="HIGH", digest_minutes=15)
    found.raise_("A", severity="MEDIUM")
    found.raise_("B", severity="HIGH")
    found.go(5 * MINUTE)
    found.raise_("C", severity="MEDIUM")
    found.go()
    assert [one.json["source"] for one in http.received] == ["B"]
    # 13:33:20: the next quarter is 13:45.
    found.go(6 * MINUTE)
    assert len(http.received) == 1
    found.go(MINUTE)

    digest = http.received[-1].json
    assert digest["kind"] == "DIGEST"
    assert [event["execution_alert"]["order_id"] for event in digest["events"]] == ["A", "C"]


def test_too_many_at_once_come_to_people_as_one_and_to_machines_each(rig, http):
    found = rig(["hook", "slack"])
    for number in range(1_000):
        found.raise_(f"A{number}")
    found.go()

    paths = [one.path for one in http.received]
    assert paths.count("/hook") == 1_000
    assert len(set(http.keys)) == 1_001
    [slack] = [one.json for one in http.received if one.path == "/slack"]
    assert "1000 collected" in slack["text"]
    assert "and 950 more" in slack["attachments"][0]["blocks"][0]["text"]["text"]
    assert set(found.states("slack")) == {"COLLECTED", "DELIVERED"}


def test_the_worst_goes_first(rig, http):
    found = rig()
    for severity in ("MEDIUM", "CRITICAL", "HIGH"):
        found.raise_(severity, severity=severity)
    found.go()

    assert [one.json["source"] for one in http.received] == ["CRITICAL", "HIGH", "MEDIUM"]


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_a_page_that_was_not_taken_is_sent_again_with_the_same_key_and_body(rig, http, status):
    http.answers = [Answer(status), Answer(status)]
    found = rig()
    found.raise_()
    found.go(30)

    assert len(http.received) == 3
    assert len(set(http.keys)) == 1
    assert len({one.body for one in http.received}) == 1
    assert not any(one.json["repeat"] for one in http.received)
    [row] = found.rows()
    assert (row["state"], row["attempts"]) == ("DELIVERED", 3)


def test_retry_after_is_kept_to(rig, http):
    http.answers = [Answer(429, headers={"Retry-After": "40"})]
    found = rig()
    found.raise_()
    found.go(39)
    assert len(http.received) == 1
    found.go(2)

    assert found.states() == ["DELIVERED"]


def test_a_refused_page_is_undelivered_and_says_why(rig, http):
    http.answers = [Answer(400, b"no such\nroom")]
    found = rig()
    found.raise_()
    found.raise_("B")
    found.go(HOUR)

    [first, second] = found.rows()
    assert first["words"] == "refused: answered 400: no such room"
    assert (first["state"], second["state"]) == ("UNDELIVERED", "DELIVERED")


def test_a_channel_that_stays_away_is_given_up_and_says_why(rig, http):
    found = rig(more={"retry_for_s": 120})
    http.close()
    event = found.raise_()
    found.go(5 * MINUTE)
    later(found, event, "REMINDED", "OPEN", seq=2)
    found.go(MINUTE)

    first, second = found.rows()
    assert first["state"] == "UNDELIVERED"
    assert first["words"].startswith("given up")
    assert "cannot be reached" in first["words"]
    assert 3 < first["attempts"] < 60
    assert second["state"] == "WAITING"


def test_a_channel_that_comes_back_gets_what_waited(rig, http):
    found = rig()
    http.close()
    found.raise_("A")
    found.raise_("B")
    found.go(MINUTE)
    with HttpReceiver(port=http.port) as back:
        found.go(MINUTE)
        sources = {one.json["source"] for one in back.received}

    assert sources == {"A", "B"}
    assert found.states() == ["DELIVERED", "DELIVERED"]


def test_an_alert_that_ends_while_its_channel_is_away_is_undelivered(rig, http):
    found = rig()
    http.always = Answer(503)
    event = found.raise_()
    found.go(10)
    later(found, event, "RESOLVED", "RESOLVED")
    found.go(HOUR)

    [row] = found.rows()
    assert row["state"] == "UNDELIVERED"
    assert row["words"] == "answered 503: ok; the alert was resolved before it was sent"


def test_one_page_that_a_channel_chokes_on_does_not_hold_the_others(rig, http):
    found = rig()
    http.judge = lambda one: Answer(500) if one.json["source"] == "BAD" else None
    found.raise_("BAD", severity="CRITICAL")
    found.go()
    for number in range(5):
        found.raise_(f"GOOD{number}")
    found.go(MINUTE)

    assert found.states() == ["WAITING", *["DELIVERED"] * 5]


def test_an_unconfirmed_page_is_repeated_once_with_its_key_and_a_label(rig, http):
    http.always = Answer(cut=True)
    found = rig()
    found.raise_()
    found.go(HOUR)

    first, second = http.received
    assert first.key == second.key
    assert (first.json["repeat"], second.json["repeat"]) == (False, True)
    assert second.headers["x-execmon-repeat"] == "true"
    assert "sent before; whether it arrived is not known" in second.json["text"]
    [row] = found.rows()
    assert row["state"] == "UNDELIVERED"
    assert row["words"].startswith("sent twice and never confirmed: no answer came")


def test_a_server_that_never_answers_is_an_unconfirmed_send(rig, http):
    http.answers = [Answer(hang=True)]
    found = rig(more={"timeout_s": 0.2})
    found.raise_()
    found.go(10)

    assert [one.json["repeat"] for one in http.received] == [False, True]
    assert found.states() == ["DELIVERED"]


def test_each_crash_repeats_what_was_being_sent_once(rig, http, store):
    found = rig()
    event = found.raise_()
    found.go()
    # A crash between the answer and its confirmation on the disk leaves this.
    with store.writing() as db:
        db.execute("UPDATE notifications SET state = 'SENDING'")

    assert found.restart() == 1
    found.go()
    assert found.restart() == 0
    found.go(HOUR)

    first, second = http.received
    assert first.key == second.key
    assert second.json["repeat"]
    assert second.json["alert_id"] == alert_id(event)
    assert found.states() == ["DELIVERED"]


def test_a_repeat_is_not_confirmed_either_and_there_is_no_third(rig, http, store):
    found = rig()
    http.always = Answer(cut=True)
    found.raise_()
    with store.writing() as db:
        db.execute("UPDATE notifications SET state = 'SENDING', attempts = 1")
    found.restart()
    found.go(HOUR)

    assert len(http.received) == 1
    assert found.states() == ["UNDELIVERED"]


def test_alerts_of_long_ago_are_kept_and_not_sent(rig, http):
    found = rig()
    found.take(alert_event(at=found.now - round(2 * HOUR) * SECOND))
    found.go()

    assert not http.received
    assert "older than max_age_s = 3600" in found.rows()[0]["words"]


def test_what_is_read_late_waits_for_what_came_of_it(rig, http):
    found = rig()
    event = alert_event(at=found.now - 60 * SECOND)
    found.take(event)
    found.go(1)
    later(found, event, "RESOLVED", "RESOLVED")
    found.go(MINUTE)

    assert not http.received


def test_pages_of_a_channel_that_is_configured_no_more_are_undelivered(rig, store):
    found = rig(["hook", "slack"], digest_below="CRITICAL")
    found.raise_()
    rest = rig(["slack"])
    rest.restart()

    [row] = rest.rows("hook")
    assert (row["state"], row["words"]) == (
        "UNDELIVERED", "no such channel is configured any more",
    )  # fmt: skip
    assert rest.states("slack") == ["WAITING"]


def test_an_alert_without_a_life_is_sent_under_its_event_s_id(rig, http):
    import msgspec

    found = rig()
    event = msgspec.structs.replace(alert_event(at=found.now), monitoring=None)
    found.take(event)
    found.go()

    assert http.received[0].json["alert_id"] == event.event_id
