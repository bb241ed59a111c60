"""The Polars answer of the status, on days small enough to work out by hand."""

import ast
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from benchmarks import batch_polars, per_event, pipeline
from benchmarks.batch_polars import OUTPUT, Session, status
from benchmarks.compare import differences
from benchmarks.w1 import OPEN_NS, Size, write_w1

SECOND = 10**9
T0 = OPEN_NS + 3600 * SECOND
ROOT = Path(__file__).resolve().parents[2]


def ticks(*rows: tuple) -> pl.DataFrame:
    """(s, bid, ask, price, size) of symbol S; None where a row does not say it."""
    table = pl.DataFrame(
        rows, schema=["s", "bid", "ask", "price", "size"], orient="row", infer_schema_length=None
    )
    return table.select(
        symbol=pl.lit("S"),
        ts_event=T0 + (pl.col("s") * SECOND).cast(pl.Int64),
        **{n: pl.col(n).cast(pl.Float64) for n in ("bid", "ask", "price", "size")},
    )


BLANK = {
    "symbol": "S", "side": "BUY", "order_qty": None, "last_qty": None, "last_px": None,
    "fee": None, "route_id": None, "leaves_qty": None, "limit_px": None, "start": None,
    "end": None, "participation": None, "algo": None, "decision_ts": None, "decision_px": None,
}  # fmt: skip
FLOATS = ("order_qty", "last_qty", "last_px", "fee", "leaves_qty", "limit_px", "participation",
          "decision_px")  # fmt: skip


def events(*rows: tuple, order: str = "A", **said: object) -> pl.DataFrame:
    """(s, type, fields) of an order; what is said of the order goes to its acceptance."""
    table = [
        BLANK
        | {"order_id": order, "ts_event": T0 + int(s * SECOND), "type": kind, "seq": n + 1}
        | (said if kind == "order_accepted" else {})
        | fields
        for n, (s, kind, fields) in enumerate(rows)
    ]
    casts = [pl.col(name).cast(pl.Float64) for name in FLOATS]
    ints = [pl.col(name).cast(pl.Int64) for name in ("route_id", "start", "end", "decision_ts")]
    texts = [pl.col("algo").cast(pl.String)]
    return pl.DataFrame(table, infer_schema_length=None).with_columns(*casts, *ints, *texts)


def fill(s: float, qty: float, px: float) -> tuple:
    return (s, "order_filled", {"last_qty": qty, "last_px": px})


def accepted(s: float, qty: float) -> tuple:
    return (s, "order_accepted", {"order_qty": qty})


def rows_of(market: pl.DataFrame, happened: pl.DataFrame) -> list[dict]:
    return status(market, happened, None, Session(OPEN_NS)).to_dicts()


def test_a_quote_of_the_same_instant_is_not_seen_yet():
    market = ticks((0, 10.0, 10.2, None, None), (5, 11.0, 11.2, None, None))

    first, filled = rows_of(market, events(accepted(5, 100), fill(6, 100, 11.2)))

    assert first["arrival_mid"] == pytest.approx(10.1)
    assert filled["bid"] == 11.0


def test_the_window_counts_prints_of_its_first_and_last_instant():
    market = ticks(
        (0, 10.0, 10.2, None, None), (1, None, None, 50.0, 100), (5, None, None, 10.0, 100),
        (7, None, None, 12.0, 300), (8, None, None, 50.0, 100),
    )  # fmt: skip

    row = rows_of(market, events(accepted(5, 100), fill(7, 100, 11.2)))[-1]

    assert row["market_qty"] == 400
    assert row["interval_vwap"] == pytest.approx(11.5)
    assert row["participation_rate"] == 0.25


def test_time_with_a_crossed_book_is_left_out_of_the_twap():
    market = ticks(
        (0, 10.0, 10.0, None, None), (4, 11.0, 10.0, None, None), (6, 12.0, 12.0, None, None)
    )

    row = rows_of(market, events(accepted(2, 100), fill(8, 100, 11.0)))[-1]

    assert row["twap"] == pytest.approx((2 * 10.0 + 2 * 12.0) / 4)


