from pathlib import Path
from types import ModuleType

import polars as pl
import pytest


@pytest.fixture(scope="module")
def orders(lobster_batch: ModuleType, lobster_folder: Path) -> pl.DataFrame:
    return lobster_batch.orders(lobster_folder)


def test_the_session_has_the_figures_that_are_known_of_it(lobster_batch, lobster_folder):
    totals = lobster_batch.totals(lobster_folder)

    assert totals["events"] == 57_515
    assert totals["orders"] == 34_545
    assert totals["orders_executed"] == 6_993
    assert totals["fills"] == 8_974
    assert totals["filled_qty"] == 613_248
    assert (totals["orders_with_arrival"], totals["orders_without_arrival"]) == (4_549, 2_444)
    assert totals["fills_without_arrival"] == 3_071
    assert totals["effective_spread_exec_mid_bps"] == pytest.approx(-4.224671504, abs=5e-10)
    assert totals["effective_spread_receipt_mid_bps"] == pytest.approx(-2.081952562, abs=5e-10)


def test_every_executed_order_is_there_once(orders):
    assert len(orders) == 6_993
    assert orders["order_id"].is_unique().all()
    assert orders["cum_qty"].sum() == 613_248
    assert orders["fills"].sum() == 8_974
    assert (orders["fills"] > 1).sum() == 1_300


def test_an_order_without_submission_has_no_arrival_and_no_window(orders):
    unseen = orders.filter(pl.col("arrival_mid").is_null())

    assert len(unseen) == 2_444
    for name in ("slippage_bps", "effective_spread_bps", "interval_vwap", "twap", "eq_ratio"):
        assert unseen[name].null_count() == len(unseen), name
    assert unseen["effective_spread_exec_mid_bps"].null_count() == 0


def test_a_resting_order_never_pays_the_spread_at_its_execution(orders):
    assert (orders["effective_spread_exec_mid_bps"] <= 0).all()
    half = orders["quoted_spread_exec_bps"] - orders["price_improvement_exec_bps"] * 2
    assert ((half - orders["effective_spread_exec_mid_bps"]).abs() < 1e-9).all()


def test_realized_spread_and_impact_make_the_effective_spread(orders):
    seen = orders.drop_nulls("realized_spread_50ms_bps")
    gap = (
        seen["realized_spread_50ms_bps"]
        + seen["price_impact_50ms_bps"]
        - seen["effective_spread_bps"]
    )

    assert len(seen) > 4_500
    assert (gap.abs() < 1e-9).all()


def test_a_horizon_after_the_last_event_is_unobserved(lobster_batch, lobster_folder):
    fills = lobster_batch.fills_with_mids(lobster_folder)
    last = lobster_batch.read_rows(lobster_folder)["ts"].max()

    for name, horizon in lobster_batch.LATER_NS.items():
        observed = fills[f"mid_{name}"].is_not_null()
        assert (observed == (fills["ts"] + horizon <= last)).all(), name


def test_a_mid_some_time_later_is_that_of_the_last_row_before_it(lobster_batch, lobster_folder):
    rows = lobster_batch.read_rows(lobster_folder)
    fills = lobster_batch.fills_with_mids(lobster_folder)

    for row in range(0, len(fills), 1_500):
        fill = fills.row(row, named=True)
        for name in ("50ms", "60s"):
            horizon = lobster_batch.LATER_NS[name]
            book = rows.filter(pl.col("ts") < fill["ts"] + horizon).tail(1)
            assert fill[f"mid_{name}"] == (book["bid"][0] + book["ask"][0]) / 2


def test_the_window_of_an_order_is_from_its_submission_to_its_last_fill(
    lobster_batch, lobster_folder, orders
):
    rows = lobster_batch.read_rows(lobster_folder)
    several = orders.filter((pl.col("fills") >= 3) & pl.col("arrival_mid").is_not_null())

    for order in several.head(3).to_dicts():
        mine = rows.filter(pl.col("order_id") == order["order_id"])
        first = mine.filter(pl.col("type") == 1)["row"][0]
        last = mine.filter(pl.col("type") == 4)["row"].max()
        prints = rows.filter(pl.col("row").is_between(first, last) & pl.col("type").is_in([4, 5]))
        volume = prints["size"].sum()
        assert order["participation_rate"] == pytest.approx(order["cum_qty"] / volume, rel=1e-12)
        paid = (prints["price"] * prints["size"]).sum()
        assert order["interval_vwap"] == pytest.approx(paid / volume, rel=1e-11)

        held = rows.filter(pl.col("row").is_between(first - 1, last - 1))
        edges = [mine.filter(pl.col("type") == 1)["ts"][0], *held["ts"][1:]]
        ends = [*held["ts"][1:], mine.filter(pl.col("row") == last)["ts"][0]]
        mids = (held["bid"] + held["ask"]) / 2
        area = sum(m * (b - a) for m, a, b in zip(mids, edges, ends, strict=True))
        assert order["twap"] == pytest.approx(area / (ends[-1] - edges[0]), rel=1e-9)


def test_the_own_print_is_in_the_window_unless_it_is_asked_to_be_left_out(
    lobster_batch, lobster_folder, orders
):
    without = lobster_batch.orders(lobster_folder, own_print=False)

    assert orders["participation_rate"].max() <= 1.0
    assert without["participation_rate"].max() > 1.0
