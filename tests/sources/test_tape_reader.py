import zipfile
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from domain.errors import InputError
from domain.instants import format_rfc3339
from domain.keys import key_of
from domain.vocabulary import MarketKind, Topic, TradeFlag
from sources.reader import Cursor, batches
from sources.tape import TapeReader, daily_bars

DAY = date(2013, 10, 7)


def tape(reader: TapeReader) -> np.ndarray:
    return np.concatenate([b.market for b in batches(reader, Topic.MARKET_DATA)])


@pytest.fixture(scope="module")
def both(data: Path) -> TapeReader:
    return TapeReader(data / "equity_tape", ["IBM", "BAC"], DAY)


def test_the_session_of_ibm_has_its_known_vwap(both: TapeReader) -> None:
    rows = tape(both)
    hours = both.session
    prints = rows[(rows["symbol"] == key_of("IBM")) & (rows["kind"] == MarketKind.TRADE)]
    inside = prints[(prints["ts_event"] >= hours.open_ns) & (prints["ts_event"] < hours.close_ns)]

    def vwap(some: np.ndarray) -> float:
        return (some["price"] * some["size"]).sum() / some["size"].sum()

    assert len(prints) == 24_293
    assert len(inside) == 24_106
    assert inside["size"].sum() == 3_753_440
    assert vwap(inside) == pytest.approx(182.5290450, abs=5e-8)
    later = inside[inside["flags"] & TradeFlag.OPENING == 0]
    assert inside["size"].sum() - later["size"].sum() == 138_862
    assert vwap(later) == pytest.approx(182.5493694, abs=5e-8)


def test_auction_prints_belong_to_the_session_whatever_their_time(both: TapeReader) -> None:
    rows = tape(both)
    prints = rows[(rows["symbol"] == key_of("IBM")) & (rows["kind"] == MarketKind.TRADE)]

    auctions = prints[prints["flags"] & (TradeFlag.OPENING | TradeFlag.CLOSING) != 0]

    assert [format_rfc3339(int(t)) for t in auctions["ts_event"]] == [
        "2013-10-07T13:30:16.893Z",
        "2013-10-07T20:01:04.221Z",
    ]
    assert (auctions["flags"] & TradeFlag.ELIGIBLE != 0).all()
    late = prints[(prints["ts_event"] >= both.session.close_ns)]
    assert (late["flags"] & TradeFlag.ELIGIBLE != 0).sum() == 1


def test_symbols_are_merged_by_time_each_with_its_own_sequence(both: TapeReader) -> None:
    rows = tape(both)

    assert (np.diff(rows["ts_event"]) >= 0).all()
    assert len(rows) == 24_293 + 109_066 + 88_172 + 476_855
    for symbol in ("IBM", "BAC"):
        seq = rows["seq"][rows["symbol"] == key_of(symbol)]
        assert (seq == np.arange(1, len(seq) + 1)).all()
    again = [b for _, b in both.read(Topic.MARKET_DATA, 0, Cursor(len(rows) - 10))]
    assert (again[0].market["seq"] == rows["seq"][-10:]).all()


def write(folder: Path, trades: str, quotes: str) -> TapeReader:
    (folder / "xyz_20131007_trade.csv").write_text(trades)
    with zipfile.ZipFile(folder / "xyz_20131007_quote.zip", "w") as archive:
        archive.writestr("whatever.csv", quotes)
    return TapeReader(folder, ["XYZ"], DAY)


def test_one_sided_quotes_keep_the_other_side(tmp_path: Path) -> None:
    reader = write(
        tmp_path,
        "",
        "36000000,0,0,1000100,300,N,1,0\n36000000,1000000,200,0,0,P,1,0\n"
        "36000001,0,0,1000200,100,Q,1,0\n36000002,9,9,9,9,Q,1,1\n",
    )

    rows = tape(reader)

    np.testing.assert_array_equal(rows["bid"], [np.nan, 100.0, 100.0])
    np.testing.assert_array_equal(rows["bid_size"], [np.nan, 200.0, 200.0])
    assert rows["ask"].tolist() == [100.01, 100.01, 100.02]


