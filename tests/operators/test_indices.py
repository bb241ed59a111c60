"""The index of an order's symbol: mids that every order group is told of, and what follows."""

import json

import numpy as np
import pytest

from domain.batch import Batch, Input
from domain.instants import NO_TIME, SECOND
from domain.keys import group_of, key_of
from domain.reference import ReferenceRecord, index_symbols
from domain.vocabulary import EventKind, Topic
from operators.market.indices import Indices
from operators.market.logic import MarketSettings
from operators.orders.group import OrderSettings
from operators.orders.indices import index_mid, index_return, recent_mids, with_mids
from operators.pieces import INDEX_MID, NO_INDEX_MIDS

ROW = {"type": "reference", "symbol": "X", "beta": 1.2, "index_symbol": "SPY"}


def rows_of(*rows):
    return np.array([(key_of(name), t * SECOND, mid) for name, t, mid in rows], INDEX_MID)


def settings(lab, **row):
    record = ReferenceRecord(**{**ROW, **row})
    return {
        "market": MarketSettings(lab.INPUTS, indices=index_symbols([record])),
        "orders": OrderSettings(references=(record,)),
    }


def day(tape, side="BUY"):
    """An order that arrives at 10 s and trades at 20 and, three times as much, at 40 s."""
    tape.quote(0, 9.99, 10.01)
    for t, mid in ((0, 100.0), (9.5, 101.0), (25, 102.0), (34.5, 103.0), (50.2, 104.0)):
        tape.quote(t, mid - 0.01, mid + 0.01, symbol="SPY")
    tape.quote(55, 10.19, 10.21)
    tape.accept(10, 100, side=side)
    tape.fill(20, 10, 10.02, "e1", side=side)
    tape.fill(40, 30, 10.06, "e2", side=side)
    tape.say("order_cancelled", 60, side=side)


@pytest.mark.parametrize(("side", "sign"), [("BUY", 1), ("SELL", -1)])
def test_cost_and_move_are_shown_without_what_the_index_did(tape, run, lab, side, sign):
    day(tape, side)

    found = lab.record(run(tape, **settings(lab)))

    # The weighted time of execution is 35 s; the index had 101 at arrival, 103 then, 104 at last.
    slippage = sign * (10.05 / 10 - 1) * 1e4
    assert found["slippage_bps"] == pytest.approx(slippage)
    assert found["slippage_index_adjusted_bps"] == pytest.approx(
        slippage - sign * 1.2 * (103 / 101 - 1) * 1e4
    )
    assert found["market_impact_bps"] == pytest.approx(
        sign * (10.20 / 10 - 1 - 1.2 * (104 / 101 - 1)) * 1e4
    )


@pytest.mark.parametrize("row", [{"beta": None}, {"index_symbol": "OTHER"}])
def test_without_a_beta_or_an_index_the_move_is_raw_and_says_so(tape, run, lab, row):
    day(tape)

    rows = run(tape, **settings(lab, **row))

    found = lab.record(rows)
    assert found["slippage_index_adjusted_bps"] == "NO_INDEX"
    assert found["market_impact_bps"] == pytest.approx(200.0)


def test_a_busted_execution_counts_no_more(tape, run, lab):
    day(tape)
    tape.say("fill_busted", 61, exec_ref_id="e1")

    found = lab.record(run(tape, **settings(lab)))

    assert found["slippage_index_adjusted_bps"] == pytest.approx(60 - 1.2 * (103 / 101 - 1) * 1e4)


def test_an_order_sent_before_the_open_has_no_index(tape, run, lab):
    day(tape)
    early = settings(lab)
    early["market"] = MarketSettings(lab.INPUTS, indices=("SPY",), default_calendar="XNYS")

    found = lab.record(run(tape, **early))

    assert found["slippage_index_adjusted_bps"] in {"NO_INDEX", "PENDING", "NO_FILL"}


def test_neither_batches_nor_restarts_change_what_is_known_of_an_index(tape, lab):
    day(tape)
    whole = [batch for batch in tape.batches() if not batch.ended]
    assert group_of("SPY") != group_of("X")

    def run(pieces, restarts):
        desk = lab.Desk(**settings(lab))
        market, orders = lab.cut(whole[0], pieces), lab.cut(whole[1], pieces)
        for m, o in zip(market, orders, strict=False):
            desk.push(m, o, Batch(2, watermark=min(m.watermark, o.watermark)))
            if restarts:
                desk.restart()
        desk.push(*(Batch(i, watermark=lab.T0 + 90 * SECOND, ended=True) for i in range(3)))
        return lab.finals(desk.rows)

    one = run(1, restarts=False)
    fills = one[one["kind"] == EventKind.ORDER_FILLED]
    assert fills["events"].tolist() == [2, 3]
    assert np.isfinite(fills["slippage_index_adjusted_bps"]).all()
    assert run(4, restarts=True).tobytes() == one.tobytes()


