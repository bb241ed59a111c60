import os
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from analytics.daily_bars import read_daily_bars
from analytics.reference import Derivation, derive_reference
from analytics.session_profile import SessionProfile
from domain.calendars import session, sessions_between
from domain.columns import MARKET, blank
from domain.errors import InputError, Refused
from domain.reference import Split
from domain.vocabulary import MarketKind, TradeFlag

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("EXECMON_TEST_DATA", ROOT.parent / "shared" / "data"))
needs_tape = pytest.mark.skipif(
    not (DATA / "equity_tape").is_dir(), reason=f"no equity tape in {DATA} (EXECMON_TEST_DATA)"
)
EFFECTIVE = date(2026, 11, 20)
WANTED = Derivation("ABC", "XNYS", EFFECTIVE)


def bars(n: int = 60, last: date = date(2026, 11, 19), seed: int = 1) -> pl.DataFrame:
    days = [s.date for s in sessions_between("XNYS", last - timedelta(days=2 * n + 10), last)][-n:]
    generator = np.random.default_rng(seed)
    closes = 100 * np.exp(np.cumsum(generator.normal(0, 0.01, n)))
    return pl.DataFrame({"date": days, "close": closes, "volume": np.arange(n) + 1.0})


def a_profile(*days: date) -> SessionProfile:
    found = SessionProfile("XNYS", 2)
    for day in days:
        one = session("XNYS", day)
        assert one is not None
        market = blank(MARKET, 2)
        market["kind"] = MarketKind.TRADE | MarketKind.QUOTE
        market["flags"] = TradeFlag.ELIGIBLE
        market["ts_event"] = [one.open_ns + 1, one.close_ns - 1]
        market["price"] = [10, 11]
        market["size"] = [30, 10]
        market["bid"], market["ask"] = 9.99, 10.01
        found.add(market, day)
    return found


def test_daily_bars_give_volume_volatility_and_the_close_before():
    history = bars()

    derived = derive_reference(WANTED, bars=history)

    record = derived.record
    assert record.adv_qty == pytest.approx(np.mean(np.arange(41, 61)))
    returns = np.diff(np.log(history["close"].to_numpy()[-21:]))
    assert record.sigma_daily_bps == pytest.approx(np.std(returns, ddof=1) * 1e4)
    assert record.prev_close == history["close"][-1]
    assert (record.effective_from, record.calendar, record.days) == ("2026-11-20", "XNYS", 20)
    assert record.source == "20 daily bars to 2026-11-19"
    assert derived.notes == []


def test_nothing_of_the_day_itself_or_after_it_is_used():
    known = derive_reference(WANTED, bars=bars())
    later = pl.concat([bars(), bars(3, date(2026, 11, 24)).with_columns(close=pl.lit(1e6))])

    assert derive_reference(WANTED, bars=later).record == known.record


def test_without_a_day_of_effect_it_is_the_session_after_the_data():
    thursday = bars(30, date(2026, 11, 25))

    derived = derive_reference(Derivation("ABC", "XNYS"), bars=thursday)

    assert derived.record.effective_from == "2026-11-27"


def test_a_short_history_says_so():
    derived = derive_reference(WANTED, bars=bars(5))

    assert derived.record.days == 5
    assert derived.notes == ["only 5 daily bars lie before 2026-11-20"]


def test_beta_comes_with_the_index_it_is_measured_on():
    index = bars(300, seed=2)
    stock = index.with_columns(close=pl.col("close") ** 0.5)

    derived = derive_reference(
        Derivation("ABC", "XNYS", EFFECTIVE, index_symbol="SPY"), bars=stock, index_bars=index
    )

    assert derived.record.beta == pytest.approx(0.5)
    assert derived.record.index_symbol == "SPY"


def test_too_few_common_days_give_no_beta_and_say_so():
    derived = derive_reference(WANTED, bars=bars(30), index_bars=bars(10))

    assert derived.record.beta is None
    assert "fewer than 20 days in common with the index: no beta" in derived.notes


def test_a_split_is_taken_out_on_its_own_day_and_left_to_come_after():
    history = bars()
    splits = (Split("2026-11-20", 4), Split("2026-11-10", 2), Split("2026-12-01", 3))

    plain = derive_reference(WANTED, bars=history).record
    derived = derive_reference(Derivation("ABC", "XNYS", EFFECTIVE, splits=splits), bars=history)

    assert plain.prev_close is not None
    assert derived.record.prev_close == pytest.approx(plain.prev_close / 4)
    assert [s.date for s in derived.record.splits] == ["2026-12-01"]


