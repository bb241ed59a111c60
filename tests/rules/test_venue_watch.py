import math

import msgspec
import numpy as np
import pytest

from domain.published import Severity
from domain.reference import Finding
from rules.causes import Cause, is_worse, worst_of
from rules.venue import VenueBase
from rules.venue_watch import MOST_WAITING, REFUSES, SILENT, SLOW, VenueWatch

MEDIUM, HIGH, CRITICAL = Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL
MINUTE = 60.0


def severities(venue):
    return [severity for _, severity in venue.changes]


# Refusals


def test_refusals_raise_an_alert_and_more_of_them_raise_its_severity(venue):
    xnas = venue(p0=0.02, is_known=True)

    for i in range(60):
        xnas.route(i * 20.0, refused=i % 4 == 3)

    assert severities(xnas) == [MEDIUM, HIGH]
    found = xnas.watch.causes[REFUSES]
    assert found.evidence.expected == 0.02
    assert found.evidence.actual == pytest.approx(0.25, abs=0.06)
    assert found.evidence.z >= found.evidence.threshold == 9.0


def test_without_history_the_sum_alone_never_goes_beyond_medium(venue):
    xnas = venue()

    for i in range(300):
        xnas.route(i * 20.0, refused=i % 3 == 2)

    assert severities(xnas) == [MEDIUM]


def test_refusals_of_our_own_making_say_nothing_of_the_venue(venue):
    xnas = venue()

    for i in range(60):
        xnas.route(i * 1.0, refused=True, own=True)

    assert not xnas.changes
    assert xnas.watch.rejects.n == 0


def test_most_of_a_minutes_routes_refused_is_critical(venue):
    xnas = venue()

    for i in range(12):
        xnas.route(i * 2.0, refused=i >= 4, root=1 + i % 3)

    assert severities(xnas)[-1] is CRITICAL
    evidence = xnas.watch.causes[REFUSES].evidence
    assert (evidence.n, evidence.threshold) == (10, 0.5)
    assert evidence.actual == pytest.approx(0.6)


def test_one_orders_trouble_is_not_the_venues(venue):
    xnas = venue()

    for i in range(40):
        xnas.route(i * 2.0, refused=True, root=1 + i % 2)

    assert CRITICAL not in severities(xnas)


def test_last_minutes_refusals_are_no_burst(venue):
    xnas = venue(p0=0.6, is_known=True)

    for i in range(10):
        xnas.route(i * 1.0, refused=i < 6)
    for i in range(9):
        xnas.route(70.0 + i, refused=True)

    assert CRITICAL not in severities(xnas)


def test_the_alert_ends_when_the_venue_takes_routes_again(venue):
    xnas = venue()
    for i in range(40):
        xnas.route(i * 1.0, refused=i % 2 == 0, root=1)
    assert severities(xnas) == [MEDIUM]

    for i in range(80):
        xnas.route(50.0 + i * 2.0)

    assert severities(xnas) == [MEDIUM, None]
    assert xnas.watch.rejects.up == 0.0


def test_an_alert_lasts_for_a_minute_at_least(venue):
    xnas = venue()
    for i in range(10):
        xnas.route(i * 0.1, refused=True, root=1)
    raised = xnas.changes[0][0]
    for i in range(100):
        xnas.route(2.0 + i * 0.01)

    xnas.pass_time(raised + 59.0)
    assert severities(xnas) == [MEDIUM]
    xnas.pass_time(raised + 61.0)

    assert severities(xnas) == [MEDIUM, None]
    assert xnas.changes[-1][0] == pytest.approx(raised + MINUTE)


def test_a_venue_that_still_refuses_keeps_its_alert(day):
    rng = np.random.default_rng(5)

    xnas = day(rng, 30, 0.2, hours=2.0, p0=0.02, is_known=True)

    assert severities(xnas)[-1] is not None
    assert None not in severities(xnas)


def test_a_venue_to_which_nothing_goes_any_more_is_not_kept_in_alert(venue):
    xnas = venue()
    for i in range(10):
        xnas.route(i * 1.0, refused=True, root=1)

    xnas.pass_time(29 * MINUTE)
    assert severities(xnas) == [MEDIUM]
    xnas.pass_time(31 * MINUTE)

    assert severities(xnas) == [MEDIUM, None]
    assert xnas.changes[-1][0] == pytest.approx(30 * MINUTE + 9.0, abs=0.1)


