import math

import numpy as np
import pytest

from domain.errors import InputError
from metrics.impact import sqrt_average_bps
from metrics.impact_fit import fit_square_root


def orders(n: int, days: int, noise: float = 0.0) -> tuple[np.ndarray, dict]:
    random = np.random.default_rng(3)
    qty, volume = random.uniform(1e3, 1e5, n), np.full(n, 1e6)
    sigma, day = random.uniform(80, 200, n), np.arange(n) % days
    cost = sqrt_average_bps(sigma, qty=qty, volume=volume, y=0.7)
    luck = random.normal(0, noise, days)[day] + random.normal(0, noise, n)
    return cost + luck, {"sigma_bps": sigma, "qty": qty, "volume": volume, "days": day}


def test_the_fit_finds_the_law_that_made_the_costs() -> None:
    cost, facts = orders(2000, 40, noise=5.0)

    fit = fit_square_root(cost, **facts)

    assert fit.y == pytest.approx(0.7, abs=4 * fit.y_standard_error)
    assert 0 < fit.y_standard_error < 0.2
    assert (fit.orders, fit.days) == (2000, 40)


def test_the_error_counts_days_and_not_orders() -> None:
    cost, facts = orders(2000, 40, noise=5.0)
    each_its_day = facts | {"days": np.arange(2000)}

    assert (
        fit_square_root(cost, **facts).y_standard_error
        > 2 * fit_square_root(cost, **each_its_day).y_standard_error
    )


def test_the_fit_refuses_an_order_outside_its_range() -> None:
    cost, facts = orders(100, 5)
    fit = fit_square_root(cost, **facts)

    assert fit.cost_bps(sigma_bps=100, qty=5e4, volume=1e6) == pytest.approx(
        sqrt_average_bps(100.0, qty=5e4, volume=1e6, y=0.7)
    )
    for qty, volume in ((5e5, 1e6), (1.0, 1e6), (1.0, 0.0), (math.nan, 1e6)):
        with pytest.raises(InputError, match="the fit covers orders of"):
            fit.cost_bps(sigma_bps=100, qty=qty, volume=volume)


@pytest.mark.parametrize(("n", "days"), [(29, 5), (50, 1), (0, 1)])
def test_too_few_orders_or_days_make_no_fit(n: int, days: int) -> None:
    cost, facts = orders(n, days)

    with pytest.raises(InputError, match="a fit needs 30 orders on 2 days"):
        fit_square_root(cost, **facts)


def test_an_order_without_cost_or_reference_is_left_out() -> None:
    cost, facts = orders(100, 5)
    cost[0], facts["sigma_bps"][1] = math.nan, math.nan

    assert fit_square_root(cost, **facts).orders == 98
