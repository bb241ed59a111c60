import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.instants import SECOND
from domain.vocabulary import Anomaly, OrderState
from operators.market.logic import MarketSettings


def worked_example(tape):
    """The tape of the metrics document: mids 50.10, 50.16, 50.30."""
    tape.quote(-1, 50.09, 50.11)
    prints = [
        (0, 1000, 50.12), (1, 2000, 50.20), (2, 1500, 50.18), (3, 3000, 50.25),
        (4, 2500, 50.22), (5, 2000, 50.325), (6, 3000, 50.30), (7, 5000, 50.28),
        (8, 20000, 50.26),
    ]  # fmt: skip
    own = {1: "e1", 3: "e3", 5: "e5"}
    for t, size, price in prints:
        if t == 2:
            tape.quote(2, 50.15, 50.17)
        if t == 5:
            tape.quote(5, 50.29, 50.31)
        tape.trade(t, price, size, exec_id=own.get(t))


def test_the_worked_example_comes_out_of_the_pipeline_as_by_hand(tape, run, lab):
    worked_example(tape)
    tape.accept(0, 10_000, decision_px=50.0)
    for i, (t, qty, px) in enumerate([(1, 2000, 50.20), (3, 3000, 50.25), (5, 2000, 50.325)]):
        tape.fill(t, qty, px, f"e{t}", fee=25.0, cum_qty=(2000, 5000, 7000)[i])
    tape.quote(8.5, 50.49, 50.51)
    tape.say("order_cancelled", 9)

    found = lab.record(run(tape))

    assert found["avg_px"] == pytest.approx(50.2571428571, abs=1e-9)
    assert found["slippage_bps"] == pytest.approx(31.3658397491, abs=1e-9)
    for part, ccy, bps in (
        ("delay", 1000, 20), ("trading", 1100, 22), ("opportunity", 1200, 24),
        ("explicit", 75, 1.5), ("total", 3375, 67.5),
    ):  # fmt: skip
        assert found[f"shortfall_{part}_ccy"] == pytest.approx(ccy, abs=1e-7)
        assert found[f"shortfall_{part}_bps"] == pytest.approx(bps, abs=1e-9)
    assert found["shortfall_delay_exec_ccy"] == pytest.approx(700, abs=1e-7)
    assert found["shortfall_opportunity_exec_ccy"] == pytest.approx(1500, abs=1e-7)
    assert found["interval_vwap"] == pytest.approx(50.2283333, abs=1e-7)
    assert found["vwap_ex_own"] == pytest.approx(50.188, abs=1e-9)
    assert found["own_matched_qty"] == 7000
    assert found["participation_rate"] == pytest.approx(0.583333, abs=1e-6)
    assert found["slippage_interval_vwap_bps"] == pytest.approx(5.7357117, abs=1e-7)
    assert found["slippage_vwap_ex_own_bps"] == pytest.approx(13.7767708, abs=1e-7)
    assert found["twap"] == pytest.approx(50.136, abs=1e-9)


def test_the_second_worked_example_spreads_of_one_fill(tape, run, lab):
    tape.quote(-1, 185.09, 185.11)
    tape.accept(0, 100)
    tape.fill(0.5, 100, 185.105, "e1")
    tape.quote(4, 185.11, 185.13)
    tape.quote(70, 185.11, 185.13)

    found = lab.record(run(tape))

    assert found["effective_spread_bps"] == pytest.approx(0.5402485, abs=1e-7)
    assert found["price_improvement_bps"] == pytest.approx(0.005 / 185.10 * 1e4, abs=1e-9)
    assert found["eq_ratio"] == pytest.approx(0.5, abs=1e-9)
    assert found["markout_cost_5s_bps"] == pytest.approx(-0.8103509, abs=1e-7)
    assert found["realized_spread_15s_bps"] == pytest.approx(-0.03 / 185.10 * 1e4, abs=1e-9)
    assert found["price_impact_15s_bps"] == pytest.approx(0.04 / 185.10 * 1e4, abs=1e-9)
    assert found["markout_cost_300s_bps"] == "UNOBSERVED"


