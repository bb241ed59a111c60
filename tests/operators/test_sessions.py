"""Exchange hours in the market stage: XNYS on 2023-11-22 to 24, Thanksgiving and a half day."""

import numpy as np
import pytest

from domain.batch import Batch, Input
from domain.calendars import trading_table
from domain.instants import SECOND, parse_rfc3339
from domain.rows import MarketFlag
from domain.vocabulary import EventKind, Topic
from operators.feed import Feed
from operators.market.logic import MarketSettings
from operators.market.progress import Progress
from operators.market.sessions import Sessions
from operators.market.state import SYMBOL, TICK
from operators.market.tape import open_seconds, stamp
from operators.pieces import STAMPED

OPEN = "2023-11-22T14:30:00Z"
CLOSE = "2023-11-22T21:00:00Z"
HALF_OPEN = "2023-11-24T14:30:00Z"
HALF_CLOSE = "2023-11-24T18:00:00Z"


@pytest.fixture
def clock(lab):
    """Seconds on the tape's own scale of an RFC 3339 time."""
    return lambda text, plus=0.0: (parse_rfc3339(text) - lab.T0) / SECOND + plus


@pytest.fixture
def xnys(lab):
    return MarketSettings(lab.INPUTS, default_calendar="XNYS", mark_interval_ns=600 * SECOND)


def auction(tape, lab, t, price, which="opening"):
    tape.trade(t, price, 5000)
    tape.market[-1].type = "auction"
    tape.market[-1].auction = which


def test_closed_hours_are_cut_out_of_the_twap(tape, lab, run, clock, xnys):
    tape.quote(clock(CLOSE, -100), 9.9, 10.1)
    tape.accept(clock(CLOSE, -60), 100)
    tape.quote(clock(CLOSE, 600), 99.0, 101.0)  # an evening quote counts for nothing
    tape.quote(clock(HALF_OPEN, -5), 11.9, 12.1)
    tape.fill(clock(HALF_OPEN, 30), 100, 12.0, "e1")

    found = lab.record(run(tape, market=xnys))

    assert found["twap"] == pytest.approx((10 * 60 + 12 * 30) / 90)


def test_a_half_day_closes_early(tape, lab, run, clock, xnys):
    tape.quote(clock(HALF_OPEN, 1), 9.9, 10.1)
    tape.accept(clock(HALF_CLOSE, -100), 100)
    tape.quote(clock(HALF_CLOSE, -50), 10.9, 11.1)
    tape.quote(clock(HALF_CLOSE, 3600), 19.9, 20.1)
    tape.fill(clock(HALF_CLOSE, 3700), 100, 11.0, "e1")

    assert lab.record(run(tape, market=xnys))["twap"] == pytest.approx(10.5)


def test_an_order_before_the_open_waits_for_the_opening_auction(tape, lab, clock, xnys):
    tape.quote(clock(OPEN, -3600), 9.0, 11.0)
    tape.accept(clock(OPEN, -1800), 100)
    tape.quote(clock(OPEN, 60), 10.4, 10.6)
    tape.fill(clock(OPEN, 90), 40, 10.5, "e1")
    auction(tape, lab, clock(OPEN, 100), 10.3)
    tape.fill(clock(OPEN, 110), 60, 10.5, "e2")
    desk = lab.Desk(xnys)
    desk.push(*tape.batches())

    rows = lab.finals(desk.rows)
    fills = rows[rows["kind"] == EventKind.ORDER_FILLED]
    assert np.isnan(fills["arrival_mid"][0])
    assert lab.record(desk.rows)["arrival_mid"] == 10.3
    assert lab.record(desk.rows)["slippage_bps"] == pytest.approx(0.2 / 10.3 * 1e4)


def test_without_an_auction_the_first_print_is_the_open_but_no_arrival(tape, lab, run, clock, xnys):
    tape.trade(clock(OPEN, -600), 9.0, 100)  # before the open: not the session's first
    tape.accept(clock(OPEN, -300), 100)
    tape.trade(clock(OPEN, 5), 10.2, 100)
    tape.trade(clock(OPEN, 6), 10.4, 100)
    tape.fill(clock(OPEN, 10), 50, 10.3, "e1")

    found = lab.record(run(tape, market=xnys))

    assert found["open"] == 10.2
    assert found["arrival_mid"] == "UNOBSERVED", "the input ended before an auction came"


def test_the_opening_price_is_forgotten_at_the_next_session(tape, lab, run, clock, xnys):
    auction(tape, lab, clock(OPEN), 10.3)
    tape.accept(clock(CLOSE, -10), 100)
    tape.quote(clock(HALF_OPEN, 1), 9.9, 10.1)
    tape.fill(clock(HALF_OPEN, 2), 50, 10.0, "e1")
    auction(tape, lab, clock(HALF_OPEN, 3), 10.7)
    tape.fill(clock(HALF_OPEN, 4), 10, 10.0, "e2")
    rows = lab.finals(run(tape, market=xnys))

    fills = rows[rows["kind"] == EventKind.ORDER_FILLED]

    assert np.isnan(fills["open"][0])
    assert fills["open"][1] == 10.7