def test_a_fill_at_a_crossed_book_counts_in_the_average_but_not_in_the_spread():
    market = ticks((0, 10.0, 10.2, None, None), (4, 11.0, 10.0, None, None))

    row = rows_of(market, events(accepted(2, 200), fill(3, 100, 10.2), fill(5, 100, 10.6)))[-1]

    assert row["avg_px"] == pytest.approx(10.4)
    assert row["effective_spread_exec_mid_bps"] == pytest.approx(0.2 / 10.1 * 1e4)
    assert row["market_impact_bps"] is None


def test_a_fill_sixty_seconds_ago_has_left_the_window():
    market = ticks((0, 10.0, 10.2, None, None))

    filled = fill(10, 300, 10.2), fill(69.5, 60, 10.2), fill(70, 60, 10.1)
    rows = rows_of(market, events(accepted(1, 900), *filled))
    fills = [row for row in rows if row["kind"] == 12]

    assert [row["fill_qty_per_s"] for row in fills] == [5.0, 6.0, 2.0]
    assert fills[2]["window_slippage_bps"] == pytest.approx((10.15 - 10.1) / 10.1 * 1e4)


def test_a_quantity_of_another_order_is_never_in_the_window():
    market = ticks((0, 10.0, 10.2, None, None))
    first = events(accepted(1, 900), fill(10, 300, 10.2), order="A")
    second = events(accepted(1, 900), fill(11, 60, 10.2), order="B")

    found = status(market, pl.concat([first, second]), None, Session(OPEN_NS))

    assert found.filter(kind=12)["fill_qty_per_s"].to_list() == [5.0, 1.0]


def test_open_orders_are_marked_every_minute_until_they_close():
    market = ticks((0, 10.0, 10.2, None, None), (400, 10.0, 10.2, None, None))
    happened = events(accepted(1, 100), (200, "order_cancelled", {}))

    marks = [row["ts_event"] for row in rows_of(market, happened) if row["kind"] == 40]

    assert len(marks) in {3, 4}
    assert {b - a for a, b in pairwise(marks)} == {60 * SECOND}
    assert T0 + SECOND < marks[0] <= T0 + 61 * SECOND
    assert marks[-1] < T0 + 200 * SECOND


def test_what_is_left_of_a_cancelled_order_is_valued_at_the_mid_of_its_end():
    market = ticks((0, 10.0, 10.2, None, None), (30, 10.4, 10.6, 9.0, 100))
    happened = events(
        accepted(1, 100), fill(5, 40, 10.2), (40, "order_cancelled", {}), decision_px=10.0
    )

    row = rows_of(market, happened)[-1]

    assert row["shortfall_delay_ccy"] == pytest.approx(100 * 0.1)
    assert row["shortfall_trading_ccy"] == pytest.approx(40 * 0.1)
    assert row["shortfall_opportunity_ccy"] == pytest.approx(60 * 0.4)
    assert row["shortfall_total_bps"] == pytest.approx(38.0 / 1000 * 1e4)
    assert row["interval_vwap"] is None, "the window ends with the last fill"
    assert row["leaves_qty"] == 0.0


def test_the_shortfall_without_a_decision_is_the_markets_alone():
    market = ticks((0, 10.0, 10.2, None, None))

    row = rows_of(market, events(accepted(1, 100), fill(5, 100, 10.2)))[-1]

    assert row["shortfall_delay_ccy"] is None
    assert row["slippage_decision_bps"] is None
    assert row["shortfall_total_bps"] == pytest.approx(0.1 / 10.1 * 1e4)


def test_a_quantity_replaced_below_what_is_filled_leaves_the_order_complete():
    market = ticks((0, 10.0, 10.2, None, None))
    happened = events(
        accepted(1, 100), fill(5, 40, 10.2), (6, "order_replaced", {"order_qty": 30.0})
    )

    before, after = rows_of(market, happened)[1:3]

    assert before["execution_progress"] == 0.4
    assert (after["order_qty"], after["execution_progress"]) == (40.0, 1.0)


def test_the_fill_rate_is_of_what_is_at_the_venues():
    market = ticks((0, 10.0, 10.2, None, None))
    sent = {"route_id": 7, "order_qty": 80.0}
    happened = events(
        accepted(1, 100), fill(2, 10, 10.2), (3, "route_sent", sent),
        (3.004, "route_acknowledged", {"route_id": 7}), fill(5, 10, 10.2),
        (6, "route_cancelled", {"route_id": 7, "leaves_qty": 40.0}), fill(7, 10, 10.2),
    )  # fmt: skip

    filled = [row for row in rows_of(market, happened) if row["kind"] == 12]

    assert [row["fill_rate"] for row in filled] == [0.1, 20 / 80, 30 / 40]
    assert filled[1]["ack_ms"] == pytest.approx(4.0)


