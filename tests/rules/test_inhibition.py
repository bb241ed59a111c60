"""What explains what: one page for a venue and its orders, and silences that people set."""

import pytest

from domain.published import Severity
from tests.alert_desk import (
    ALGO,
    COST,
    DATA,
    HOUR,
    IMPACT,
    MINUTE,
    VENUE,
    Desk,
    id_of,
    ns,
    silence,
    told,
)

XNAS = id_of("venue:XNAS", VENUE)


@pytest.fixture
def desk():
    return Desk()


def scopes(changes):
    return [(c.alert.scope, str(c.transition.change), c.notify) for c in changes]


def test_a_venue_in_trouble_takes_the_slow_orders_there_into_its_page(desk):
    desk.see_venue(0)
    [order] = desk.see(10, main_venue="XNAS")
    [elsewhere] = desk.see(11, scope="A2", main_venue="ARCX")
    [nowhere] = desk.see(12, scope="A3")
    [foreign] = desk.see(13, scope="A4", main_venue="XNAS", desk="EU")

    assert (order.alert.suppressed_by, order.alert.group) == (XNAS, XNAS)
    assert (order.publish, order.notify, order.alert.state) == (True, False, "OPEN")
    assert [c.notify for c in (elsewhere, nowhere, foreign)] == [True, True, True]


def test_only_slow_orders_are_explained_by_their_venue(desk):
    desk.see_venue(0)

    for type_ in (COST, IMPACT, ALGO):
        [change] = desk.see(1, type_=type_, main_venue="XNAS")
        assert change.notify


def test_a_later_claim_folds_the_open_ones_in_order(desk):
    desk.see(0, scope="A2", main_venue="XNAS")
    desk.see(1, scope="A1", main_venue="XNAS")
    desk.see(2, scope="A3", main_venue="ARCX")
    desk.ack(3, scope="A2")

    changes = desk.see_venue(20)

    assert scopes(changes) == [
        ("venue:XNAS", "RAISED", True), ("A1", "SUPPRESSED", False), ("A2", "SUPPRESSED", False),
    ]  # fmt: skip
    assert {c.alert.group for c in changes[1:]} == {XNAS}
    assert [str(c.alert.state) for c in changes] == ["OPEN", "OPEN", "ACKED"]
    assert changes[1].transition.why == "VENUE_ISSUE of venue:XNAS explains it"


def test_orders_still_slow_when_their_venue_is_well_again_are_told_then(desk):
    desk.see_venue(0)
    for scope in ("A1", "A2", "A3", "A4"):
        desk.see(1, scope=scope, main_venue="XNAS")
    desk.see(2, None, scope="A1")
    desk.ack(3, scope="A2")
    desk.snooze(4, until=HOUR, scope="A3")

    changes = desk.see_venue(100, None)

    assert scopes(changes) == [
        ("venue:XNAS", "RESOLVED", False), ("A2", "UNSUPPRESSED", False),
        ("A3", "UNSUPPRESSED", False), ("A4", "UNSUPPRESSED", True),
    ]  # fmt: skip
    assert [(c.alert.suppressed_by, c.alert.group) for c in changes[1:]] == [(None, None)] * 3
    assert all(c.publish for c in changes)


@pytest.mark.parametrize("over", ["closed", "low"])
def test_a_venue_alert_explains_while_it_is_open_and_not_low(desk, over):
    desk.see_venue(0)
    desk.see(1, main_venue="XNAS")

    changes = (
        desk.close(10, scope="venue:XNAS", alert_type=VENUE)
        if over == "closed"
        else desk.see_venue(10, "LOW")
    )

    assert scopes(changes)[1:] == [("A1", "UNSUPPRESSED", True)]


def test_a_low_venue_alert_explains_nothing_until_it_rises(desk):
    desk.see_venue(0, "LOW")
    assert desk.see(1, main_venue="XNAS")[0].notify

    assert scopes(desk.see_venue(2, "MEDIUM"))[1:] == [("A1", "SUPPRESSED", False)]
    assert scopes(desk.see_venue(3, "HIGH")) == [("venue:XNAS", "SEVERITY", True)]