def test_a_replayed_fill_is_counted_once(tape, run, lab):
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 100)
    tape.fill(1, 40, 10.0, "e1", cum_qty=40.0)
    tape.fill(1, 40, 10.0, "e1", cum_qty=40.0)
    tape.fill(2, 40, 10.0, "e1", cum_qty=40.0)

    found = lab.record(run(tape))

    assert found["cum_qty"] == 40
    assert found["fills"] == 1


def test_one_exec_id_may_stand_for_several_fills_where_the_total_says_so(tape, run, lab):
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 100)
    for i in range(1, 6):
        tape.fill(2, 20, 10.0, "same", cum_qty=20.0 * i)

    found = lab.record(run(tape))

    assert found["cum_qty"] == 100
    assert found["fills"] == 5
    assert found["anomalies"] & Anomaly.EXEC_ID_REUSED
    assert found["state"] == OrderState.FILLED


def test_without_a_total_only_an_equal_fill_is_a_repeat(tape, run, lab):
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 100)
    tape.fill(1, 20, 10.0, "e1", seq=1)
    tape.fill(1, 20, 10.0, "e1", seq=2)
    tape.fill(1, 30, 10.0, "e1", seq=3)

    found = lab.record(run(tape))

    assert found["cum_qty"] == 50


def test_a_total_that_falls_without_a_bust_is_flagged_and_not_summed(tape, run, lab):
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 100)
    tape.fill(1, 50, 10.0, "e1", cum_qty=50.0)
    tape.fill(2, 10, 10.0, "e2", cum_qty=30.0)

    found = lab.record(run(tape))

    assert found["cum_qty"] == 50
    assert found["anomalies"] & Anomaly.CUM_QTY_FELL


def test_a_bust_leaves_the_order_as_if_the_fill_had_never_been(tape, run, lab):
    for with_bust in (False, True):
        tape.quote(-1, 9.9, 10.1)
        tape.accept(0, 100)
        tape.fill(1, 40, 10.05, "e1", fee=0.4)
        if with_bust:
            tape.fill(2, 60, 10.2, "e2", fee=0.6)
            tape.say("fill_busted", 20, exec_ref_id="e2")
        tape.quote(30, 9.8, 10.0)
        tape.quote(400, 9.7, 9.9)
        found = lab.record(run(tape))
        if not with_bust:
            plain = found
            tape.market.clear()
            tape.orders.clear()

    for name, value in plain.items():
        if name in {"events", "kind", "known", "ts", "seq", "anomalies", "restated"}:
            continue
        assert found[name] == value or (value != value and found[name] != found[name]), name
    assert found["state"] == OrderState.PARTIALLY_FILLED


def test_a_correction_restates_price_and_quantity(tape, run, lab):
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 100)
    tape.fill(1, 60, 10.2, "e1")
    tape.say("fill_corrected", 3, exec_id="e1c", exec_ref_id="e1", last_qty=50.0, last_px=10.1)
    tape.say("fill_corrected", 4, exec_id="e1d", exec_ref_id="e1c", last_qty=50.0, last_px=10.0)
    rows = run(tape)

    found = lab.record(rows)

    assert (found["cum_qty"], found["avg_px"]) == (50, 10.0)
    assert lab.last_status(rows)["restated"] == 1


def test_a_bust_that_comes_before_its_fill_still_holds(tape, run, lab):
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 100)
    tape.say("fill_busted", 1, exec_ref_id="e1")
    tape.fill(2, 60, 10.2, "e1")

    assert lab.record(run(tape))["cum_qty"] == 0


def test_a_bust_of_an_unknown_execution_is_shown(tape, run, lab):
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 100)
    tape.say("fill_busted", 1, exec_ref_id="never")

    assert lab.record(run(tape))["anomalies"] & Anomaly.UNKNOWN_EXEC


