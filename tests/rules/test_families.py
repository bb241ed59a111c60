"""One page for an order and its children: what explains the slowness of a child."""

import pytest

from tests.alert_desk import COST, HOUR, Desk, id_of

PARENT = id_of("P")


@pytest.fixture
def desk():
    return Desk()


def child(desk, t, severity="MEDIUM", scope="P.1", ancestors=("P",), **more):
    return desk.see(t, severity, scope, ancestors=list(ancestors), **more)


def parent(desk, t, severity="MEDIUM", **more):
    return desk.see(t, severity, "P", **more)


def scopes(changes):
    return [(c.alert.scope, str(c.transition.change), c.publish, c.notify) for c in changes]


def test_a_child_that_is_slow_with_its_parent_is_kept_and_told_to_nobody(desk):
    parent(desk, 0)
    [raised] = child(desk, 1)
    [risen] = child(desk, 2, "CRITICAL")
    quiet = desk.pass_to(600)
    [ended] = child(desk, 601, None, ended=True)

    assert (raised.alert.suppressed_by, raised.alert.group) == (PARENT, PARENT)
    assert raised.transition.change == "RAISED"
    assert (risen.alert.severity, risen.alert.suppressed_by) == ("CRITICAL", PARENT)
    assert [(c.publish, c.notify) for c in (raised, risen, ended)] == [(False, False)] * 3
    assert [c.alert.scope for c in quiet] == []


def test_a_child_of_an_order_that_is_not_slow_is_told_of(desk):
    desk.see(0, scope="OTHER")
    desk.see(0, scope="P", type_=COST)

    assert scopes(child(desk, 1)) == [("P.1", "RAISED", True, True)]


def test_a_parent_s_slowness_explains_no_cost_of_its_children(desk):
    parent(desk, 0)

    assert scopes(child(desk, 1, type_=COST)) == [("P.1", "RAISED", True, True)]


def test_another_desk_s_parent_explains_nothing(desk):
    desk.see(0, scope="P", desk="EU")

    assert scopes(child(desk, 1)) == [("P.1", "RAISED", True, True)]


def test_children_that_cross_before_their_parent_are_folded_while_their_pages_wait(desk):
    [first] = child(desk, 0)
    changes = parent(desk, 3)

    assert first.not_before is not None
    assert scopes(changes) == [("P", "RAISED", True, True), ("P.1", "SUPPRESSED", True, False)]
    assert changes[1].transition.why == "SLOW_EXECUTION of P explains it"
    assert [(c.publish, c.notify) for c in child(desk, 9, "HIGH")] == [(True, False)]


def test_a_child_that_is_still_slow_when_its_parent_is_not_is_told_of_then(desk):
    parent(desk, 0)
    child(desk, 1)
    child(desk, 1, scope="P.2")
    child(desk, 2, None, scope="P.2")

    assert scopes(parent(desk, 100, None)) == [
        ("P", "RESOLVED", True, False), ("P.1", "UNSUPPRESSED", True, True),
    ]  # fmt: skip


@pytest.mark.parametrize(("severity", "is_told"), [("LOW", False), ("MEDIUM", False),
                                                   ("HIGH", True), ("CRITICAL", True)])  # fmt: skip
def test_a_low_parent_hides_no_child_that_is_far_slower(desk, severity, is_told):
    parent(desk, 0, "LOW")
    [raised] = child(desk, 1, severity)

    assert (raised.publish, raised.notify) == (is_told, is_told)
    assert (raised.alert.suppressed_by is None) == is_told
    assert scopes(parent(desk, 2))[1:] == ([("P.1", "SUPPRESSED", True, False)] if is_told else [])


def test_a_child_that_outruns_its_low_parent_is_told_of_once(desk):
    parent(desk, 0, "LOW")
    child(desk, 1)

    assert scopes(child(desk, 2, "HIGH")) == [
        ("P.1", "SEVERITY", False, False), ("P.1", "UNSUPPRESSED", True, True),
    ]  # fmt: skip
    assert scopes(child(desk, 3, "MEDIUM")) == [
        ("P.1", "SEVERITY", True, False), ("P.1", "SUPPRESSED", True, False),
    ]  # fmt: skip


def test_the_root_speaks_for_all_below_it_and_what_lies_between_for_its_own(desk):
    between, below = {"scope": "P.1"}, {"scope": "P.1.1", "ancestors": ("P", "P.1")}
    child(desk, 0, **between)
    [first] = child(desk, 1, **below)
    changes = parent(desk, 2)
    back = parent(desk, 100, None)

    assert first.alert.group == id_of("P.1")
    assert [(c.alert.scope, c.alert.group) for c in changes] == [
        ("P", None), ("P.1", PARENT), ("P.1.1", PARENT),
    ]  # fmt: skip
    assert [(c.alert.scope, c.alert.group) for c in back] == [
        ("P", None), ("P.1", None), ("P.1.1", id_of("P.1")),
    ]  # fmt: skip