def test_what_is_explained_is_not_told_and_does_not_escalate(desk):
    desk.see_venue(0)
    desk.ack(1, scope="venue:XNAS", alert_type=VENUE)
    desk.see(2, main_venue="XNAS")

    assert told(desk.see(10, "CRITICAL", main_venue="XNAS")) == [
        (10, "SEVERITY", "OPEN", "CRITICAL", False)
    ]
    assert desk.pass_to(HOUR) == []
    desk.see_venue(HOUR, None)
    assert told(desk.pass_to(HOUR + 2 * MINUTE)) == [
        (HOUR + 120, "ESCALATED", "ESCALATED", "CRITICAL", True)
    ]


def test_an_order_that_moves_to_the_venue_in_trouble_is_folded_before_it_pages(desk):
    desk.see_venue(0)
    desk.see(1, main_venue="ARCX")

    into = desk.see(10, "HIGH", main_venue="XNAS")
    out = desk.see(20, "CRITICAL", main_venue="ARCX")

    assert scopes(into) == [("A1", "SUPPRESSED", False), ("A1", "SEVERITY", False)]
    assert scopes(out) == [("A1", "SEVERITY", False), ("A1", "UNSUPPRESSED", True)]


def test_impact_at_high_explains_the_cost_of_the_same_order(desk):
    desk.see(0, "MEDIUM", type_=IMPACT)
    assert desk.see(1, type_=COST)[0].notify
    assert desk.see(1, scope="A2", type_=COST)[0].notify

    risen = desk.see(10, "HIGH", type_=IMPACT)
    fallen = desk.see(20, "MEDIUM", type_=IMPACT)

    assert [(c.alert.type, str(c.transition.change), c.notify) for c in [*risen, *fallen]] == [
        (IMPACT, "SEVERITY", True), (COST, "SUPPRESSED", False),
        (IMPACT, "SEVERITY", False), (COST, "UNSUPPRESSED", True),
    ]  # fmt: skip
    assert risen[1].alert.suppressed_by == id_of(type_=IMPACT)


def test_impact_alone_explains_nothing_else(desk):
    assert len(desk.see(0, "HIGH", type_=IMPACT)) == 1
    assert not desk.see(1, type_=COST)[0].notify


def test_an_order_waiting_at_its_limit_is_slow_at_low(desk):
    [bound] = desk.see(0, "HIGH", limit_bound=True)
    [free] = desk.see(60, "HIGH")
    [again] = desk.see(120, "HIGH", limit_bound=True)

    assert [(c.alert.severity, c.alert.rule_severity, c.publish, c.notify) for c in
            (bound, free, again)] == [
        (Severity.LOW, Severity.HIGH, False, False),
        (Severity.HIGH, Severity.HIGH, True, True),
        (Severity.LOW, Severity.HIGH, True, False),
    ]  # fmt: skip
    why = "the rule says HIGH, shown as LOW: the order waits at its limit"
    assert again.transition.why == why
    assert desk.pass_to(HOUR) == []


def test_a_limit_excuses_no_cost(desk):
    [cost] = desk.see(0, "HIGH", type_=COST, limit_bound=True)

    assert (cost.alert.severity, cost.notify) == (Severity.HIGH, True)


# Silences


def test_a_silence_stops_sending_only_and_ends_by_itself(desk):
    desk.see(0)
    set_ = desk.hush(10, until=600, why="index rebalance")
    [new] = desk.see(20, scope="A2")
    ended = desk.pass_to(600)

    assert scopes(set_) == [("A1", "SUPPRESSED", False)]
    assert set_[0].transition.by == "ann"
    assert set_[0].transition.why.endswith(": index rebalance")
    assert (new.alert.suppressed_by, new.alert.group) == ("silence:s1", None)
    assert (new.publish, new.notify) == (True, False)
    assert scopes(ended) == [("A1", "UNSUPPRESSED", True), ("A2", "UNSUPPRESSED", True)]
    assert [c.transition.at for c in ended] == [desk.alert().changed_at] * 2


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ({}, {"A1", "A2", "venue:XNAS", "feed:1"}),
        ({"alert_type": VENUE}, {"venue:XNAS"}),
        ({"about": "A1"}, {"A1"}),
        ({"symbol": "IBM"}, {"A1", "venue:XNAS", "feed:1"}),
        ({"about": "A2", "symbol": "IBM"}, set()),
        ({"desk": "*"}, {"A1", "A2", "A3", "venue:XNAS", "feed:1"}),
        ({"desk": "EU"}, {"A3"}),
    ],
)
def test_a_silence_covers_what_matches_all_that_it_names(desk, what, expected):
    desk.see(0)
    desk.see(0, scope="A2", symbol="AMZN")
    desk.see(0, scope="A3", desk="EU", symbol="SAP")
    desk.see(0, scope="venue:XNAS", type_=VENUE)
    desk.see(0, scope="feed:1", type_=DATA)

    assert {c.alert.scope for c in desk.hush(1, until=60, **what)} == expected


