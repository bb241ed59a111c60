from datetime import date
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

DAY = date(2013, 10, 7)
SECOND = 10**9


def day_of(tape_batch: ModuleType, prints: list[tuple], mids: list[tuple[float, float]]):
    """A tape of (s, size, price, own) prints and (s, mid) quotes two ticks wide."""
    return tape_batch.Tape(
        pl.DataFrame(
            [(int(t * SECOND), mid - 0.01, mid + 0.01) for t, mid in mids],
            schema=["ts", "bid", "ask"],
            orient="row",
        ),
        pl.DataFrame(
            [(int(t * SECOND), float(size), price, bool(own), True, False)
             for t, size, price, own in prints],
            schema=["ts", "size", "price", "own", "eligible", "opening"],
            orient="row",
        ),
        0,
        100 * SECOND,
    )  # fmt: skip


@pytest.fixture
def g3(tape_batch: ModuleType):
    return day_of(
        tape_batch,
        [(0, 1000, 50.12, 0), (1, 2000, 50.20, 1), (2, 1500, 50.18, 0), (3, 3000, 50.25, 1),
         (4, 2500, 50.22, 0), (5, 2000, 50.325, 1), (6, 3000, 50.30, 0), (7, 5000, 50.28, 0),
         (8, 20000, 50.26, 0)],
        [(0, 50.10), (2, 50.16), (5, 50.30)],
    )  # fmt: skip


def own_fills(tape) -> pl.DataFrame:
    return tape.prints.filter("own").select("ts", "price", qty="size")


def test_the_worked_example_of_a_purchase_on_a_short_tape(tape_batch, g3):
    found = tape_batch.order_benchmarks(g3, own_fills(g3), 0, side=1)

    assert found["interval_vwap"] == pytest.approx(50.2283333, abs=5e-8)
    assert found["vwap_ex_own"] == pytest.approx(50.188)
    assert found["participation_rate"] == pytest.approx(0.583333, abs=5e-7)
    assert found["slippage_interval_vwap_bps"] == pytest.approx(5.7357117, abs=5e-8)
    assert found["slippage_vwap_ex_own_bps"] == pytest.approx(13.7767708, abs=5e-8)
    assert found["twap"] == pytest.approx(50.136)
    assert found["rpm"] == pytest.approx(1 / 6)
    assert found["pwp_20"] == pytest.approx(50.2554286, abs=5e-8)
    assert found["pwp_10"] is None
    assert tape_batch.twap(g3, 0, 8 * SECOND) == pytest.approx(50.1975)


def test_the_interval_vwap_is_a_mix_of_ours_and_the_others(tape_batch, g3):
    found = tape_batch.order_benchmarks(g3, own_fills(g3), 0, side=1)
    share = found["participation_rate"]

    mixed = share * found["avg_px"] + (1 - share) * found["vwap_ex_own"]
    assert found["interval_vwap"] == pytest.approx(mixed, rel=1e-14)


def test_prints_of_the_first_and_the_last_instant_count(tape_batch):
    prints = [(1, 100, 10.0, 0), (2, 100, 12.0, 1), (3, 100, 20.0, 0)]
    tape = day_of(tape_batch, prints, [(0, 10.0)])

    found = tape_batch.order_benchmarks(tape, own_fills(tape), SECOND, side=-1)

    assert found["interval_vwap"] == pytest.approx(11.0)


def test_an_order_that_is_all_of_the_volume_has_no_others_to_compare_with(tape_batch):
    tape = day_of(tape_batch, [(2, 100, 12.0, 1)], [(0, 10.0)])

    found = tape_batch.order_benchmarks(tape, own_fills(tape), SECOND, side=1)

    assert found["participation_rate"] == 1.0
    assert found["vwap_ex_own"] is None
    assert found["participation_ex_own_rate"] is None


def test_time_with_a_crossed_book_is_left_out_of_the_twap(tape_batch):
    tape = day_of(tape_batch, [], [(0, 10.0), (2, 99.0), (3, 12.0)])
    crossed = pl.DataFrame({"ts": [2 * SECOND], "bid": [50.0], "ask": [49.0]})
    quotes = pl.concat([tape.quotes.filter(pl.col("ts") != 2 * SECOND), crossed]).sort("ts")
    tape = tape_batch.replace(tape, quotes=quotes)

    assert tape_batch.twap(tape, 0, 5 * SECOND) == pytest.approx((2 * 10.0 + 2 * 12.0) / 4)


def test_the_tape_of_ibm_gives_its_published_averages(tape_batch, tape_folder: Path):
    figures = tape_batch.tape_figures(tape_batch.read_tape(tape_folder, "IBM", DAY))

    assert figures["tape_prints"] == 24_106
    assert figures["tape_volume"] == 3_753_440
    assert figures["tape_vwap"] == pytest.approx(182.5290450, abs=5e-8)
    assert figures["tape_vwap_no_opening"] == pytest.approx(182.5493694, abs=5e-8)


def test_the_official_close_belongs_to_the_session_though_it_printed_after_it(
    tape_batch, tape_folder: Path
):
    tape = tape_batch.read_tape(tape_folder, "IBM", DAY)

    close = tape.prints.filter("closing")

    assert len(close) == 1
    assert close["ts"][0] > tape.close_ns
    assert close["eligible"].all()
    assert not tape.prints.filter((pl.col("ts") > tape.close_ns) & ~pl.col("closing"))[
        "eligible"
    ].any()