def test_an_index_is_learnt_from_a_record_on_the_bus(tape, lab):
    inputs = (*lab.INPUTS, Input(3, Topic.REFERENCE, 0))
    desk = lab.Desk(MarketSettings(inputs))
    record = json.dumps(ROW).encode()
    desk.push(Batch(3, references=[record], watermark=lab.T0))
    day(tape)
    desk.push(*(batch for batch in tape.batches() if not batch.ended))
    desk.push(*(Batch(i, watermark=lab.T0 + 90 * SECOND, ended=True) for i in range(4)))

    assert np.isfinite(lab.record(desk.rows)["slippage_index_adjusted_bps"])


def test_a_second_is_told_of_only_where_the_mid_is_another(tape, lab):
    for t, bid in (
        (0, 99.0),
        (0.4, 99.5),
        (1, 99.5),
        (2.5, 99.5),
        (4, 100.0),
        (4.2, 101.5),
        (7, 1.0),
    ):
        tape.quote(t, bid, 101.0, symbol="SPY")
    desk = lab.Desk(MarketSettings(lab.INPUTS))
    desk.push(lab.effective(tape.batch(0, tape.market)))
    [logic] = [m for m in desk.market.values() if m.state.n_symbols]
    indices = Indices(["SPY", "NOT-HERE"])

    first = indices.mids(lab.T0 + 4 * SECOND, logic.state)
    then = indices.mids(lab.T0 + 6 * SECOND, logic.state)

    told = [(int(r["ts"] - lab.T0) / SECOND, float(r["mid"])) for r in (*first, *then)]
    # That of 0.4 s is the first second's too, and at 5 s the quote is crossed.
    assert told == [(0, 100.0), (1, 100.25), (4, 100.5)]
    assert not len(indices.mids(lab.T0 + 6 * SECOND, logic.state)), "told once"


def test_the_mid_at_an_instant_is_that_of_the_last_whole_second():
    rows = rows_of(("A", 5, 10.0), ("A", 7, 11.0), ("B", 6, 50.0))
    rows = with_mids(NO_INDEX_MIDS, rows)

    def mid(name, t):
        return float(index_mid(rows, np.uint64(key_of(name)), round(t * SECOND)))

    assert [mid("A", t) for t in (5, 6.9, 7, 99)] == [10.0, 10.0, 11.0, 11.0]
    assert mid("B", 6.5) == 50.0
    assert np.isnan([mid("A", 4.9), mid("B", 5.9), mid("C", 9), mid("", 9)]).all()
    key = np.uint64(key_of("A"))
    assert index_return(rows, key, 5 * SECOND, 8 * SECOND) == pytest.approx(0.1)
    assert np.isnan(index_return(rows, key, 4 * SECOND, 8 * SECOND))
    assert np.isnan(index_return(NO_INDEX_MIDS, key, 5 * SECOND, 8 * SECOND))


def test_mids_of_several_indices_are_kept_by_symbol_and_time():
    known = with_mids(NO_INDEX_MIDS, rows_of(("A", 5, 10.0)))
    known = with_mids(known, rows_of(("A", 6, 11.0)))
    assert known["ts"].tolist() == [5 * SECOND, 6 * SECOND]
    known = with_mids(known, rows_of(("B", 5, 50.0), ("B", 7, 51.0)))
    known = with_mids(known, rows_of(("A", 7, 12.0)))

    by_name = {n: known[known["symbol"] == key_of(n)]["ts"].tolist() for n in "AB"}
    assert by_name == {"A": [5 * SECOND, 6 * SECOND, 7 * SECOND], "B": [5 * SECOND, 7 * SECOND]}
    assert (np.diff(known["symbol"].astype(object)) >= 0).all()


def test_mids_before_the_first_order_are_let_go():
    rows = with_mids(
        NO_INDEX_MIDS, rows_of(("A", 5, 1.0), ("A", 6, 2.0), ("A", 9, 3.0), ("B", 1, 4.0))
    )

    left = recent_mids(rows, 7 * SECOND)

    assert sorted(left["mid"].tolist()) == [2.0, 3.0, 4.0]
    assert len(recent_mids(NO_INDEX_MIDS, 0)) == 0


def test_a_group_keeps_the_mids_that_its_orders_may_ask_for(tape, lab):
    day(tape)
    desk = lab.Desk(**settings(lab))
    desk.push(*(batch for batch in tape.batches() if not batch.ended))
    desk.push(*(Batch(i, watermark=lab.T0 + 90 * SECOND) for i in range(3)))
    holder = next(o for o in desk.orders.values() if int(o.group.tables.used[0]))
    other = next(o for o in desk.orders.values() if not int(o.group.tables.used[0]))
    for logic in (holder, other):
        assert len(logic.group.tables.indices) == 5
        logic.group._evicted_before = NO_TIME
        logic.group.evict(lab.T0 + 45 * SECOND, np.empty(0, logic.waiting.rows.dtype))

    kept = [float(m) for m in holder.group.tables.indices["mid"]]
    assert kept == pytest.approx([101.0, 102.0, 103.0, 104.0]), "from its arrival on"
    assert [float(m) for m in other.group.tables.indices["mid"]] == pytest.approx([103.0, 104.0])
