"""Alerts as they are shown outside."""

import pytest

from domain.alert_records import (
    OPEN_STATES,
    OVER_STATES,
    alert_record,
    at_least,
    transition_record,
)
from domain.alerts import AlertState, Change, CloseReason
from domain.published import Severity
from domain.thresholds import AlertType
from tests.alert_data import T0, raised, then


def test_an_alert_has_text_for_times_and_null_for_what_is_not_there():
    found = alert_record(raised("AL1", "A").alert)

    assert found["started_at"] == found["changed_at"] == "2026-11-20T14:31:00Z"
    assert (found["ended_at"], found["snoozed_until"], found["close_reason"]) == (None, None, None)
    assert (found["current_progress"], found["execution_speed"]) == (0.45, 0.642857)
    assert found["evidence"]["threshold"] == 0.2
    assert found["severity_history"] == [{"severity": "MEDIUM", "at": "2026-11-20T14:31:00Z"}]


def test_an_alert_about_a_venue_has_no_progress_and_no_metrics():
    found = alert_record(raised("AL1", "venue:XNAS", kind=AlertType.VENUE_ISSUE).alert)

    assert (found["current_progress"], found["execution_speed"], found["cost_efficiency"]) == (
        None, None, None,
    )  # fmt: skip


def test_one_that_is_over_says_when_and_why():
    closed = then(raised(), Change.CLOSED, by="mia", why="done", closed_by="mia",
                  close_reason=CloseReason.TRUE_ACTED, snoozed_until=T0)  # fmt: skip

    found = alert_record(closed.alert)

    assert (found["ended_at"], found["close_reason"]) == ("2026-11-20T14:31:01Z", "TRUE_ACTED")
    assert found["snoozed_until"] == "2026-11-20T14:31:00Z"
    assert transition_record(closed.transition) == {
        "seq": 2, "at": "2026-11-20T14:31:01Z", "change": "CLOSED", "state": "CLOSED",
        "severity": "MEDIUM", "by": "mia", "why": "done",
    }  # fmt: skip


def test_every_state_but_pending_is_open_or_over():
    assert {*OPEN_STATES, *OVER_STATES, AlertState.PENDING} == set(AlertState)
    assert not set(OPEN_STATES) & set(OVER_STATES)


@pytest.mark.parametrize(
    ("severity", "least", "is_enough"),
    [("LOW", None, True), ("LOW", Severity.MEDIUM, False), ("HIGH", Severity.HIGH, True)],
)
def test_severities_are_compared_by_urgency(severity, least, is_enough):
    assert at_least(severity, least) is is_enough
