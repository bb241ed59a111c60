import pickle

import numpy as np

from domain.columns import EVENT
from domain.evaluations import EVALUATED_METRICS, EVALUATION, SHARED_COLUMNS, InForce
from domain.instants import NO_TIME
from domain.rows import (
    BENCHMARKS,
    FILL,
    FILL_IN_KERNELS,
    HEADER,
    HEADER_FIELDS,
    HORIZON_NAMES,
    HORIZONS,
    LATER_METRICS,
    ORDER,
    ORDER_IN_KERNELS,
    ORDER_METRICS,
    REVERSION_HORIZONS,
    STATUS,
    STATUS_IN_KERNELS,
    STATUS_METRICS,
    Rows,
    Venues,
)

GOLDEN_HEADER = """
    order:u8 root:u8 parent:u8 symbol:u8 desk:u8 broker:u8 algo:u8 strategy:u8 trader:u8 client:u8
    currency:u8 cl_ord:u8 ts:i8 known:i8 seq:i8 events:i8 ts_ingest:i8 arrival_ts:i8
    decision_ts:i8 first_fill_ts:i8 last_fill_ts:i8 closed_ts:i8 start_ts:i8 end_ts:i8 quote_ts:i8
    kind:u1 state:u1 side:i1 side_code:u1 ord_type:u1 time_in_force:u1 asset_class:u1 schedule:u1
    provisional:u1 restated:u1 numbered:u1 has_children:u1 anomalies:u4 fills:i4 children:i4
    market_flags:i8 order_qty:f8 cum_qty:f8 leaves_qty:f8 avg_px:f8 last_qty:f8 last_px:f8
    limit_px:f8 routed_qty:f8 fee:f8 bid:f8 ask:f8 market_qty:f8 reported_cum_qty:f8
    reported_avg_px:f8 participation:f8 lot:f8 usual_spread_bps:f8 usual_qty:f8
"""
GOLDEN_STATUS = """
    execution_progress expected_progress execution_speed fill_rate fill_qty_per_s
    window_slippage_bps participation_rate participation_ex_own_rate own_matched_qty decision_px
    arrival_mid open near_touch far_touch interval_vwap vwap_ex_own twap limit slippage_bps
    slippage_ccy slippage_decision_bps slippage_open_bps slippage_near_touch_bps
    slippage_far_touch_bps slippage_interval_vwap_bps slippage_vwap_ex_own_bps slippage_twap_bps
    slippage_limit_bps slippage_index_adjusted_bps quoted_spread_bps effective_spread_bps
    effective_spread_exec_mid_bps eq_ratio price_improvement_bps spread_capture at_mid_pct
    near_side_pct far_side_pct shortfall_delay_ccy shortfall_delay_bps shortfall_trading_ccy
    shortfall_trading_bps shortfall_opportunity_ccy shortfall_opportunity_bps
    shortfall_explicit_ccy shortfall_explicit_bps shortfall_total_ccy shortfall_total_bps
    half_spread_paid_bps drift_bps first_fill_ms completion_ms ack_ms market_impact_bps
    expected_cost_bps risk_bps z_cost cost_efficiency performance_score
"""
GOLDEN_LATER = """
    close prev_close day_vwap pwp_10 pwp_20 slippage_close_bps slippage_prev_close_bps
    slippage_day_vwap_bps slippage_pwp_10_bps slippage_pwp_20_bps rpm shortfall_delay_exec_ccy
    shortfall_delay_exec_bps shortfall_opportunity_exec_ccy shortfall_opportunity_exec_bps
    realized_spread_50ms_bps realized_spread_1s_bps realized_spread_15s_bps
    realized_spread_60s_bps realized_spread_300s_bps price_impact_50ms_bps price_impact_1s_bps
    price_impact_15s_bps price_impact_60s_bps price_impact_300s_bps markout_cost_m60s_bps
    markout_cost_m30s_bps markout_cost_m5s_bps markout_cost_0s_bps markout_cost_1s_bps
    markout_cost_5s_bps markout_cost_30s_bps markout_cost_60s_bps markout_cost_300s_bps
    markout_cost_900s_bps markout_cost_1800s_bps markout_cost_3600s_bps
    markout_cost_next_close_bps reversion_1s_bps reversion_5s_bps reversion_30s_bps
    reversion_60s_bps reversion_300s_bps reversion_900s_bps reversion_1800s_bps
    reversion_3600s_bps reversion_next_close_bps
"""
GOLDEN_FILL = """
    order:u8 root:u8 symbol:u8 venue:u8 exec:u8 ts:i8 known:i8 seq:i8 pos:i8 source:u1 side:i1
    liquidity:u1 status:u1 anomalies:u4 last_qty:f8 last_px:f8 fee:f8 cum_qty:f8 bid:f8 ask:f8
    mid:f8 arrival_mid:f8 quote_ts:i8
"""
GOLDEN_HORIZONS = """
    m60s m30s m5s 0s 50ms 1s 5s 15s 30s 60s 300s 900s 1800s 3600s next_close
"""


def described(dtype):
    return [f"{n}:{dtype[n].base.str[1:]}" for n in dtype.names]