def test_the_day_ends_with_its_alerts_and_the_next_begins_with_nothing(venue):
    xnas = venue()
    for i in range(10):
        xnas.route(14.99 * 3600 + i * 0.1, refused=True, root=1)
    assert severities(xnas) == [MEDIUM]

    xnas.pass_time(15 * 3600)
    assert severities(xnas) == [MEDIUM, None]
    xnas.route(15.1 * 3600, refused=True)

    assert xnas.watch.rejects.n == 1


def test_a_quiet_venue_never_alerts(venue):
    xnas = venue(ack_p99_ms=10.0)
    xnas.route(0.0)

    xnas.pass_time(40 * 3600)

    assert not xnas.changes


# Times


def test_slow_answers_raise_an_alert_which_ends_with_quick_ones(venue):
    xnas = venue(ack_p99_ms=10.0)
    for i in range(60):
        xnas.route(i * 1.0, latency_s=0.002)
    for i in range(20):
        xnas.route(60.0 + i, latency_s=0.05 if i % 3 == 0 else 0.002)
    assert severities(xnas) == [MEDIUM]
    assert xnas.watch.causes[SLOW].evidence.expected == 0.01

    for i in range(100):
        xnas.route(100.0 + i, latency_s=0.002)

    assert severities(xnas) == [MEDIUM, None]
    assert xnas.watch.latency.up == 0.0


def test_a_busy_venue_has_to_be_slow_for_longer(venue):
    calm, busy = venue(ack_p99_ms=10.0), venue(ack_p99_ms=10.0, routes_per_day=50_000)

    for i in range(60):
        for some in (calm, busy):
            some.route(i * 1.0, latency_s=0.05)
        if calm.changes and not busy.changes:
            break

    assert severities(calm) == [MEDIUM]
    assert busy.watch.latency.up >= 7.0
    assert not busy.changes
    for n in range(10):
        busy.route(70.0 + n, latency_s=0.05)
    assert severities(busy) == [MEDIUM]


def test_no_answer_is_slow_where_nothing_is_known_of_the_usual(venue):
    xnas = venue()

    for i in range(50):
        xnas.route(i * 10.0, latency_s=4.0)

    assert not xnas.changes


# Silence


def test_three_routes_without_an_answer_are_critical(venue):
    xnas = venue()
    xnas.route(0.0)
    for i in range(4):
        xnas.send(10.0 + i)

    xnas.pass_time(16.9)
    assert not xnas.changes
    xnas.pass_time(30.0)

    assert xnas.changes == [(17.0, CRITICAL)]
    evidence = xnas.watch.causes[SILENT].evidence
    assert (evidence.n, evidence.actual, evidence.threshold) == (3, 7.0, 5.0)
    assert evidence.expected is None


def test_a_venue_that_is_usually_slow_has_longer_to_answer(venue):
    xnas = venue(ack_p99_ms=1500.0)
    for i in range(3):
        xnas.send(float(i))

    xnas.pass_time(60.0)

    assert xnas.changes == [(17.0, CRITICAL)]
    assert xnas.watch.causes[SILENT].evidence.expected == 1.5


def test_answers_in_time_and_cancels_leave_nothing_to_wait_for(venue):
    xnas = venue()
    xnas.route(0.0)
    first, second, third = xnas.send(1.0), xnas.send(2.0), xnas.send(3.0)

    xnas.answer(4.0, first)
    xnas.watch.cancelled(second)
    xnas.pass_time(60.0)

    assert not xnas.changes
    assert list(xnas.watch.waiting) == [third]


def test_a_feed_without_answers_is_not_a_silent_venue(venue):
    xnas = venue()

    for i in range(100):
        xnas.send(i * 1.0)

    assert not xnas.changes


def test_routes_given_up_one_after_the_other_count_while_nothing_is_answered(venue):
    xnas = venue()
    xnas.route(0.0)

    for i in range(3):
        key = xnas.send(10.0 * i + 10.0)
        xnas.time_out(10.0 * i + 12.0, key)
        xnas.time_out(10.0 * i + 12.5, key)
    xnas.pass_time(60.0)

    assert (35.0, CRITICAL) in xnas.changes