def test_a_silence_is_lifted_by_an_end_that_has_come(desk):
    desk.see(0)
    desk.hush(10, until=600)
    [lifted] = desk.hush(20, until=20, by="bob")

    assert scopes([lifted]) == [("A1", "UNSUPPRESSED", True)]
    assert lifted.transition.by == "bob"
    assert desk.pass_to(HOUR)[0].transition.change == "ESCALATED", "its old end is no event"


def test_a_silence_can_be_moved(desk):
    desk.see(0, scope="A1")
    desk.see(0, scope="A2")
    desk.hush(10, until=600, about="A1")

    assert scopes(desk.hush(20, until=1200, about="A2")) == [
        ("A1", "UNSUPPRESSED", True), ("A2", "SUPPRESSED", False),
    ]  # fmt: skip
    assert desk.pass_to(601) == []
    assert scopes(desk.pass_to(1200))[-1] == ("A2", "UNSUPPRESSED", True)


def test_a_silence_that_comes_twice_is_not_set_again_after_it_was_lifted(desk):
    first = silence(10, until=600)
    desk.book.silence(ns(10), first)
    desk.hush(20, until=20)

    assert desk.book.silence(ns(25), first) == []
    assert desk.see(30)[0].notify


def test_a_silence_without_a_time_is_none(desk):
    desk.see(0)
    wrong = silence(10, until=600)
    wrong.until = "for ever"

    assert desk.book.silence(ns(10), wrong) == []


def test_of_two_silences_the_one_that_goes_on_longest_counts(desk):
    desk.hush(0, until=600, silence_id="short")
    desk.hush(0, until=1200, silence_id="long")
    [raised] = desk.see(1)

    assert raised.alert.suppressed_by == "silence:long"
    assert desk.pass_to(601) == []
    assert scopes(desk.pass_to(1200)) == [("A1", "UNSUPPRESSED", True)]


def test_an_explanation_comes_before_a_silence_and_after_it_the_silence(desk):
    desk.hush(0, until=600, about="A1")
    desk.see_venue(1)
    [raised] = desk.see(2, main_venue="XNAS")
    changes = desk.see_venue(10, None)

    assert raised.alert.suppressed_by == XNAS
    assert scopes(changes)[1:] == [("A1", "SUPPRESSED", False)]
    assert (changes[1].alert.suppressed_by, changes[1].alert.group) == ("silence:s1", None)


def test_in_a_halt_nobody_is_told_of_an_order_and_once_when_it_is_over(desk):
    desk.see(0, "HIGH")

    [halted] = desk.see(60, "HIGH", halted=True)
    quiet = desk.pass_to(HOUR)
    [over] = desk.see(HOUR + 1, "HIGH")

    assert (halted.transition.change, halted.alert.suppressed_by) == ("SUPPRESSED", "halt")
    assert (halted.alert.group, halted.transition.why) == (None, "its market is halted")
    assert quiet == []
    assert (over.transition.change, over.alert.suppressed_by) == ("UNSUPPRESSED", None)
    assert over.notify
    [escalated] = desk.pass_to(HOUR + 1 + 5 * MINUTE)
    assert escalated.transition.change == "ESCALATED"


def test_a_halt_goes_before_another_alert_that_explains_it(desk):
    desk.see_venue(0)
    desk.see(10, main_venue="XNAS")

    [halted] = desk.see(20, main_venue="XNAS", halted=True)
    [over] = desk.see(30, main_venue="XNAS")

    assert halted.alert.suppressed_by == "halt"
    assert (over.alert.suppressed_by, over.notify) == (XNAS, False)