def test_a_split_nobody_mentioned_is_pointed_out():
    history = bars().with_columns(
        close=pl.when(pl.col("date") < date(2026, 11, 10)).then(200.0).otherwise(100.0)
    )

    derived = derive_reference(WANTED, bars=history)

    assert derived.notes == [
        "the close of 2026-11-10 looks like a split: if it was one, say 2026-11-10:2"
    ]


def test_days_of_the_market_give_the_curves_and_stand_in_for_bars():
    derived = derive_reference(WANTED, profile=a_profile(date(2026, 11, 18), date(2026, 11, 19)))

    record = derived.record
    assert record.volume_curve == [0.75, 0.25]
    assert record.spread_bps == pytest.approx(20)
    assert record.adv_qty == 40
    assert record.prev_close == 11
    assert record.sigma_daily_bps is None
    assert derived.notes == ["curves from 2 day(s), 2026-11-18 to 2026-11-19"]


def test_bars_come_before_the_few_days_of_the_market():
    derived = derive_reference(WANTED, bars=bars(), profile=a_profile(date(2026, 11, 19)))

    assert derived.record.adv_qty == pytest.approx(50.5)
    assert derived.record.volume_curve == [0.75, 0.25]
    assert derived.record.source == (
        "20 daily bars to 2026-11-19; curves: 1 day(s) of the market to 2026-11-19"
    )


def test_curves_of_the_day_itself_are_refused_unless_asked_for():
    same_day = a_profile(EFFECTIVE)

    with pytest.raises(InputError, match="2026-11-20 is not before 2026-11-20"):
        derive_reference(WANTED, profile=same_day)
    derived = derive_reference(
        Derivation("ABC", "XNYS", EFFECTIVE, look_ahead=True), profile=same_day
    )

    assert derived.record.volume_curve == [0.75, 0.25]
    assert derived.record.prev_close is None
    assert "curves look ahead: 2026-11-20 is not before 2026-11-20" in derived.notes


def test_members_given_by_hand_are_taken_as_they_are():
    derived = derive_reference(WANTED, bars=bars(), given={"tick": 0.01, "adv_qty": 7})

    assert (derived.record.tick, derived.record.adv_qty) == (0.01, 7)
    with pytest.raises(Refused, match="tick must be positive"):
        derive_reference(WANTED, bars=bars(), given={"tick": -1})


def test_with_nothing_to_derive_from_there_is_no_record():
    with pytest.raises(InputError, match="no daily bar and no day of the market"):
        derive_reference(Derivation("ABC", "XNYS"))
    with pytest.raises(InputError, match="no past day before 2020-01-02"):
        derive_reference(Derivation("ABC", "XNYS", date(2020, 1, 2)), bars=bars())
    with pytest.raises(InputError, match="no past day before 2026-11-20"):
        derive_reference(WANTED, profile=SessionProfile("XNYS"))


@needs_tape
def test_the_sample_bars_give_the_record_of_the_tape_day():
    history = read_daily_bars(DATA / "equity_tape" / "ibm_daily.zip", price_scale=1e4)

    derived = derive_reference(Derivation("IBM", "XNYS", date(2013, 10, 7)), bars=history)

    assert derived.record.prev_close == 184.1
    assert derived.record.adv_qty == pytest.approx(3_408_034.2)
    assert derived.record.sigma_daily_bps == pytest.approx(98.682263, abs=1e-6)
    assert derived.notes == []


@needs_tape
def test_the_split_of_1999_shows_until_it_is_said():
    history = read_daily_bars(DATA / "equity_tape" / "ibm_daily.zip", price_scale=1e4)
    day = date(1999, 6, 7)

    raw = derive_reference(Derivation("IBM", "XNYS", day), bars=history)
    told = derive_reference(
        Derivation("IBM", "XNYS", day, splits=(Split("1999-05-27", 2),)), bars=history
    )

    assert raw.notes == [
        "the close of 1999-05-27 looks like a split: if it was one, say 1999-05-27:2"
    ]
    assert told.notes == []
    assert raw.record.sigma_daily_bps is not None
    assert told.record.sigma_daily_bps is not None
    assert raw.record.sigma_daily_bps > 1000 > told.record.sigma_daily_bps