def test_children_that_end_with_their_order_are_not_told_of_in_between(desk):
    parent(desk, 0)
    child(desk, 1)

    assert scopes(parent(desk, 9, None, ended=True)) == [("P", "EXPIRED", True, False)]
    assert scopes(child(desk, 9, None, ended=True)) == [("P.1", "EXPIRED", False, False)]


def test_a_child_that_outlives_its_order_and_grows_worse_is_told_of(desk):
    parent(desk, 0)
    child(desk, 1)
    parent(desk, 9, None, ended=True)

    assert scopes(child(desk, 60, "HIGH"))[-1] == ("P.1", "UNSUPPRESSED", True, True)


def test_who_closes_a_parent_s_alert_is_not_told_of_its_children_until_it_is_over(desk):
    parent(desk, 0)
    child(desk, 1)
    closed = desk.close(10, scope="P")
    [later] = child(desk, 20, scope="P.2")
    worse = child(desk, 30, "HIGH")
    over = parent(desk, 100, None)

    assert scopes(closed) == [("P", "CLOSED", True, False)]
    assert (later.alert.suppressed_by, later.publish, later.notify) == (PARENT, False, False)
    assert later.alert.state == "OPEN"
    assert scopes(worse) == [("P.1", "SEVERITY", False, False)]
    assert scopes(over) == [
        ("P.1", "UNSUPPRESSED", True, True), ("P.2", "UNSUPPRESSED", True, True),
    ]  # fmt: skip


def test_a_closed_parent_that_grows_worse_speaks_for_its_children_again(desk):
    parent(desk, 0)
    desk.close(10, scope="P")
    child(desk, 20)

    changes = parent(desk, 30, "HIGH")

    assert scopes(changes) == [("P", "RAISED", True, True), ("P.1", "SUPPRESSED", False, False)]
    assert changes[1].alert.group == id_of("P", ordinal=2)
    assert scopes(parent(desk, 40, None, ended=True))[1:] == []


def test_a_low_alert_that_was_closed_hides_no_child_that_is_far_slower(desk):
    parent(desk, 0, "LOW")
    desk.close(10, scope="P")

    assert [c.notify for c in child(desk, 20, scope="P.1")] == [False]
    assert [c.notify for c in child(desk, 20, "HIGH", scope="P.2")] == [True]
    parent(desk, 30, None, ended=True)
    assert [c.notify for c in child(desk, 40, scope="P.3")] == [True]


def test_a_closed_alert_counts_as_forgotten_in_the_end_whenever_it_is_given_back(desk):
    parent(desk, 0)
    desk.close(10, scope="P")

    assert child(desk, 29 * 24 * HOUR)[0].notify is False
    desk.resume()
    assert child(desk, 31 * 24 * HOUR, scope="P.2")[0].notify


def test_a_venue_explains_a_whole_family_before_its_parent_does(desk):
    desk.see_venue(0)
    parent(desk, 1, main_venue="XNAS")
    [raised] = child(desk, 2, main_venue="XNAS")
    back = desk.see_venue(100, None)

    venue = id_of("venue:XNAS", "VENUE_ISSUE")
    assert (raised.alert.group, raised.publish) == (venue, False)
    assert [(c.alert.scope, c.alert.group) for c in back[1:]] == [("P", None), ("P.1", PARENT)]
    assert scopes(back)[1:] == [
        ("P", "UNSUPPRESSED", True, True), ("P.1", "SUPPRESSED", False, False),
    ]  # fmt: skip


def test_a_halt_tells_the_bus_of_the_parent_alone(desk):
    parent(desk, 0)
    child(desk, 1)

    assert scopes(parent(desk, 10, halted=True)) == [("P", "SUPPRESSED", True, False)]
    assert scopes(child(desk, 11, halted=True)) == [("P.1", "SUPPRESSED", False, False)]
    assert scopes(parent(desk, 20)) == [("P", "UNSUPPRESSED", True, True)]
    assert scopes(child(desk, 21)) == [("P.1", "SUPPRESSED", False, False)]


def test_a_silence_about_a_parent_covers_its_family(desk):
    desk.hush(0, until=600, about="P")
    parent(desk, 1)
    child(desk, 2)

    assert [(c.alert.scope, c.notify) for c in desk.pass_to(600)] == [("P", True)]


def test_a_child_whose_parent_is_known_late_is_folded_by_it(desk):
    parent(desk, 0)
    [first] = child(desk, 1, ancestors=())

    assert first.notify
    assert scopes(child(desk, 2)) == [("P.1", "SUPPRESSED", True, False)]


def test_a_family_goes_on_after_a_restart(desk):
    parent(desk, 0)
    child(desk, 1)
    desk.resume()

    assert [(c.publish, c.notify) for c in child(desk, 2, "HIGH")] == [(False, False)]
    desk.resume()
    assert scopes(parent(desk, 100, None))[1:] == [("P.1", "UNSUPPRESSED", True, True)]
