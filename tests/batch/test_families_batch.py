"""The Polars answer for parents, own prints and numbered ticks, from events as JSON lines."""

import json
import math
from pathlib import Path

import polars as pl
import pytest

from benchmarks.batch_polars import Session, status
from benchmarks.w1 import OPEN_NS

BASE = {"symbol": "S", "side": "BUY"}


def at(seconds: float) -> str:
    return f"2026-11-20T14:{30 + int(seconds // 60):02d}:{seconds % 60:09.6f}Z"


def quote(s: float, bid: float, ask: float, seq: int) -> dict:
    return {"type": "quote", "ts_event": at(s), "symbol": "S", "bid": bid, "ask": ask, "seq": seq}


def trade(s: float, price: float, size: float, seq: int, **more: object) -> dict:
    row = {"type": "trade", "ts_event": at(s), "symbol": "S", "price": price, "size": size}
    return row | {"seq": seq} | more


def order(s: float, kind: str, name: str, **more: object) -> dict:
    return BASE | {"type": kind, "ts_event": at(s), "order_id": name} | more


def child(s: float, kind: str, name: str, **more: object) -> dict:
    return order(s, kind, name, parent_order_id="P", root_order_id="P", **more)


@pytest.fixture
def rows_of(ndjson_batch, tmp_path: Path):
    def rows(*messages: dict) -> pl.DataFrame:
        path = tmp_path / "day.ndjson"
        path.write_text("\n".join(json.dumps(m) for m in messages))
        day = ndjson_batch.read_day(path)
        return status(day.market, day.events, None, Session(OPEN_NS))

    return rows


FAMILY = (
    quote(0, 10.0, 10.2, 1),
    order(1, "order_accepted", "P", order_qty=300),
    child(2, "order_accepted", "P.1", order_qty=100),
    child(2, "route_sent", "P.1", route_id="R1", order_qty=100),
    child(3, "order_filled", "P.1", exec_id="E1", last_qty=100, last_px=10.2),
    quote(4, 10.4, 10.6, 2),
    child(5, "order_accepted", "P.2", order_qty=100),
    child(5, "route_sent", "P.2", route_id="R2", order_qty=100),
    child(6, "order_filled", "P.2", exec_id="E2", last_qty=100, last_px=10.6),
)


def test_a_parent_trades_what_its_children_trade(rows_of):
    parent = rows_of(*FAMILY).filter(order_id="P", kind=12)

    assert parent["cum_qty"].to_list() == [100, 200]
    assert parent["avg_px"].to_list() == pytest.approx([10.2, 10.4])
    assert parent["execution_progress"].to_list() == pytest.approx([1 / 3, 2 / 3])
    assert parent["fill_rate"].to_list() == [1.0, 1.0]
    assert parent["seq"].to_list() == [2, 3]


def test_a_parents_spread_is_against_what_each_child_met_at_its_receipt(rows_of):
    parent = rows_of(*FAMILY).filter(order_id="P").tail(1).to_dicts()[0]

    assert parent["arrival_mid"] == pytest.approx(10.1)
    assert parent["slippage_bps"] == pytest.approx(0.3 / 10.1 * 1e4)
    assert parent["effective_spread_bps"] == pytest.approx(0.4 / 20.6 * 1e4)
    assert parent["eq_ratio"] == pytest.approx(1.0)
    assert parent["price_improvement_bps"] == pytest.approx(0.0, abs=1e-9)


def test_a_parents_own_reports_do_not_count_beside_its_childrens(rows_of):
    again = order(3, "order_filled", "P", exec_id="X", last_qty=100, last_px=10.2)

    parent = rows_of(*FAMILY[:5], again).filter(order_id="P").tail(1).to_dicts()[0]

    assert parent["cum_qty"] == 100


def test_own_prints_leave_the_vwap_of_the_others(rows_of):
    parent = rows_of(
        *FAMILY[:4],
        trade(2.5, 10.0, 300, 2),
        trade(3, 10.2, 100, 3, exec_id="E1"),
        FAMILY[4],
    ).filter(order_id="P", kind=12).to_dicts()[0]  # fmt: skip

    assert parent["own_matched_qty"] == 100
    assert parent["interval_vwap"] == pytest.approx(10.05)
    assert parent["vwap_ex_own"] == pytest.approx(10.0)
    assert parent["participation_rate"] == 0.25
    assert parent["participation_ex_own_rate"] == pytest.approx(1 / 3)


