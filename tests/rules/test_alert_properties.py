"""What holds of any day of a desk."""

from hypothesis import given, settings

from domain.alerts import AlertState, Change, rank
from domain.published import Severity
from rules.alert_book import AlertBook
from tests.alert_desk import SLOW, id_of, ns
from tests.alert_events import days, happen

many = settings(max_examples=150, deadline=None)


def slow_alerts_of(desk, order_ids):
    """Ids of what SLOW_EXECUTION raised of some orders, as far as ordinals go here."""
    return {
        id_of(order_id, SLOW, ordinal, desk) for order_id in order_ids for ordinal in range(1, 31)
    }


def run(day, end, book=None):
    book = AlertBook() if book is None else book
    out = [change for t, what in day for change in happen(book, t, what)]
    return out + book.fire(ns(end))


@many
@given(days())
def test_at_most_one_alert_of_a_key_is_open(day):
    is_open = {}
    for change in run(*day):
        alert = change.alert
        if change.transition.change is Change.RAISED:
            assert alert.dedupe_key not in is_open
            is_open[alert.dedupe_key] = alert.alert_id
        assert is_open[alert.dedupe_key] == alert.alert_id, "nothing follows the end"
        if alert.state.is_over:
            del is_open[alert.dedupe_key]


@many
@given(days())
def test_transitions_are_numbered_and_never_go_back_in_time(day):
    changes = run(*day)
    newest, published, ids = {}, {}, set()
    for change in changes:
        alert, transition = change.alert, change.transition
        assert transition.seq == newest.get(alert.alert_id, 0) + 1 == alert.seq
        newest[alert.alert_id] = transition.seq
        assert (transition.state, transition.severity) == (alert.state, alert.severity)
        assert transition.at == alert.changed_at
        assert alert.severity_history[-1].severity == alert.severity
        was = published.get(alert.dedupe_key, 0)
        assert alert.published_seq == was + change.publish
        published[alert.dedupe_key] = alert.published_seq
        if transition.seq == 1:
            assert alert.alert_id not in ids
            ids.add(alert.alert_id)
    times = [change.transition.at for change in changes]
    assert times == sorted(times)


@many
@given(days())
def test_escalation_never_lowers_a_severity(day):
    before = {}
    for change in run(*day):
        alert = change.alert
        if change.transition.change is Change.ESCALATED:
            was = before[alert.alert_id]
            assert rank(alert.severity) == min(rank(was) + 1, 3)
        before[alert.alert_id] = alert.severity


@many
@given(days())
def test_who_was_told_learns_of_the_end(day):
    told, of_family, last = set(), set(), {}
    for change in run(*day):
        alert = change.alert
        last[alert.alert_id] = change
        if change.notify:
            told.add(alert.alert_id)
            assert change.publish
            assert alert.pages
            assert alert.suppressed_by is None
            assert rank(alert.severity) >= rank(Severity.MEDIUM)
            assert not alert.state.is_over
            assert alert.state is not AlertState.SNOOZED
        if alert.type == SLOW and alert.ancestors:
            of_family.add(alert.alert_id)  # and stays so: its ancestors may change later
        is_explained = alert.suppressed_by is not None and alert.alert_id in of_family
        if alert.severity is not Severity.LOW and not is_explained:
            assert change.publish
    for alert_id in told:
        assert last[alert_id].publish or not last[alert_id].alert.state.is_over


@many
@given(days())
def test_what_explains_an_alert_is_open_and_grave_enough_once_the_dust_has_settled(day):
    events, end = day
    book, alerts = AlertBook(), {}
    for t, what in [*events, (end, None)]:
        given_ = book.fire(ns(t)) if what is None else happen(book, t, what)
        alerts.update({change.alert.alert_id: change.alert for change in given_})
        for alert in alerts.values():
            if alert.group is not None and not alert.state.is_over:
                coverer = alerts[alert.group]
                assert alert.suppressed_by == coverer.alert_id
                assert coverer.desk == alert.desk
                if coverer.type == SLOW:
                    # Children end with their order, and hear no more of one that was closed.
                    assert coverer.state not in {AlertState.RESOLVED}
                    assert coverer.scope in alert.ancestors
                    continue
                assert not coverer.state.is_over
                assert coverer.severity is not Severity.LOW


@many
@given(days())
def test_of_a_family_the_bus_knows_no_child_that_its_parent_s_alert_covered_from_the_start(day):
    known = set()
    for change in run(*day):
        alert = change.alert
        if change.publish and alert.alert_id not in known:
            known.add(alert.alert_id)
            assert not (alert.group and alert.group in slow_alerts_of(alert.desk, alert.ancestors))


@many
@given(days())
def test_a_book_resumed_at_any_point_gives_the_same(day):
    events, end = day
    book, out = AlertBook(), []
    for t, what in events:
        out += happen(book, t, what)
        book = AlertBook(book.dump())
    out += book.fire(ns(end))

    assert out == run(events, end)


@many
@given(days())
def test_how_far_time_jumps_at_once_changes_nothing(day):
    events, end = day
    book, out, now = AlertBook(), [], 0
    for t, what in [*events, (end, None)]:
        for step in range(8):
            out += book.fire(ns(now + (t - now) * step / 8))
        out += book.fire(ns(t)) if what is None else happen(book, t, what)
        now = t

    assert out == run(events, end)