def test_a_route_lost_now_and_then_is_no_silence(venue):
    xnas = venue(p0=0.1, is_known=True)

    for i in range(300):
        key = xnas.send(i * 2.0)
        if i % 20 == 0:
            xnas.time_out(i * 2.0 + 1.0, key)
        else:
            xnas.answer(i * 2.0 + 0.1, key)

    assert CRITICAL not in severities(xnas)
    assert len(xnas.watch.waiting) <= 1


def test_routes_lost_among_others_that_are_answered_are_no_silence(venue):
    xnas = venue()

    for i in range(30):
        xnas.send(i * 1.0)
        xnas.route(i * 1.0 + 0.5)
    assert len(xnas.watch.waiting) == 30
    assert not xnas.changes
    for i in range(3):
        xnas.send(40.0 + i)
    xnas.pass_time(60.0)

    assert xnas.changes == [(47.0, CRITICAL)]
    assert xnas.watch.causes[SILENT].evidence.n == 3


def test_an_answer_to_a_route_that_was_not_seen_counts(venue):
    xnas = venue()

    xnas.answer(1.0, 77, refused=True)

    assert (xnas.watch.rejects.n, xnas.watch.rejects.failures) == (1, 1)


def test_an_answer_after_all_does_not_make_a_timeout_good_or_count_twice(venue):
    xnas = venue()
    key = xnas.send(0.0)
    xnas.time_out(2.0, key)

    xnas.answer(2.5, key)

    assert (xnas.watch.rejects.n, xnas.watch.rejects.failures) == (1, 1)
    assert not xnas.watch.waiting


def test_a_silent_venue_that_answers_again_is_let_go_after_a_minute(venue):
    xnas = venue()
    xnas.route(0.0)
    lost = [xnas.send(10.0 + i) for i in range(5)]
    xnas.pass_time(18.0)
    assert severities(xnas) == [CRITICAL]

    for i in range(5):
        xnas.route(40.0 + i)
    assert not set(lost) & set(xnas.watch.waiting)
    xnas.pass_time(76.0)
    assert severities(xnas) == [CRITICAL]
    xnas.pass_time(78.0)

    assert xnas.changes[-1] == (77.0, None)


def test_late_answers_end_a_silence_too(venue):
    xnas = venue()
    xnas.route(0.0)
    keys = [xnas.send(10.0 + i) for i in range(4)]
    xnas.pass_time(20.0)
    xnas.answer(20.0, keys[0])
    assert severities(xnas) == [CRITICAL]

    for key in keys[1:]:
        xnas.answer(90.0, key)

    assert severities(xnas) == [CRITICAL, None]


def test_a_silence_that_goes_on_is_told_once(venue):
    xnas = venue()
    xnas.route(0.0)

    for i in range(20):
        xnas.send(10.0 + i)
    xnas.pass_time(80.0)

    assert severities(xnas) == [CRITICAL]


def test_out_of_session_nobody_has_to_answer(venue):
    xnas = venue(calendar="XNYS", ack_p99_ms=5.0)
    before_the_open = 4 * 3600.0

    for i in range(40):
        xnas.send(before_the_open + i)
    xnas.pass_time(before_the_open + 600)
    assert not xnas.changes

    for i in range(3):
        xnas.send(7 * 3600.0 + i)
    xnas.pass_time(7 * 3600.0 + 60)

    assert severities(xnas) == [CRITICAL]


def test_routes_that_the_close_left_unanswered_are_no_failures(venue):
    xnas = venue(p0=0.003, is_known=True, calendar="XNYS")
    close = 12 * 3600.0
    before = [xnas.send(close - 20.0 + i) for i in range(2)]
    for key in before:
        xnas.time_out(close - 10.0, key)
    assert severities(xnas) == [MEDIUM]

    last = [xnas.send(close - 2.0 + i) for i in range(2)]
    early = [xnas.send(close + 1.0 + i) for i in range(2)]
    for key in (*last, *early):
        xnas.time_out(close + 4.0, key)
    xnas.time_out(close + 4.0, 77)

    assert severities(xnas) == [MEDIUM, None]
    assert xnas.watch.rejects.n == 0


def test_what_waits_is_forgotten_after_a_while_and_never_too_much(venue):
    xnas = venue()
    xnas.send(0.0)
    for i in range(MOST_WAITING + 10):
        xnas.send(700.0 + i * 0.001)

    assert len(xnas.watch.waiting) == MOST_WAITING
    assert 1 not in xnas.watch.waiting


