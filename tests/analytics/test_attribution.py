"""Costs taken apart: the parts sum to the total, and what is not known says why."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.attribution import attribute
from analytics.benchmark_rows import compare
from analytics.execution import analytics_of, whole_record
from metrics.slippage import cost_ccy

# G1 of the worked examples: 10,000 to buy, 7,000 filled, the rest cancelled.
G1 = {
    "order_id": "G1", "side": "BUY", "state": "CANCELLED", "order_qty": 10_000.0,
    "cum_qty": 7_000.0, "avg_px": 351_800 / 7_000, "decision_px": 50.0, "arrival_mid": 50.10,
    "slippage_bps": 31.3658397491, "slippage_ccy": 1_100.0, "half_spread_paid_bps": 10.0,
    "drift_bps": 21.3658397491, "currency": "USD",
    **{f"shortfall_{part}_ccy": ccy for part, ccy in
       {"delay": 1_000.0, "trading": 1_100.0, "opportunity": 1_200.0, "explicit": 75.0,
        "total": 3_375.0}.items()},
    **{f"shortfall_{part}_bps": bps for part, bps in
       {"delay": 20.0, "trading": 22.0, "opportunity": 24.0, "explicit": 1.5,
        "total": 67.5}.items()},
    "reasons": {}, "caveats": {},
}  # fmt: skip


WITH_IMPACT = {**G1, "expected_cost_bps": 7.0, "usual_spread_bps": 4.0}


def parts(record):
    return {part.name: part for part in attribute(record).parts}


def summed(record, unit):
    found = attribute(record)
    return math.fsum(getattr(p, unit) or 0.0 for p in found.parts), getattr(found.total, unit)


def test_the_parts_of_the_worked_example_sum_to_its_total():
    found = parts(G1)

    assert (found["delay"].ccy, found["opportunity"].ccy, found["explicit"].ccy) == (
        1_000.0, 1_200.0, 75.0,
    )  # fmt: skip
    assert found["half_spread"].ccy == pytest.approx(350.7)
    assert found["timing_residual"].ccy == pytest.approx(749.3)
    for unit in ("ccy", "bps"):
        total, expected = summed(G1, unit)
        assert total == pytest.approx(expected, abs=1e-9)


def test_the_residual_is_what_spread_and_modelled_impact_leave():
    found = parts(WITH_IMPACT)

    assert found["impact"].ccy == pytest.approx(5e-4 * 7_000 * 50.10)
    assert found["timing_residual"].ccy == pytest.approx(749.3 - 175.35)
    assert found["market"].reason == "NO_INDEX"
    total, expected = summed(WITH_IMPACT, "ccy")
    assert total == pytest.approx(expected, abs=1e-9)


def test_without_a_fill_or_a_record_the_impact_says_why_it_is_null():
    unfilled = {**WITH_IMPACT, "slippage_bps": None, "reasons": {"slippage_bps": "NO_FILL"}}
    unknown = {**G1, "reasons": {"expected_cost_bps": "NO_REFERENCE"}}

    assert parts(unfilled)["impact"].reason == "NO_FILL"
    assert parts(unknown)["impact"].reason == "NO_REFERENCE"


def test_what_the_index_explains_is_the_market_s_part():
    found = parts({**WITH_IMPACT, "slippage_index_adjusted_bps": 19.3658397491})

    assert found["market"].bps == pytest.approx(found["market"].ccy / 500_000 * 1e4)
    assert found["market"].ccy == pytest.approx(12e-4 * 7_000 * 50.10)
    assert found["timing_residual"].ccy == pytest.approx(749.3 - 175.35 - 420.84)
    total, expected = summed({**G1, "slippage_index_adjusted_bps": 19.0}, "ccy")
    assert total == pytest.approx(expected, abs=1e-9)


def test_where_executions_met_no_quote_the_half_spread_is_null_and_the_residual_takes_it():
    partly = {**G1, "drift_bps": 15.0}

    found = parts(partly)

    assert (found["half_spread"].ccy, found["half_spread"].reason) == (None, "NO_QUOTE")
    assert found["timing_residual"].ccy == 1_100.0


def test_without_a_decision_price_the_total_counts_from_arrival():
    record = {
        **G1, "decision_px": None, "shortfall_delay_ccy": None, "shortfall_delay_bps": None,
        "shortfall_total_ccy": 2_375.0, "shortfall_total_bps": 2_375 / 501_000 * 1e4,
        "reasons": {"shortfall_delay_ccy": "NO_DECISION"},
        "caveats": {"shortfall_total_ccy": "NO_DECISION"},
    }  # fmt: skip

    found = attribute(record)

    assert found.caveat == "NO_DECISION"
    assert found.part("delay").reason == "NO_DECISION"
    assert summed(record, "ccy")[0] == pytest.approx(2_375.0)
    costs = analytics_of(record)["cost_analysis"]
    assert costs["shortfall"]["from_price"] == "ARRIVAL"
    assert costs["shortfall"]["paper_notional_ccy"] == 501_000.0


def test_an_order_that_was_never_accepted_has_every_part_null_with_its_reason():
    names = ("delay", "trading", "opportunity", "total")
    record = {
        "order_id": "X", "state": "UNKNOWN", "reasons": {
            **{f"shortfall_{n}_ccy": "NO_ARRIVAL" for n in names},
            "half_spread_paid_bps": "NO_ARRIVAL",
        }, "shortfall_explicit_ccy": 1.0, "shortfall_explicit_bps": None,
    }  # fmt: skip

    found = attribute(record)

    assert found.total.ccy is None
    assert {p.name: p.reason for p in found.parts if p.ccy is None} == {
        "delay": "NO_ARRIVAL", "half_spread": "NO_ARRIVAL", "impact": "NO_REFERENCE",
        "market": "NO_INDEX", "timing_residual": "NO_ARRIVAL", "opportunity": "NO_ARRIVAL",
    }  # fmt: skip
    assert analytics_of(record)["cost_analysis"]["implicit"]["total"]["reason"] == "NO_ARRIVAL"


@given(
    half=st.floats(-50, 50), drift=st.floats(-50, 50), delay=st.floats(-1e4, 1e4),
    lost=st.floats(-1e4, 1e4), fee=st.floats(0, 1e3), impact=st.none() | st.floats(-20, 20),
)  # fmt: skip
def test_whatever_the_parts_are_they_sum_to_the_total(half, drift, delay, lost, fee, impact):
    paper = 500_000.0
    trading = (half + drift) * 1e-4 * 7_000 * 50.10
    money = {"delay": delay, "trading": trading, "opportunity": lost, "explicit": fee}
    money["total"] = delay + trading + lost + fee
    record = {
        **WITH_IMPACT, "expected_cost_bps": impact, "half_spread_paid_bps": half,
        "drift_bps": drift, "slippage_bps": half + drift,
        **{f"shortfall_{part}_ccy": ccy for part, ccy in money.items()},
        **{f"shortfall_{part}_bps": ccy / paper * 1e4 for part, ccy in money.items()},
    }  # fmt: skip

    for unit in ("ccy", "bps"):
        total, expected = summed(record, unit)
        assert total == pytest.approx(expected, abs=1e-9)


def test_a_benchmark_s_cost_in_money_is_the_metric_s_own():
    record = {**G1, "twap": 50.2, "slippage_twap_bps": 11.0, "arrival_ts": "2026-01-01T00:00:00Z"}

    for side, sign in (("BUY", 1), ("SELL_SHORT", -1)):
        rows = {row.benchmark: row for row in compare({**record, "side": side})}
        assert rows["twap"].slippage_ccy == cost_ccy(
            G1["avg_px"], benchmark=50.2, qty=7_000.0, side=sign
        )
    assert rows["arrival"].slippage_ccy == 1_100.0


def test_every_benchmark_has_a_row_with_its_window_or_the_reason_why_it_is_null():
    record = whole_record(
        {**G1, "arrival_ts": "A", "last_fill_ts": "F", "as_of": "N", "decision_ts": "D",
         "reasons": {"limit": "NO_LIMIT", "slippage_limit_bps": "NO_LIMIT",
                     "twap": "TOO_EARLY", "slippage_twap_bps": "TOO_EARLY"}},
        None,
    )  # fmt: skip

    rows = {row.benchmark: row for row in compare(record)}

    assert len(rows) == 14
    assert (rows["twap"].window_start, rows["twap"].window_end) == ("A", "F")
    assert (rows["decision"].window_start, rows["decision"].window_end) == ("D", "D")
    assert rows["limit"].reason == "NO_LIMIT"
    assert rows["day_vwap"].reason == "PENDING"
    still = compare({**record, "state": "PARTIALLY_FILLED"})
    assert next(row for row in still if row.benchmark == "twap").window_end == "N"


def test_later_metrics_come_from_the_record_with_their_reasons():
    record = {"rpm": 16.0, "close": None, "reasons": {"close": "UNOBSERVED"},
              "caveats": {"rpm": "LATE"}}  # fmt: skip

    found = whole_record(G1, record)

    assert (found["rpm"], found["caveats"]["rpm"]) == (16.0, "LATE")
    assert found["reasons"]["close"] == "UNOBSERVED"
    assert found["reasons"]["day_vwap"] == "PENDING"
    assert G1["reasons"] == {}
