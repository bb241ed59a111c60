from datetime import date

import numpy as np

from domain.calendars import TRADING, session, trading_ns, trading_table
from domain.trading_time import elapsed_ns, in_trading, session_fraction

HOUR = 3_600_000_000_000


def tokyo() -> tuple[np.ndarray, int]:
    one = session("XTKS", date(2026, 11, 20))
    assert one is not None
    return trading_table("XTKS", one.open_ns, one.close_ns), one.open_ns


def test_the_session_stands_still_through_lunch():
    table, opened = tokyo()
    times = opened + np.array(
        [-1, 0, 2.5 * HOUR, 3 * HOUR, 3.5 * HOUR, 5 * HOUR, 20 * HOUR]
    ).astype("i8")

    share = session_fraction(table, times)

    assert np.isnan(share[0])
    np.testing.assert_allclose(share[1:], [0, 2.5 / 5.5, 2.5 / 5.5, 2.5 / 5.5, 4 / 5.5, 1])


def test_elapsed_trading_time_agrees_with_the_calendar():
    one = session("XTKS", date(2026, 11, 16))
    assert one is not None
    table = trading_table("XTKS", one.open_ns, one.open_ns + 96 * HOUR)
    times = one.open_ns + np.arange(-2, 96) * HOUR

    passed = elapsed_ns(table, times)

    expected = [trading_ns("XTKS", one.open_ns - 2 * HOUR, int(t)) for t in times]
    assert passed.tolist() == expected


def test_a_time_trades_from_an_open_to_before_a_close():
    table, opened = tokyo()
    times = np.array([opened - 1, opened, opened + int(2.5 * HOUR), opened + int(6.5 * HOUR) - 1])

    assert in_trading(table, times).tolist() == [False, True, False, True]


def test_without_sessions_nothing_trades_and_no_share_has_passed():
    empty, times = np.empty(0, TRADING), np.array([0, 1])

    assert elapsed_ns(empty, times).tolist() == [0, 0]
    assert np.isnan(session_fraction(empty, times)).all()
    assert not in_trading(empty, times).any()