def test_a_watch_is_plain_data(venue):
    xnas = venue(ack_p99_ms=10.0)
    for i in range(40):
        xnas.route(i * 1.0, refused=i % 2 == 0)
    xnas.time_out(41.0, xnas.send(40.0))

    packed = msgspec.msgpack.encode(xnas.watch)

    assert msgspec.msgpack.decode(packed, type=VenueWatch) == xnas.watch


def test_the_worst_of_several_causes_is_told():
    causes = {
        name: Cause(severity, 0, None)
        for name, severity in (("a", MEDIUM), ("b", CRITICAL), ("c", CRITICAL))
    }

    assert worst_of(causes) is causes["b"]
    assert worst_of({}) is None
    assert is_worse(MEDIUM, None)
    assert not is_worse(MEDIUM, MEDIUM)


def test_outcomes_are_counted_by_day_and_ask_for_more_evidence(venue):
    xnas = venue(calendar="XNYS")
    opens = 5.5 * 3600.0
    for i in range(3000):
        xnas.route(opens + i * 2.0, refused=i % 40 == 0, own=i % 3 == 0)
    assert (xnas.watch.today, xnas.watch.before) == (2000, 0)

    xnas.pass_time(13 * 3600.0)
    assert (xnas.watch.today, xnas.watch.before) == (0, 2000)
    for i in range(60):
        xnas.route(opens + 86_400.0 + i * 20.0, refused=i % 4 == 3)

    found = xnas.watch.causes[REFUSES].evidence
    assert found.threshold == pytest.approx(7.0 + math.log(4.0))


# How often, how soon


def test_a_healthy_venue_of_which_nothing_is_known_seldom_alarms(day):
    rng = np.random.default_rng(23)

    alarmed = sum(bool(day(rng, 30, 0.05).changes) for _ in range(10))

    assert alarmed <= 2


@pytest.mark.parametrize(("per_minute", "days", "most"), [(3, 30, 2), (10, 15, 2), (30, 5, 1)])
def test_a_healthy_venue_seldom_alarms(day, per_minute, days, most):
    rng = np.random.default_rng(21)

    alarmed = sum(
        bool(day(rng, per_minute, 0.02, p0=0.02, is_known=True,
                 routes_per_day=per_minute * 390.0).changes)
        for _ in range(days)
    )  # fmt: skip

    assert alarmed <= most


@pytest.mark.parametrize(("per_minute", "minutes"), [(3, 16), (10, 6), (30, 2)])
def test_a_venue_that_refuses_every_fifth_route_is_found_in_minutes(day, per_minute, minutes):
    rng = np.random.default_rng(22)

    found = [
        day(rng, per_minute, 0.02, hours=4.0, worse_from=1800.0, worse=0.2,
            until_raised=True).changes[-1][0]
        for _ in range(21)
    ]  # fmt: skip

    assert np.median(found) / 60 - 30 == pytest.approx(minutes, rel=0.35)


FINDING = Finding(
    severity=Severity.MEDIUM, words="dear", n=400, expected=0.0, actual=1.2, threshold=0.0
)


def test_a_finding_of_past_days_holds_while_routes_go_there(venue):
    xnas = venue(finding=FINDING)
    xnas.route(0.0)
    assert xnas.changes == [(0.0, Severity.MEDIUM)]
    cause = xnas.watch.worst
    assert (cause.evidence.n, cause.evidence.actual, cause.words) == (400, 1.2, "dear")

    xnas.base = VenueBase(finding=msgspec.structs.replace(FINDING, severity=Severity.HIGH))
    xnas.route(10.0)
    xnas.base = VenueBase()
    xnas.route(20.0)
    xnas.pass_time(90.0)

    assert severities(xnas) == [Severity.MEDIUM, Severity.HIGH, None]


def test_a_finding_ends_with_the_day_and_is_told_again_on_the_next(venue):
    xnas = venue(finding=FINDING, calendar="24/7")
    xnas.route(0.0)
    xnas.pass_time(3 * 86_400.0)
    assert severities(xnas) == [Severity.MEDIUM, None]

    xnas.route(3 * 86_400.0)

    assert severities(xnas) == [Severity.MEDIUM, None, Severity.MEDIUM]
