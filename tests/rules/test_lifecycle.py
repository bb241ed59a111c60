"""An alert's life: raised once, answered by people, over in one of three ways."""

import pytest

from domain.alerts import Alert, AlertState, Change, CloseReason
from domain.published import AlertEvidence, ExecutionMetricsData, Severity
from rules.lifecycle import ALLOWED, MOST_HISTORY, Action, why_not
from tests.alert_desk import (
    COST,
    DATA,
    DAY,
    HOUR,
    IMPACT,
    MINUTE,
    SLOW,
    VENUE,
    Desk,
    action,
    crossing,
    id_of,
    ns,
    text,
    told,
)


@pytest.fixture
def desk():
    return Desk()


def test_an_alert_is_raised_once_for_its_desk_scope_and_type(desk):
    [first] = desk.see(0)
    again = desk.see(5)
    other = [desk.see(6, scope="A2"), desk.see(7, type_=COST), desk.see(8, desk="EU")]

    assert again == []
    assert [len(changes) for changes in other] == [1, 1, 1]
    alert = first.alert
    assert (alert.alert_id, alert.ordinal, alert.seq, alert.published_seq) == (id_of(), 1, 1, 1)
    assert (alert.state, alert.started_at, alert.changed_at) == ("OPEN", ns(0), ns(0))
    assert (alert.severity, alert.rule_severity) == (Severity.MEDIUM, Severity.MEDIUM)
    assert [(c.severity, c.at) for c in alert.severity_history] == [("MEDIUM", text(0))]
    transition = first.transition
    assert (transition.seq, transition.change, transition.by) == (1, Change.RAISED, "system")
    assert transition.why == "the rule says MEDIUM"
    assert (first.publish, first.notify) == (True, True)


def test_a_replay_raises_the_same_alert(desk):
    twin = Desk()

    assert desk.see(0) == twin.see(0)


def test_the_newest_evidence_and_words_are_kept_and_told_with_the_next_change(desk):
    desk.see(0, recommendation="Slow down", progress=0.2)

    quiet = desk.see(5, recommendation="Review limit", progress=0.3, order_ids=["A1", "A9"])
    [change] = desk.see(10, "HIGH", recommendation="Reroute", progress=0.4)

    assert quiet == []
    assert (change.alert.recommendation, change.alert.progress) == ("Reroute", 0.4)
    assert change.alert.order_ids == ["A1"]


def test_an_ending_says_only_what_it_knows(desk):
    metrics = ExecutionMetricsData(execution_speed=0.6, cost_efficiency=None)
    desk.see(0, recommendation="Slow down", progress=0.2, main_venue="XNAS")

    ended = crossing(60, None, order_ids=[], symbol="", progress=0.5, metrics=metrics)
    ended.evidence = AlertEvidence()
    [change] = desk.take(ended)

    alert = change.alert
    assert (alert.recommendation, alert.progress, alert.metrics) == ("Slow down", 0.5, metrics)
    assert (alert.evidence.z, alert.order_ids, alert.symbol) == (2.5, ["A1"], "IBM")
    assert alert.main_venue == "XNAS"


def test_a_severity_that_rises_is_told_and_one_that_falls_is_only_published(desk):
    desk.see(0)
    desk.see(10, "CRITICAL")
    desk.see(20, "HIGH")

    assert told(desk.changes) == [
        (0, "RAISED", "OPEN", "MEDIUM", True),
        (10, "SEVERITY", "OPEN", "CRITICAL", True),
        (20, "SEVERITY", "OPEN", "HIGH", False),
    ]
    assert all(change.publish for change in desk.changes)
    alert = desk.alert()
    assert [c.severity for c in alert.severity_history] == ["MEDIUM", "CRITICAL", "HIGH"]
    assert desk.changes[1].alert.severity is Severity.CRITICAL, "kept as it was then"
    assert [c.transition.why for c in desk.changes[1:]] == [
        "the rule says CRITICAL", "the rule says HIGH",
    ]  # fmt: skip


def test_a_low_alert_is_neither_published_nor_told_until_it_rises(desk):
    [low] = desk.see(0, "LOW")
    [risen] = desk.see(10, "MEDIUM")

    assert (low.publish, low.notify, low.alert.published_seq) == (False, False, 0)
    assert (risen.publish, risen.notify, risen.alert.published_seq) == (True, True, 1)
    assert risen.transition.seq == 2