STEPS = {
    "new": ([("order_accepted", {"order_qty": 100.0})], OrderState.NEW),
    "pending cancel": (
        [("order_accepted", {"order_qty": 100.0}), ("order_pending_cancel", {})],
        OrderState.PENDING_CANCEL,
    ),
    "cancel rejected": (
        [
            ("order_accepted", {"order_qty": 100.0}),
            ("order_pending_cancel", {}),
            ("cancel_rejected", {}),
        ],
        OrderState.NEW,
    ),
    "cancelled": (
        [("order_accepted", {"order_qty": 100.0}), ("order_cancelled", {})],
        OrderState.CANCELLED,
    ),
    "rejected": ([("order_rejected", {})], OrderState.REJECTED),
    "expired": (
        [("order_accepted", {"order_qty": 100.0}), ("order_expired", {})],
        OrderState.EXPIRED,
    ),
    "done for day": (
        [("order_accepted", {"order_qty": 100.0}), ("order_done_for_day", {})],
        OrderState.DONE_FOR_DAY,
    ),
    "suspended": (
        [("order_accepted", {"order_qty": 100.0}), ("order_suspended", {})],
        OrderState.SUSPENDED,
    ),
    "resumed": (
        [
            ("order_accepted", {"order_qty": 100.0}),
            ("order_suspended", {}),
            ("order_resumed", {}),
        ],
        OrderState.NEW,
    ),
    "pending replace": (
        [("order_accepted", {"order_qty": 100.0}), ("order_pending_replace", {})],
        OrderState.PENDING_REPLACE,
    ),
    "replaced": (
        [("order_accepted", {"order_qty": 100.0}), ("order_replaced", {"order_qty": 50.0})],
        OrderState.REPLACED,
    ),
}


@pytest.mark.parametrize("name", STEPS)
def test_the_life_of_an_order_is_told_in_fix_states(name, tape, run, lab):
    tape.quote(-1, 9.9, 10.1)
    steps, state = STEPS[name]
    for i, (type_, more) in enumerate(steps):
        tape.say(type_, i, **more)

    assert lab.record(run(tape))["state"] == state


def test_an_event_after_the_end_is_a_violation_and_changes_nothing(tape, run, lab):
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 100)
    tape.say("order_cancelled", 1)
    tape.say("order_expired", 2)
    tape.say("order_suspended", 3)
    tape.say("order_pending_cancel", 4)
    tape.say("order_replaced", 5, order_qty=10.0)

    found = lab.record(run(tape))

    assert found["state"] == OrderState.CANCELLED
    assert found["anomalies"] & Anomaly.STATE_VIOLATION
    assert found["order_qty"] == 100


def test_a_fill_that_comes_after_the_cancel_counts_and_is_shown(tape, run, lab):
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 100)
    tape.say("order_cancelled", 1)
    tape.fill(2, 30, 10.0, "e1")

    found = lab.record(run(tape))

    assert found["cum_qty"] == 30
    assert found["state"] == OrderState.CANCELLED
    assert found["anomalies"] & Anomaly.FILL_AFTER_CLOSE


def test_more_than_was_ordered_is_shown_as_overfill(tape, run, lab):
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 100)
    tape.fill(1, 120, 10.0, "e1")

    found = lab.record(run(tape))

    assert found["execution_progress"] == pytest.approx(1.2)
    assert found["anomalies"] & Anomaly.OVERFILL


def test_replaced_below_what_is_filled_means_filled(tape, run, lab):
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 100)
    tape.fill(1, 60, 10.0, "e1")
    tape.say("order_replaced", 2, order_qty=50.0)

    found = lab.record(run(tape))

    assert found["state"] == OrderState.FILLED
    assert found["order_qty"] == 60
    assert found["execution_progress"] == 1.0
    assert not found["anomalies"] & Anomaly.OVERFILL


def test_an_execution_of_an_order_never_seen_accepted_is_kept_and_marked(tape, run, lab):
    tape.quote(-1, 9.9, 10.1)
    tape.fill(1, 60, 10.05, "e1")

    found = lab.record(run(tape))

    assert found["cum_qty"] == 60
    assert found["anomalies"] & Anomaly.NEVER_ACCEPTED
    assert found["slippage_bps"] == "NO_ARRIVAL"
    assert found["effective_spread_bps"] == "NO_ARRIVAL"
    assert found["effective_spread_exec_mid_bps"] == pytest.approx(100.0)