def test_the_names_of_the_rows_are_a_storage_format():
    assert described(HEADER) == GOLDEN_HEADER.split()
    assert list(STATUS_METRICS) == GOLDEN_STATUS.split()
    assert list(LATER_METRICS) == GOLDEN_LATER.split()
    assert list(HORIZON_NAMES) == GOLDEN_HORIZONS.split()
    assert described(FILL) == [
        *GOLDEN_FILL.split(), *(f"mid_{name}:f8" for name in GOLDEN_HORIZONS.split()),
    ]  # fmt: skip


def test_a_status_row_is_header_metrics_and_reasons_one_behind_the_other():
    for dtype, metrics in ((STATUS, STATUS_METRICS), (ORDER, ORDER_METRICS)):
        assert dtype.names == (*HEADER_FIELDS, *metrics, "reasons", "reserved")
        assert dtype["reasons"].shape == (len(metrics),)
        assert dtype.itemsize == HEADER.itemsize + 9 * len(metrics) + dtype["reserved"].itemsize
        assert dtype.itemsize % 8 == 0
        assert len(set(dtype.names)) == len(dtype.names)
    assert ORDER_METRICS[: len(STATUS_METRICS)] == STATUS_METRICS


def test_kernels_see_the_same_bytes():
    for named, plain, count in (
        (STATUS, STATUS_IN_KERNELS, len(STATUS_METRICS)),
        (ORDER, ORDER_IN_KERNELS, len(ORDER_METRICS)),
    ):
        row = np.zeros(1, plain)
        row["metrics"] = np.arange(count)
        row["reasons"] = 7
        seen = row.view(named)[0]
        assert [seen[name] for name in named.names[len(HEADER_FIELDS) : -2]] == list(range(count))
        assert (seen["reasons"] == 7).all()
    fill = np.zeros(1, FILL_IN_KERNELS)
    fill["mids"] = np.arange(len(HORIZON_NAMES))
    assert fill.view(FILL)["mid_next_close"] == len(HORIZON_NAMES) - 1


def test_every_benchmark_has_its_slippage():
    for name in BENCHMARKS:
        assert f"slippage_{name}_bps" in STATUS_METRICS


def test_horizons_run_forward_in_time():
    assert list(HORIZONS.values()) == sorted(HORIZONS.values())
    assert HORIZONS["m60s"] == -60_000_000_000
    assert HORIZONS["3600s"] == 3_600_000_000_000
    assert all(HORIZONS[name] > 0 for name in REVERSION_HORIZONS[:-1])


def test_venues_belong_to_their_row():
    venues = Venues(np.array([0, 2, 2, 3]), np.array([7, 8, 9], "u8"), np.array([1.0, 2.0, 3.0]))
    assert [venues.of(i) for i in range(3)] == [[(7, 1.0), (8, 2.0)], [], [(9, 3.0)]]


def test_rows_without_anything_are_empty_arrays():
    first, second = Rows(), Rows()
    assert (first.status.dtype, first.orders.dtype) == (STATUS, ORDER)
    assert (first.fills.dtype, first.timeline.dtype) == (FILL, EVENT)
    assert len(first.status) == len(first.orders) == len(first.fills) == len(first.timeline) == 0
    assert first.watermark == NO_TIME
    first.names[1] = "IBM"
    assert second.names == {}
    assert len(first.status_venues.start) == 1


def test_an_evaluation_has_the_columns_of_the_status_that_was_judged():
    assert all(EVALUATION[name] == STATUS[name] for name in SHARED_COLUMNS)
    assert set(EVALUATED_METRICS) == set(SHARED_COLUMNS) & set(STATUS_METRICS)
    assert set(EVALUATION.names) - set(SHARED_COLUMNS) == {"part", "thresholds", "reserved"}
    assert EVALUATION.itemsize % 8 == 0


def test_rows_take_only_the_names_they_use_to_another_process():
    rows = Rows(names={1: "IBM", 2: "BAC", 3: "XNYS", 4: "unused", 5: "D", 6: "A"}, watermark=9)
    rows.references, rows.end = [(4, b"{}")], 11
    rows.status = np.zeros(1, STATUS)
    rows.status["symbol"], rows.status["desk"] = 1, 5
    rows.fills = np.zeros(1, FILL)
    rows.fills["symbol"] = 2
    rows.status_venues = Venues(np.array([0, 1]), np.array([3], "u8"), np.array([1.0]))

    rows.evaluations = np.zeros(1, EVALUATION)
    rows.evaluations["order"] = 6
    rows.thresholds = [InForce({"HIGH_COST": 3.0}, {})]

    copy = pickle.loads(pickle.dumps(rows))

    assert dict(copy.names) == {1: "IBM", 2: "BAC", 3: "XNYS", 5: "D", 6: "A"}
    assert copy.keys() == {0, 1, 2, 3, 5, 6}
    assert copy.evaluations.tobytes() == rows.evaluations.tobytes()
    assert copy.thresholds == rows.thresholds
    assert copy.status.tobytes() == rows.status.tobytes()
    assert copy.status_venues.of(0) == [(3, 1.0)]
    assert (copy.watermark, copy.references, copy.end) == (9, [(4, b"{}")], 11)
