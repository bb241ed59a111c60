"""Corners of an order's life: what counterparties send that should not be, and what is rare."""

import itertools

import numpy as np
import pytest

from domain.batch import Batch, Input
from domain.columns import DETAIL, HAS_DETAIL
from domain.events import OrderMessage
from domain.instants import END_OF_TIME, SECOND
from domain.keys import group_of, key_of
from domain.rows import HORIZON_NAMES
from domain.vocabulary import Anomaly, EventKind, OrderState, Topic
from operators.market.logic import MarketSettings
from operators.orders.group import OrderSettings
from operators.orders.horizons import note_horizons
from operators.orders.logic import OrderLogic
from operators.pieces import HORIZON, STAMPED, OrderPiece


@pytest.fixture
def quoted(tape):
    tape.quote(-1, 9.9, 10.1)
    return tape


def test_a_second_acceptance_changes_nothing(quoted, run, lab):
    quoted.accept(0, 100, seq=1)
    quoted.accept(1, 999, seq=2)

    found = lab.record(run(quoted))

    assert (found["order_qty"], found["state"]) == (100, OrderState.NEW)


def test_an_acceptance_after_a_fill_of_the_same_order_keeps_what_was_filled(quoted, run, lab):
    quoted.fill(1, 40, 10.0, "e1")
    quoted.accept(2, 100)

    found = lab.record(run(quoted))

    assert (found["state"], found["cum_qty"]) == (OrderState.PARTIALLY_FILLED, 40)
    assert not found["anomalies"] & Anomaly.NEVER_ACCEPTED


def test_columns_without_a_quantity_leave_the_one_that_is_known(quoted, lab):
    """Files of columns may leave out what a JSON message must say."""
    quoted.accept(0, 100)
    quoted.accept(0, 100, "B")
    quoted.say("order_replaced", 1, order_qty=50.0, limit_px=9.5)
    batch = lab.effective(quoted.batch(1, quoted.orders))
    batch.events["order_qty"][1:] = np.nan
    desk = lab.Desk()
    ends = [Batch(i, watermark=lab.T0 + 9 * SECOND, ended=True) for i in range(3)]
    desk.push(lab.effective(quoted.batch(0, quoted.market)), batch, *ends)

    found = lab.record(desk.rows)
    assert (found["order_qty"], found["limit_px"]) == (100, 9.5)
    assert np.isnan(lab.record(desk.rows, "B")["order_qty"])
    assert lab.record(desk.rows, "B")["shortfall_trading_ccy"] == "ZERO_QTY"


def test_a_fill_may_tell_the_size_of_an_order_never_seen_accepted(quoted, run, lab):
    quoted.fill(1, 40, 10.0, "e1", order_qty=40.0)

    found = lab.record(run(quoted))

    assert (found["order_qty"], found["state"]) == (40, OrderState.FILLED)


def test_leaves_of_zero_close_an_order_of_unknown_size(quoted, run, lab):
    quoted.fill(1, 40, 10.0, "e1", leaves_qty=0.0)

    assert lab.record(run(quoted))["state"] == OrderState.FILLED


def test_a_suspended_order_stays_suspended_through_a_fill_and_resumes_partly_filled(
    quoted, run, lab
):
    quoted.accept(0, 100)
    quoted.say("order_suspended", 1)
    quoted.fill(2, 40, 10.0, "e1")
    assert lab.record(run(quoted))["state"] == OrderState.SUSPENDED

    quoted.say("order_resumed", 3)
    assert lab.record(run(quoted))["state"] == OrderState.PARTIALLY_FILLED


def test_an_execution_id_with_a_total_that_does_not_grow_is_a_repeat(quoted, run, lab):
    quoted.accept(0, 100)
    quoted.fill(1, 20, 10.0, "e1", cum_qty=20.0)
    quoted.fill(2, 30, 10.0, "e2", cum_qty=50.0)
    quoted.fill(3, 10, 10.0, "e1", cum_qty=40.0)

    found = lab.record(run(quoted))

    assert (found["cum_qty"], found["fills"]) == (50, 2)


def test_a_total_and_average_that_agree_are_not_flagged(quoted, run, lab):
    quoted.accept(0, 100)
    quoted.say("order_suspended", 0.5, avg_px=0.0)
    quoted.fill(1, 20, 10.0, "e1", cum_qty=20.0, avg_px=10.0)
    quoted.say("fill_busted", 2, exec_ref_id="e1", cum_qty=0.0, avg_px=0.0)

    found = lab.record(run(quoted))

    assert found["cum_qty"] == 0
    assert not found["anomalies"] & (Anomaly.AVG_PX_DIFFERS | Anomaly.CUM_QTY_DIFFERS)