def test_the_counterpartys_totals_are_compared_with_ours(tape, run, lab):
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 100)
    tape.fill(1, 60, 10.0, "e1", cum_qty=70.0, avg_px=10.5)

    found = lab.record(run(tape))

    assert found["anomalies"] & Anomaly.CUM_QTY_DIFFERS
    assert found["anomalies"] & Anomaly.AVG_PX_DIFFERS
    assert (found["reported_cum_qty"], found["reported_avg_px"]) == (70, 10.5)


def family(tape, own_report=False):
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 100, "P", algo="TWAP", desk="CASH")
    for child, t, qty in (("C1", 1, 60), ("C2", 2, 40)):
        tape.accept(t, qty, child, parent_order_id="P", root_order_id="P")
        tape.fill(t + 0.5, qty, 10.0 + t / 10, child, order_id=child,
                  parent_order_id="P", root_order_id="P", venue=f"V{t}")  # fmt: skip
    if own_report:
        tape.fill(3, 100, 10.14, "p1", order_id="P", cum_qty=100.0)


def test_a_parents_numbers_come_from_its_children(tape, run, lab):
    family(tape)
    rows = run(tape)

    found = lab.record(rows, "P")

    assert found["cum_qty"] == 100
    assert found["avg_px"] == pytest.approx((60 * 10.1 + 40 * 10.2) / 100)
    assert found["state"] == OrderState.FILLED
    assert found["children"] == 2
    assert found["slippage_bps"] == pytest.approx(140.0)
    venues = [dict(r.order_venues.of(list(r.orders["order"]).index(k)))
              for r in rows for k in r.orders["order"] if k == found["order"]]  # fmt: skip
    assert sorted(venues[0].values()) == [40, 60]


def test_a_parents_own_reports_only_reconcile(tape, run, lab):
    family(tape, own_report=True)

    found = lab.record(run(tape), "P")

    assert found["cum_qty"] == 100
    assert found["reported_cum_qty"] == 100


def test_a_child_seen_before_its_parent_is_rolled_up_all_the_same(tape, run, lab):
    family(tape)
    straight = lab.record(run(tape), "P")
    tape.orders = [*tape.orders[1:], tape.orders[0]]
    tape.orders[-1].ts_event = lab.at(0)

    found = lab.record(run(tape), "P")

    for name in ("cum_qty", "avg_px", "slippage_bps", "state", "order_qty", "children"):
        assert found[name] == straight[name]


def test_three_generations_add_up_once(tape, run, lab):
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 100, "G")
    tape.accept(0, 100, "P", parent_order_id="G", root_order_id="G")
    tape.accept(0, 100, "C", parent_order_id="P", root_order_id="G")
    for i in range(4):
        tape.fill(i + 1, 20, 10.0 + i, f"e{i}", order_id="C", parent_order_id="P",
                  root_order_id="G")  # fmt: skip
    tape.say("fill_busted", 9, "C", exec_ref_id="e3", parent_order_id="P", root_order_id="G")
    rows = run(tape)

    for order_id in "GPC":
        found = lab.record(rows, order_id)
        assert found["cum_qty"] == 60
        assert found["avg_px"] == 11.0


def test_a_parent_of_several_symbols_has_sums_but_no_price_benchmark(tape, run, lab):
    tape.quote(-1, 9.9, 10.1)
    tape.quote(-1, 19.9, 20.1, symbol="Y")
    tape.accept(0, 100, "L")
    tape.accept(1, 50, "C1", parent_order_id="L", root_order_id="L")
    tape.accept(1, 50, "C2", parent_order_id="L", root_order_id="L", symbol="Y")
    tape.fill(2, 50, 10.0, "a", order_id="C1", parent_order_id="L", root_order_id="L")
    tape.fill(3, 50, 20.0, "b", order_id="C2", parent_order_id="L", root_order_id="L", symbol="Y")

    found = lab.record(run(tape), "L")

    assert found["cum_qty"] == 100
    assert math.isnan(found["avg_px"])
    assert found["slippage_bps"] == "NO_SYMBOL"
    assert found["interval_vwap"] in {"NO_SYMBOL"}


