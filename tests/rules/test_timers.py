"""What time alone does: silence escalates, pages repeat, and a jump is many small steps."""

import pytest

from domain.published import Severity
from rules.timers import one_worse
from tests.alert_desk import COST, DAY, HOUR, MINUTE, VENUE, Desk, ns, text, told


@pytest.fixture
def desk():
    return Desk()


def minutes(changes):
    return [(t / MINUTE, change, severity) for t, change, _, severity, _ in told(changes)]


def test_an_unanswered_medium_alert_rises_after_15_and_30_minutes(desk):
    desk.see(0)
    changes = desk.pass_to(HOUR)

    assert minutes(changes) == [
        (15, "ESCALATED", "HIGH"), (30, "ESCALATED", "CRITICAL"), (45, "REMINDED", "CRITICAL"),
        (60, "REMINDED", "CRITICAL"),
    ]  # fmt: skip
    assert all(c.notify and c.publish and c.transition.by == "system" for c in changes)
    assert {str(c.alert.state) for c in changes} == {"ESCALATED"}
    assert [c.transition.why for c in changes[:2]] == [
        "nobody answered for 15 min", "nobody answered for 30 min",
    ]  # fmt: skip
    assert changes[-1].alert.rule_severity is Severity.MEDIUM


def test_an_unanswered_high_alert_rises_after_5_minutes_and_is_told_again_after_10(desk):
    desk.see(0, "HIGH")

    assert minutes(desk.pass_to(30 * MINUTE)) == [
        (5, "ESCALATED", "CRITICAL"), (10, "ESCALATED", "CRITICAL"), (25, "REMINDED", "CRITICAL"),
    ]  # fmt: skip


def test_an_unanswered_critical_alert_is_told_again_after_2_and_4_minutes(desk):
    desk.see(0, "CRITICAL")

    assert minutes(desk.pass_to(20 * MINUTE)) == [
        (2, "ESCALATED", "CRITICAL"), (4, "ESCALATED", "CRITICAL"), (19, "REMINDED", "CRITICAL"),
    ]  # fmt: skip


def test_a_low_alert_waits_for_nobody(desk):
    desk.see(0, "LOW")

    assert desk.pass_to(DAY) == []


@pytest.mark.parametrize("answer", ["ack", "close", "snooze"])
def test_an_answer_stops_the_clock(desk, answer):
    desk.see(0, "CRITICAL")
    if answer == "snooze":
        desk.snooze(60, until=HOUR)
    else:
        getattr(desk, answer)(60)

    assert desk.pass_to(HOUR - 1) == []


def test_an_escalated_alert_can_be_acknowledged(desk):
    desk.see(0, "CRITICAL")
    desk.pass_to(3 * MINUTE)

    assert told(desk.ack(200)) == [(200, "ACKNOWLEDGED", "ACKED", "CRITICAL", False)]
    assert desk.pass_to(DAY) == []


def test_a_timer_at_the_time_of_an_answer_comes_first(desk):
    desk.see(0, "CRITICAL")

    changes = desk.ack(2 * MINUTE)

    assert minutes(changes) == [(2, "ESCALATED", "CRITICAL"), (2, "ACKNOWLEDGED", "CRITICAL")]


def test_a_rise_begins_the_wait_anew_with_less_patience(desk):
    desk.see(0)
    desk.see(10 * MINUTE, "HIGH")

    assert minutes(desk.pass_to(16 * MINUTE)) == [(15, "ESCALATED", "CRITICAL")]


def test_a_fall_gives_more_time_from_the_same_page(desk):
    desk.see(0, "HIGH")
    desk.see(4 * MINUTE, "MEDIUM")

    assert minutes(desk.pass_to(16 * MINUTE)) == [(15, "ESCALATED", "HIGH")]


def test_the_rule_does_not_lower_what_escalation_raised(desk):
    desk.see(0)
    desk.pass_to(15 * MINUTE)
    [change] = desk.see(16 * MINUTE, "LOW")

    alert = change.alert
    assert (alert.severity, alert.rule_severity) == (Severity.HIGH, Severity.LOW)
    assert (change.publish, change.notify) == (True, False)
    assert change.transition.why == "the rule says LOW, shown as HIGH: it was escalated"


def test_a_rule_that_reaches_what_escalation_made_of_it_tells_nobody_again(desk):
    desk.see(0)
    desk.pass_to(15 * MINUTE)
    [change] = desk.see(16 * MINUTE, "HIGH")

    assert (change.notify, change.transition.why) == (False, "the rule says HIGH")
    assert minutes(desk.pass_to(31 * MINUTE)) == [(30, "ESCALATED", "CRITICAL")]


def test_a_snooze_that_ended_gives_the_whole_time_again(desk):
    desk.see(0, "HIGH")
    desk.snooze(MINUTE, until=10 * MINUTE)

    assert minutes(desk.pass_to(16 * MINUTE)) == [
        (10, "WOKE", "HIGH"), (15, "ESCALATED", "CRITICAL"),
    ]  # fmt: skip


def test_a_jump_of_a_day_gives_what_small_steps_give(desk):
    steps = Desk()
    for one in (desk, steps):
        one.see(0)
        one.see(1, "HIGH", type_=COST)
        one.see_venue(2, "CRITICAL")
        one.snooze(60, until=1800, alert_type=COST)
        one.hush(70, until=5000, alert_type=VENUE)

    desk.pass_to(DAY)
    for second in range(71, DAY + 1, 37):
        steps.pass_to(second)
    steps.pass_to(DAY)

    assert desk.changes == steps.changes
    times = [change.transition.at for change in desk.changes]
    assert times == sorted(times)
    assert len(times) > 200


def test_timers_of_one_instant_go_by_kind_and_then_by_key(desk):
    desk.see(0, "HIGH", "A2")
    desk.see(0, "HIGH", "A1")
    desk.see(0, "HIGH", "A0")
    desk.snooze(1, until=300, scope="A0")
    desk.hush(2, until=300, about="A9")
    desk.see(3, scope="A9")

    changes = desk.pass_to(300)

    assert [(str(c.transition.change), c.alert.scope) for c in changes] == [
        ("UNSUPPRESSED", "A9"), ("WOKE", "A0"), ("ESCALATED", "A1"), ("ESCALATED", "A2"),
    ]  # fmt: skip


def test_a_reminder_at_the_time_of_an_escalation_is_not_sent_beside_it(desk):
    desk.see(0)
    changes = desk.pass_to(30 * MINUTE)

    assert minutes(changes) == [(15, "ESCALATED", "HIGH"), (30, "ESCALATED", "CRITICAL")]


def test_each_level_leads_to_the_next_and_the_last_to_itself():
    assert [one_worse(severity) for severity in Severity] == [
        "MEDIUM", "HIGH", "CRITICAL", "CRITICAL",
    ]  # fmt: skip


def test_escalation_is_part_of_the_history_of_severities(desk):
    desk.see(0)
    desk.pass_to(15 * MINUTE)

    history = desk.alert().severity_history
    assert [(c.severity, c.at) for c in history] == [("MEDIUM", text(0)), ("HIGH", text(900))]
    assert desk.alert().changed_at == ns(900)