def test_a_low_alert_that_nobody_heard_of_ends_unheard(desk):
    desk.see(0, "LOW")
    [end] = desk.see(10, None)

    assert (end.alert.state, end.publish, end.notify) == ("RESOLVED", False, False)


def test_a_published_alert_publishes_its_fall_to_low_and_its_end(desk):
    desk.see(0)
    [fall] = desk.see(10, "LOW")
    [ack] = desk.ack(20)
    [end] = desk.see(30, None)

    assert [c.publish for c in (fall, ack, end)] == [True, False, True]
    assert [c.alert.published_seq for c in (fall, ack, end)] == [2, 2, 3]
    assert not any(c.notify for c in (fall, ack, end))


def test_an_alert_resolves_when_its_condition_clears_and_expires_with_its_order(desk):
    desk.see(0)
    [cleared] = desk.see(60, None)
    desk.see(70)
    [ended] = desk.see(80, None, ended=True)

    assert told([cleared, ended]) == [
        (60, "RESOLVED", "RESOLVED", "MEDIUM", False),
        (80, "EXPIRED", "EXPIRED", "MEDIUM", False),
    ]
    assert (cleared.alert.closed_at, ended.alert.closed_at) == (ns(60), ns(80))
    assert (cleared.alert.ordinal, ended.alert.ordinal) == (1, 2)
    assert (cleared.alert.alert_id, ended.alert.alert_id) == (id_of(), id_of(ordinal=2))
    assert [c.alert.published_seq for c in desk.changes] == [1, 2, 3, 4], "over all of the key"
    assert [c.transition.seq for c in desk.changes] == [1, 2, 1, 2]


def test_an_order_that_was_over_before_anyone_could_act_is_shown_and_not_sent(desk):
    desk.see(0, "CRITICAL", pages=False)
    desk.see(0, None, ended=True)
    desk.pass_to(HOUR)

    assert told(desk.changes) == [
        (0, "RAISED", "OPEN", "CRITICAL", False),
        (0, "EXPIRED", "EXPIRED", "CRITICAL", False),
    ]
    assert all(change.publish for change in desk.changes)


def test_the_end_of_what_was_never_raised_is_nothing(desk):
    assert desk.see(0, None) == []
    assert desk.see(1, None, ended=True) == []


def test_a_person_acknowledges_and_is_remembered(desk):
    desk.see(0, "HIGH")

    [change] = desk.ack(30, why="looking")

    assert told([change]) == [(30, "ACKNOWLEDGED", "ACKED", "HIGH", False)]
    assert (change.transition.by, change.transition.why) == ("ann", "looking")
    assert (change.alert.acked_by, change.publish) == ("ann", True)
    assert desk.ack(40, by="bob") == [], "it is acknowledged already"


def test_an_acknowledged_alert_that_gets_worse_is_told_and_stays_acknowledged(desk):
    desk.see(0)
    desk.ack(10)

    assert told(desk.see(20, "HIGH")) == [(20, "SEVERITY", "ACKED", "HIGH", True)]
    assert desk.pass_to(DAY) == []


def test_a_snooze_ends_by_time_and_the_alert_is_told_again(desk):
    desk.see(0)
    [snoozed] = desk.snooze(60, until=660, why="lunch")
    [woke] = desk.pass_to(661)

    assert told([snoozed, woke]) == [
        (60, "SNOOZED", "SNOOZED", "MEDIUM", False),
        (660, "WOKE", "OPEN", "MEDIUM", True),
    ]
    assert (snoozed.alert.snoozed_until, woke.alert.snoozed_until) == (ns(660), None)
    assert woke.transition.why == "the snooze ended"


def test_a_snooze_lasts_an_hour_at_most(desk):
    desk.see(0)
    [snoozed] = desk.snooze(60, until=DAY)

    assert snoozed.alert.snoozed_until == ns(60 + HOUR)


