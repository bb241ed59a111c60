from datetime import date

import numpy as np
import pytest

from analytics.session_profile import SessionProfile
from domain.calendars import session
from domain.columns import MARKET, blank
from domain.errors import InputError
from domain.vocabulary import MarketKind, TradeFlag

DAY = date(2026, 11, 19)
SECOND = 1_000_000_000
MINUTE = 60 * SECOND


def opened(day: date = DAY, calendar: str = "XNYS") -> int:
    found = session(calendar, day)
    assert found is not None
    return found.open_ns


def prints(*rows: tuple[float, float, int], day: date = DAY, price: float = 10.0) -> np.ndarray:
    """(minutes after the open, size, flags)."""
    out = blank(MARKET, len(rows))
    out["kind"] = MarketKind.TRADE
    out["ts_event"] = [opened(day) + int(m * MINUTE) for m, _, _ in rows]
    out["size"] = [size for _, size, _ in rows]
    out["flags"] = [flags for _, _, flags in rows]
    out["price"] = price
    return out


def quotes(minutes: np.ndarray, mid: np.ndarray, spread: np.ndarray | float) -> np.ndarray:
    out = blank(MARKET, len(minutes))
    out["kind"] = MarketKind.QUOTE
    out["ts_event"] = opened() + (minutes * MINUTE).astype(np.int64)
    out["bid"] = mid - 0.5 * spread
    out["ask"] = mid + 0.5 * spread
    return out


def profile(*markets: np.ndarray, slots: int = 0) -> SessionProfile:
    found = SessionProfile("XNYS", slots)
    for market in markets:
        found.add(market, DAY)
    return found


OK = TradeFlag.ELIGIBLE


def test_the_curve_is_the_share_of_each_half_hour():
    found = profile(prints((1, 100, OK), (31, 300, OK), (389, 600, OK)))

    curve = found.volume_curve()

    assert len(curve) == 13
    assert curve[:2] == pytest.approx([0.1, 0.3])
    assert curve[12] == pytest.approx(0.6)
    assert found.average_volume() == 1000


def test_prints_that_do_not_count_stay_out_of_the_curve():
    found = profile(prints((1, 100, OK), (31, 300, 0), (-5, 50, OK), (391, 70, OK)))

    assert found.average_volume() == 100


def test_auctions_belong_to_their_session_whatever_their_time():
    found = profile(
        prints((-1, 10, OK | TradeFlag.OPENING), (60, 10, OK), (391, 20, OK | TradeFlag.CLOSING))
    )

    curve = found.volume_curve()

    assert curve[0] == pytest.approx(0.25)
    assert curve[-1] == pytest.approx(0.5)


def test_the_closing_auction_is_the_last_price():
    rows = prints((1, 10, OK), (391, 10, OK | TradeFlag.CLOSING), (389, 5, OK))
    rows["price"] = [10, 11, 12]

    assert profile(rows).days[0].last_px == 11
    assert profile(rows[[0, 2]]).days[0].last_px == 12


def test_a_quiet_day_weighs_as_much_as_a_busy_one_in_the_curve():
    found = profile(prints((1, 100, OK)), prints((389, 10_000, OK)))

    curve = found.volume_curve()

    assert curve[0] == curve[12] == pytest.approx(0.5)


def test_volatility_is_found_where_it_was_put():
    minutes = np.arange(0, 390, 0.25)
    generator = np.random.default_rng(11)
    scale = np.where(minutes < 195, 2e-4, 1e-4)
    found = SessionProfile("XNYS", 2)

    for _ in range(20):
        mid = 100 * np.exp(np.cumsum(generator.normal(0, scale)))
        found.add(quotes(minutes, mid, 0.01), DAY)

    first, second = found.volatility_curve()
    assert first / second == pytest.approx(2, rel=0.08)
    assert first**2 + second**2 == pytest.approx(2)
    sigma = found.intraday_sigma_bps()
    assert sigma == pytest.approx(np.sqrt(np.sum(scale**2)) * 1e4, rel=0.05)


def test_a_missing_first_minute_does_not_make_a_part_look_calm():
    minutes = np.arange(0, 390, 0.05)
    generator = np.random.default_rng(12)
    mid = 100 * np.exp(np.cumsum(generator.normal(0, 1e-4, len(minutes))))

    late = profile(quotes(minutes[400:], mid[400:], 0.01)).volatility_curve()

    assert 0.6 < late[0] < 1.4


def test_the_spread_is_weighted_by_how_long_it_stood():
    market = quotes(np.array([-10.0, 0.0, 97.5]), np.array([10.0] * 3), np.array([1.0, 0.02, 0.01]))

    assert profile(market).spread_bps() == pytest.approx(20 * 0.25 + 10 * 0.75)


def test_crossed_and_one_sided_quotes_count_for_nothing():
    market = quotes(
        np.array([0.0, 100.0, 200.0]), np.array([10.0] * 3), np.array([0.02, -0.02, 0.0])
    )
    market["bid"][2] = np.nan

    found = profile(market)

    assert found.spread_bps() == pytest.approx(20)
    assert found.volatility_curve() == []


def test_without_quotes_or_prints_nothing_is_made_up():
    only_prints, only_quotes = (
        profile(prints((1, 100, OK))),
        profile(quotes(np.array([0.0]), np.array([10.0]), 0.01)),
    )

    assert only_prints.spread_bps() is None
    assert only_prints.intraday_sigma_bps() is None
    assert only_prints.volatility_curve() == []
    assert only_quotes.volume_curve() == []
    assert only_quotes.average_volume() is None
    assert np.isnan(only_quotes.days[0].last_px)
    assert only_quotes.days[0].spread_bps == pytest.approx(10)
    assert SessionProfile("XNYS").volatility_curve() == []
    assert SessionProfile("XNYS").average_volume() is None
    assert SessionProfile("XNYS").intraday_sigma_bps() is None


def test_quotes_only_after_the_close_leave_the_spread_unknown():
    market = quotes(np.array([391.0]), np.array([10.0]), 0.01)

    assert profile(market).spread_bps() is None


def test_a_half_day_has_another_shape_and_is_left_out():
    found = SessionProfile("XNYS")

    found.add(prints((1, 100, OK), day=date(2026, 11, 27)), date(2026, 11, 27))

    assert found.days == []
    assert found.left_out == ["2026-11-27 is a half day"]


def test_a_day_without_a_session_and_rows_of_another_day_are_refused():
    found = SessionProfile("XNYS")

    with pytest.raises(InputError, match="XNYS has no session on 2026-11-26"):
        found.add(prints((1, 100, OK)), date(2026, 11, 26))
    with pytest.raises(InputError, match="no market row lies near the session of 2026-11-23"):
        found.add(prints((1, 100, OK)), date(2026, 11, 23))


def test_a_lunch_break_is_no_part_of_the_session():
    rows = prints((1, 100, OK), (200, 300, OK), (210, 300, OK))
    rows["ts_event"] += opened(date(2026, 11, 20), "XTKS") - opened()
    found = SessionProfile("XTKS")

    found.add(rows, date(2026, 11, 20))

    assert len(found.volume_curve()) == 11
    assert found.volume_curve()[5] == pytest.approx(0.75)
    assert found.average_volume() == 400