def test_a_print_that_comes_after_its_fill_is_known_two_seconds_later(rows_of):
    rows = rows_of(
        quote(0, 10.0, 10.2, 1),
        order(1, "order_accepted", "A", order_qty=300),
        order(3, "order_filled", "A", exec_id="E1", last_qty=100, last_px=10.2),
        trade(4, 10.2, 100, 2, exec_id="E1"),
        order(6, "order_filled", "A", exec_id="E2", last_qty=100, last_px=10.2),
    )

    assert rows.filter(kind=12)["own_matched_qty"].to_list() == [0.0, 100.0]


def test_the_sequence_decides_between_a_tick_and_an_event_of_one_instant(rows_of):
    ticks = quote(1, 10.0, 10.2, 7), trade(2, 10.1, 100, 8), quote(2, 11.0, 11.2, 9)
    accepted = order(1.5, "order_accepted", "A", order_qty=300, market_seq=7)

    def filled(seq: int) -> dict:
        fill = order(2, "order_filled", "A", last_qty=100, last_px=10.2, market_seq=seq)
        return rows_of(*ticks, accepted, fill).filter(kind=12).to_dicts()[0]

    assert (filled(7)["bid"], filled(7)["market_qty"]) == (10.0, 0.0)
    assert (filled(8)["bid"], filled(8)["market_qty"]) == (10.0, 100.0)
    assert (filled(9)["bid"], filled(9)["market_qty"]) == (11.0, 100.0)


def test_time_in_a_halt_is_left_out_of_the_twap(rows_of):
    rows = rows_of(
        quote(0, 10.0, 10.0, 1),
        order(0.5, "order_accepted", "A", order_qty=100),
        {"type": "halted", "ts_event": at(2.5), "symbol": "S", "seq": 2},
        quote(4, 20.0, 20.0, 3),
        {"type": "resumed", "ts_event": at(8), "symbol": "S", "seq": 4},
        order(10, "order_filled", "A", last_qty=100, last_px=20.0),
    )

    assert rows["twap"].to_list()[-1] == pytest.approx((2 * 10 + 2 * 20) / 4)


def test_a_rejected_order_has_its_quantity_and_no_arrival(rows_of):
    row = rows_of(quote(0, 10, 11, 1), order(1, "order_rejected", "A", order_qty=50)).to_dicts()[0]

    assert row["order_qty"] == 50
    assert row["arrival_mid"] is None
    assert row["leaves_qty"] == 0.0


def test_urgency_bends_an_implementation_shortfall_schedule(rows_of):
    def expected(urgency: str) -> float:
        params = {"schedule": "IS", "start": at(0), "end": at(20), "urgency": urgency}
        accepted = order(1, "order_accepted", "A", order_qty=300, algo="IS", algo_params=params)
        fill = order(10, "order_filled", "A", last_qty=100, last_px=10.2)
        return rows_of(quote(0, 10, 11, 1), accepted, fill)["expected_progress"].to_list()[-1]

    # Halfway through, 1 − sinh(κT/2)/sinh(κT) is 1 − 1/(2·cosh(κT/2)).
    for urgency, kappa_t in (("low", 1.0), ("medium", 3.0), ("high", 6.0)):
        assert expected(urgency) == pytest.approx(1 - 0.5 / math.cosh(kappa_t / 2)), urgency


def test_an_amendment_that_is_only_asked_for_changes_nothing(rows_of):
    rows = rows_of(
        quote(0, 10, 11, 1),
        order(1, "order_accepted", "A", order_qty=300, limit_px=11.0),
        order(2, "order_pending_replace", "A", order_qty=200, limit_px=12.0),
        order(3, "order_replaced", "A", order_qty=200, limit_px=12.0),
    )

    assert rows["order_qty"].to_list() == [300, 300, 200]
    assert rows["limit"].to_list() == [11.0, 11.0, 12.0]


def test_times_are_read_to_the_nanosecond(ndjson_batch, tmp_path: Path):
    path = tmp_path / "day.ndjson"
    texts = ["2026-11-20T14:30:00Z", "2026-11-20T14:30:00.5Z", "2026-11-20T14:30:00.000000001Z"]
    rows = [{"type": "quote", "symbol": "S", "bid": 1, "ask": 2, "ts_event": t} for t in texts]
    path.write_text("\n".join(json.dumps(row) for row in rows))

    read = ndjson_batch.read_day(path).market["ts_event"].to_list()

    assert [ts - OPEN_NS for ts in read] == [0, 500_000_000, 1]