@pytest.mark.parametrize("until", [60, 30])
def test_a_snooze_that_ends_before_it_begins_is_none(desk, until):
    desk.see(0)

    assert desk.snooze(60, until=until) == []
    assert desk.do(61, action("alert_snoozed", 61, until="tomorrow")) == []
    assert desk.do(62, action("alert_snoozed", 62)) == []


def test_a_later_snooze_takes_the_place_of_the_first(desk):
    desk.see(0)
    desk.snooze(10, until=100)
    desk.snooze(20, until=200)

    assert told(desk.pass_to(300)) == [(200, "WOKE", "OPEN", "MEDIUM", True)]


def test_a_snooze_lifts_when_the_severity_rises_above_what_it_was(desk):
    desk.see(0, "HIGH")
    desk.snooze(10, until=1800)

    quiet = [*desk.see(20, "MEDIUM"), *desk.see(30, "HIGH")]
    loud = desk.see(40, "CRITICAL")

    assert told(quiet) == [
        (20, "SEVERITY", "SNOOZED", "MEDIUM", False),
        (30, "SEVERITY", "SNOOZED", "HIGH", False),
    ]
    assert told(loud) == [
        (40, "SEVERITY", "SNOOZED", "CRITICAL", False),
        (40, "WOKE", "OPEN", "CRITICAL", True),
    ]
    assert loud[1].transition.why == "the severity rose above HIGH"


def test_a_snoozed_alert_can_be_acknowledged_and_then_sleeps_no_more(desk):
    desk.see(0)
    desk.snooze(10, until=100)
    [acked] = desk.ack(20)

    assert (acked.alert.state, acked.alert.snoozed_until) == ("ACKED", None)
    assert desk.pass_to(HOUR) == []


def test_an_acknowledged_alert_that_was_snoozed_wakes_unacknowledged(desk):
    desk.see(0)
    desk.ack(10)
    desk.snooze(20, until=100)
    [woke] = desk.pass_to(100)

    assert (woke.alert.state, woke.alert.acked_by) == ("OPEN", None)


def test_a_person_closes_with_a_reason(desk):
    desk.see(0)
    [closed] = desk.close(30, "FALSE_MARKET", why="index move", by="bob")

    alert = closed.alert
    assert told([closed]) == [(30, "CLOSED", "CLOSED", "MEDIUM", False)]
    assert (alert.closed_by, alert.closed_at) == ("bob", ns(30))
    assert alert.close_reason is CloseReason.FALSE_MARKET
    assert (closed.publish, closed.transition.why) == (True, "index move")
    assert not CloseReason.FALSE_MARKET.is_true
    assert CloseReason.TRUE_NO_ACTION.is_true


def test_nothing_is_closed_without_a_reason(desk):
    desk.see(0)

    assert desk.do(10, action("alert_closed", 10)) == []
    assert desk.alert().state == "OPEN"


def test_what_a_person_closed_comes_back_only_when_it_gets_worse_or_begins_anew(desk):
    desk.see(0, "HIGH")
    desk.close(10)

    assert desk.see(20, "MEDIUM") == desk.see(30, "HIGH") == []
    assert told(desk.see(40, "CRITICAL")) == [(40, "RAISED", "OPEN", "CRITICAL", True)]
    desk.close(50, ordinal=2)
    assert desk.see(60, None) == []
    [anew] = desk.see(70, "MEDIUM")
    assert anew.alert.ordinal == 3


def test_an_action_on_another_desks_alert_or_on_none_does_nothing(desk):
    desk.see(0)
    foreign = action("alert_acknowledged", 1)
    foreign.scope = "EU"

    assert desk.do(1, foreign) == []
    assert desk.ack(2, ordinal=7) == []


def test_a_request_that_comes_twice_is_done_once(desk):
    desk.see(0)
    asked = action("alert_snoozed", 10, until=text(100), request_id="r1")
    desk.do(10, asked)
    desk.see(20, "HIGH")

    assert desk.do(30, asked) == []
    assert desk.alert().state == "OPEN"
    assert len(desk.snooze(40, until=100, request_id="r2")) == 1


def test_a_repeat_is_known_without_a_request_id_too(desk):
    desk.see(0)
    asked = action("alert_snoozed", 10, until=text(100))
    desk.do(10, asked)

    assert desk.do(11, asked) == []