def test_acknowledgements_find_their_route_and_strays_are_ignored(quoted, run, lab):
    quoted.accept(0, 1000)
    quoted.say("route_acknowledged", 0.5, route_id="r0")
    quoted.say("route_sent", 1, route_id="r1", order_qty=100.0)
    quoted.say("route_sent", 1.5, route_id="r2", order_qty=100.0)
    quoted.say("route_acknowledged", 2, route_id="r1")
    quoted.say("route_acknowledged", 2.5)
    quoted.say("route_rejected", 3, route_id="r2")

    found = lab.record(run(quoted))

    assert found["ack_ms"] == pytest.approx(1000.0)
    assert found["routed_qty"] == 200


@pytest.mark.parametrize("links", [2, 12, 40])
def test_corrections_of_corrections_are_followed_to_the_fill(quoted, run, lab, links):
    quoted.accept(0, 1000)
    quoted.fill(1, 100, 10.0, "c0")
    for i in range(1, links):
        quoted.say("fill_corrected", 1 + i, exec_id=f"c{i}", exec_ref_id=f"c{i - 1}",
                   last_qty=100.0 - i, last_px=10.0)  # fmt: skip

    found = lab.record(run(quoted))

    followed = min(links - 1, 16)
    assert found["cum_qty"] == 100 - followed
    assert bool(found["anomalies"] & Anomaly.UNKNOWN_EXEC) == (links > 17)


def test_a_correction_that_names_itself_is_unknown(quoted, run, lab):
    quoted.accept(0, 1000)
    quoted.fill(1, 100, 10.0, "e1")
    for i, name in enumerate(("c", "d")):
        quoted.say("fill_corrected", 2 + i, exec_id=name, exec_ref_id=name, last_qty=5.0,
                   last_px=10.0)  # fmt: skip
    quoted.say("fill_busted", 5, exec_id="c")

    found = lab.record(run(quoted))

    assert found["cum_qty"] == 100
    assert found["anomalies"] & Anomaly.UNKNOWN_EXEC


def test_what_comes_late_is_folded_where_it_belongs(quoted, run, lab):
    quoted.accept(0, 100)
    quoted.fill(3, 20, 10.0, "e2")
    quoted.fill(2, 20, 10.2, "e1")  # late, nothing is rewritten
    quoted.say("order_suspended", 1)

    found = lab.record(run(quoted))

    assert (found["cum_qty"], found["state"]) == (40, OrderState.SUSPENDED)
    assert found["last_px"] == 10.0


def test_an_own_print_of_a_fill_that_was_busted_does_not_count(quoted, run, lab):
    quoted.trade(1.5, 10.0, 900)
    quoted.accept(0, 300)
    quoted.fill(1, 100, 10.1, "e1", venue="V")
    quoted.trade(2.0, 10.1, 100, venue="V")
    quoted.say("fill_busted", 2.5, exec_ref_id="e1")
    quoted.quote(20, 9.9, 10.1)

    assert lab.record(run(quoted))["own_matched_qty"] == 0


def test_a_locked_market_has_no_capture_but_a_mid(quoted, run, lab):
    quoted.quote(0, 10.0, 10.0)
    quoted.accept(1, 100)
    quoted.fill(2, 100, 10.0, "e1")

    found = lab.record(run(quoted))

    assert found["spread_capture"] == found["eq_ratio"] == "LOCKED"
    assert found["at_mid_pct"] == 100.0


def test_a_benchmark_at_or_below_zero_is_a_reason_not_a_number(tape, run, lab):
    tape.quote(-1, -1.1, -0.9)
    tape.trade(0, -1.0, 100)
    tape.accept(0, 100, decision_px=-1.0)
    tape.fill(2, 100, -1.0, "e1")

    found = lab.record(run(tape))

    assert found["slippage_bps"] == "NON_POSITIVE_BENCHMARK"
    assert found["slippage_decision_bps"] == "NON_POSITIVE_BENCHMARK"


