import math

import msgspec
import numpy as np
import pytest

from domain.instants import END_OF_TIME, SECOND
from domain.published import Severity
from domain.reference import Baseline, ReferenceRecord
from metrics.control_charts import cusum_run_length, winsorised
from rules.algorithm import QUIET_NS, CohortBase, CohortWatch, cohort_base

FAIR = CohortBase()


def finished(watch, costs, start=0, every_s=60.0, base=FAIR):
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

    assert changes == [(14 * 60 * SECOND, Severity.MEDIUM)]
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

    assert changes[0] == (first * 60 * SECOND, Severity.MEDIUM)


def test_it_ends_when_orders_cost_what_they_should_again():
    watch = CohortWatch()
    finished(watch, [1.0] * 14)

    changes = finished(watch, [0.0] * 40, start=14 * 60 * SECOND)

    assert changes == [((14 + 20) * 60 * SECOND, None)]
    assert (watch.up, watch.due) == (0.0, END_OF_TIME)


def test_it_lasts_for_a_minute_at_least():
    watch = CohortWatch()
    finished(watch, [3.0] * 4)
    raised = 4 * 60 * SECOND

    finished(watch, [-3.0] * 3, start=raised, every_s=1.0)
    assert watch.worst is not None
    assert watch.due == raised + 60 * SECOND
    watch.at(watch.due)

    assert watch.worst is None


def test_it_ends_after_a_day_without_orders():
    watch = CohortWatch()
    finished(watch, [3.0] * 4)

    assert watch.due == 4 * 60 * SECOND + QUIET_NS
    watch.at(watch.due)

    assert watch.worst is None


def test_an_order_without_z_does_not_count():
    watch = CohortWatch()

    finished(watch, [math.nan] * 50)

    assert (watch.up, watch.n, watch.count) == (0.0, 0, 0)


def test_a_cohort_with_history_is_held_against_its_own_scale():
    base = cohort_base(record(n=30, mean=0.5, sd=2.0))

    assert base == CohortBase(0.5, 2.0)
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
        finished(CohortWatch(), 0.5 + rng.standard_normal(300))[0][0] / (60 * SECOND)
        for _ in range(40)
    ]
    alarms = sum(
        severity is not None for _, severity in finished(CohortWatch(), rng.standard_normal(8000))
    )

    assert 30 < np.mean(delays) < 50
    assert alarms <= 8
