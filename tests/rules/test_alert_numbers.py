"""What is remembered of alerts that are over, for how long, and what a resumed book knows."""

import pytest

from domain.instants import END_OF_TIME
from rules.alert_book import AlertBook
from rules.alert_numbers import FORGET_ENDED_NS, FORGET_SILENT_NS, Memory
from rules.lifecycle import why_not
from tests.alert_desk import COST, DAY, HOUR, IMPACT, VENUE, Desk, action, ns, text

ENDED_S = FORGET_ENDED_NS // 10**9
SILENT_S = FORGET_SILENT_NS // 10**9


@pytest.fixture
def desk():
    return Desk()


def test_the_body_of_an_alert_that_is_over_is_known_for_a_day(desk):
    desk.see(0)
    desk.see(60, None)

    known = desk.alert(at=60 + DAY - 1)
    assert why_not(known, "alert_closed") == (
        f"alert {known.alert_id} was RESOLVED at {text(60)} by system; "
        "only an open one can be closed"
    )
    assert desk.ack(70) == []
    assert desk.alert(at=60 + DAY) is None


@pytest.mark.parametrize(("ended", "keep"), [(True, ENDED_S), (False, SILENT_S)])
def test_an_orders_ordinals_go_on_for_some_days_and_are_then_forgotten(desk, ended, keep):
    desk.see(0)
    desk.see(10, None, ended=ended)

    [inside] = desk.see(10 + keep - 1)
    assert (inside.alert.ordinal, inside.alert.published_seq) == (2, 3)
    desk.see(10 + keep, None, ended=ended)
    [after] = desk.see(10 + 2 * keep)
    assert (after.alert.ordinal, after.alert.published_seq) == (1, 1)


def test_the_end_of_an_order_makes_its_cleared_alerts_go_sooner(desk):
    desk.see(0)
    desk.see(10, None)
    desk.see(20, None, ended=True)

    [raised] = desk.see(20 + ENDED_S)
    assert raised.alert.ordinal == 1


def test_a_venues_ordinals_are_never_forgotten(desk):
    desk.see_venue(0)
    desk.see_venue(10, None)

    [raised] = desk.see_venue(400 * DAY)
    assert raised.alert.ordinal == 2


def test_what_a_person_judged_is_forgotten_with_the_rest(desk):
    desk.see(0, "HIGH")
    desk.close(10)

    assert desk.see(10 + SILENT_S - 1, "HIGH") == []
    [raised] = desk.see(10 + SILENT_S, "HIGH")
    assert raised.alert.ordinal == 1


@pytest.mark.parametrize("step_s", [HOUR, 3 * DAY + HOUR])
def test_memory_is_given_back_as_time_passes(desk, step_s):
    for i in range(40):
        desk.see(i, scope=f"A{i}")
        desk.ack(i, scope=f"A{i}")
        desk.see(i, None, scope=f"A{i}", ended=True)
    full = len(desk.book.dump())

    for t in range(HOUR, 4 * DAY, step_s):
        desk.pass_to(t)

    assert full > 40 * 300
    assert len(desk.book.dump()) < 100


def test_a_request_is_known_for_a_day():
    memory = Memory()

    assert not memory.is_repeat("r", ns(0))
    assert memory.is_repeat("r", ns(DAY - 1))
    assert not memory.is_repeat("r", ns(DAY))
    memory.give_back(ns(2 * DAY))
    assert memory.requests == {}


def a_busy_desk():
    desk = Desk()
    desk.see(0, main_venue="XNAS")
    desk.see(0, "HIGH", type_=COST)
    desk.see(1, "HIGH", type_=IMPACT)
    desk.see_venue(2)
    desk.hush(3, until=1000, about="A2")
    desk.see(4, "CRITICAL", scope="A2")
    desk.see(5, scope="A3")
    desk.snooze(6, until=700, scope="A3")
    desk.see(7, "HIGH", scope="A4")
    desk.close(8, scope="A4")
    return desk


def go_on(desk):
    begun = len(desk.changes)
    desk.see_venue(500, None)
    desk.see(510, "CRITICAL", scope="A4")
    desk.do(520, action("alert_snoozed", 6, "A3", until=text(700)))
    desk.ack(530, alert_type=IMPACT)
    desk.pass_to(3 * HOUR)
    return desk.changes[begun:]


def test_a_resumed_book_goes_on_as_if_nothing_had_happened():
    resumed, through = a_busy_desk(), a_busy_desk()

    resumed.resume()

    assert go_on(resumed) == go_on(through)


def test_a_book_where_nothing_changed_is_not_written_anew():
    desk = a_busy_desk()
    first = desk.book.dump()
    desk.pass_to(9)

    assert desk.book.dump() is first
    desk.ack(10, scope="A2")
    assert desk.book.dump() != first
    assert AlertBook(first).dump() == first


def test_an_empty_book_is_small_and_resumes():
    book = AlertBook(AlertBook().dump())

    assert len(book.dump()) < 30
    assert book.fire(ns(DAY)) == []


@pytest.mark.parametrize("type_", [VENUE, COST])
def test_a_published_sequence_goes_on_from_alert_to_alert(desk, type_):
    for i in range(3):
        desk.see(10 * i, scope="venue:XNAS", type_=type_)
        desk.see(10 * i + 5, None, scope="venue:XNAS", type_=type_)

    assert [c.alert.published_seq for c in desk.changes] == [1, 2, 3, 4, 5, 6]


def test_numbers_of_an_order_that_ended_are_forgotten_whatever_the_type():
    memory = Memory()
    numbers = memory.of("-|A|ALGORITHM_UNDERPERFORMANCE", 0)
    numbers.rest("ALGORITHM_UNDERPERFORMANCE", 0, ended=False)
    assert numbers.forget_at == END_OF_TIME
    numbers.rest("ALGORITHM_UNDERPERFORMANCE", 0, ended=True)

    assert numbers.forget_at == FORGET_ENDED_NS