def test_no_mark_falls_in_closed_hours(tape, lab, clock, xnys):
    tape.quote(clock(CLOSE, -3600), 9.9, 10.1)
    tape.accept(clock(CLOSE, -3500), 100)
    tape.quote(clock(HALF_CLOSE, 3600), 9.9, 10.1)
    desk = lab.Desk(xnys)
    desk.push(*tape.batches())

    rows = lab.statuses(desk.rows)
    marks = rows["ts"][rows["kind"] == EventKind.MARK]

    closed = (marks > parse_rfc3339(CLOSE)) & (marks < parse_rfc3339(HALF_OPEN))
    assert not closed.any()
    assert (marks <= parse_rfc3339(HALF_CLOSE)).all()
    assert 25 < len(marks) < 29, "an hour of Wednesday and the half day, every ten minutes"


def test_symbols_may_have_calendars_of_their_own(tape, lab, clock):
    settings = MarketSettings(
        lab.INPUTS, default_calendar="XNYS", calendars={"BTC": "24/7"},
        mark_interval_ns=3600 * SECOND,
    )  # fmt: skip
    for symbol in ("X", "BTC"):
        tape.quote(clock(CLOSE, -10), 9.9, 10.1, symbol)
        tape.quote(clock(CLOSE, 50), 19.9, 20.1, symbol)
        tape.accept(clock(CLOSE, -10), 100, symbol, symbol=symbol)
        tape.fill(clock(CLOSE, 110), 100, 10.0, "e", order_id=symbol, symbol=symbol)
    tape.market.sort(key=lambda m: m.ts_event)
    tape.orders.sort(key=lambda m: m.ts_event)
    desk = lab.Desk(settings)
    desk.push(*tape.batches())

    assert lab.record(desk.rows, "X")["twap"] == pytest.approx(10.0)
    assert lab.record(desk.rows, "BTC")["twap"] == pytest.approx(15.0)


def overnight(tape, clock):
    tape.quote(clock(CLOSE, -100), 9.9, 10.1)
    tape.accept(clock(CLOSE, -60), 100)
    tape.fill(clock(CLOSE, 1000), 10, 10.0, "e1")
    tape.accept(clock(HALF_OPEN, -600), 100, "B")
    tape.fill(clock(HALF_OPEN, -300), 10, 10.0, "e2", order_id="B")
    tape.quote(clock(HALF_OPEN, 5), 11.9, 12.1)
    tape.fill(clock(HALF_OPEN, 30), 90, 12.0, "e3")


def step(lab, tape, settings, restart):
    """Orders one at a time, the market moved by clocks alone, perhaps restarted in between."""
    desk = lab.Desk(settings)
    market, orders = (
        lab.effective(tape.batch(0, tape.market)),
        lab.effective(tape.batch(1, tape.orders)),
    )
    quotes, events = lab.cut(market, len(market.market)), lab.cut(orders, len(orders.events))
    for event in events:
        while quotes and quotes[0].watermark < event.watermark:
            desk.push(quotes.pop(0))
        if restart:
            desk.restart()
        desk.push(event, *(Batch(i, watermark=event.watermark + 1) for i in range(3)))
    desk.push(*(Batch(i, watermark=market.watermark + 60 * SECOND, ended=True) for i in range(3)))
    return lab.finals(desk.rows)


def test_sessions_are_known_again_right_after_a_restart(tape, lab, clock, xnys):
    overnight(tape, clock)

    straight = step(lab, tape, xnys, restart=False)
    resumed = step(lab, tape, xnys, restart=True)

    assert len(straight) >= 5
    assert resumed.tobytes() == straight.tobytes()


def test_an_order_before_any_market_data_still_knows_the_exchange_is_closed(tape, lab, clock, xnys):
    tape.accept(clock(OPEN, -600), 100)
    orders = lab.effective(tape.batch(1, tape.orders))
    desk = lab.Desk(xnys)
    desk.push(orders, *(Batch(i, watermark=orders.watermark + SECOND) for i in range(3)))

    assert lab.last_status(desk.rows)["arrival_mid"] == "PENDING"