def test_a_bust_reopens_a_parent_that_its_children_had_filled(quoted, run, lab):
    family = {"parent_order_id": "P", "root_order_id": "P"}
    quoted.accept(0, 100, "P")
    quoted.fill(0.5, 100, 10.0, "p", order_id="P")
    quoted.accept(1, 100, "C", **family)
    quoted.fill(2, 100, 10.0, "e1", order_id="C", **family)
    quoted.say("fill_busted", 3, "C", exec_ref_id="e1", **family)
    quoted.fill(4, 10, 10.0, "e2", order_id="C", **family)
    quoted.say("fill_busted", 5, "C", exec_ref_id="e2", **family)

    found = lab.record(run(quoted), "P")

    assert (found["state"], found["cum_qty"], found["last_fill_ts"] < 0) == (
        OrderState.NEW, 0, True,
    )  # fmt: skip


EQUAL_TIMES = [
    ("order_accepted", {"order_qty": 50.0}),
    ("order_filled", {"last_qty": 10.0, "last_px": 10.0, "exec_id": "e1", "cum_qty": 10.0}),
    ("order_filled", {"last_qty": 10.0, "last_px": 10.0, "exec_id": "e2", "cum_qty": 20.0}),
    ("order_filled", {"last_qty": 5.0, "last_px": 10.0, "exec_id": "e3"}),
    ("order_filled", {"last_qty": 6.0, "last_px": 10.0, "exec_id": "e3"}),
    ("order_filled", {"last_qty": 6.0, "last_px": 10.1, "exec_id": "e3"}),
    ("fill_busted", {"exec_ref_id": "e2"}),
    ("order_suspended", {}),
    ("route_sent", {"order_qty": 10.0, "route_id": "r"}),
]


def test_events_of_one_instant_end_alike_in_any_order_of_arrival(lab):
    outcomes = set()
    chance = np.random.default_rng(1)
    for _ in range(12):
        tape = lab.Tape()
        tape.quote(-1, 9.9, 10.1)
        for i in chance.permutation(len(EQUAL_TIMES)):
            type_, more = EQUAL_TIMES[i]
            tape.say(type_, 1, **more)
        desk = lab.Desk()
        desk.push(*tape.batches())
        found = lab.record(desk.rows)
        outcomes.add((found["cum_qty"], found["avg_px"], found["state"], found["fills"]))

    assert len(outcomes) == 1


DETAILS = {
    "cl_ord_id": ("c1", "c2"), "broker": ("b1", "b2"), "algo": ("a1", "a2"),
    "strategy": ("s1", "s2"), "trader": ("t1", "t2"), "desk": ("d1", "d2"),
    "client": ("k1", "k2"), "currency": ("USD", "EUR"),
}  # fmt: skip


@pytest.mark.parametrize("older_comes_last", [False, True])
def test_the_newest_word_on_an_order_holds_and_older_ones_fill_gaps(
    quoted, run, lab, older_comes_last
):
    first = {field: pair[0] for field, pair in DETAILS.items()}
    second = {field: pair[1] for field, pair in DETAILS.items() if field != "client"}
    quoted.accept(
        0,
        100,
        schedule=("TWAP", 0, 100, 0.1),
        ord_type="LIMIT",
        asset_class="EQUITY",
        time_in_force="DAY",
        decision_ts=lab.at(-5),
        decision_px=9.0,
        **first,
    )
    quoted.say(
        "order_replaced",
        3,
        order_qty=100.0,
        ord_type="PEGGED",
        time_in_force="GTC",
        asset_class="FX",
        decision_ts=lab.at(-4),
        decision_px=9.5,
        **second,
    )
    quoted.say("order_suspended", 4)
    if older_comes_last:
        quoted.orders.append(quoted.orders.pop(0))

    found = lab.record(run(quoted))

    for field, (_, new) in DETAILS.items():
        name = {"cl_ord_id": "cl_ord"}.get(field, field)
        assert found[name] == key_of("k1" if field == "client" else new)
    assert (found["ord_type"], found["time_in_force"], found["asset_class"]) == (7, 2, 4)
    assert (found["decision_px"], found["schedule"]) == (9.5, 1)
    assert found["decision_ts"] == lab.T0 - 4 * SECOND
    assert (found["start_ts"], found["end_ts"]) == (lab.T0, lab.T0 + 100 * SECOND)


def same_group(n, group=5):
    return [f"R{i}" for i in range(999) if group_of(f"R{i}") == group][:n]


