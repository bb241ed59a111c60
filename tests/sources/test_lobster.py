from datetime import date
from pathlib import Path

import numpy as np
import pytest

from domain.errors import InputError
from domain.instants import format_rfc3339
from domain.keys import GROUPS, group_of, key_of
from domain.vocabulary import EventKind, MarketKind, Topic, TradeFlag
from sources.lobster import LobsterReader
from sources.reader import Cursor, batches

NAME = "TEST_2012-06-21_34200000_57600000"


def write(folder: Path, message: str, book: str, name: str = NAME) -> Path:
    (folder / f"{name}_message_1.csv").write_text(message)
    (folder / f"{name}_orderbook_1.csv").write_text(book)
    return folder


def rows(reader: LobsterReader) -> tuple[np.ndarray, np.ndarray]:
    market = np.concatenate([b.market for b in batches(reader, Topic.MARKET_DATA, 1)])
    return market, np.concatenate([b.events for b in batches(reader, Topic.ORDERS, 0)])


@pytest.fixture(scope="module")
def amzn(data: Path) -> LobsterReader:
    return LobsterReader(data / "lobster_amzn")


def test_a_nasdaq_session_has_its_known_counts(amzn: LobsterReader) -> None:
    market, events = rows(amzn)

    fills = events[events["kind"] == EventKind.ORDER_FILLED]
    prints = market[market["kind"] == MarketKind.TRADE]
    assert (amzn.symbol, amzn.day) == ("AMZN", date(2012, 6, 21))
    assert amzn.events == 57_515
    assert amzn.by_type == {1: 27_845, 2: 16, 3: 18_235, 4: 8_974, 5: 2_445}
    assert len(np.unique(events["order"])) == 34_545
    assert len(fills) == len(np.unique(fills["exec"])) == 8_974
    assert fills["last_qty"].sum() == 613_248
    assert len(np.unique(fills["order"])) == 6_993
    assert len(prints) == 11_419
    assert prints["size"].sum() == 810_755
    vwap = (prints["price"] * prints["size"]).sum() / prints["size"].sum()
    assert vwap == pytest.approx(222.6347650, abs=5e-8)
    assert not [d for topic in amzn.topics for b in batches(amzn, topic) for d in b.dead]


def test_fills_and_submissions_meet_the_book_of_the_message_before(amzn: LobsterReader) -> None:
    market, events = rows(amzn)
    quotes = market[market["kind"] == MarketKind.QUOTE]
    mids = (quotes["bid"] + quotes["ask"]) / 2
    met = np.searchsorted(quotes["seq"], events["market_seq"], side="right") - 1
    mid = np.where(met >= 0, mids[met], np.nan)

    filled = events["kind"] == EventKind.ORDER_FILLED
    accepted = events["kind"] == EventKind.ORDER_ACCEPTED
    received = dict(zip(events["order"][accepted].tolist(), mid[accepted], strict=True))
    fills, at_exec = events[filled], mid[filled]
    receipt = np.array([received.get(o, np.nan) for o in fills["order"].tolist()])

    def spread_bps(base: np.ndarray) -> float:
        known = ~np.isnan(base)
        qty, base = fills["last_qty"][known], base[known]
        cost = 2 * fills["side"][known] * (fills["last_px"][known] - base) * qty
        return cost.sum() / (base * qty).sum() * 1e4

    touch = np.where(fills["side"] > 0, quotes["bid"][met[filled]], quotes["ask"][met[filled]])
    assert (touch == fills["last_px"]).all()
    assert spread_bps(at_exec) == pytest.approx(-4.224671504, abs=5e-10)
    assert spread_bps(receipt) == pytest.approx(-2.081952562, abs=5e-10)
    assert np.isnan(receipt).sum() == 3_071


def test_times_are_exact_to_the_nanosecond_in_new_york(amzn: LobsterReader) -> None:
    market, events = rows(amzn)

    assert format_rfc3339(int(market["ts_event"][0])) == "2012-06-21T13:30:00.017459617Z"
    assert format_rfc3339(int(events["ts_event"][0])) == "2012-06-21T13:30:00.189607670Z"


def test_every_name_and_group_is_told(amzn: LobsterReader) -> None:
    for batch in batches(amzn, Topic.ORDERS):
        for field in ("order", "symbol", "venue", "exec"):
            assert set(batch.events[field].tolist()) - {0} <= batch.names.keys()
        sample = batch.events[:50]
        for row in sample:
            assert row["order_group"] == group_of(batch.names[int(row["order"])], GROUPS)
        assert np.isin(batch.details["pos"], batch.events["pos"]).all()


def test_reading_on_gives_what_reading_through_gives(amzn: LobsterReader) -> None:
    for topic in amzn.topics:
        parts = list(amzn.read(topic, 0, Cursor()))
        assert len(parts) > 2
        cursor = parts[1][0]
        rest = [b for _, b in amzn.read(topic, 0, cursor)]
        assert [len(b.events) + len(b.market) for b in rest] == [
            len(b.events) + len(b.market) for _, b in parts[2:]
        ]
        assert (rest[0].events["pos"] == parts[2][1].events["pos"]).all()