def test_routes_give_the_fill_rate_and_the_acknowledgement_latency(tape, run, lab):
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 1000)
    tape.say("route_sent", 1, route_id="r1", order_qty=200.0, venue="V")
    tape.say("route_acknowledged", 1.004, route_id="r1", venue="V")
    tape.fill(2, 100, 10.0, "e1", venue="V")
    tape.say("route_cancelled", 3, route_id="r1", leaves_qty=100.0, venue="V")
    tape.say("route_sent", 4, route_id="r2", order_qty=300.0, venue="W")
    tape.say("route_rejected", 5, route_id="r2", order_qty=300.0, venue="W", reject_reason=1)
    tape.say("order_cancelled", 6)

    found = lab.record(run(tape))

    assert found["ack_ms"] == pytest.approx(4.0)
    assert found["fill_rate"] == 1.0
    assert found["execution_progress"] == 0.1


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(
            ["fill", "fill", "fill", "bust", "correct", "cancel", "replace", "suspend", "resume"]
        ),
        st.integers(0, 8),
        st.integers(1, 5),
        st.integers(1, 6),
    ),
    min_size=1,
    max_size=10,
)


@pytest.mark.large
@settings(max_examples=60, deadline=None)
@given(EVENTS, st.randoms(use_true_random=False))
def test_any_order_of_arrival_ends_in_the_same_state(lab_module, events, chance):
    Tape, Desk, record = lab_module.Tape, lab_module.Desk, lab_module.record

    def tell(tape):
        tape.quote(-1, 9.9, 10.1)
        for t in range(9):
            tape.quote(t + 0.25, 9.9 + t * 0.013, 10.1 + t * 0.017)
        tape.accept(0, 40, seq=0)
        for i, (what, t, qty, name) in enumerate(events):
            seq = {"seq": i + 1}
            if what == "fill":
                tape.fill(t, qty, 10 + 0.01 * name, f"e{name}-{qty}", **seq)
            elif what == "bust":
                tape.say("fill_busted", t, exec_ref_id=f"e{name}-{qty}", **seq)
            elif what == "correct":
                tape.say("fill_corrected", t, exec_id=f"c{i}", exec_ref_id=f"e{name}-{qty}",
                         last_qty=float(name), last_px=10.07, **seq)  # fmt: skip
            elif what == "replace":
                tape.say("order_replaced", t, order_qty=float(10 * name), **seq)
            else:
                type_ = {"cancel": "order_cancelled", "suspend": "order_suspended",
                         "resume": "order_resumed"}[what]  # fmt: skip
                tape.say(type_, t, **seq)

    straight, shuffled = Tape(), Tape()
    tell(straight)
    tell(shuffled)
    straight.orders.sort(key=lambda m: (m.ts_event, m.seq))
    chance.shuffle(shuffled.orders)
    found = []
    for tape in (straight, shuffled):
        # Any event here may come so late; beyond the allowance it would meet a later market.
        desk = Desk(MarketSettings(lab_module.INPUTS, allowed_lateness_ns=60 * SECOND))
        desk.push(*tape.batches())
        row = record(desk.rows)
        # What depends on when each message came, not on what it said:
        for name in ("known", "seq", "kind", "restated", "anomalies"):
            row.pop(name)
        found.append({k: None if v != v else v for k, v in row.items()})
    assert found[0] == found[1]


@pytest.fixture(scope="module")
def lab_module():
    import importlib.util
    import pathlib

    path = pathlib.Path(__file__).with_name("conftest.py")
    spec = importlib.util.spec_from_file_location("lab_for_hypothesis", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["lab_for_hypothesis"] = module
    spec.loader.exec_module(module)
    return module


def test_sums_do_not_depend_on_the_order_of_adding():
    from operators.orders.sums import add

    numbers = np.random.default_rng(1).normal(size=500) * 10.0 ** np.arange(500).__mod__(12)
    totals = set()
    for seed in range(5):
        pair = np.zeros(2)
        for x in np.random.default_rng(seed).permutation(numbers):
            add(pair, x)
        totals.add(pair[0])
    assert len(totals) == 1
    assert totals.pop() == math.fsum(numbers)