def test_families_wait_for_a_slow_input_and_others_do_not(quoted, lab):
    """A mark that is due before an event waits for the control topic, and so does the event."""
    inputs = (*lab.INPUTS, Input(3, Topic.CONTROL, 0))
    results = []
    for slow in (True, False):
        desk = lab.Desk(MarketSettings(inputs), OrderSettings())
        tape = lab.Tape()
        tape.quote(-1, 9.9, 10.1)
        names = ["A", *same_group(3)]
        for name in names:
            tape.accept(0, 100, name)
        for i, name in itertools.product(range(6), names):
            tape.fill(4 + 3 * i, 10, 10.0, f"e{i}", order_id=name)
        tape.orders.sort(key=lambda m: m.ts_event)
        whole = tape.batches()
        if not slow:
            desk.push(Batch(3, watermark=lab.T0 + 90 * SECOND))
        desk.push(whole[0], *lab.cut(whole[2], 3))
        desk.push(*(Batch(i, watermark=lab.T0 + 60 * SECOND) for i in range(3)))
        held = len(lab.finals(desk.rows))
        for t in (3, 9, 14, 90):
            if slow:
                desk.push(Batch(3, watermark=lab.T0 + t * SECOND))
        results.append((held, lab.finals(desk.rows).tobytes()))

    (held_slow, slow_rows), (held_fast, fast_rows) = results
    assert held_slow < held_fast
    assert slow_rows == fast_rows


def test_a_mark_of_an_order_that_left_is_dropped(quoted, lab):
    desk = lab.Desk(orders=OrderSettings(evict_after_ns=0))
    quoted.accept(0, 100)
    quoted.fill(1, 100, 10.0, "e1", cum_qty=100.0)
    whole = quoted.batches()
    desk.push(whole[0], whole[2], *(Batch(i, watermark=lab.T0 + 50 * SECOND) for i in range(3)))
    for t in (700, 1400):
        desk.push(*(Batch(i, watermark=lab.T0 + t * SECOND) for i in range(3)))
    assert sum(int(o.group.tables.used[0]) for o in desk.orders.values()) == 0

    again = lab.Tape()
    again.orders.append(
        OrderMessage(type="order_suspended", ts_event=lab.at(1500), order_id="A", symbol="X")
    )
    desk.push(lab.effective(again.batch(1, again.orders, ordinal=9)),
              *(Batch(i, watermark=lab.T0 + 1600 * SECOND) for i in range(3)))  # fmt: skip
    found = lab.last_status(desk.rows)
    assert found["state"] == OrderState.SUSPENDED
    assert found["anomalies"] & Anomaly.NEVER_ACCEPTED


def test_a_repeat_of_an_execution_id_is_known_again_after_a_restart(quoted, lab):
    results = []
    quoted.accept(0, 100)
    for i in range(4):
        quoted.fill(1 + i, 10, 10.0, "same", cum_qty=10.0 * (i + 1))
    quoted.fill(6, 10, 10.0, "same", cum_qty=40.0)
    quoted.fill(7, 10, 10.0, "same", cum_qty=50.0)
    whole = quoted.batches()
    for restart in (False, True):
        desk = lab.Desk()
        desk.push(whole[0], whole[1], whole[5])
        for piece in lab.cut(whole[2], 7):
            desk.push(piece)
            if restart:
                desk.restart()
        desk.push(whole[3])
        results.append(lab.finals(desk.rows).tobytes())
        assert lab.record(desk.rows)["cum_qty"] == 50

    assert results[0] == results[1]


def test_a_late_report_of_a_parents_own_leaves_its_childrens_numbers(quoted, run, lab):
    family = {"parent_order_id": "P", "root_order_id": "P"}
    quoted.accept(0, 100, "P")
    quoted.accept(0, 100, "C", **family)
    quoted.fill(3, 40, 10.0, "c", order_id="C", venue="V", **family)
    quoted.fill(4, 40, 10.0, "p2", order_id="P", cum_qty=40.0)
    quoted.fill(2, 10, 10.0, "p1", order_id="P", cum_qty=10.0)

    found = lab.record(run(quoted), "P")

    assert (found["cum_qty"], found["reported_cum_qty"]) == (40, 40)