def test_a_print_comes_before_the_quote_that_it_left(tmp_path: Path) -> None:
    write(
        tmp_path,
        "36000.5,1,7,100,1000000,1\n36000.5,4,7,40,1000000,1\n36000.5,5,0,10,1000500,-1\n",
        "1001000,50,1000000,100\n1001000,50,1000000,60\n9999999999,0,-9999999999,0\n",
    )

    market, events = rows(LobsterReader(tmp_path))

    assert market["kind"].tolist() == [1, 2, 1, 2, 1]
    assert market["seq"].tolist() == [2, 3, 4, 5, 6]
    assert events["market_seq"].tolist() == [0, 3]
    assert market["exec"].tolist()[1] == events["exec"].tolist()[1] == key_of("TEST-2")
    assert market["exec"].tolist()[3] == 0
    assert np.isnan(market["bid"][4])
    assert np.isnan(market["ask_size"][4])
    assert events["liquidity"].tolist() == [0, 1]


def test_a_part_cancelled_amends_down_where_the_order_was_seen(tmp_path: Path) -> None:
    book = "1001000,50,1000000,100\n"
    write(
        tmp_path,
        "36000,1,7,100,1000000,1\n36001,4,7,10,1000000,1\n36002,2,7,30,1000000,1\n"
        "36003,2,8,5,1000000,-1\n36004,2,7,20,1000000,1\n36005,3,7,40,1000000,1\n",
        book * 6,
    )

    _, events = rows(LobsterReader(tmp_path))

    amended = events[events["kind"] == EventKind.ORDER_REPLACED]
    np.testing.assert_array_equal(amended["order_qty"], [70.0, np.nan, 50.0])
    assert events["kind"][-1] == EventKind.ORDER_CANCELLED
    assert events["leaves_qty"][-1] == 0


def test_halts_and_crosses_are_told_apart(tmp_path: Path) -> None:
    book = "1001000,50,1000000,100\n"
    write(
        tmp_path,
        "34200,6,-1,500,1000000,-1\n36023,7,0,0,-1,-1\n36323,7,0,0,0,-1\n36723,7,0,0,1,-1\n"
        "57600,6,-1,900,1000000,-1\n",
        book * 5,
    )

    market, events = rows(LobsterReader(tmp_path))

    told = market[market["kind"] != MarketKind.QUOTE]
    assert told["kind"].tolist() == [
        MarketKind.AUCTION, MarketKind.HALTED, MarketKind.RESUMED, MarketKind.AUCTION,
    ]  # fmt: skip
    assert told["flags"].tolist() == [
        TradeFlag.ELIGIBLE | TradeFlag.OPENING, 0, 0, TradeFlag.ELIGIBLE | TradeFlag.CLOSING,
    ]  # fmt: skip
    assert len(events) == 0


def test_a_line_that_cannot_be_read_is_refused_and_nothing_else_changes(tmp_path: Path) -> None:
    write(
        tmp_path,
        "36000,1,7,100,1000000,1\n36001.1234567891,1,8,1,1000000,1\ngarbage\n36002,9,8,1,1,1\n"
        "36003,3,7,100,1000000,1,extra\n36004,4,7,100,1000000,1\n\n",
        "1001000,50,1000000,100\n" * 5 + "1001000,fifty,1000000,100\n\n",
    )
    reader = LobsterReader(tmp_path)

    market, events = rows(reader)
    dead = [d for topic in reader.topics for b in batches(reader, topic) for d in b.dead]

    assert events["kind"].tolist() == [EventKind.ORDER_ACCEPTED, EventKind.ORDER_FILLED]
    assert market["kind"].tolist() == [1, 2]
    assert [d.position.split(":")[1] for d in dead] == ["2", "3", "4", "5", "6"]
    assert dead[1].message == b"garbage"
    assert "direction" in dead[1].words
    assert dead[4].message == b"1001000,fifty,1000000,100"


def test_a_folder_without_one_session_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a folder"):
        LobsterReader(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no LOBSTER session"):
        LobsterReader(tmp_path)

    write(tmp_path, "", "")
    write(tmp_path, "36000,1,7,100,1000000,1\n", "", NAME.replace("TEST", "MORE"))

    with pytest.raises(InputError, match="choose symbol and day"):
        LobsterReader(tmp_path)
    with pytest.raises(InputError, match="line by line"):
        _ = LobsterReader(tmp_path, "MORE").events
    empty = LobsterReader(tmp_path, "TEST", date(2012, 6, 21))
    assert empty.events == 0
    assert [len(b.market) for b in batches(empty, Topic.MARKET_DATA)] == [0]
