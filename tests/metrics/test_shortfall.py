import math

import numpy as np
import pytest

import metrics.shortfall
from domain.errors import InputError, ReconciliationError
from metrics.shortfall import (
    Shortfall,
    Tranche,
    delay_ccy,
    implementation_shortfall,
    opportunity_ccy,
    perold_ccy,
    trading_ccy,
)

nan = math.nan


def bought(**changes: object) -> Shortfall:
    """7 of 10 bought at 103 after a decision at 100 and an arrival at 101; 104 at the end."""
    facts: dict = {
        "tranches": [Tranche(10, decision_px=100.0, arrival=101.0)],
        "side": 1,
        "prices": np.array([102.0, 103.75]),
        "quantities": np.array([3, 4]),
        "final_px": 104.0,
    }
    facts |= changes
    return implementation_shortfall(facts.pop("tranches"), **facts)


def test_without_a_decision_price_the_shortfall_counts_from_arrival_and_says_so() -> None:
    found = bought(tranches=[Tranche(10, decision_px=nan, arrival=101.0)])

    assert found.market_only
    assert math.isnan(found.delay_ccy)
    assert math.isnan(found.delay_exec_ccy)
    assert math.isnan(found.opportunity_exec_ccy)
    assert found.total_ccy == pytest.approx(found.trading_ccy + found.opportunity_ccy)
    assert found.paper_notional_ccy == 1010


def test_an_order_that_is_complete_needs_no_final_price() -> None:
    found = bought(quantities=np.array([6, 4]), final_px=nan)

    assert found.opportunity_ccy == 0.0
    assert found.total_ccy == pytest.approx(6 * 2 + 4 * 3.75)


def test_an_order_without_fills_costs_delay_and_opportunity() -> None:
    found = bought(prices=np.empty(0), quantities=np.empty(0))

    assert (found.delay_ccy, found.trading_ccy, found.opportunity_ccy) == (10, 0, 30)
    assert found.total_ccy == 40
    assert (found.half_spread_paid_ccy, found.drift_ccy) == (0, 0)


def test_an_open_order_without_a_final_price_has_no_total() -> None:
    found = bought(final_px=nan)

    assert math.isnan(found.opportunity_ccy)
    assert math.isnan(found.total_ccy)
    assert found.delay_ccy == 10


def test_a_missing_fee_table_leaves_the_total_missing() -> None:
    found = bought(fees=nan)

    assert math.isnan(found.explicit_ccy)
    assert math.isnan(found.total_ccy)
    assert found.trading_ccy == pytest.approx(14.0)


def test_without_an_arrival_price_the_total_still_stands() -> None:
    found = bought(tranches=[Tranche(10, decision_px=100.0, arrival=nan)])

    assert math.isnan(found.delay_ccy)
    assert math.isnan(found.trading_ccy)
    assert found.total_ccy == pytest.approx(3 * 2 + 4 * 3.75 + 3 * 4)


def test_an_overfill_is_valued_at_the_final_price() -> None:
    found = bought(quantities=np.array([8, 4]))

    assert found.total_ccy == pytest.approx(8 * 2 + 4 * 3.75 - 2 * 4)


def test_each_tranche_counts_from_its_own_decision() -> None:
    amended = [Tranche(5, decision_px=100.0, arrival=101.0), Tranche(5, 103.0, 103.5)]

    found = bought(tranches=amended)

    assert found.delay_ccy == pytest.approx(5 * 1 + 5 * 0.5)
    assert found.trading_ccy == pytest.approx(3 * 1 + 2 * 2.75 + 2 * 0.25)
    assert found.opportunity_ccy == pytest.approx(3 * 0.5)
    assert found.delay_exec_ccy == pytest.approx(5 * 1 + 2 * 0.5)
    assert found.opportunity_exec_ccy == pytest.approx(3 * 1.0)
    assert found.paper_notional_ccy == 5 * 100 + 5 * 103


def test_drift_splits_into_market_model_and_residual() -> None:
    facts = {
        "mids": np.array([101.5, 103.5]),
        "beta": 1.2,
        "index_returns": np.array([0.001, 0.002]),
        "modelled_impact_ccy": 2.5,
    }

    found = bought(**facts)

    assert found.half_spread_paid_ccy == pytest.approx(3 * 0.5 + 4 * 0.25)
    assert found.drift_ccy == pytest.approx(3 * 0.5 + 4 * 2.5)
    assert found.market_drift_ccy == pytest.approx(101 * 1.2 * (3 * 0.001 + 4 * 0.002))
    assert found.residual_ccy == pytest.approx(found.drift_ccy - found.market_drift_ccy - 2.5)


def test_without_an_index_the_residual_is_still_shown() -> None:
    found = bought(mids=np.array([101.5, 103.5]), modelled_impact_ccy=2.5)

    assert math.isnan(found.market_drift_ccy)
    assert found.residual_ccy == pytest.approx(found.drift_ccy - 2.5)


def test_a_record_has_every_part_in_money_and_in_bps() -> None:
    record = bought(to_date=True).as_record()

    assert record["shortfall_delay_ccy"] == 10
    assert record["shortfall_delay_bps"] == pytest.approx(100)
    assert record["shortfall_opportunity_exec_bps"] == pytest.approx(120)
    assert math.isnan(record["drift_bps"])
    assert bought(to_date=True).to_date


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(InputError, match=r"one value for each fill, got \[2, 1, 2, 2\]"):
        bought(quantities=np.array([1]))


@pytest.mark.parametrize("side", [0, 2])
def test_an_unknown_side_is_refused(side: int) -> None:
    with pytest.raises(InputError, match="side must be 1 for a purchase or -1 for a sale"):
        bought(side=side)


@pytest.mark.parametrize("wrong", ["delay_ccy", "opportunity_ccy"])
def test_parts_that_do_not_add_up_are_never_shown(wrong: str, monkeypatch) -> None:
    monkeypatch.setattr(metrics.shortfall, wrong, lambda *_, **__: np.array([999.0]))

    with pytest.raises(ReconciliationError, match="the parts of the shortfall add up to"):
        bought()


def test_nothing_executed_has_no_trading_cost_and_nothing_left_no_opportunity() -> None:
    assert trading_ccy(100.0, avg_px=nan, qty=0, side=1) == 0.0
    assert opportunity_ccy(100.0, final_px=nan, unfilled_qty=0, side=1) == 0.0
    assert math.isnan(delay_ccy(nan, arrival=100.0, qty=10, side=1))
    assert math.isnan(
        perold_ccy(nan, avg_px=1, filled_qty=1, final_px=1, unfilled_qty=1, explicit=0, side=1)
    )
