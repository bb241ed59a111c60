import math

import msgspec
import numpy as np
import pytest

from domain.instants import END_OF_TIME, SECOND
from domain.published import Severity
from domain.reference import Baseline, Finding, ReferenceRecord
from metrics.control_charts import cusum_run_length, winsorised
from rules.algorithm import QUIET_NS, CohortBase, CohortWatch, cohort_base, limit_of

FAIR = CohortBase()
EVERY_S = 7 * 3600.0
"""Three or four orders a day, of which nothing beyond the published limit is asked."""
EVERY = round(EVERY_S * SECOND)


def finished(watch, costs, start=0, every_s=EVERY_S, base=FAIR):
    """Feed z of finished orders; the change after each."""
    changes, t = [], start
    for z in costs:
        t = start = start + round(every_s * SECOND)
        while watch.due <= t:
            watch.at(watch.due)
        before = watch.worst
        watch.take(t, float(z), base)
        if watch.worst is not before:
            changes.append((t, watch.worst.severity if watch.worst else None))
    return changes


def record(**baseline):
    return ReferenceRecord(
        type="reference", scope="cohort:VWAP/BRK1", baselines={"z_cost": Baseline(**baseline)}
    )


def test_one_terrible_order_is_no_alert():
    watch = CohortWatch()

    assert not finished(watch, [40.0, 0.0, 0.0])
    assert watch.up == pytest.approx(3.0 - 0.75)


def test_orders_that_cost_more_than_expected_again_and_again_raise_one_alert():
    watch = CohortWatch()

    changes = finished(watch, [1.0] * 60)

    assert changes == [(14 * EVERY, Severity.MEDIUM)]
    evidence = watch.worst.evidence
    assert (evidence.n, evidence.actual, evidence.expected) == (14, 1.0, 0.0)
    assert (evidence.z, evidence.threshold) == (10.5, 10.0)


def test_the_sum_begins_again_behind_an_alert():
    watch = CohortWatch()

    finished(watch, [1.0] * 14)

    assert (watch.up, watch.n) == (0.0, 0)


def test_the_alert_is_where_the_published_chart_has_it():
    z = 0.3 + 0.8 * np.random.default_rng(3).standard_normal(400)
    first = int(cusum_run_length(winsorised(z, limit=3.0), slack=0.25, limit=10.0))

    changes = finished(CohortWatch(), z)

    assert changes[0] == (first * EVERY, Severity.MEDIUM)


def test_it_ends_when_orders_cost_what_they_should_again():
    watch = CohortWatch()
    finished(watch, [1.0] * 14)

    changes = finished(watch, [0.0] * 40, start=14 * EVERY)

    assert changes == [((14 + 20) * EVERY, None)]
    assert (watch.up, watch.due) == (0.0, END_OF_TIME)


def test_it_lasts_for_a_minute_at_least():
    watch = CohortWatch()
    finished(watch, [3.0] * 4)
    raised = 4 * EVERY

    finished(watch, [-3.0] * 3, start=raised, every_s=1.0)
    assert watch.worst is not None
    assert watch.due == raised + 60 * SECOND
    watch.at(watch.due)

    assert watch.worst is None


def test_it_ends_after_a_day_without_orders():
    watch = CohortWatch()
    finished(watch, [3.0] * 4)

    assert watch.due == 4 * EVERY + QUIET_NS
    watch.at(watch.due)

    assert watch.worst is None


def test_an_order_without_z_does_not_count():
    watch = CohortWatch()

    finished(watch, [math.nan] * 50)

    assert (watch.up, watch.n, watch.count) == (0.0, 0, 0)


def test_a_cohort_with_history_is_held_against_its_own_scale():
    base = cohort_base(record(n=100, mean=0.5, sd=2.0))

    # The mean of a hundred is known to a tenth of the deviation; they were five a day.
    assert base == CohortBase(0.5 + 0.2, 2.0, 5.0)
    assert not finished(CohortWatch(), [1.0] * 500, base=base)


@pytest.mark.parametrize(
    "baseline",
    [{"n": 29, "mean": 1.0, "sd": 2.0}, {"n": 50, "sd": 2.0}, {"n": 50, "mean": 1.0},
     {"n": 50, "mean": 1.0, "sd": 0.0}],
)  # fmt: skip
def test_too_little_history_is_none(baseline):
    assert cohort_base(record(**baseline)) == cohort_base(None) == FAIR


def test_orders_that_scatter_more_than_the_model_thinks_raise_no_more_alarms():
    z = np.random.default_rng(6).standard_normal(6000)

    fair = finished(CohortWatch(), z)
    wide = finished(CohortWatch(), 2.0 * z)

    raised = [sum(severity is not None for _, severity in found) for found in (fair, wide)]
    assert raised[1] <= raised[0] + 3 <= 9


def test_a_watch_is_plain_data():
    watch = CohortWatch()
    finished(watch, [3.0] * 5)

    assert msgspec.msgpack.decode(msgspec.msgpack.encode(watch), type=CohortWatch) == watch


