"""What thresholds would have made of kept evaluations, worked out by hand."""

import numpy as np
import pytest

from domain.evaluations import EVALUATION, Part
from domain.instants import SECOND
from domain.published import Severity
from rules.levels import CAPS, limits_of, widest
from rules.preview import alerts_of, judged_again, not_kept_for

T0 = 1_700_000_000 * SECOND
NAMES = {1: "A", 2: "B", 90: "X", 91: "D"}


def evaluations(gaps, order=1, **columns):
    """A stretch of an order that is so far behind, 5 s apart, then its end."""
    rows = np.zeros(len(gaps) + 1, EVALUATION)
    rows["order"] = rows["root"] = order
    rows["symbol"], rows["desk"], rows["side"] = 90, 91, 1
    rows["known"] = T0 + 5 * SECOND * np.arange(len(rows))
    rows["part"] = Part.KEPT
    rows["part"][0], rows["part"][-1] = Part.BEGINS, Part.ENDS
    rows["order_qty"], rows["usual_spread_bps"] = 10_000, 2.0
    rows["execution_progress"] = 0.3
    rows["expected_progress"] = 0.3 + np.array([*gaps, gaps[-1]])
    for name, values in columns.items():
        rows[name] = values
    return rows


def told(rows, *asked, which=None):
    limits = np.concatenate([limits_of(one) for one in asked or ({},)])
    which = np.zeros(len(rows), np.int64) if which is None else np.array(which)
    return alerts_of(judged_again(rows, which, limits, NAMES))


def test_three_in_a_row_raise_an_alert_that_ends_with_its_order():
    [one] = told(evaluations([0.25] * 4))
    assert (one.scope, one.desk, one.symbol, one.type) == ("A", "D", "X", "SLOW_EXECUTION")
    assert one.severity is Severity.MEDIUM
    assert (one.started_at - T0, one.ended_at - T0) == (10 * SECOND, 20 * SECOND)


def test_low_ones_are_told_to_nobody_until_they_rise():
    assert told(evaluations([0.15] * 9)) == []
    [one] = told(evaluations([0.15] * 3 + [0.25] * 3))
    assert one.started_at - T0 == 10 * SECOND


def test_each_order_begins_anew_and_so_does_each_stretch():
    rows = np.concatenate([evaluations([0.25] * 2), evaluations([0.25] * 2, order=2)])
    assert told(rows) == []
    rows = evaluations([0.25] * 4)
    rows["part"][2] = Part.BEGINS
    assert told(rows) == []


def test_limits_may_change_within_an_order():
    mild, harsh = {"SLOW_EXECUTION": 0.2}, {"SLOW_EXECUTION": 0.9}
    rows = evaluations([0.25] * 6)
    assert told(rows, mild, harsh, which=[1] * 7) == []
    [one] = told(rows, mild, harsh, which=[1, 1, 0, 0, 0, 0, 0])
    assert one.started_at - T0 == 20 * SECOND


def test_the_end_of_a_short_order_is_judged_by_itself():
    rows = evaluations([0.25])[1:]
    rows["part"] = Part.SHORT
    [one] = told(rows)
    assert one.started_at == one.ended_at


def test_an_alert_that_goes_on_has_no_end():
    [one] = told(evaluations([0.25] * 4)[:-1])
    assert one.ended_at is None


@pytest.mark.parametrize(
    ("thresholds", "wanting"),
    [
        ({}, []),
        ({"SLOW_EXECUTION": 0.1, "HIGH_COST": 1.25, "MARKET_IMPACT": 1.25}, []),
        ({"SLOW_EXECUTION": 0.09, "HIGH_COST": 1.0, "MARKET_IMPACT": 1.0}, ["SLOW_EXECUTION"]),
        ({"SLIPPAGE": 37.5, "MARKET_IMPACT_BPS": 75.0}, []),
        ({"SLIPPAGE": 37.0, "MARKET_IMPACT_BPS": 70.0}, ["MARKET_IMPACT_BPS", "SLIPPAGE"]),
        ({"FILL_RATE": 0.1, "EXECUTION_SPEED": 0.1, "COST_EFFICIENCY": 0.1},
         ["COST_EFFICIENCY", "EXECUTION_SPEED", "FILL_RATE"]),
    ],
)  # fmt: skip
def test_thresholds_milder_than_what_is_kept_are_named(thresholds, wanting):
    assert not_kept_for(thresholds) == wanting


def test_the_widest_limits_are_the_milder_of_ones_own_and_the_defaults():
    own = {"SLOW_EXECUTION": 0.5, "HIGH_COST": 2.0, "SLIPPAGE": 20.0, "FILL_RATE": 0.7}
    [row] = widest(limits_of(own))
    [plain] = limits_of({})
    assert row["slow"].tolist() == plain["slow"].tolist()
    assert row["cost"].tolist() == pytest.approx([1.6, 2.0, 2.4, 3.2])
    assert (row["SLIPPAGE"], row["MARKET_IMPACT_BPS"]) == (20.0, CAPS["MARKET_IMPACT_BPS"])
    assert row["FILL_RATE"] == 0.7
    assert np.isnan(row["EXECUTION_SPEED"])
    assert row["slow_is_asked"]
