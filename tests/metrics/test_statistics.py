import math

import numpy as np
import pytest
from scipy.stats import binomtest

from domain.errors import InputError
from metrics.statistics import (
    MODIFIED_Z_LIMIT,
    clustered_mean,
    modified_z,
    modified_z_scores,
    posterior_above,
    wilson_high,
    wilson_interval,
    wilson_low,
    z_of,
)

nan = math.nan


def test_one_wild_value_does_not_hide_itself() -> None:
    scores = modified_z_scores(np.array([1.0, 2.0, 3.0, 4.0, 100.0, nan]))

    assert (np.abs(scores) > MODIFIED_Z_LIMIT).tolist() == [False] * 4 + [True, False]
    assert math.isnan(scores[5])


def test_a_column_of_one_value_has_no_scale() -> None:
    assert math.isnan(modified_z(3.0, median=1.0, mad=0.0))
    assert np.isnan(modified_z_scores(np.array([2.0, 2.0, 2.0, 9.0]))).all()
    assert np.isnan(modified_z_scores(np.array([nan, nan]))).all()


@pytest.mark.parametrize(("successes", "n"), [(0, 12), (3, 20), (50, 100), (7, 7)])
@pytest.mark.parametrize("confidence", [0.90, 0.95, 0.99])
def test_the_interval_of_a_rate_is_wilsons(successes: int, n: int, confidence: float) -> None:
    theirs = binomtest(successes, n).proportion_ci(confidence, method="wilson")

    ours = wilson_interval(successes, n, confidence=confidence)

    assert ours == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert 0 <= ours[0] <= successes / n <= ours[1] <= 1


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 5), (6, 5), (nan, 5)])
def test_no_trials_have_no_interval(successes: float, n: float) -> None:
    assert math.isnan(wilson_low(successes, n=n))
    assert math.isnan(wilson_high(successes, n=n))


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0, nan])
def test_a_confidence_in_percent_is_refused(confidence: float) -> None:
    with pytest.raises(InputError, match=r"between 0 and 1, such as 0\.95"):
        z_of(confidence)


def test_a_posterior_far_above_the_limit_is_nearly_certain() -> None:
    assert posterior_above(5.0, sd=1.0, limit=2.0) == pytest.approx(0.99865, abs=1e-5)
    assert math.isnan(posterior_above(5.0, sd=0.0, limit=2.0))


def test_independent_fills_have_the_textbook_error() -> None:
    values = np.array([1.0, 4.0, 2.0, 8.0, 5.0])
    alone = np.arange(5)

    found = clustered_mean(values, orders=alone, days=alone)

    assert found.mean == 4.0
    assert found.standard_error == pytest.approx(values.std(ddof=1) / math.sqrt(5))
    assert found.n == 5


def test_a_repeated_fill_of_one_order_teaches_nothing_new() -> None:
    values, alone = np.array([1.0, 4.0, 2.0, 8.0, 5.0]), np.arange(5)
    once = clustered_mean(values, orders=alone, days=alone)

    thrice = clustered_mean(
        np.repeat(values, 3), orders=np.repeat(alone, 3), days=np.repeat(alone, 3)
    )

    assert thrice.standard_error == pytest.approx(once.standard_error)
    assert thrice.n == 15


def test_orders_of_one_day_share_their_luck() -> None:
    luck = np.array([5.0, -5.0, 4.0, -4.0])
    values = np.repeat(luck, 10) + np.tile(np.linspace(-1, 1, 10), 4)
    days = np.repeat(np.arange(4), 10)

    by_day = clustered_mean(values, orders=np.arange(40), days=days)
    naive = clustered_mean(values, orders=np.arange(40), days=np.arange(40))

    assert by_day.standard_error > 2 * naive.standard_error


def test_two_way_clusters_follow_the_definition() -> None:
    random = np.random.default_rng(1)
    values = random.normal(size=60)
    orders, days = random.integers(0, 8, 60), random.integers(0, 5, 60)

    def one_way(names: list) -> float:
        sums: dict = {}
        for name, value in zip(names, values - values.mean(), strict=True):
            sums[name] = sums.get(name, 0.0) + value
        g = len(sums)
        return g / (g - 1) * sum(s * s for s in sums.values()) / 60**2

    both = one_way(list(zip(orders.tolist(), days.tolist(), strict=True)))
    expected = one_way(orders.tolist()) + one_way(days.tolist()) - both
    found = clustered_mean(values, orders=orders, days=days)

    assert expected > 0
    assert found.standard_error == pytest.approx(math.sqrt(expected))


def test_a_variance_that_is_not_positive_falls_back_on_the_larger_cluster() -> None:
    values = np.array([1.0, -1.0, -1.0, 1.0])
    orders, days = np.array([1, 1, 2, 2]), np.array([1, 2, 1, 2])

    found = clustered_mean(values, orders=orders, days=days)

    assert found.standard_error == 0.0


def test_one_cluster_gives_a_mean_without_an_error() -> None:
    found = clustered_mean(np.array([1.0, 3.0]), orders=np.array([1, 2]), days=np.array([9, 9]))

    assert found.mean == 2.0
    assert math.isnan(found.standard_error)


def test_missing_markouts_are_not_counted() -> None:
    values, names = np.array([1.0, nan, 3.0]), np.array(["a", "b", "c"])

    assert clustered_mean(values, orders=names, days=names).n == 2
    empty = clustered_mean(np.array([nan]), orders=np.array([1]), days=np.array([1]))
    assert (math.isnan(empty.mean), math.isnan(empty.standard_error), empty.n) == (True, True, 0)