@pytest.mark.parametrize("known", [True, False])
def test_an_own_print_of_an_order_or_fill_that_left_is_dropped(quoted, lab, known):
    quoted.accept(0, 100)
    quoted.fill(1, 50, 10.0, "e1")
    desk = lab.Desk()
    desk.push(*quoted.batches())
    (logic,) = [o for o in desk.orders.values() if o.group.tables.used[0]]
    before = logic.snapshot()[1]
    rows = np.zeros(1, STAMPED)
    rows["root"] = rows["order"] = key_of("A") if known else key_of("gone")
    rows["kind"], rows["pos"], rows["t_eff"] = EventKind.OWN_PRINT, 77, lab.T0
    piece = OrderPiece({}, rows, np.empty(0, HORIZON), np.empty(0, DETAIL),
                       np.empty(0, STAMPED), {}, [])  # fmt: skip

    logic.on_batch([piece])

    assert logic.snapshot()[1] == before


def test_a_later_mid_that_was_noted_is_not_noted_again(quoted, lab):
    quoted.accept(0, 100)
    quoted.fill(1, 50, 10.0, "e1")
    quoted.quote(9, 9.9, 10.1)
    desk = lab.Desk()
    whole = quoted.batches()
    desk.push(*whole[:3:2], *(Batch(i, watermark=lab.T0 + 9 * SECOND) for i in range(3)))
    (logic,) = [o for o in desk.orders.values() if o.group.tables.used[0]]
    before = logic.snapshot()[1]
    rows = np.zeros(2, HORIZON)
    rows["order"], rows["source"], rows["mid"] = key_of("A"), 1, 99.0
    rows["index"] = HORIZON_NAMES.index("1s")
    rows["pos"] = [1, 88]
    assert note_horizons(logic.group.tables, rows, 1) == 0

    assert logic.snapshot()[1] == before


def test_a_detail_that_is_not_there_changes_nothing(quoted, lab):
    quoted.accept(0, 100, desk="CASH")
    desk = lab.Desk()
    market, orders = (
        lab.effective(quoted.batch(0, quoted.market)),
        lab.effective(quoted.batch(1, quoted.orders)),
    )
    orders.events["flags"] |= np.uint32(HAS_DETAIL)
    orders.details = orders.details[:0]
    desk.push(market, orders, *(Batch(i, watermark=lab.T0 + SECOND) for i in range(3)))

    assert lab.last_status(desk.rows)["desk"] == 0


def test_a_waiting_route_shows_its_order(quoted, lab):
    quoted.say("route_sent", 1, route_id="r", order_qty=10.0)
    desk = lab.Desk()
    ingest = lab.T0 + 2 * SECOND
    desk.push(lab.effective(quoted.batch(2, quoted.routes, ingest=ingest)))

    [row] = lab.statuses(desk.wait())

    assert (row["provisional"], row["routed_qty"], row["state"]) == (1, 10.0, OrderState.UNKNOWN)


def test_a_group_without_word_from_every_symbol_group_decides_nothing():
    logic = OrderLogic(OrderSettings(), None)
    piece = OrderPiece({0: (9, 9, 9)}, np.empty(0, STAMPED), np.empty(0, HORIZON),
                       np.empty(0, DETAIL), np.empty(0, STAMPED), {}, [])  # fmt: skip
    out, gone = logic.on_batch([piece])
    assert (list(out), gone) == ([], False)
    assert logic.watermarks == {0: (9, 9, 9)}


def test_a_mark_of_an_order_nobody_knows_makes_no_row():
    logic = OrderLogic(OrderSettings(), None)
    mark = np.zeros(1, STAMPED)
    mark["kind"], mark["order"], mark["root"], mark["t_eff"] = EventKind.MARK, 5, 5, 100
    marks = dict.fromkeys(range(16), (900, 900, END_OF_TIME))
    piece = OrderPiece(marks, mark, np.empty(0, HORIZON), np.empty(0, DETAIL),
                       np.empty(0, STAMPED), {}, [])  # fmt: skip

    out, _ = logic.on_batch([piece])

    assert sum(len(rows.status) for rows in out) == 0
    assert not len(logic.waiting)
    assert logic.group.tables.used[0] == 0


def test_a_repeat_that_waits_shows_no_row(quoted, lab):
    quoted.accept(0, 100)
    quoted.fill(1, 50, 10.0, "e1")
    desk = lab.Desk()
    market, _, orders, *_ = quoted.batches()
    desk.push(market, orders, *(Batch(i, watermark=lab.T0 + 3 * SECOND) for i in range(3)))
    quoted.orders = quoted.orders[1:]
    again = quoted.batch(1, quoted.orders, ordinal=2, ingest=lab.T0 + 4 * SECOND)

    desk.push(lab.effective(again, lab.T0 + 3 * SECOND))

    assert not len(lab.statuses(desk.wait()))
