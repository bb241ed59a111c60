import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import InputError
from metrics.inference import (
    benjamini_hochberg,
    cluster_bootstrap,
    compare_independent,
    compare_paired,
    shrink,
)

nan = math.nan


def test_paired_costs_that_always_rise_differ() -> None:
    before = np.array([1.0, 5.0, 2.0, 8.0, 3.0, 6.0])
    after = before + np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])

    found = compare_paired(before, after)

    assert found.p_value == pytest.approx(2 / 2**6)
    assert (found.statistic, found.n) == (0.0, 6)


def test_pairs_that_are_equal_or_missing_are_left_out() -> None:
    before = np.array([1.0, 2.0, 3.0, 4.0, 5.0, nan])
    after = np.array([1.0, 3.0, 5.0, 7.0, 9.0, 9.0])

    found = compare_paired(before, after)

    assert found.n == 4
    assert math.isnan(found.p_value)


def test_pairs_need_a_partner() -> None:
    with pytest.raises(InputError, match="paired columns need one length, got 2 and 3 values"):
        compare_paired(np.ones(2), np.ones(3))


def test_two_groups_that_do_not_overlap_differ() -> None:
    found = compare_independent(np.array([1.0, 2.0, 3.0, 4.0, nan]), np.array([5.0, 6.0, 7.0, 8.0]))

    assert found.p_value == pytest.approx(2 / 70)
    assert (found.statistic, found.n) == (0.0, 8)


def test_three_values_prove_nothing() -> None:
    assert math.isnan(compare_independent(np.arange(3.0), np.arange(9.0) + 50).p_value)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
@settings(deadline=None, max_examples=60)
def test_q_values_follow_the_definition(p_values: list[float]) -> None:
    p = np.array(p_values)
    order = np.sort(p)
    m = len(p)
    expected = [min(m * order[j] / (j + 1) for j in range(m) if order[j] >= x) for x in p]

    assert benjamini_hochberg(p) == pytest.approx(np.minimum(expected, 1.0), abs=1e-12)


def test_a_missing_p_value_stays_missing_and_is_not_counted() -> None:
    q = benjamini_hochberg(np.array([0.01, nan, 0.02]))

    assert q[[0, 2]] == pytest.approx([0.02, 0.02])
    assert math.isnan(q[1])
    assert np.isnan(benjamini_hochberg(np.array([nan]))).all()


@pytest.mark.parametrize("wrong", [-0.1, 1.1])
def test_a_p_value_beyond_its_range_is_refused(wrong: float) -> None:
    with pytest.raises(InputError, match="every p value must be between 0 and 1"):
        benjamini_hochberg(np.array([0.5, wrong]))


def test_a_small_venue_is_drawn_further_to_the_common_mean() -> None:
    means, errors = np.array([10.0, 10.0, -6.0, -8.0]), np.array([1.0, 6.0, 1.0, 1.0])

    found = shrink(means, errors)

    assert found.grand_mean < found.mean[1] < found.mean[0] < 10.0
    assert (found.sd < errors).all()


def test_venues_that_differ_only_by_luck_all_get_the_common_mean() -> None:
    found = shrink(np.array([1.0, 1.2, 0.9]), np.array([5.0, 5.0, 5.0]))

    assert found.between_sd == 0.0
    assert found.mean == pytest.approx(np.full(3, 3.1 / 3))


def test_shrinkage_halves_the_error_of_many_alike() -> None:
    random = np.random.default_rng(5)
    truth = random.normal(0, 1, 400)
    seen = truth + random.normal(0, 2, 400)

    found = shrink(seen, np.full(400, 2.0))

    assert ((found.mean - truth) ** 2).mean() < 0.5 * ((seen - truth) ** 2).mean()
    assert found.between_sd == pytest.approx(1.0, abs=0.4)


def test_a_venue_without_mean_or_error_stays_missing() -> None:
    found = shrink(np.array([0.0, nan, 10.0, 3.0]), np.array([5.0, 1.0, 5.0, 0.0]))

    assert found.mean[[0, 2]].tolist() == [2.5, 7.5]
    assert np.isnan(found.mean[[1, 3]]).all()


def test_a_lone_venue_is_left_as_it_is() -> None:
    found = shrink(np.array([4.0, nan]), np.array([2.0, 1.0]))

    assert (found.mean[0], found.sd[0], found.grand_mean) == (4.0, 2.0, 4.0)
    assert math.isnan(shrink(np.array([nan]), np.array([1.0])).grand_mean)


def test_the_interval_holds_the_estimate_and_repeats() -> None:
    random = np.random.default_rng(2)
    notional, days = random.uniform(1, 10, 300), np.arange(300) % 30
    cost = notional * (2.0 + random.normal(0, 1, 30)[days])

    first = cluster_bootstrap(cost, notional, days, seed=11)

    assert first == cluster_bootstrap(cost, notional, days, seed=11)
    assert first.estimate == pytest.approx(cost.sum() / notional.sum())
    assert first.low < first.estimate < first.high
    assert first.days == 30


def test_days_and_not_orders_are_drawn() -> None:
    random = np.random.default_rng(2)
    days = np.arange(300) % 10
    cost = random.normal(0, 1, 10)[days]

    by_day = cluster_bootstrap(cost, np.ones(300), days)
    by_order = cluster_bootstrap(cost, np.ones(300), np.arange(300))

    assert by_day.high - by_day.low > 3 * (by_order.high - by_order.low)


def test_one_day_has_an_estimate_and_no_interval() -> None:
    found = cluster_bootstrap(np.array([1.0, nan]), np.array([2.0, 1.0]), np.array([5, 6]))

    assert (found.estimate, found.days) == (0.5, 1)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_nothing_traded_has_no_estimate() -> None:
    assert math.isnan(cluster_bootstrap(np.empty(0), np.empty(0), np.empty(0)).estimate)
    assert math.isnan(cluster_bootstrap(np.ones(1), np.zeros(1), np.ones(1)).estimate)


@pytest.mark.parametrize("wrong", [{"confidence": 95.0}, {"samples": 0}])
def test_a_bootstrap_that_cannot_be_is_refused(wrong: dict) -> None:
    with pytest.raises(InputError, match="confidence must be between 0 and 1 and samples"):
        cluster_bootstrap(np.ones(2), np.ones(2), np.arange(2), **wrong)
