import math
import os
import zipfile
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from analytics.daily_bars import (
    adjusted,
    average_volume,
    beta,
    close_to_close_bps,
    read_daily_bars,
    suspected_splits,
)
from domain.errors import InputError
from domain.reference import Split

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("EXECMON_TEST_DATA", ROOT.parent / "shared" / "data"))
needs_tape = pytest.mark.skipif(
    not (DATA / "equity_tape").is_dir(), reason=f"no equity tape in {DATA} (EXECMON_TEST_DATA)"
)


def frame(closes: list[float], volumes: list[float] | None = None) -> pl.DataFrame:
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(len(closes))]
    return pl.DataFrame(
        {"date": days, "close": closes, "volume": volumes or [100.0] * len(closes)},
        schema_overrides={"close": pl.Float64, "volume": pl.Float64},
    )


def written(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


BARE = "20131003 00:00,10,12,9,11,100\n20131004 00:00,11,12,9,12.5,300\n"
NAMED = "Date, Close ,Volume\n2013-10-04,12.5,300\n2013-10-03,11,100\n"


@pytest.mark.parametrize("text", [BARE, NAMED, BARE.replace(" 00:00", ""), "\ufeff" + NAMED])
def test_bars_are_read_with_and_without_a_line_of_names(tmp_path: Path, text: str):
    bars = read_daily_bars(written(tmp_path, "a.csv", text))

    assert bars.select("date", "close", "volume").rows() == [
        (date(2013, 10, 3), 11.0, 100.0),
        (date(2013, 10, 4), 12.5, 300.0),
    ]


@pytest.mark.parametrize("kind", [date, datetime])
def test_bars_are_read_from_parquet(tmp_path: Path, kind: type):
    path = tmp_path / "a.parquet"
    pl.DataFrame({"date": [kind(2013, 10, 3)], "close": [11], "volume": [100]}).write_parquet(path)

    assert read_daily_bars(path).rows() == [(date(2013, 10, 3), 11.0, 100.0)]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", BARE.replace("12.5", "x"), "row 2: a bar needs a date, a positive close"),
        ("a.csv", BARE.replace("12.5", "0"), "row 2"),
        ("a.csv", BARE.replace("20131004", "20131304"), "row 2"),
        ("a.csv", BARE.replace(",300", ",-1"), "row 2"),
        ("a.csv", BARE.replace("20131004", "20131003"), "hold 2013-10-03 twice"),
        ("a.csv", "20131003,10,12\n", "the columns are date, open, high, low, close, volume"),
        ("a.csv", "day,close\n", "lack date, volume"),
        ("a.csv", "", "daily bars .*a.csv"),
        ("a.zip", "not a zip", "daily bars .*a.zip"),
        ("a.parquet", "not parquet", "daily bars .*a.parquet"),
    ],
)
def test_what_is_no_bar_is_refused_by_its_row(tmp_path: Path, name: str, text: str, words: str):
    with pytest.raises(InputError, match=words):
        read_daily_bars(written(tmp_path, name, text))


def test_a_missing_file_and_a_zip_of_two_are_refused(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.csv", BARE)
        archive.writestr("b.csv", BARE)

    with pytest.raises(InputError, match="No such file"):
        read_daily_bars(tmp_path / "none.csv")
    with pytest.raises(InputError, match="expected one file inside, found 2"):
        read_daily_bars(tmp_path / "two.zip")


def test_volatility_is_the_deviation_of_the_last_returns():
    closes = [50.0, 100.0, 101.0, 99.0, 102.0]

    sigma = close_to_close_bps(frame(closes), 3)

    returns = np.diff(np.log(closes[1:]))
    assert sigma == pytest.approx(np.std(returns, ddof=1) * 1e4)


def test_too_little_history_gives_nothing_and_not_zero():
    assert close_to_close_bps(frame([1.0, 2.0]), 20) is None
    assert close_to_close_bps(frame([2.0, 2.0, 2.0]), 20) is None
    assert average_volume(frame([]), 20) is None
    assert beta(frame([1.0, 2.0]), frame([1.0, 2.0]), 250) is None


def test_average_volume_is_of_the_last_days_only():
    assert average_volume(frame([1.0] * 4, [1000.0, 10.0, 20.0, 30.0]), 3) == 20


def test_beta_is_the_slope_on_the_index():
    generator = np.random.default_rng(7)
    index = np.exp(np.cumsum(generator.normal(0, 0.01, 300)))

    stock = (index**1.5 * 40).tolist()

    assert beta(frame(stock), frame(index.tolist()), 250) == pytest.approx(1.5)
    assert beta(frame(stock), frame([1.0] * 300), 250) is None


def test_a_split_is_noticed_and_taken_out():
    bars = frame([100.0, 101.0, 50.2, 50.0])

    split = suspected_splits(bars)

    assert split == [Split("2026-01-03", 2)]
    level = adjusted(bars, split, date(2026, 1, 4))
    assert level["close"].to_list() == [50, 50.5, 50.2, 50]
    assert level["volume"].to_list() == [200, 200, 100, 100]
    assert adjusted(bars, split, date(2026, 1, 2)).equals(bars)
    assert suspected_splits(level) == []


def test_a_reverse_split_is_noticed_too():
    assert suspected_splits(frame([1.0, 10.1])) == [Split("2026-01-02", 0.1)]


@needs_tape
def test_the_sample_bars_give_the_splits_of_1999_and_2004():
    ibm = read_daily_bars(DATA / "equity_tape" / "ibm_daily.zip", price_scale=1e4)
    bac = read_daily_bars(DATA / "equity_tape" / "bac_daily.zip", price_scale=1e4)

    assert suspected_splits(ibm) == [Split("1999-05-27", 2)]
    assert suspected_splits(bac) == [Split("2004-08-30", 2)]
    assert len(ibm) == 5849


@needs_tape
def test_every_sample_bar_lies_on_a_session_of_the_calendar():
    from domain.calendars import sessions_between

    bars = read_daily_bars(DATA / "equity_tape" / "ibm_daily.zip", price_scale=1e4)

    days = set(bars["date"].to_list())
    sessions = {s.date for s in sessions_between("XNYS", min(days), max(days))}
    assert days <= sessions
    assert len(sessions - days) <= 5
    assert not math.isnan(bars["close"].sum())