def test_a_print_comes_before_the_quotes_of_its_millisecond(tmp_path: Path) -> None:
    reader = write(
        tmp_path,
        "36000000,1000000,100,D,1,0\n36000002,1000000,100,?,0,0\n",
        "36000000,0,0,1000100,300,N,1,0\n36000001,1000000,200,0,0,P,1,0\n",
    )

    rows = tape(reader)

    assert rows["kind"].tolist() == [2, 1, 1, 2]
    assert rows["venue"].tolist() == [key_of("FINR"), 0, 0, 0]


@pytest.mark.parametrize(
    ("conditions", "suspicious", "ms", "expected"),
    [
        ("1", 0, 36_000_000, TradeFlag.ELIGIBLE),
        ("20000020", 0, 36_000_000, TradeFlag.ELIGIBLE),
        ("1", 1, 36_000_000, TradeFlag.SUSPICIOUS),
        ("200", 0, 36_000_000, 0),
        ("20100000", 0, 36_000_000, 0),
        ("2000000", 0, 36_000_000, 0),
        ("2000", 0, 34_200_072, TradeFlag.EXTENDED_HOURS),
        ("4800", 0, 36_000_000, TradeFlag.ELIGIBLE | TradeFlag.OUT_OF_SEQUENCE),
        ("1", 0, 34_199_999, 0),
        ("1", 0, 34_200_000, TradeFlag.ELIGIBLE),
        ("1", 0, 57_600_000, 0),
        ("80", 0, 57_664_221, TradeFlag.ELIGIBLE | TradeFlag.CLOSING),
        ("40", 0, 34_216_893, TradeFlag.ELIGIBLE | TradeFlag.OPENING),
    ],
)
def test_sale_conditions_decide_what_counts(
    tmp_path: Path, conditions: str, suspicious: int, ms: int, expected: int
) -> None:
    reader = write(tmp_path, f"{ms},1000000,100,N,{conditions},{suspicious}\n", "")

    assert tape(reader)["flags"].tolist() == [expected]


def test_a_line_of_the_tape_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    reader = write(
        tmp_path,
        "36000000,1000000,100,D,1,0\n36000000,-5,100,D,1,0\nnoise\n36000001,1000000,100,D,xyz,0\n",
        "86400000,0,0,1000100,300,N,1,0\n36000000,0,0,0,0,N,1,0\n36000001,1000000,200,0,0,P,1,0\n",
    )

    parts = list(batches(reader, Topic.MARKET_DATA))

    assert [len(b.market) for b in parts] == [2]
    assert [d.position for d in parts[0].dead] == [
        "xyz_20131007_trade:2", "xyz_20131007_trade:3", "xyz_20131007_trade:4",
        "xyz_20131007_quote:1", "xyz_20131007_quote:2",
    ]  # fmt: skip
    assert parts[0].dead[1].message == b"noise"


def test_daily_bars_are_in_currency_and_shares(data: Path, tmp_path: Path) -> None:
    bars = daily_bars(data / "equity_tape", "IBM")

    first = bars.row(0, named=True)
    assert first == {
        "date": date(1998, 1, 2), "open": 104.5, "high": 105.75, "low": 104.06, "close": 105.75,
        "volume": 2_563_200,
    }  # fmt: skip
    (tmp_path / "abc_daily.csv").write_text("19980102 00:00,1,2,3,4\n")
    with pytest.raises(InputError, match="line 1"):
        daily_bars(tmp_path, "ABC")


def test_a_tape_that_is_not_there_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least one symbol"):
        TapeReader(tmp_path, [], DAY)
    with pytest.raises(InputError, match="not a trading day"):
        TapeReader(tmp_path, ["IBM"], date(2013, 10, 6))
    with pytest.raises(InputError, match="neither"):
        tape(TapeReader(tmp_path, ["IBM"], DAY))
    (tmp_path / "ibm_20131007_trade.zip").write_bytes(b"not a zip")
    with pytest.raises(InputError, match="trade"):
        tape(TapeReader(tmp_path, ["IBM"], DAY))
