from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.calendar_table import ALIASES, calendar_names, canonical, rules_of
from domain.calendars import (
    covers,
    default_calendar,
    is_trading,
    latest_session,
    next_close,
    next_session,
    previous_session,
    session,
    session_at,
    session_seconds,
    sessions_between,
    trading_intervals,
    trading_ns,
    trading_table,
)
from domain.errors import ConfigurationError
from domain.instants import NO_TIME, SECOND
from domain.vocabulary import AssetClass

HOUR = 3600 * SECOND
DAY = 24 * HOUR
EXCHANGES = (
    "XNYS", "XLON", "XETR", "XPAR", "XAMS", "XSWX", "XTSE", "XTKS", "XHKG", "XASX", "CMES", "XKRX",
)  # fmt: skip


def at(zone: str, text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * SECOND


def new_york(text: str) -> int:
    return at("America/New_York", text)


def found(calendar: str, day: date):
    one = session(calendar, day)
    assert one is not None
    return one


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*weekday:Warning")
@pytest.mark.parametrize("name", EXCHANGES)
def test_every_session_is_the_one_the_public_calendar_library_gives(name: str):
    from exchange_calendars.calendar_utils import global_calendar_dispatcher

    library = global_calendar_dispatcher._calendar_factories[name](
        start="1998-01-01", end="2031-12-31"
    )
    schedule = library.schedule.loc[:"2030-12-31"]
    expected = [schedule.index.date.tolist()]
    for column in ("open", "close", "break_start", "break_end"):
        times = schedule[column].dt.tz_convert("UTC").dt.tz_localize(None)
        expected.append(times.to_numpy().astype("M8[ns]").astype("i8").tolist())

    ours = sessions_between(name, date(1998, 1, 1), date(2030, 12, 31))

    assert [s.date for s in ours] == expected[0]
    assert [s.open_ns for s in ours] == expected[1]
    assert [s.close_ns for s in ours] == expected[2]
    assert [s.break_start_ns for s in ours] == expected[3]
    assert [s.break_end_ns for s in ours] == expected[4]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*weekday:Warning")
@pytest.mark.parametrize("name", ["XNYS", "XLON", "XHKG"])
def test_a_half_day_is_one_that_the_library_closes_early(name: str):
    from exchange_calendars.calendar_utils import global_calendar_dispatcher

    library = global_calendar_dispatcher._calendar_factories[name](
        start="1998-01-01", end="2030-12-31"
    )

    ours = sessions_between(name, date(1998, 1, 1), date(2030, 12, 31))

    assert [s.date for s in ours if s.half_day] == [d.date() for d in library.early_closes]


def test_the_new_york_session_of_the_sample_day_runs_from_half_past_nine_to_four():
    one = found("XNYS", date(2012, 6, 21))

    assert one.open_ns == new_york("2012-06-21T09:30")
    assert one.close_ns == new_york("2012-06-21T16:00")
    assert not one.half_day
    assert one.trading_ns == 6.5 * HOUR
    assert one.break_start_ns == NO_TIME


def test_the_friday_after_thanksgiving_ends_at_one():
    one = found("XNYS", date(2026, 11, 27))

    assert one.half_day
    assert one.close_ns == new_york("2026-11-27T13:00")


@pytest.mark.parametrize(
    "day",
    [
        date(2001, 9, 11),
        date(2012, 10, 29),
        date(2026, 7, 3),
        date(2026, 12, 25),
        date(2026, 11, 21),
    ],
)
def test_new_york_is_shut_on_holidays_weekends_and_in_disaster(day: date):
    assert session("XNYS", day) is None


def test_tokyo_breaks_for_lunch_and_closes_later_since_november_2024():
    before, after = found("XTKS", date(2024, 11, 1)), found("XTKS", date(2024, 11, 5))

    assert before.trading_ns == 5 * HOUR
    assert after.trading_ns == 5.5 * HOUR
    lunch = at("Asia/Tokyo", "2024-11-05T12:00")
    assert session_at("XTKS", lunch) == after
    assert not is_trading("XTKS", lunch)
    assert is_trading("XTKS", at("Asia/Tokyo", "2024-11-05T12:30"))
    assert len(trading_intervals("XTKS", after.open_ns, after.close_ns)) == 2


def test_the_open_is_in_session_and_the_close_is_not():
    one = found("XNYS", date(2012, 6, 21))

    assert session_at("XNYS", one.open_ns) == one
    assert session_at("XNYS", one.close_ns - 1) == one
    assert session_at("XNYS", one.open_ns - 1) is None
    assert session_at("XNYS", one.close_ns) is None
    assert not is_trading("XNYS", one.close_ns)


def test_summer_time_moves_the_open_in_utc():
    winter, summer = found("XNYS", date(2026, 3, 6)), found("XNYS", date(2026, 3, 9))

    assert (summer.open_ns - winter.open_ns) == 3 * DAY - HOUR


def test_a_futures_session_opens_the_evening_before_its_date():
    one = found("CMES", date(2026, 11, 23))

    assert one.open_ns == at("America/Chicago", "2026-11-22T17:00")
    assert session_at("CMES", at("America/Chicago", "2026-11-22T20:00")) == one


def test_crypto_trades_every_second_of_every_day():
    start = at("UTC", "2026-11-21T10:00")

    assert trading_ns("24/7", start, start + 400 * DAY) == 400 * DAY
    assert len(sessions_between("24/7", date(2026, 11, 1), date(2026, 11, 30))) == 30
    assert session_seconds("24/7", start) == 86400


def test_currencies_trade_from_sunday_to_friday_evening_in_new_york():
    assert not is_trading("24/5", new_york("2026-11-22T16:59"))
    assert is_trading("24/5", new_york("2026-11-22T17:00"))
    assert is_trading("24/5", new_york("2026-11-25T03:00"))
    assert is_trading("24/5", new_york("2026-11-27T16:59"))
    assert not is_trading("24/5", new_york("2026-11-27T17:00"))
    friday = new_york("2026-11-27T16:00")
    assert trading_ns("24/5", friday, friday + 3 * DAY) == 1 * HOUR + 23 * HOUR


def test_trading_time_leaves_out_the_night_the_weekend_and_the_holiday():
    start = new_york("2026-11-25T15:00")
    end = new_york("2026-11-30T10:00")

    assert trading_ns("XNYS", start, end) == (1 + 3.5 + 0.5) * HOUR
    assert trading_ns("XNYS", end, end) == 0
    assert trading_ns("XNYS", end, start) == 0


def test_intervals_are_sorted_and_overlap_the_range_asked_for():
    start, end = new_york("2026-11-25T15:00"), new_york("2026-11-30T09:30")

    rows = trading_intervals("XNYS", start, end)

    assert rows.dtype == np.int64
    assert rows.shape == (2, 2)
    assert rows[0, 0] == new_york("2026-11-25T09:30")
    assert (np.diff(rows.ravel()) > 0).all()
    assert trading_intervals("XNYS", end, end).shape == (0, 2)


def test_the_table_counts_what_traded_before_each_stretch():
    one = found("XTKS", date(2026, 11, 20))
    table = trading_table("XTKS", one.open_ns - 4 * DAY, one.close_ns)

    assert table["session"].tolist() == [int(5.5 * HOUR)] * len(table)
    assert (
        table["before"].tolist() == np.cumsum([0, *(table["close"] - table["open"])[:-1]]).tolist()
    )
    assert table["session_before"].tolist() == [0, int(2.5 * HOUR)] * (len(table) // 2)
    assert table["date"][-1] == (date(2026, 11, 20) - date(1970, 1, 1)).days


def test_the_neighbouring_sessions_skip_the_weekend():
    assert previous_session("XNYS", date(2026, 11, 23)).date == date(2026, 11, 20)
    assert next_session("XNYS", date(2026, 11, 25)).date == date(2026, 11, 27)
    assert previous_session("XNYS", date(2001, 9, 17)).date == date(2001, 9, 10)


def test_the_next_close_is_strictly_ahead():
    close = found("XNYS", date(2026, 11, 20)).close_ns

    assert next_close("XNYS", close - 1) == close
    assert next_close("XNYS", close) == new_york("2026-11-23T16:00")
    assert next_close("CMES", new_york("2026-11-20T23:00")) == at(
        "America/Chicago", "2026-11-23T17:00"
    )


def test_the_latest_session_is_the_one_that_opened_last():
    friday = found("XNYS", date(2026, 11, 20))

    assert latest_session("XNYS", friday.open_ns) == friday
    assert latest_session("XNYS", friday.close_ns + DAY) == friday
    assert latest_session("XNYS", friday.open_ns - 1).date == date(2026, 11, 19)
    sunday_evening = at("America/Chicago", "2026-11-22T18:00")
    assert latest_session("CMES", sunday_evening).date == date(2026, 11, 23)


@given(
    st.sampled_from(["XNYS", "XTKS", "CMES", "24/5"]),
    st.integers(0, 400 * DAY),
    st.lists(st.integers(0, 20 * DAY), min_size=2, max_size=2),
)
def test_trading_time_of_two_stretches_adds_up(calendar: str, offset: int, lengths: list[int]):
    start = new_york("2025-01-01T00:00") + offset
    middle = start + lengths[0]
    end = middle + lengths[1]

    parts = trading_ns(calendar, start, middle) + trading_ns(calendar, middle, end)

    assert parts == trading_ns(calendar, start, end)
    assert 0 <= parts <= end - start


def test_the_many_venues_of_one_country_keep_one_calendar():
    assert canonical("XNAS") == "XNYS"
    assert session("XNAS", date(2026, 11, 20)) == session("XNYS", date(2026, 11, 20))
    assert {canonical(alias) for alias in ALIASES} <= set(calendar_names())


def test_an_unknown_calendar_is_refused_with_the_names_there_are():
    with pytest.raises(ConfigurationError, match=r"no calendar is called 'XNYC'; there are .*XNYS"):
        session("XNYC", date(2026, 11, 20))


def test_beyond_its_years_a_calendar_goes_on_without_holidays():
    new_year = date(2060, 1, 1)
    assert new_year.weekday() < 5

    assert not covers("XNYS", new_york("2060-01-01T12:00"))
    assert session("XNYS", new_year) is not None
    assert session("XNYS", date(1990, 1, 1)) is not None
    assert session("XNYS", date(1990, 1, 6)) is None
    assert covers("XNYS", new_york("2026-11-20T12:00"))
    assert covers("24/7", new_york("2100-11-20T12:00"))


def test_an_ordinary_session_has_the_length_of_the_hours_then_in_force():
    assert session_seconds("XNYS", new_york("2026-11-27T12:00")) == 23400
    assert session_seconds("XTKS", at("Asia/Tokyo", "2024-11-04T12:00")) == 5 * 3600
    assert session_seconds("XTKS", at("Asia/Tokyo", "2024-11-05T12:00")) == 5.5 * 3600
    assert session_seconds("XNYS", NO_TIME) == 23400


def test_only_currencies_have_hours_without_an_exchange():
    assert default_calendar(AssetClass.FX) == "24/5"
    assert default_calendar(AssetClass.CRYPTO) == "24/7"
    assert default_calendar(AssetClass.EQUITY) == "24/7"


@pytest.mark.parametrize("name", sorted(set(calendar_names())))
def test_every_calendar_opens_before_it_closes_and_never_overlaps(name: str):
    first = max(rules_of(name).first, date(2024, 1, 1))

    sessions = sessions_between(name, first, first + timedelta(days=400))

    edges = [edge for s in sessions for pair in s.intervals for edge in pair]
    assert edges == sorted(edges)
    assert len(sessions) > 230