def test_intervals_cover_the_days_around_and_move_on():
    sessions = Sessions({"BTC": "24/7"}, "XNYS")
    now = parse_rfc3339(OPEN)
    assert sessions.interval_range(5) == (0, 0), "nothing is known before the first time"
    assert sessions.grow(now)
    assert not sessions.grow(now + 86_400 * SECOND)
    first, last = sessions.interval_range(5)
    assert sessions.interval_range(5) == (first, last)
    table = trading_table("XNYS", now - 10 * 86_400 * SECOND, now + 30 * 86_400 * SECOND)
    assert sessions.intervals[first:last, 0].tolist() == table["open"].tolist()
    assert sessions.intervals[first:last, 1].tolist() == table["close"].tolist()
    assert sessions.grow(now + 16 * 86_400 * SECOND)
    assert len(sessions.intervals) == 0, "joined anew when next asked for"
    again, last = sessions.interval_range(5)
    assert sessions.intervals[again, 0] == table["open"][0], "what was covered stays covered"
    assert sessions.intervals[last - 1, 0] > table["open"][-1]
    assert not sessions.grow(now)
    none = Sessions({}, None)
    assert none.grow(now)
    assert none.interval_range(5) == (0, 0)


def test_groups_wait_only_for_the_partitions_that_feed_them():
    inputs = (
        Input(0, Topic.MARKET_DATA, 0), Input(1, Topic.MARKET_DATA, 1), Input(2, Topic.ORDERS, 0),
        Input(3, Topic.ROUTES, 0), Input(4, Topic.CONTROL, 0), Input(5, Topic.REFERENCE, 0),
    )  # fmt: skip
    fourth, fifth = Progress(inputs, 4), Progress(inputs, 5)
    assert (fourth.market, fourth.orders, fourth.slow) == ([0], [2, 3], [4, 5])
    assert (fifth.market, fifth.orders, fifth.slow) == ([1], [2, 3], [4, 5])
    assert Progress(inputs[2:], 5).market == []


def test_a_calendar_may_come_from_the_reference_topic(tape, lab, clock):
    inputs = (*lab.INPUTS, Input(3, Topic.REFERENCE, 0))
    record = b'{"type":"reference","symbol":"X","calendar":"XNYS"}'
    tape.quote(clock(CLOSE, -100), 9.9, 10.1)
    tape.accept(clock(CLOSE, -60), 100)
    tape.quote(clock(HALF_OPEN, 1), 11.9, 12.1)
    tape.fill(clock(HALF_OPEN, 21), 100, 12.0, "e1")
    whole = tape.batches()
    results = []
    for market_first in (False, True):
        desk = lab.Desk(MarketSettings(inputs, mark_interval_ns=3600 * SECOND))
        reference = Batch(3, references=[record, record], watermark=lab.T0)
        ends = [whole[1], whole[3], whole[5], Batch(3, watermark=whole[2].watermark, ended=True)]
        desk.push(*([whole[0], reference] if market_first else [reference, whole[0]]))
        desk.restart()
        desk.push(whole[2], *ends)
        results.append(lab.finals(desk.rows).tobytes())
        twap = lab.record(desk.rows)["twap"]
        assert twap == pytest.approx((10 * 61 + 12 * 20) / 81)

    assert results[0] == results[1]


def test_a_symbol_known_before_its_calendar_takes_it_over(tape, lab, clock):
    inputs = (*lab.INPUTS, Input(3, Topic.REFERENCE, 0))
    tape.accept(clock(OPEN, -600), 100)
    orders = lab.effective(tape.batch(1, tape.orders))
    record = b'{"type":"reference","symbol":"X","calendar":"XNYS"}'
    desk = lab.Desk(MarketSettings(inputs))
    desk.push(Batch(0, watermark=lab.T0), orders)
    desk.restart()
    desk.push(Batch(3, references=[record], watermark=lab.T0))
    desk.push(*(Batch(i, watermark=orders.watermark + SECOND) for i in range(4)))

    assert lab.last_status(desk.rows)["arrival_mid"] == "PENDING"


def test_trading_seconds_are_those_between_open_and_close():
    intervals = np.array([[10, 20, 0, 10], [30, 40, 0, 10]]) * np.array([SECOND] * 4)

    def between(start, end):
        return open_seconds(intervals, 0, 2, start * SECOND, end * SECOND)

    assert between(0, 5) == between(20, 30) == between(40, 99) == 0
    assert between(0, 99) == 20
    assert between(15, 35) == 10
    assert between(12, 13) == 1
    assert open_seconds(intervals, 1, 1, 0, 99 * SECOND) == 99, "no sessions: always open"


def test_before_its_first_session_a_calendar_says_closed():
    intervals = np.array([[10, 20, 0, 10]]) * np.array([SECOND] * 4)
    symbol = np.zeros(1, SYMBOL)
    symbol["last_interval"] = 1
    out = np.zeros(1, STAMPED)

    stamp(
        out[0], symbol[0], np.zeros(1, TICK), np.zeros(128), intervals, Feed().table, 5 * SECOND, -1
    )

    assert out["stamp_flags"][0] & MarketFlag.CLOSED
    assert np.isnan(out["session_x"][0])
    stamp(
        out[0],
        symbol[0],
        np.zeros(1, TICK),
        np.zeros(128),
        intervals,
        Feed().table,
        15 * SECOND,
        -1,
    )
    assert not out["stamp_flags"][0] & MarketFlag.CLOSED
    assert out["session_x"][0] == 0.5
