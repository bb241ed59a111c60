import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.control_charts import (
    bernoulli_weight,
    cusum,
    cusum_run_length,
    ewma,
    ewma_limit,
    page_hinkley,
    running_mean,
    winsorised,
)

nan = math.nan
VALUES = st.lists(st.floats(-50, 50), min_size=1, max_size=60)


def steps(step, values, start=0.0):
    out, state = [], start
    for value in values:
        state = step(state, value)
        out.append(state)
    return np.array(out)


def run_lengths(values, slack, limit):
    """Lengths of the runs to each alarm, begun anew behind it."""
    lengths, begin = [], 0
    while not math.isnan(length := cusum_run_length(values[begin:], slack=slack, limit=limit)):
        lengths.append(length)
        begin += int(length)
    return np.array(lengths)


@given(VALUES, st.floats(-2, 2))
def test_the_sum_is_the_running_sum_above_its_least(values, slack):
    running = np.concatenate([[0.0], np.cumsum(np.array(values) - slack)])
    expected = running - np.minimum.accumulate(running)

    found = steps(lambda s, x: cusum(s, value=x, slack=slack), values)

    assert found == pytest.approx(expected[1:], abs=1e-9)


@given(VALUES, st.floats(0.01, 1.0))
def test_the_forgetting_average_is_a_weighted_sum(values, weight):
    n = len(values)
    weights = weight * (1 - weight) ** np.arange(n)[::-1]
    expected = weights @ np.array(values) + (1 - weight) ** n * 7.0

    found = steps(lambda e, x: ewma(e, value=x, weight=weight), values, start=7.0)

    assert found[-1] == pytest.approx(expected, abs=1e-9)


@given(st.integers(1, 50), st.floats(0.05, 0.9))
def test_the_limit_is_that_many_deviations_of_the_average(n, weight):
    weights = weight * (1 - weight) ** np.arange(n)
    expected = 3.0 * 2.0 * math.sqrt((weights**2).sum())

    assert ewma_limit(n, sd=2.0, weight=weight) == pytest.approx(expected)


def test_a_drift_limit_needs_a_deviation():
    assert ewma_limit(0, sd=1.0, weight=0.2) == 0.0
    assert math.isnan(ewma_limit(5, sd=-1.0, weight=0.2))
    assert math.isnan(ewma_limit(5, sd=nan, weight=0.2))


@given(VALUES)
def test_page_hinkley_is_the_distance_from_the_least_of_its_sums(values):
    means = np.cumsum(values) / np.arange(1, len(values) + 1)
    sums = np.concatenate([[0.0], np.cumsum(np.array(values) - means - 0.5)])
    expected = sums - np.minimum.accumulate(sums)

    def step(state, x):
        total, mean, n = state
        mean = running_mean(mean, value=x, n=n + 1)
        return page_hinkley(total, value=x, mean=mean, tolerance=0.5), mean, n + 1

    found, state = [], (0.0, 0.0, 0)
    for value in values:
        state = step(state, value)
        found.append(state[0])

    assert found == pytest.approx(expected[1:], abs=1e-8)


@given(st.lists(st.booleans(), min_size=1, max_size=80))
def test_the_weights_of_outcomes_add_up_to_their_likelihood_ratio(outcomes):
    n, k = len(outcomes), sum(outcomes)
    p0, p1 = 0.05, 0.2
    expected = k * math.log(p1) + (n - k) * math.log(1 - p1)
    expected -= k * math.log(p0) + (n - k) * math.log(1 - p0)

    weights = bernoulli_weight(np.array(outcomes), p0=p0, p1=p1)

    assert weights.sum() == pytest.approx(expected)
    assert bernoulli_weight(np.array(outcomes), p0=p1, p1=p0).sum() == pytest.approx(-expected)


@pytest.mark.parametrize(("p0", "p1"), [(0.0, 0.1), (0.1, 1.0), (nan, 0.1)])
def test_an_impossible_rate_has_no_weight(p0, p1):
    assert math.isnan(bernoulli_weight(1, p0=p0, p1=p1))
    assert math.isnan(bernoulli_weight(nan, p0=0.1, p1=0.2))


def test_an_unknown_value_moves_nothing():
    assert cusum(1.5, value=nan, slack=0.25) == 1.5
    assert ewma(1.5, value=nan, weight=0.2) == 1.5
    assert running_mean(1.5, value=nan, n=3) == 1.5
    assert page_hinkley(1.5, value=nan, mean=0.0, tolerance=0.1) == 1.5
    assert math.isnan(winsorised(nan, limit=3.0))


def test_a_wild_value_counts_as_the_limit():
    assert winsorised(np.array([-9.0, -3.0, 0.5, 9.0]), limit=3.0).tolist() == [-3, -3, 0.5, 3]


def test_a_limit_that_is_not_reached_has_no_run_length():
    assert math.isnan(cusum_run_length(np.zeros(10), slack=0.25, limit=1.0))


@pytest.mark.parametrize(("limit", "published", "values"), [(5.0, 138, 400_000),
                                                           (10.0, 2041, 2_000_000)])  # fmt: skip
def test_false_alarms_are_as_rare_as_published(limit, published, values):
    z = np.random.default_rng(11).standard_normal(values)

    plain = run_lengths(z, 0.25, limit).mean()
    clipped = run_lengths(winsorised(z, limit=3.0), 0.25, limit).mean()

    assert plain == pytest.approx(published, rel=0.08)
    assert published * 0.97 < clipped < published * 1.15


def test_a_cohort_half_a_deviation_worse_is_found_in_about_forty_orders():
    z = 0.5 + np.random.default_rng(12).standard_normal(200_000)

    found = run_lengths(winsorised(z, limit=3.0), 0.25, 10.0).mean()

    assert 36 < found < 50
