import json
from pathlib import Path

import polars as pl
import pytest

from benchmarks.w1 import OPEN_NS, SESSION_NS, Size, w1, write_w1

SIZE = Size(ticks=5_000, symbols=20, orders=40, fills=1_000)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return write_w1(tmp_path_factory.mktemp("w1"), SIZE, seed=7)


@pytest.fixture(scope="module")
def market(paths) -> pl.DataFrame:
    return pl.read_parquet(paths.market)


@pytest.fixture(scope="module")
def orders(paths) -> pl.DataFrame:
    return pl.read_parquet(paths.orders)


def test_the_same_seed_gives_the_same_day(paths, tmp_path: Path):
    again = write_w1(tmp_path / "again", SIZE, seed=7)
    other = write_w1(tmp_path / "other", SIZE, seed=8)

    assert pl.read_parquet(again.orders).equals(pl.read_parquet(paths.orders))
    assert pl.read_parquet(again.market).equals(pl.read_parquet(paths.market))
    assert not pl.read_parquet(other.market).equals(pl.read_parquet(paths.market))


def test_a_day_is_made_once_and_kept(tmp_path: Path):
    first = w1(1, cache=tmp_path, size=SIZE)
    stamp = first.orders.stat().st_mtime_ns

    assert w1(1, cache=tmp_path, size=SIZE) == first
    assert first.orders.stat().st_mtime_ns == stamp


def test_the_market_has_its_size_and_lies_within_the_session(market):
    assert len(market) == SIZE.ticks
    assert market["ts_event"].is_sorted()
    assert market["ts_event"].min() > OPEN_NS
    assert market["ts_event"].max() < OPEN_NS + SESSION_NS
    assert (market["bid"] < market["ask"]).all()
    assert market["price"].is_between(market["bid"], market["ask"]).all()
    counts = market["symbol"].value_counts()["count"]
    assert len(counts) == SIZE.symbols
    assert counts.max() > 3 * counts.min()


def test_every_symbol_is_numbered_through(market):
    numbered = market.group_by("symbol").agg(
        pl.col("seq") == pl.int_range(pl.len()), pl.col("ts_event").is_sorted().alias("sorted")
    )

    assert numbered.explode("seq")["seq"].all()
    assert numbered["sorted"].all()


def test_orders_have_their_fills_within_half_an_hour(orders):
    of_order = orders.group_by("order_id").agg(
        pl.col("ts_event").filter(type="order_accepted").first().alias("arrival"),
        pl.col("ts_event").max().alias("last"),
        (pl.col("type") == "order_filled").sum().alias("fills"),
        pl.col("type").first(),
        pl.col("seq") == pl.int_range(1, pl.len() + 1),
    )

    assert orders["ts_event"].is_sorted()
    assert len(of_order) == SIZE.orders
    assert of_order["fills"].sum() == SIZE.fills
    assert (of_order["type"] == "order_accepted").all()
    assert (of_order["last"] - of_order["arrival"] <= SIZE.order_s * 10**9).all()
    assert of_order.explode("seq")["seq"].all()


def test_quantities_add_up(orders):
    fills = orders.filter(type="order_filled")
    added = fills.select(pl.col("last_qty").cum_sum().over("order_id")).to_series()
    total = fills.group_by("order_id").agg(pl.col("last_qty").sum())
    wanted = orders.filter(type="order_accepted").select("order_id", "order_qty")
    both = wanted.join(total, on="order_id")
    cancelled = orders.filter(type="order_cancelled")["order_id"]

    assert fills["cum_qty"].equals(added)
    assert fills["exec_id"].is_unique().all()
    assert (both["last_qty"] <= both["order_qty"]).all()
    left = both.filter(pl.col("last_qty") < pl.col("order_qty"))["order_id"]
    assert set(left) == set(cancelled)
    assert 0 < len(left) < SIZE.orders


def test_what_is_routed_comes_back_filled_or_cancelled(orders):
    sent = orders.filter(type="route_sent")["order_qty"].sum()
    back = orders.filter(type="route_cancelled")["leaves_qty"].sum()

    assert sent - back == orders.filter(type="order_filled")["last_qty"].sum()
    acknowledged = orders.filter(type="route_acknowledged")["route_id"]
    assert set(acknowledged) == set(orders.filter(type="route_sent")["route_id"])


def test_fills_are_priced_at_the_quote_before_them(market, orders):
    fills = orders.filter(type="order_filled")
    met = fills.join_asof(
        market, on="ts_event", by="symbol", allow_exact_matches=False, check_sortedness=False
    )

    assert met["last_px"].is_between(met["bid"], met["ask"]).all()


def test_each_symbol_has_a_reference_record(paths, market):
    records = [json.loads(line) for line in paths.reference.read_text().splitlines()]

    assert {r["symbol"] for r in records} == set(market["symbol"].unique().cast(pl.String))
    for record in records:
        assert sum(record["volume_curve"]) == pytest.approx(1.0)
        assert sum(m * m for m in record["volatility_curve"]) / 13 == pytest.approx(1.0)


def test_the_product_takes_the_reference_records(paths):
    from domain.reference_check import decode_reference

    lines = paths.reference.read_bytes().splitlines()

    assert len([decode_reference(line) for line in lines]) == SIZE.symbols