def test_a_broker_half_a_deviation_worse_is_found_in_forty_orders_and_a_fair_one_is_not():
    rng = np.random.default_rng(4)

    delays = [
        finished(CohortWatch(), 0.5 + rng.standard_normal(300))[0][0] / EVERY for _ in range(40)
    ]
    alarms = sum(
        severity is not None for _, severity in finished(CohortWatch(), rng.standard_normal(8000))
    )

    assert 30 < np.mean(delays) < 50
    assert alarms <= 8


def test_a_busy_cohort_has_to_show_more():
    assert limit_of(0.0) == limit_of(4.0) == 10.0
    assert limit_of(40.0) == pytest.approx(10.0 + 2.0 * math.log(10.0))


@pytest.mark.parametrize(("per_day", "slower"), [(4, 1.0), (96, 1.6)])
def test_what_is_asked_goes_by_the_orders_of_a_day(per_day, slower):
    watch = CohortWatch()
    every_s = 86_400 / per_day
    finished(watch, [0.0] * (5 * per_day), every_s=every_s)
    begin = watch.last

    changes = finished(watch, [1.0] * 60, start=begin, every_s=every_s)

    limit = limit_of(per_day)
    found = watch.worst.evidence
    assert found.threshold == pytest.approx(limit, abs=0.5)
    assert 10.0 * slower <= found.threshold <= found.z < found.threshold + 0.75
    assert changes[0][0] - begin == found.n * round(every_s * SECOND)


def test_a_base_says_how_busy_a_cohort_is_before_its_first_day():
    base = CohortBase(orders_per_day=100.0)
    watch = CohortWatch()

    finished(watch, [1.0] * 60, base=base)

    assert watch.worst.evidence.threshold == limit_of(100.0)
    assert watch.worst.evidence.n == math.ceil(limit_of(100.0) / 0.75)


def test_what_a_day_brings_is_averaged_over_twenty():
    watch = CohortWatch()
    finished(watch, [0.0] * 100, every_s=3600.0)
    finished(watch, [0.0] * 20, start=watch.last, every_s=24 * 3600.0)

    assert watch.days == 24
    assert watch.today == 1
    assert 4.0 < watch.per_day < 10.0


def test_the_way_back_is_half_of_what_the_alert_took():
    base = CohortBase(orders_per_day=100.0)
    watch = CohortWatch()
    changes = finished(watch, [1.0] * 22 + [0.0] * 60, base=base)

    took, back = changes[0][0] // EVERY, changes[1][0] // EVERY
    assert took == 22
    assert back - took == math.ceil(limit_of(100.0) / 2.0 / 0.25)


def test_a_cohort_that_scatters_widely_from_its_first_orders_does_not_alarm():
    rng = np.random.default_rng(8)

    months = [finished(CohortWatch(), 1.5 * rng.standard_normal(80)) for _ in range(60)]

    assert sum(map(bool, months)) <= 6


def test_a_finding_of_past_days_holds_until_a_day_without_orders():
    finding = Finding(
        severity=Severity.HIGH, words="dear", n=60, expected=2.0, actual=5.0, threshold=2.0, z=3.0
    )
    watch = CohortWatch()
    watch.heed(0, finding)
    watch.heed(EVERY, finding)
    assert (watch.worst.severity, watch.worst.since, watch.worst.words) == (
        Severity.HIGH, 0, "dear",
    )  # fmt: skip
    assert watch.due == EVERY + QUIET_NS

    watch.at(watch.due)
    assert watch.worst is None
    assert watch.due == END_OF_TIME
    watch.heed(2 * QUIET_NS, finding)
    watch.heed(2 * QUIET_NS, None)
    assert watch.worst is None


def test_a_worse_cause_of_today_stands_before_a_finding():
    finding = Finding(
        severity=Severity.LOW, words="dear", n=60, expected=2.0, actual=3.0, threshold=2.0
    )
    watch = CohortWatch()
    watch.heed(0, finding)
    finished(watch, [1.0] * 14)

    assert watch.worst is watch.cause
    assert watch.worst.severity is Severity.MEDIUM


def test_a_cause_of_today_ends_by_itself_while_the_finding_stays():
    finding = Finding(
        severity=Severity.LOW, words="dear", n=60, expected=2.0, actual=3.0, threshold=2.0
    )
    watch = CohortWatch()
    finished(watch, [1.0] * 14)
    ends = watch.due
    watch.heed(ends - SECOND, finding)
    assert watch.due == ends

    watch.at(ends)

    assert (watch.cause, watch.worst) == (None, watch.found)
    assert watch.due == ends - SECOND + QUIET_NS


def test_a_record_tells_its_finding_with_and_without_a_base():
    finding = Finding(
        severity=Severity.LOW, words="dear", n=60, expected=2.0, actual=3.0, threshold=2.0
    )
    for n in (5, 100):
        found = msgspec.structs.replace(record(n=n, mean=0.1, sd=1.0), finding=finding)
        assert cohort_base(found).finding == finding