def test_the_schedules_expect_what_they_say():
    market = ticks((0, 10.0, 10.2, None, None), (50, None, None, 10.0, 400_000))
    said = {"start": T0, "end": T0 + 390 * SECOND}

    def expected(algo: str, **more: object) -> float:
        happened = events(accepted(1, 100_000), fill(60, 1, 10.2), algo=algo, **said, **more)
        return rows_of(market, happened)[-1]["expected_progress"]

    assert expected("TWAP") == pytest.approx(60 / 390)
    assert expected("POV", participation=0.1) == pytest.approx(0.1 / 0.9 * 4.0)
    assert expected("IS") == pytest.approx(0.372063, abs=1e-6)
    assert expected("VWAP") is None, "no curve"


def test_without_reference_data_cost_is_not_judged():
    market = ticks((0, 10.0, 10.2, None, None))

    row = rows_of(market, events(accepted(1, 100), fill(5, 100, 10.2)))[-1]

    for name in ("expected_cost_bps", "risk_bps", "z_cost", "cost_efficiency"):
        assert row[name] is None, name


def test_polars_and_the_plain_flow_give_the_same_rows(tmp_path):
    size = Size(ticks=4_000, symbols=4, orders=12, fills=400)
    paths = write_w1(tmp_path / "data", size, seed=3)
    one, other = tmp_path / "polars", tmp_path / "plain"
    session = Session(OPEN_NS)

    written = batch_polars.run(paths.market, paths.orders, paths.reference, one, session)
    per_event.run(paths.market, paths.orders, paths.reference, other, OUTPUT, session)

    ours, theirs = pipeline.read_rows(one), pipeline.read_rows(other)
    kinds = ours.select("kind").collect()["kind"]
    assert len(kinds) == written > 700
    assert set(kinds) == {1, 5, 12, 20, 21, 24, 40}
    assert not differences(ours, theirs, pipeline.KEY)


def test_chunks_of_symbols_change_nothing(tmp_path):
    paths = write_w1(tmp_path, Size(ticks=2_000, symbols=5, orders=10, fills=200), seed=5)
    market = pl.read_parquet(paths.market, columns=batch_polars.MARKET_COLUMNS)
    reference = batch_polars.read_reference(paths.reference)
    orders = pl.read_parquet(paths.orders)

    one_by_one, at_once = (
        status(market, orders, reference, Session(OPEN_NS), chunk_rows=n).lazy() for n in (1, 10**6)
    )

    assert not differences(one_by_one, at_once, pipeline.KEY, tolerance=0.0)


MEASURE_THE_PRODUCT = {
    "__init__.py", "pipeline.py", "stream.py", "stages.py", "inprocess.py", "memory.py",
    "live_load.py", "live_sink.py", "live_source.py", "history.py", "bus_load.py", "deployed.py",
    "desk_process.py", "feed_watch.py", "http_load.py", "latency.py", "socket_client.py",
    "status.py", "status_rows.py", "websocket.py", "publish.py", "recovery.py", "scaling.py",
    "stored_day.py", "bus.py", "healthy_orders.py", "false_alarms.py", "alert_watch.py",
    "order_alarms.py", "rollup_step.py", "healthy_venues.py", "venue_alarms.py", "cohort_alarms.py",
}  # fmt: skip
"""Benchmarks that run the product itself; every other one is an answer of its own."""


def test_the_batch_answers_share_no_code_with_the_product():
    here = Path(__file__).resolve().parent
    files = [*here.glob("*_batch.py"), *(ROOT / "benchmarks").glob("*.py")]
    allowed = {"domain", "benchmarks"}
    ours = {p.parent.name for p in ROOT.glob("*/__init__.py")} - allowed

    for file in files:
        if file.name in MEASURE_THE_PRODUCT:
            continue
        imported = {
            name.split(".")[0]
            for node in ast.walk(ast.parse(file.read_text()))
            for name in (
                [node.module or ""] if isinstance(node, ast.ImportFrom)
                else [a.name for a in node.names] if isinstance(node, ast.Import) else []
            )
        }  # fmt: skip
        assert not imported & ours, file.name