def test_one_request_may_be_about_several_alerts(desk):
    desk.see(0)
    desk.see(0, scope="A2")

    assert len(desk.ack(10, request_id="all")) == 1
    assert len(desk.ack(10, request_id="all", scope="A2")) == 1


def test_a_feed_that_fell_silent_has_one_page_a_desk(desk):
    [first] = desk.see(0, "HIGH", "feed:market-data-3", DATA)
    second = desk.see(5, "HIGH", "feed:market-data-3", DATA)
    [other] = desk.see(6, "HIGH", "feed:market-data-3", DATA, desk="EU")

    assert second == []
    assert first.notify
    assert other.notify
    assert first.not_before is None


STATES = {
    AlertState.PENDING: set(),
    AlertState.OPEN: set(Action),
    AlertState.ESCALATED: set(Action),
    AlertState.ACKED: {Action.SNOOZE, Action.CLOSE},
    AlertState.SNOOZED: set(Action),
    AlertState.RESOLVED: set(),
    AlertState.CLOSED: set(),
    AlertState.EXPIRED: set(),
}


def an_alert(state, **more):
    return Alert(
        alert_id="7", dedupe_key="k", ordinal=1, desk="D", scope="A1", type=SLOW, state=state,
        severity=Severity.HIGH, rule_severity=Severity.HIGH, started_at=ns(0),
        changed_at=ns(60), seq=3, **more,
    )  # fmt: skip


@pytest.mark.parametrize("state", AlertState)
@pytest.mark.parametrize("doing", Action)
def test_one_table_says_what_is_possible_in_which_state(state, doing):
    alert = an_alert(state, acked_by="ann")

    assert (why_not(alert, doing) == "") == (doing in STATES[state])
    assert (state in ALLOWED[doing]) == (doing in STATES[state])


def test_a_refusal_says_what_became_of_the_alert_and_what_would_be_right():
    closed = an_alert(AlertState.CLOSED, closed_by="bob")

    assert why_not(closed, "alert_acknowledged") == (
        f"alert 7 was CLOSED at {text(60)} by bob; only an open one can be acknowledged"
    )
    assert why_not(an_alert(AlertState.RESOLVED), Action.CLOSE) == (
        f"alert 7 was RESOLVED at {text(60)} by system; only an open one can be closed"
    )
    assert why_not(an_alert(AlertState.ACKED, acked_by="ann"), Action.ACKNOWLEDGE) == (
        "alert 7 was acknowledged by ann already; only an open one can be acknowledged"
    )
    assert why_not(an_alert(AlertState.PENDING), Action.SNOOZE) == (
        "alert 7 is PENDING; only an open one can be snoozed"
    )


def test_an_unknown_action_is_an_error_of_the_caller():
    with pytest.raises(ValueError, match="alert_hugged"):
        why_not(an_alert(AlertState.OPEN), "alert_hugged")


def test_an_alert_carries_its_newest_changes_of_severity_only(desk):
    for i in range(MOST_HISTORY + 10):
        desk.see(i, "HIGH" if i % 2 else "MEDIUM", "venue:XNAS", VENUE)

    history = desk.alert("venue:XNAS", VENUE).severity_history
    assert len(history) == MOST_HISTORY
    assert history[-1].at == text(MOST_HISTORY + 9)


def test_an_order_page_waits_for_an_alert_that_may_claim_it(desk):
    [slow] = desk.see(0)
    [cost] = desk.see(0, type_=COST)
    [impact] = desk.see(0, type_=IMPACT)
    [venue] = desk.see_venue(0)
    [worse] = desk.see(10, "HIGH", type_=COST)
    [worst] = desk.see(31, "CRITICAL", type_=COST)

    assert [c.not_before for c in (slow, cost)] == [ns(30), ns(30)]
    assert [c.not_before for c in (impact, venue)] == [None, None]
    assert (worse.not_before, worst.not_before) == (ns(30), None)
    assert slow.publish


def test_the_wait_begins_with_the_first_page(desk):
    desk.see(0, "LOW", type_=COST)
    [risen] = desk.see(100, "MEDIUM", type_=COST)

    assert risen.not_before == ns(130)
    assert desk.pass_to(5 * MINUTE) == []
