"""A parent whose twenty children have schedules of their own: one alert, not twenty-one."""

import pytest

from tests.scenarios.given import Tale
from tests.scenarios.outcome import outcome

SLOW = "SLOW_EXECUTION"
CHILDREN = [f"P.{n}" for n in range(20)]
CHILD_QTY, HORIZON_S, STOPS_S, TOLD_S = 1_000, 1_800, 600, 1_500


def family(stopped, ends=None):
    """Children that are filled evenly, but for those that stop trading at ten minutes."""
    tale = Tale("P")
    tale.quotes(TOLD_S)
    tale.accept(CHILD_QTY * len(CHILDREN), HORIZON_S)
    for n, child in enumerate(CHILDREN):
        of = {"order_id": child, "parent_order_id": "P", "root_order_id": "P"}
        tale.accept(CHILD_QTY, HORIZON_S, **of)
        until = STOPS_S if child in stopped else TOLD_S
        for t in range(30, until, 30):
            tale.fill(t + n / 10, CHILD_QTY * 30 / HORIZON_S, **of)
        if ends is not None:
            tale.order("order_cancelled", ends + n / 10, **of)
    if ends is not None:
        tale.order("order_cancelled", ends, order_qty=CHILD_QTY * len(CHILDREN))
    return outcome(tale.said, tale.begin_ns)


@pytest.fixture(scope="module")
def all_stopped():
    return family(CHILDREN, ends=1_400)


@pytest.fixture(scope="module")
def one_stopped():
    return family(["P.7"])


def test_a_parent_whose_twenty_children_have_schedules_is_one_alert(all_stopped):
    assert {change.alert.scope for change in all_stopped.pages} == {"P"}
    assert {change.alert.scope for change in all_stopped.changes if change.publish} == {"P"}
    assert [severity for _, _, change, severity in all_stopped.told("P") if change != "ESCALATED"][
        :3
    ] == ["LOW", "MEDIUM", "HIGH"]


def test_children_s_own_alerts_are_kept_and_say_what_explains_them(all_stopped):
    (parent,) = [alert for alert in all_stopped.alerts if alert.scope == "P"]
    children = {alert.scope: alert for alert in all_stopped.alerts if alert.scope != "P"}

    assert sorted(children) == sorted(CHILDREN)
    assert {alert.suppressed_by for alert in children.values()} == {parent.alert_id}
    assert {alert.group for alert in children.values()} == {parent.alert_id}
    assert {str(alert.state) for alert in children.values()} == {"EXPIRED"}


def test_a_child_that_is_slow_where_its_parent_is_not_is_told_of(one_stopped):
    (alert,) = one_stopped.alerts

    assert (alert.scope, alert.type, alert.suppressed_by) == ("P.7", SLOW, None)
    assert {change.alert.scope for change in one_stopped.pages} == {"P.7"}
