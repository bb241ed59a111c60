import numpy as np
import pytest

from domain.published import Severity
from rules.posterior import CohortCost, judge_cohorts


def table(*excess, n=200, error=1.0):
    return [CohortCost(f"algo:A{i}|B", n, x, error) for i, x in enumerate(excess)]


def test_each_severity_takes_more_certainty():
    verdicts = judge_cohorts(table(0.0, 4.0, 9.0, 20.0, 3.4, -3.0, error=0.9))

    found = [v.severity for v in verdicts]
    assert found[0] is found[5] is None
    assert found[2] is found[3] is Severity.CRITICAL
    assert found[1] in {Severity.MEDIUM, Severity.HIGH}
    assert found[4] in {Severity.LOW, Severity.MEDIUM}
    assert [v.scope for v in verdicts] == [f"algo:A{i}|B" for i in range(6)]


def test_a_certain_but_small_excess_is_high_and_not_critical():
    verdicts = judge_cohorts(table(0.0, 0.1, 4.0, 4.5, error=0.3))

    assert [v.severity for v in verdicts] == [None, None, Severity.HIGH, Severity.HIGH]
    assert all(v.q < 0.05 for v in verdicts[2:])


def test_a_likely_excess_is_high_only_if_the_whole_table_allows_it():
    alone = judge_cohorts(table(3.75))[0]
    among_many = judge_cohorts(table(3.75, *[2.0] * 60))[0]

    assert alone.severity is Severity.HIGH
    assert among_many.q > 0.05
    assert among_many.severity not in {Severity.HIGH, Severity.CRITICAL}


def test_medium_and_low_go_by_probability_alone():
    assert judge_cohorts(table(3.5))[0].severity is Severity.MEDIUM
    assert judge_cohorts(table(3.0))[0].severity is Severity.LOW
    assert judge_cohorts(table(2.5))[0].severity is None


def test_few_orders_or_no_error_are_not_judged():
    assert judge_cohorts(table(50.0, n=29)) == []
    assert judge_cohorts(table(50.0, error=0.0)) == []
    assert judge_cohorts(table(float("nan"))) == []
    assert judge_cohorts([]) == []


def test_identical_algorithms_are_seldom_told_apart():
    rng = np.random.default_rng(8)

    flagged = sum(
        any(
            v.severity in {Severity.HIGH, Severity.CRITICAL}
            for v in judge_cohorts(table(*(rng.standard_normal(20) * 3.0), error=3.0))
        )
        for _ in range(200)
    )

    assert flagged / 200 == pytest.approx(0.0, abs=0.05)
