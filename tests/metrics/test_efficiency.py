import math

import numpy as np
import pytest
from scipy.stats import norm

from metrics.efficiency import (
    SCORE_WEIGHTS,
    completion_probability,
    cost_efficiency,
    index_adjusted_bps,
    market_impact_bps,
    missing_parts,
    normal_cdf,
    performance_score,
    risk_bps,
    schedule_adherence,
    z_cost,
)

nan = math.nan
MOVE = {"arrival": 50.0, "side": -1}


def test_a_rising_stock_is_good_for_a_sale_beyond_what_the_index_did() -> None:
    adjusted = market_impact_bps(50.15, **MOVE, beta=1, index_return=0.0020)

    assert adjusted == pytest.approx(-10)


@pytest.mark.parametrize(("beta", "index_return"), [(nan, 0.002), (1.0, nan), (nan, nan)])
def test_without_beta_or_index_the_raw_move_is_shown(beta: float, index_return: float) -> None:
    raw = market_impact_bps(50.15, **MOVE, beta=beta, index_return=index_return)

    assert raw == pytest.approx(-30)


def test_no_impact_without_a_quote_or_an_arrival() -> None:
    assert math.isnan(market_impact_bps(nan, **MOVE, beta=1, index_return=0))
    assert math.isnan(market_impact_bps(50, arrival=0, side=1, beta=1, index_return=0))


def test_index_adjusted_slippage_is_missing_without_beta() -> None:
    assert index_adjusted_bps(31.4, side=-1, beta=1.2, index_return=0.001) == pytest.approx(43.4)
    assert math.isnan(index_adjusted_bps(31.4, side=1, beta=nan, index_return=0.001))


def test_risk_is_never_below_half_a_spread_or_a_tick() -> None:
    calm = {"half_spread_bps": 2.5, "tick_bps": 2.0}

    assert risk_bps(1.0, seconds=300, **calm) == 10.0
    assert risk_bps(1.0, seconds=0, **calm) == 2.5
    assert risk_bps(1.0, seconds=0, half_spread_bps=1.0, tick_bps=2.0) == 2.0
    assert risk_bps(1.0, seconds=300, half_spread_bps=nan, tick_bps=nan) == 10.0


@pytest.mark.parametrize(("sigma", "seconds"), [(nan, 1), (-1, 1), (1, nan), (1, -1)])
def test_risk_needs_volatility_and_time(sigma: float, seconds: float) -> None:
    assert math.isnan(risk_bps(sigma, seconds=seconds, half_spread_bps=1, tick_bps=1))


def test_a_cost_as_expected_has_an_efficiency_of_one_half() -> None:
    z = z_cost(12.0, expected_bps=12.0, risk_bps=10.0)

    assert cost_efficiency(z) == 0.5
    assert math.isnan(z_cost(12.0, expected_bps=12.0, risk_bps=0.0))
    assert math.isnan(z_cost(12.0, expected_bps=nan, risk_bps=10.0))
    assert math.isnan(cost_efficiency(nan))


def test_the_normal_distribution_is_scipys() -> None:
    x = np.linspace(-8, 8, 65)

    assert normal_cdf(x) == pytest.approx(norm.cdf(x), rel=1e-12)
    assert cost_efficiency(x) == pytest.approx(norm.sf(x), rel=1e-12)


def test_being_ahead_of_schedule_earns_nothing_extra() -> None:
    assert schedule_adherence(1.7) == 1.0
    assert schedule_adherence(0.6) == 0.6
    assert math.isnan(schedule_adherence(nan))


def test_completion_follows_the_cohorts_rate() -> None:
    cohort = {"rate_mean": 10.0, "rate_sd": 3.0, "n": 50}

    assert completion_probability(600, seconds_left=60, **cohort) == 0.5
    assert completion_probability(420, seconds_left=60, **cohort) == pytest.approx(norm.cdf(1))
    assert completion_probability(0, seconds_left=0, **cohort) == 1.0
    assert completion_probability(1, seconds_left=0, **cohort) == 0.0


@pytest.mark.parametrize(("sd", "n"), [(3.0, 29), (3.0, nan), (0.0, 50), (nan, 50)])
def test_a_small_cohort_forecasts_nothing(sd: float, n: float) -> None:
    assert math.isnan(completion_probability(600, seconds_left=60, rate_mean=10, rate_sd=sd, n=n))


FAIR = {"adherence": 0.5, "completion": 0.5, "markout_pct": 0.5, "fill_rate_pct": 0.5}


def test_the_default_weights_add_up_and_each_part_is_worth_its_weight() -> None:
    assert sum(SCORE_WEIGHTS.values()) == pytest.approx(1.0)
    parts = dict.fromkeys(SCORE_WEIGHTS, 0.0)
    for name, weight in SCORE_WEIGHTS.items():
        alone = parts | {name: 1.0}
        assert performance_score(alone.pop("cost_efficiency"), **alone) == pytest.approx(
            100 * weight
        )


def test_missing_parts_leave_the_weights_of_the_others() -> None:
    some = performance_score(1.0, **FAIR | {"completion": nan, "fill_rate_pct": nan})

    assert some == pytest.approx(100 * (0.40 + 0.10 + 0.075) / 0.75)
    assert missing_parts(cost_efficiency=1.0, **FAIR | {"completion": nan}) == ("completion",)


def test_no_part_is_no_score() -> None:
    assert math.isnan(performance_score(nan, **dict.fromkeys(FAIR, nan)))
    assert missing_parts() == tuple(SCORE_WEIGHTS)


def test_a_part_beyond_its_range_counts_as_its_limit() -> None:
    assert performance_score(1.7, **FAIR) == performance_score(1.0, **FAIR)
    assert performance_score(-0.5, **FAIR) == performance_score(0.0, **FAIR)


def test_weights_of_our_own_replace_the_defaults() -> None:
    only_cost = {"w_adherence": 0, "w_completion": 0, "w_markout": 0, "w_fill_rate": 0}

    assert performance_score(0.25, **FAIR, w_cost=1, **only_cost) == 25.0
    assert math.isnan(performance_score(0.25, **FAIR, w_cost=0, **only_cost))
