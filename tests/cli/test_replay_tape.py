import math
from dataclasses import astuple
from datetime import date

import numpy as np
import polars as pl
import pytest

from cli.replay.tape_figures import Place, Prints, lives_of
from domain.columns import MARKET, blank
from domain.keys import key_of
from domain.vocabulary import MarketKind, TradeFlag
from sources.simulator.desk_file import load_desk
from sources.simulator.tape import trade_tape
from sources.tape import TapeReader

DAY = date(2013, 10, 7)

DESK = """
[[parent]]
order_id = "{name}"
symbol = "IBM"
side = "SELL"
quantity = 5000
algorithm = "TWAP"
start = "10:00"
end = "10:20"
"""


@pytest.fixture
def tape(data):
    return data / "equity_tape"


def test_the_tapes_own_figures_and_every_parents_numbers(execmon, tape, tmp_path):
    desk, out = tmp_path / "desk.toml", tmp_path / "orders.parquet"
    desk.write_text(DESK.format(name="SLICE/1 #ü"))

    found = execmon("replay", "tape", tape, "--symbols", "IBM", "--date", "2013-10-07", "--desk",
                    desk, "--json", "--orders", out).json  # fmt: skip

    assert found["tape"]["IBM"]["prints"] == 24_106
    assert found["tape"]["IBM"]["qty"] == 3_753_440
    assert found["tape_vwap"]["IBM"] == pytest.approx(182.5290450, abs=5e-8)
    assert found["tape_vwap_no_opening"]["IBM"] == pytest.approx(182.5493694, abs=5e-8)
    [parent] = found["parents"]
    assert parent["order_id"] == "SLICE/1 #ü"
    assert parent["side"] == "SELL"
    assert parent["cum_qty"] == 5000
    assert parent["prev_close"] == pytest.approx(184.10)
    assert 0 <= parent["rpm"] <= 1
    for name in ("close", "day_vwap", "pwp_10", "pwp_20", "interval_vwap", "twap"):
        assert parent[name] == pytest.approx(182.5, abs=2.0)
        cost = (parent[name] - parent["avg_px"]) / parent[name] * 1e4
        assert parent[f"slippage_{name}_bps"] == pytest.approx(cost, abs=1e-9)
    row = pl.read_parquet(out).row(by_predicate=pl.col("order_id") == "SLICE/1 #ü", named=True)
    assert row["pwp_10"] == parent["pwp_10"]
    assert row["reasons"]["pwp_10"] is None


def test_the_shipped_desk_is_limited_to_the_symbols_asked_for(execmon, tape):
    found = execmon("replay", "tape", tape, "--symbols", "IBM", "--date", "2013-10-07", "--json",
                    "--fill-at", "mid", "--seed", "3").json  # fmt: skip

    assert {parent["symbol"] for parent in found["parents"]} == {"IBM"}
    assert len(found["parents"]) == 3
    assert found["seed"] == 3


def test_every_parent_of_a_days_tape_keeps_its_name(execmon, tape):
    found = execmon("replay", "tape", tape, "--symbols", "IBM", "--date", "2013-10-07", "--json")

    names = {parent["order_id"] for parent in found.json["parents"]}
    assert names == {"IBM-VWAP-1", "IBM-IS-2", "IBM-LIMIT-3"}


def test_later_benchmarks_are_read_from_the_window_the_stream_used(execmon, tape, tmp_path):
    path = tmp_path / "desk.toml"
    path.write_text(DESK.format(name="P1"))
    reader = TapeReader(tape, ["IBM"], DAY)
    run = trade_tape([reader.rows], load_desk(path, DAY), reader.session.open_ns)
    life, all_prints = lives_of(run)[key_of("P1")], Prints(run.market, key_of("IBM"))
    window = slice(all_prints.after(life.arrival), all_prints.after(max(life.fills, key=astuple)))
    sizes = all_prints.sizes[window]

    [parent] = execmon("replay", "tape", tape, "--symbols", "IBM", "--date", DAY.isoformat(),
                       "--desk", path, "--json").json["parents"]  # fmt: skip

    assert parent["market_qty"] == sizes.sum()
    expected = (all_prints.prices[window] * sizes).sum() / sizes.sum()
    assert parent["interval_vwap"] == pytest.approx(expected, rel=1e-12)


def test_parents_are_shown_to_people(execmon, tape, tmp_path):
    desk = tmp_path / "desk.toml"
    desk.write_text(DESK.format(name="P1"))

    shown = execmon("replay", "tape", tape, "--symbols", "IBM", "--date", "2013-10-07",
                    "--desk", desk)  # fmt: skip

    assert shown.code == 0
    assert "182.5290450" in shown.out
    assert "Parent orders" in shown.out


def test_a_desk_that_wants_what_the_tape_does_not_hold_is_refused(execmon, tape, tmp_path):
    desk = tmp_path / "desk.toml"
    desk.write_text(DESK.format(name="P1").replace("IBM", "MSFT"))

    refused = execmon("replay", "tape", tape, "--symbols", "IBM", "--date", "2013-10-07",
                      "--desk", desk)  # fmt: skip

    assert refused.code == 2
    assert "MSFT" in refused.err


def test_a_bad_desk_names_the_order_and_what_is_wrong(execmon, tape, tmp_path):
    desk = tmp_path / "desk.toml"
    desk.write_text(DESK.format(name="P1").replace('"TWAP"', '"POV"'))

    refused = execmon("replay", "tape", tape, "--symbols", "IBM", "--date", "2013-10-07",
                      "--desk", desk)  # fmt: skip

    assert refused.code == 2
    assert "participation" in refused.err
    assert "number 1" in refused.err


def prints(*rows: tuple[int, float, float, int]) -> np.ndarray:
    out = blank(MARKET, len(rows))
    out["symbol"] = key_of("X")
    out["kind"] = MarketKind.TRADE
    for i, (ts, price, size, flags) in enumerate(rows):
        out[i]["ts_event"], out[i]["price"], out[i]["size"] = ts, price, size
        out[i]["flags"], out[i]["seq"] = flags, i
    return out


def test_a_print_at_the_time_of_an_order_counts_only_if_its_row_comes_later():
    tape = Prints(prints((5, 1, 1, 1), (5, 2, 1, 1), (6, 3, 1, 1)), key_of("X"))

    assert tape.after(Place(5, 0)) == 1
    assert tape.after(Place(5, 1)) == 2
    assert tape.after(Place(5)) == 2
    assert tape.after(Place(4)) == 0


class _Session:
    close_ns = 100


def test_the_close_is_the_auctions_price_else_the_last_print_of_the_session():
    eligible, closing = TradeFlag.ELIGIBLE, TradeFlag.ELIGIBLE | TradeFlag.CLOSING

    last = Prints(prints((5, 10, 1, eligible), (120, 12, 1, eligible)), key_of("X"))
    official = Prints(prints((5, 10, 1, eligible), (120, 12, 1, closing)), key_of("X"))
    none = Prints(prints(), key_of("X"))

    assert last.close_px(_Session) == 10
    assert official.close_px(_Session) == 12
    assert math.isnan(none.close_px(_Session))
