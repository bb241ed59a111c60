import math

import pytest

from metrics.impact import (
    almgren_cost_bps,
    almgren_permanent_bps,
    almgren_temporary_bps,
    expected_cost_bps,
    i_star_bps,
    i_star_cost_bps,
    power,
    sqrt_average_bps,
    sqrt_peak_bps,
)

nan = math.nan
IBM = {"sigma_bps": 157.0, "qty": 656_100, "adv": 6_561_000, "shares_outstanding": 1_728e6}
DRI = {"sigma_bps": 226.0, "qty": 192_900, "adv": 1_929_000, "shares_outstanding": 168e6}
ORDER = {"adv": 1e6, "sigma_daily_bps": 150.0, "spread_bps": 4.0}


def almgren(stock: dict, days: float) -> tuple[int, int, int]:
    facts = dict(stock)
    sigma, shares = facts.pop("sigma_bps"), facts.pop("shares_outstanding")
    return (
        round(almgren_permanent_bps(sigma, **facts, shares_outstanding=shares)),
        round(almgren_temporary_bps(sigma, **facts, horizon_days=days)),
        round(almgren_cost_bps(sigma, **facts, shares_outstanding=shares, horizon_days=days)),
    )


@pytest.mark.parametrize(
    ("stock", "days", "published"),
    [
        (IBM, 0.1, (20, 22, 32)),
        (IBM, 0.2, (20, 15, 25)),
        (IBM, 0.5, (20, 8, 18)),
        (DRI, 0.1, (22, 32, 43)),
        (DRI, 0.2, (22, 21, 32)),
        (DRI, 0.5, (22, 12, 23)),
    ],
)
def test_a_tenth_of_a_day_costs_what_the_authors_published(stock, days, published) -> None:
    assert almgren(stock, days) == published


def test_impact_of_a_sale_is_as_large_as_of_a_purchase() -> None:
    sold = IBM | {"qty": -656_100}

    assert almgren(sold, 0.1) == almgren(IBM, 0.1)


def test_four_times_the_quantity_has_twice_the_square_root_impact() -> None:
    small = sqrt_peak_bps(200.0, qty=10_000, volume=1e6)

    assert small == pytest.approx(20.0)
    assert sqrt_peak_bps(200.0, qty=40_000, volume=1e6) == pytest.approx(2 * small)


def test_an_execution_at_constant_rate_pays_two_thirds_of_the_peak() -> None:
    n = 2000
    path = [sqrt_peak_bps(200.0, qty=10_000 * (i + 0.5) / n, volume=1e6) for i in range(n)]

    assert sqrt_average_bps(200.0, qty=10_000, volume=1e6) == pytest.approx(sum(path) / n, rel=1e-4)


@pytest.mark.parametrize(("sigma", "qty", "volume"), [(nan, 1, 1), (1, -1, 1), (1, 1, 0)])
def test_no_square_root_without_volume_quantity_and_volatility(sigma, qty, volume) -> None:
    assert math.isnan(sqrt_peak_bps(sigma, qty=qty, volume=volume))


def test_the_published_model_needs_volume_shares_and_time() -> None:
    assert math.isnan(almgren_permanent_bps(100.0, qty=1, adv=0, shares_outstanding=1))
    assert math.isnan(almgren_permanent_bps(100.0, qty=1, adv=1, shares_outstanding=nan))
    assert math.isnan(almgren_temporary_bps(100.0, qty=1, adv=1, horizon_days=0))
    assert math.isnan(almgren_temporary_bps(100.0, qty=1, adv=nan, horizon_days=1))


def test_i_star_falls_with_patience() -> None:
    order = {"adv": 1e6, "sigma_annual": 0.25}
    at_once = i_star_bps(1e5, **order)

    hasty, patient = (i_star_cost_bps(1e5, **order, participation=p) for p in (0.3, 0.05))

    assert 0 < patient < hasty < at_once
    assert i_star_cost_bps(1e5, **order, participation=1.0) == pytest.approx(at_once)
    assert i_star_cost_bps(1e5, **order, participation=0.0) == pytest.approx(0.02 * at_once)


def test_i_star_needs_volume_volatility_and_participation() -> None:
    assert math.isnan(i_star_bps(1e5, adv=0, sigma_annual=0.2))
    assert math.isnan(i_star_bps(1e5, adv=1e6, sigma_annual=-0.2))
    assert math.isnan(i_star_cost_bps(1e5, adv=1e6, sigma_annual=0.2, participation=nan))


def test_expected_cost_is_half_the_spread_and_the_average_impact() -> None:
    expected = expected_cost_bps(1e4, **ORDER, participation=nan, horizon_days=nan)

    assert expected == pytest.approx(2.0 + sqrt_average_bps(150.0, qty=1e4, volume=1e6))


def test_expected_cost_is_missing_without_reference_data() -> None:
    for name in ORDER:
        facts = ORDER | {name: nan}
        assert math.isnan(expected_cost_bps(1e4, **facts, participation=0.1, horizon_days=0.1))


def test_a_fit_may_make_participation_and_horizon_matter() -> None:
    fitted = {"participation_power": 0.5, "horizon_power": -0.25}
    plain = expected_cost_bps(1e4, **ORDER, participation=0.25, horizon_days=0.0625) - 2.0

    found = expected_cost_bps(1e4, **ORDER, participation=0.25, horizon_days=0.0625, **fitted)

    assert found == pytest.approx(2.0 + plain * 0.5 * 2.0)
    assert math.isnan(
        expected_cost_bps(1e4, **ORDER, participation=nan, horizon_days=0.1, **fitted)
    )
    assert math.isnan(expected_cost_bps(1e4, **ORDER, participation=0.1, horizon_days=0, **fitted))


def test_a_power_law_refuses_what_has_no_power() -> None:
    assert power(0.0, exponent=0.5) == 0.0
    assert math.isnan(power(-1.0, exponent=2))
    assert math.isnan(power(0.0, exponent=0.0))
    assert math.isnan(power(2.0, exponent=9.0))
    assert math.isnan(power(2.0, exponent=nan))
