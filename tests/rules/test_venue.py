import math

import pytest

from domain.instants import SECOND
from domain.published import Severity
from domain.reference import Baseline, ReferenceRecord
from domain.vocabulary import RejectReason
from rules.rates import RateWatch, weights_of
from rules.venue import (
    OWN_MAKING,
    VenueBase,
    bad_rate,
    is_burst,
    silent_ns,
    venue_base,
)


def record(**baselines):
    return ReferenceRecord(type="reference", scope="venue:XNAS", baselines=baselines)


@pytest.mark.parametrize(("p0", "p1"), [(0.01, 0.11), (0.05, 0.15), (0.1, 0.3), (0.6, 0.95)])
def test_a_bad_rate_is_three_times_the_usual_and_a_tenth_above(p0, p1):
    assert bad_rate(p0) == pytest.approx(p1)
    assert VenueBase(p0).p1 == pytest.approx(p1)


def test_a_venue_without_history_is_taken_to_refuse_one_in_twenty():
    for base in (
        venue_base(None),
        venue_base(record(reject_rate=Baseline(n=199, mean=0.2))),
        venue_base(record(reject_rate=Baseline(n=500))),
    ):
        assert (base.p0, base.is_known, base.routes_per_day) == (0.05, False, 0.0)
        assert base.severity(6.9) is None
        assert base.severity(20.0) is Severity.MEDIUM


def test_a_venue_with_history_is_held_against_it():
    found = record(reject_rate=Baseline(n=4000, mean=0.02), ack_ms=Baseline(n=900, p99=12.5))
    found.calendar = "XNYS"

    base = venue_base(found)

    assert (base.p0, base.is_known, base.ack_p99_ms, base.calendar) == (0.02, True, 12.5, "XNYS")
    assert base.routes_per_day == 200
    assert [base.severity(x) for x in (6.9, 7.0, 9.0)] == [None, Severity.MEDIUM, Severity.HIGH]
    assert math.isnan(venue_base(record(ack_ms=Baseline(n=9))).ack_p99_ms)


def test_a_venue_that_never_refused_may_refuse_once():
    assert venue_base(record(reject_rate=Baseline(n=300, mean=0.0))).p0 == 0.001
    assert venue_base(record(reject_rate=Baseline(n=300, mean=0.9))).p0 == 0.6


def test_a_busy_venue_has_to_show_more():
    found = record(reject_rate=Baseline(n=40_000, mean=0.02))
    found.days = 10

    base = venue_base(found)

    more = base.more(0, 0)
    assert more == pytest.approx(math.log(8))
    assert base.severity(6.9 + more, more) is None
    assert base.severity(7.0 + more, more) is Severity.MEDIUM
    assert base.severity(9.0 + more, more) is Severity.HIGH


@pytest.mark.parametrize(
    ("routes_per_day", "is_known", "today", "before", "busy"),
    [(0, False, 200, 0, 1), (0, False, 500, 0, 2), (0, False, 0, 1500, 3),
     (1000, True, 500, 500, 2), (1000, True, 2000, 0, 4)],
)  # fmt: skip
def test_a_venue_that_is_busier_than_was_known_has_to_show_more_too(
    routes_per_day, is_known, today, before, busy
):
    base = VenueBase(is_known=is_known, routes_per_day=routes_per_day)

    assert base.more(today, before) == pytest.approx(math.log(busy))


def test_a_route_may_wait_for_five_seconds_or_ten_times_the_usual_longest():
    assert silent_ns(math.nan) == silent_ns(3.0) == 5 * SECOND
    assert silent_ns(900.0) == VenueBase(ack_p99_ms=900.0).silent_ns == 9 * SECOND


@pytest.mark.parametrize(
    ("failures", "answers", "orders", "burst"),
    [(6, 10, 3, True), (5, 10, 3, False), (6, 9, 3, False), (6, 10, 2, False)],
)
def test_a_burst_is_most_of_ten_answers_of_three_orders(failures, answers, orders, burst):
    assert is_burst(failures, answers, orders) is burst


def test_what_is_wrong_with_an_order_is_not_the_venues_fault():
    venues_own = set(RejectReason) - OWN_MAKING

    assert venues_own == {
        RejectReason.NONE, RejectReason.BROKER, RejectReason.STALE_ORDER, RejectReason.OTHER,
    }  # fmt: skip


def test_the_evidence_counts_since_it_was_last_nothing():
    watch, weights = RateWatch(), weights_of(0.05, 0.15)
    assert watch.rate is None

    for failed in (True, False, True, *[False] * 30, True, False):
        watch.take(failed, weights)

    assert (watch.n, watch.failures, watch.rate) == (2, 1, 0.5)
    watch.begin_again()
    assert (watch.up, watch.n, watch.failures) == (0.0, 0, 0)
