"""How much of an order its schedule expects by now: XNYS around Thanksgiving 2023, a half day."""

import numpy as np
import pytest

from domain.batch import Batch
from domain.calendar_table import ALIASES, calendar_code, calendar_names, calendar_of_code
from domain.calendars import trading_ns as calendar_ns
from domain.instants import NO_TIME, SECOND, parse_rfc3339
from domain.keys import key_of
from domain.reference import ReferenceRecord
from domain.vocabulary import EventKind
from operators.market.logic import MarketSettings
from operators.orders.group import OrderSettings
from operators.orders.hours import (
    CALENDAR,
    HOURS,
    REACH_NS,
    TradingHours,
    first_uncovered,
    halted_ns,
    hours_of,
    next_open,
    recent_halts,
    session_close,
    session_place,
    trading_ns,
    with_halts,
)
from operators.pieces import HALT
from tests.order_day import (
    CLOSE,
    HALF_CLOSE,
    HALF_OPEN,
    HOUR,
    MINUTE,
    OPEN,
    Day,
    amended,
    at_fills,
)

CURVE = [0.5, 0.25, 0.25]


def known(symbol="X", **more):
    return ReferenceRecord(
        type="reference", symbol=symbol, adv_qty=1e6, sigma_daily_bps=150.0, spread_bps=2.0,
        tick=0.01, calendar="XNYS", volume_curve=CURVE, **more,
    )  # fmt: skip


def test_before_the_open_the_clock_has_not_started(day):
    day.accept(OPEN - HOUR, "TWAP", start=OPEN - HOUR, end=OPEN + 2 * HOUR)
    day.quote(OPEN)

    assert at_fills(day, OPEN - MINUTE, OPEN, OPEN + HOUR) == [0.0, 0.0, 0.5]


def test_a_start_later_than_the_arrival_is_waited_for(day):
    day.quote(OPEN)
    day.accept(OPEN + MINUTE, "TWAP", start=OPEN + HOUR, end=OPEN + 3 * HOUR)

    assert at_fills(day, OPEN + 30 * MINUTE, OPEN + HOUR, OPEN + 2 * HOUR) == [0.0, 0.0, 0.5]


def test_a_half_day_ends_the_window_at_its_close(day):
    day.quote(HALF_OPEN)
    day.accept(HALF_OPEN, "TWAP", end=HALF_OPEN + int(6.5 * HOUR))

    found = at_fills(day, HALF_OPEN + 105 * MINUTE, HALF_CLOSE, HALF_CLOSE + HOUR)

    assert found == [0.5, 1.0, 1.0]


def test_a_window_of_several_days_counts_the_trading_time_of_each(day):
    day.quote(CLOSE - HOUR)
    day.accept(CLOSE - HOUR, "TWAP", end=HALF_OPEN + HOUR)

    found = at_fills(day, CLOSE - HOUR // 2, CLOSE + 9 * HOUR, HALF_OPEN + HOUR // 2)

    assert found == [0.25, 0.5, 0.75]


def halted_day(day, **order):
    """Two hours from the open, of which the last half of the first is a halt."""
    day.quote(OPEN)
    day.accept(OPEN, start=OPEN, end=OPEN + 2 * HOUR, **order)
    day.stop("halted", OPEN + 30 * MINUTE)
    day.stop("resumed", OPEN + HOUR)


def test_nothing_falls_due_in_a_halt_and_the_rest_is_spread_over_what_is_left(day):
    halted_day(day, schedule="TWAP")

    found = at_fills(
        day, OPEN + 15 * MINUTE, OPEN + 30 * MINUTE, OPEN + 45 * MINUTE, OPEN + HOUR,
        OPEN + 90 * MINUTE, OPEN + 2 * HOUR,
    )  # fmt: skip

    assert found == pytest.approx([0.125, 0.25, 0.25, 0.25, 0.25 + 0.75 / 2, 1.0])


def test_a_schedule_is_spread_anew_after_each_of_several_halts(day):
    halted_day(day, schedule="TWAP")
    day.stop("halted", OPEN + 75 * MINUTE)
    day.stop("resumed", OPEN + 90 * MINUTE)

    found = at_fills(
        day, OPEN + 75 * MINUTE, OPEN + 80 * MINUTE, OPEN + 90 * MINUTE, OPEN + 100 * MINUTE
    )

    before = 1 - 0.75 * 45 / 60
    assert found == pytest.approx([before, before, before, 1 - (1 - before) * 20 / 30])


def test_what_a_halt_that_lasts_to_the_end_left_is_never_due(day):
    day.quote(OPEN)
    day.accept(OPEN, "TWAP", end=OPEN + HOUR)
    day.stop("halted", OPEN + 15 * MINUTE)
    day.stop("resumed", OPEN + 2 * HOUR)

    assert at_fills(day, OPEN + 30 * MINUTE, OPEN + 3 * HOUR) == pytest.approx([0.25, 0.25])


def test_a_halt_before_the_start_is_no_part_of_the_window(day):
    day.quote(OPEN)
    day.stop("halted", OPEN + 10 * MINUTE)
    day.accept(OPEN + 15 * MINUTE, "TWAP", start=OPEN + HOUR, end=OPEN + 2 * HOUR)
    day.stop("resumed", OPEN + 20 * MINUTE)
    day.stop("halted", OPEN + 50 * MINUTE)
    day.stop("resumed", OPEN + 70 * MINUTE)

    found = at_fills(day, OPEN + 55 * MINUTE, OPEN + 70 * MINUTE, OPEN + 80 * MINUTE)

    assert found == pytest.approx([0.0, 0.0, 10 / 50])


def test_a_window_that_was_one_halt_expects_nothing(day):
    day.quote(OPEN)
    day.stop("halted", OPEN + MINUTE)
    day.stop("halted", OPEN + 2 * MINUTE)
    day.accept(OPEN + 5 * MINUTE, "TWAP", end=OPEN + HOUR)

    assert at_fills(day, OPEN + 30 * MINUTE, OPEN + 2 * HOUR) == [0.0, 0.0]


def test_halts_count_only_while_the_exchange_trades_and_only_for_their_symbol(day):
    for symbol, end in (("X", HALF_OPEN), ("Y", HALF_OPEN + HOUR)):
        day.quote(CLOSE - HOUR, symbol)
        day.stop("halted", CLOSE - HOUR // 2, symbol)
        day.stop("resumed", end, symbol)
        day.accept(CLOSE - HOUR, "TWAP", end=HALF_OPEN + HOUR, order_id=symbol, symbol=symbol)
        day.fill(HALF_OPEN + HOUR // 2, order_id=symbol, symbol=symbol)
    day.tape.orders.sort(key=lambda m: parse_rfc3339(m.ts_event))

    assert list(day.expected(order_id="X").values())[-1] == pytest.approx(0.25 + 0.75 / 2)
    assert list(day.expected(order_id="Y").values())[-1] == pytest.approx(0.25)


def test_a_vwap_schedule_leaves_the_volume_of_a_halt_out(day):
    halted_day(day, schedule="VWAP")
    per_hour = 0.5 / (6.5 / 3)

    found = at_fills(day, OPEN + 45 * MINUTE, OPEN + 90 * MINUTE)
    live = day.expected(known())

    assert np.isnan(found).all(), "no curve"
    assert live[OPEN + 45 * MINUTE] == pytest.approx(0.5 / (0.5 + 1.25))
    assert live[OPEN + 90 * MINUTE] == pytest.approx(per_hour / (1.5 * per_hour))


def test_without_sessions_every_second_counts_but_those_of_a_halt(day):
    halted_day(day, schedule="TWAP")

    assert at_fills(day, OPEN + 45 * MINUTE, OPEN + 90 * MINUTE, calendar=None) == pytest.approx(
        [0.25, 0.25 + 0.75 / 2]
    )


def test_an_implementation_shortfall_order_front_loads_its_trading_time(day):
    halted_day(day, schedule="IS")

    (found,) = at_fills(day, OPEN + 90 * MINUTE)

    left = np.sinh(3 * 90 / 120) / np.sinh(3) * np.sinh(3 * 30 / 120) / np.sinh(3 * 60 / 120)
    assert found == pytest.approx(1 - left)


@pytest.mark.parametrize(
    ("params", "kappa_t"),
    [
        ({"urgency": "low"}, 1.0),
        ({"urgency": "MEDIUM"}, 3.0),
        ({"urgency": "High"}, 6.0),
        ({"urgency": "whatever"}, 3.0),
        ({"urgency": "low", "kappa_t": 4.5}, 4.5),
        ({"kappa_t": 0.0}, None),
    ],
)
def test_urgency_decides_how_much_is_done_early(day, params, kappa_t):
    day.quote(OPEN)
    day.accept(OPEN, "IS", end=OPEN + 2 * HOUR, params=params)

    (found,) = at_fills(day, OPEN + HOUR)

    even = 0.5
    bent = even if kappa_t is None else 1 - np.sinh(kappa_t / 2) / np.sinh(kappa_t)
    assert found == pytest.approx(bent)


@pytest.mark.parametrize(
    "order",
    [
        {"schedule": "CLOSE"},
        {"ord_type": "MARKET_ON_CLOSE"},
        {"ord_type": "LIMIT_ON_CLOSE"},
        {"time_in_force": "CLS"},
    ],
)
def test_an_order_for_the_closing_auction_is_due_at_the_close(day, order):
    day.quote(OPEN)
    day.accept(OPEN - HOUR, **order)

    found = at_fills(day, OPEN - MINUTE, OPEN + HOUR, CLOSE - SECOND, CLOSE + MINUTE)

    assert found == [0.0, 0.0, 0.0, 1.0]


def test_an_order_for_the_opening_auction_is_due_at_the_open(day):
    day.accept(OPEN - HOUR, time_in_force="OPG")
    day.quote(OPEN)

    assert at_fills(day, OPEN - MINUTE, OPEN, OPEN + MINUTE) == [0.0, 1.0, 1.0]


def test_without_sessions_an_auction_is_when_the_order_says_it_ends(day):
    day.quote(OPEN)
    day.accept(OPEN, "CLOSE", end=CLOSE)
    day.accept(OPEN, "CLOSE", order_id="B")

    assert at_fills(day, CLOSE - SECOND, CLOSE, calendar=None) == [0.0, 1.0]
    assert np.isnan(list(day.expected(order_id="B", calendar=None).values())).all()


@pytest.mark.parametrize(
    "order", [{}, {"ord_type": "LIMIT"}, {"ord_type": "PEGGED"}, {"algo": "SEEKER"}]
)
def test_an_order_without_a_schedule_has_no_expectation(day, lab, order):
    day.quote(OPEN)
    day.accept(OPEN, end=CLOSE, **order)
    day.fill(OPEN + HOUR)

    found = lab.record(day.run())

    assert found["expected_progress"] == found["execution_speed"] == "NO_SCHEDULE"


def test_an_auction_order_that_was_never_accepted_has_no_expectation(day, lab):
    day.fill(OPEN + HOUR)
    day.tape.orders[0].ord_type = "MARKET_ON_CLOSE"

    assert lab.record(day.run())["expected_progress"] == "NO_SCHEDULE"


def live_day(day, *, from_the_open=True):
    """A feed from before the open; 1,000 traded before the order, 400 others and 100 ours since."""
    if from_the_open:
        day.quote(OPEN - HOUR, "other")
    day.quote(OPEN)
    day.trade(OPEN + MINUTE, 1000.0)
    third = OPEN + int(6.5 / 3 * HOUR)
    day.trade(third + MINUTE, 400.0)
    day.trade(third + 2 * MINUTE, 100.0, exec_id="mine")
    return third


@pytest.mark.parametrize("from_the_open", [True, False])
def test_a_vwap_schedule_follows_the_volume_that_really_trades(day, from_the_open):
    third = live_day(day, from_the_open=from_the_open)
    day.accept(third, "VWAP", end=CLOSE)
    day.tape.fill((third + 2 * MINUTE - day.lab.T0) / SECOND, 100, 10.0, "mine")
    noon = OPEN + int(3.25 * HOUR)

    (found,) = at_fills(day, noon)
    found = day.expected(known())[noon]

    # By noon 0.625 of a normal day has traded, 0.375 is left; others traded 1,400 so far.
    live = 400 / (400 + 1400 * 0.375 / 0.625)
    assert found == pytest.approx(live if from_the_open else 0.125 / 0.5)


def test_before_its_window_and_after_it_a_vwap_schedule_is_none_and_all(day):
    third = live_day(day)
    day.accept(OPEN, "VWAP", start=third, end=third + HOUR)

    day.fill(OPEN + HOUR)
    day.fill(third + HOUR)
    found = day.expected(known())

    assert found[OPEN + HOUR] == 0.0
    assert found[third + HOUR] == 1.0


def test_a_start_before_the_arrival_adds_what_usually_traded_between_them(day):
    third = live_day(day)
    day.accept(third, "VWAP", start=OPEN, end=CLOSE)
    noon = OPEN + int(3.25 * HOUR)
    day.fill(noon)

    found = day.expected(known())[noon]

    before = 1500 * 0.5 / 0.625
    assert found == pytest.approx((500 + before) / (500 + before + 1500 * 0.375 / 0.625))


def test_a_start_after_the_arrival_takes_the_usual_part_of_what_traded_since(day):
    third = live_day(day)
    day.accept(OPEN - 30 * MINUTE, "VWAP", start=third, end=CLOSE)
    noon = OPEN + int(3.25 * HOUR)
    day.fill(noon)

    found = day.expected(known())[noon]

    part = 1500 * 0.125 / 0.625
    assert found == pytest.approx(part / (part + 1500 * 0.375 / 0.625))


def test_without_any_volume_yet_the_usual_curve_stands(day):
    day.quote(OPEN - HOUR)
    day.accept(OPEN, "VWAP", end=CLOSE)
    day.fill(OPEN + HOUR)

    assert day.expected(known())[OPEN + HOUR] == pytest.approx(0.5 / (6.5 / 3))


def test_the_volume_of_the_day_begins_anew_with_every_session(day, lab):
    live_day(day)
    day.accept(OPEN - HOUR // 2, "VWAP", end=HALF_CLOSE)
    day.trade(CLOSE + MINUTE, 50.0)  # the closing auction belongs to the day that ended
    day.fill(CLOSE + 2 * MINUTE)
    day.fill(HALF_OPEN + SECOND)
    day.trade(HALF_OPEN + MINUTE, 300.0)
    half = HALF_OPEN + int(1.75 * HOUR)
    day.fill(half)

    found = day.expected(known())

    assert found[CLOSE + 2 * MINUTE] == pytest.approx(0.5)
    assert found[half] == pytest.approx(1850 / (1850 + 300 * 0.375 / 0.625))


def test_a_session_with_a_break_is_one_day_and_each_symbol_has_its_own_hours(day, lab):
    morning, noon = (parse_rfc3339(f"2023-11-24T{t}:00Z") for t in ("00:00", "03:30"))
    day.quote(morning - HOUR, "other")
    day.trade(morning + MINUTE, 300.0, symbol="J")
    day.accept(morning, "VWAP", end=morning + 6 * HOUR, order_id="J", symbol="J")
    day.fill(noon - MINUTE, order_id="J", symbol="J")
    day.trade(noon + MINUTE, 100.0, symbol="J")
    day.fill(noon + 75 * MINUTE, order_id="J", symbol="J")
    day.accept(HALF_OPEN, "TWAP", end=HALF_CLOSE)
    day.fill(HALF_OPEN + 105 * MINUTE)
    market = MarketSettings(
        lab.INPUTS, default_calendar="XNYS", calendars={"J": "XTKS"}, mark_interval_ns=HOUR
    )
    record = known("J")
    record.calendar = "XTKS"

    found = day.expected(record, order_id="J", market=market)
    other = day.expected(record, market=market)

    assert found[noon + 75 * MINUTE] == pytest.approx(400 / (400 + 400 * (1 / 0.8125 - 1)))
    half = 0.5 + 0.25 * (0.5 - 1 / 3) * 3
    assert found[noon - MINUTE] == pytest.approx(300 / (300 + 300 * (1 / half - 1)))
    assert other[HALF_OPEN + 105 * MINUTE] == 0.5


def test_without_sessions_a_vwap_order_has_no_expectation(day, lab):
    day.quote(OPEN)
    day.accept(OPEN, "VWAP", end=CLOSE)
    day.fill(OPEN + HOUR)

    assert lab.record(day.run(known(), calendar=None))["expected_progress"] == "NO_REFERENCE"


def test_a_share_of_the_volume_counts_from_its_start(day):
    day.quote(OPEN)
    day.trade(OPEN + 30 * MINUTE, 900.0)
    day.accept(OPEN + MINUTE, "POV", start=OPEN + HOUR, end=CLOSE, qty=1000,
               params={"participation": 0.5})  # fmt: skip
    day.trade(OPEN + 90 * MINUTE, 290.0)
    for minutes in (59, 60, 119):
        day.fill(OPEN + minutes * MINUTE)

    found = day.expected()

    assert found[OPEN + 59 * MINUTE] == found[OPEN + 60 * MINUTE] == 0.0
    assert found[OPEN + 119 * MINUTE] == pytest.approx(1190 * 59 / 118 / 1000)
    with_curve = day.expected(known())
    assert with_curve[OPEN + 119 * MINUTE] == pytest.approx(1190 * 59 / 118 / 1000)


def test_an_amended_quantity_starts_the_schedule_anew_on_what_remained(day):
    day.quote(OPEN)
    day.accept(OPEN, "TWAP", start=OPEN, end=OPEN + 2 * HOUR)
    day.fill(OPEN + 30 * MINUTE, 400)
    amended(day, order_qty=2000.0)
    day.fill(OPEN + 90 * MINUTE, 100)
    day.fill(OPEN + 2 * HOUR, 100)

    found = day.expected()

    assert found[OPEN + 30 * MINUTE] == 0.25
    assert found[OPEN + HOUR] == pytest.approx(0.2)
    assert found[OPEN + 90 * MINUTE] == pytest.approx(0.2 + 0.8 * 0.5)
    assert found[OPEN + 2 * HOUR] == 1.0


def test_an_amended_end_starts_the_schedule_anew_and_a_price_does_not(day):
    day.quote(OPEN)
    day.accept(OPEN, "TWAP", start=OPEN, end=OPEN + 2 * HOUR)
    day.fill(OPEN + 30 * MINUTE, 400)
    amended(day, ns=OPEN + 40 * MINUTE, limit_px=11.0)
    amended(day, ns=OPEN + 45 * MINUTE, start=OPEN, end=OPEN + 2 * HOUR)
    amended(day, ns=OPEN + HOUR, end=OPEN + 3 * HOUR)
    day.fill(OPEN + 2 * HOUR, 100)

    found = day.expected()

    assert found[OPEN + 40 * MINUTE] == pytest.approx(40 / 120)
    assert found[OPEN + 45 * MINUTE] == pytest.approx(45 / 120)
    assert found[OPEN + HOUR] == pytest.approx(0.4)
    assert found[OPEN + 2 * HOUR] == pytest.approx(0.4 + 0.6 * 0.5)


def test_an_amendment_to_what_is_done_expects_all_of_it(day):
    day.quote(OPEN)
    day.accept(OPEN, "TWAP", start=OPEN, end=OPEN + 2 * HOUR)
    day.fill(OPEN + 30 * MINUTE, 400)
    amended(day, order_qty=300.0)

    assert day.expected()[OPEN + HOUR] == 1.0


def test_a_share_of_the_volume_is_counted_anew_after_an_amendment(day):
    day.quote(OPEN)
    day.accept(OPEN, "POV", qty=1000, params={"participation": 0.5})
    day.trade(OPEN + 10 * MINUTE, 900.0)
    day.fill(OPEN + 30 * MINUTE, 400)
    amended(day, order_qty=2000.0)
    day.trade(OPEN + 70 * MINUTE, 600.0)
    day.fill(OPEN + 90 * MINUTE, 100)

    found = day.expected()

    assert found[OPEN + 30 * MINUTE] == pytest.approx(0.9)
    assert found[OPEN + 90 * MINUTE] == pytest.approx((400 + 600) / 2000)


def test_a_vwap_schedule_starts_anew_with_the_volume_since_the_amendment(day):
    third = live_day(day)
    day.accept(OPEN - MINUTE, "VWAP", end=CLOSE)
    day.fill(OPEN + 30 * MINUTE, 400)
    amended(day, ns=third, order_qty=2000.0)
    noon = OPEN + int(3.25 * HOUR)
    day.fill(noon, 1)

    found = day.expected(known())[noon]

    assert found == pytest.approx(0.2 + 0.8 * 500 / (500 + 1500 * 0.375 / 0.625))


def family(day):
    day.quote(OPEN)
    day.accept(OPEN, "TWAP", start=OPEN, end=OPEN + 2 * HOUR, order_id="P")
    more = {"parent_order_id": "P", "root_order_id": "P"}
    day.tape.say("order_accepted", (OPEN - day.lab.T0) / SECOND, "C", order_qty=1000.0, **more)
    for minutes, qty in ((20, 150), (30, 250), (90, 50), (100, 50)):
        day.fill(OPEN + minutes * MINUTE, qty, order_id="C", **more)
    day.tape.say("order_cancelled", (OPEN + 95 * MINUTE - day.lab.T0) / SECOND, "C", **more)
    amended(day, order_id="P", order_qty=2000.0)
    day.tape.orders.sort(key=lambda m: parse_rfc3339(m.ts_event))


def test_a_parents_schedule_starts_anew_on_what_its_children_had_left(day):
    family(day)

    found = day.expected(order_id="P")

    assert found[OPEN + HOUR] == pytest.approx(0.2)
    assert found[OPEN + 90 * MINUTE] == pytest.approx(0.2 + 0.8 * 0.5)


def test_the_last_state_does_not_depend_on_the_order_of_arrival(lab):
    rng = np.random.default_rng(3)
    outcomes = []
    for shuffle in (False, *[True] * 5):
        day = Day(lab)
        family(day)
        day.fill(OPEN + 110 * MINUTE, order_id="A")
        day.accept(OPEN, "TWAP", start=OPEN, end=OPEN + 2 * HOUR)
        for minutes, qty in ((10, 2000.0), (70, 3000.0)):
            amended(day, ns=OPEN + minutes * MINUTE, order_qty=qty, end=OPEN + 3 * HOUR)
        day.fill(OPEN + 40 * MINUTE, 100)
        if shuffle:
            orders = day.tape.orders
            day.tape.orders = [orders[i] for i in rng.permutation(len(orders))]
        found = lab.records(day.run(known(), market=slow_marks(lab)))
        outcomes.append({k: float(v["expected_progress"]) for k, v in found.items()})

    assert outcomes[0][key_of("A")] > 0.3
    for other in outcomes[1:]:
        assert other == pytest.approx(outcomes[0], nan_ok=True)


def test_an_amendment_is_found_again_when_orders_before_it_have_left(day, lab):
    tape = day.tape
    day.quote(OPEN)
    for name in ("gone", *(f"A{i}" for i in range(4))):
        day.accept(OPEN, "TWAP", start=OPEN, end=OPEN + 2 * HOUR, order_id=name)
        day.fill(OPEN + 30 * MINUTE, 1000 if name == "gone" else 400, order_id=name)
    for i in range(4):
        amended(day, order_id=f"A{i}", order_qty=2000.0)
    for i in range(4):
        day.fill(OPEN + 90 * MINUTE, 100, order_id=f"A{i}")
    tape.orders.sort(key=lambda m: parse_rfc3339(m.ts_event))
    whole = tape.batches()
    desk = lab.Desk(slow_marks(lab), OrderSettings(evict_after_ns=0))
    desk.push(whole[0], whole[5])
    for piece in lab.cut(whole[2], 5):
        desk.push(Batch(0, watermark=piece.watermark + 1), piece)
    desk.push(*(Batch(i, watermark=OPEN + 91 * MINUTE) for i in (0, 1)))
    desk.push(*(Batch(i, watermark=OPEN + 105 * MINUTE) for i in (0, 1)))

    rows = lab.finals(desk.rows)
    last = rows[(rows["ts"] == OPEN + 90 * MINUTE)]
    assert len(last) == 4
    assert last["expected_progress"] == pytest.approx([0.6] * 4)


def busy(day):
    """Halts of two symbols, orders of every schedule, fills all along two sessions."""
    rng = np.random.default_rng(5)
    for symbol in ("X", "Y"):
        for t in np.sort(rng.integers(OPEN, CLOSE, 60)).tolist():
            day.quote(t, symbol)
            day.trade(t + 1, 100.0, symbol=symbol)
        for t in np.sort(rng.integers(OPEN, CLOSE, 8)).tolist():
            day.stop("halted", t, symbol)
            day.stop("resumed", t + 7 * MINUTE, symbol)
    for i, schedule in enumerate(("TWAP", "VWAP", "IS", "POV", "CLOSE", "TWAP", "VWAP")):
        symbol = "XY"[i % 2]
        rate = {"params": {"participation": 0.2}} if schedule == "POV" else {}
        day.accept(
            OPEN - 20 * MINUTE + i * 5 * MINUTE, schedule, start=OPEN + i * 10 * MINUTE,
            end=HALF_CLOSE, order_id=f"O{i}", symbol=symbol, **rate,
        )  # fmt: skip
        for t in np.sort(rng.integers(OPEN, CLOSE, 12)).tolist():
            day.fill(t, 5, order_id=f"O{i}", symbol=symbol)
    day.tape.orders.sort(key=lambda m: parse_rfc3339(m.ts_event))


def outcome(lab, rows):
    final = lab.finals(rows)
    return final.tobytes(), {k: v.tobytes() for k, v in lab.records(rows).items()}


def slow_marks(lab):
    return MarketSettings(lab.INPUTS, default_calendar="XNYS", mark_interval_ns=HOUR)


@pytest.mark.large
def test_what_is_expected_does_not_depend_on_how_the_inputs_are_read(day, lab):
    busy(day)
    rng = np.random.default_rng(1)
    how = {"market": slow_marks(lab)}
    straight = outcome(lab, day.run(known(), known("Y"), **how))

    assert len(straight[0]) > 50_000
    for plan in ([0] * 9 + [1] * 9, [1] * 9 + [0] * 9, rng.permutation([0, 1] * 9).tolist()):
        for restart in (False, True):
            again = day.run(known(), known("Y"), pieces=9, plan=plan, restart=restart, **how)
            assert outcome(lab, again) == straight


def test_every_calendar_has_a_number_of_its_own():
    codes = {name: calendar_code(name) for name in calendar_names()}

    assert len(set(codes.values())) == len(codes)
    assert all(0 < code < 1 << 16 for code in codes.values())
    assert all(calendar_of_code(code) == name for name, code in codes.items())
    assert all(calendar_code(name) == codes[meant] for name, meant in ALIASES.items())


def test_hours_are_the_calendars_own_and_grow_by_years():
    rng = np.random.default_rng(2)
    hours = TradingHours()
    names = ("XNYS", "XTKS", "24/5")
    codes = np.array([calendar_code(name) for name in names], np.uint16)
    assert hours.cover(codes, np.full(3, OPEN))
    assert not hours.cover(codes, np.full(3, OPEN + 30 * MINUTE))
    assert not hours.cover(np.zeros(2, np.uint16), np.zeros(2, np.int64)), "always trading"
    first = len(hours.hours)

    assert hours.cover(codes, np.full(3, OPEN + 200 * 24 * HOUR))
    assert len(hours.hours) > first
    for name, row in zip(names, hours.calendars, strict=True):
        for _ in range(20):
            a, b = np.sort(OPEN + rng.integers(-REACH_NS, REACH_NS, 2)).tolist()
            found = trading_ns(hours.hours, row["first"], row["last"], a, b)
            assert found == calendar_ns(name, a, b)


def test_a_session_is_found_from_within_from_between_and_from_a_break():
    hours = TradingHours()
    hours.cover(np.array([calendar_code("XTKS")], np.uint16), np.array([OPEN]))
    first, last = 0, len(hours.hours)
    morning, lunch, noon, close = (
        parse_rfc3339(f"2023-11-22T{t}:00Z") for t in ("00:00", "02:30", "03:30", "06:00")
    )

    for t in (morning - HOUR, morning, lunch + MINUTE, noon, close - 1):
        assert session_close(hours.hours, first, last, t) == close
    assert next_open(hours.hours, first, last, morning - HOUR) == morning
    assert next_open(hours.hours, first, last, lunch) == noon
    nth, share = session_place(hours.hours, first, last, lunch)
    assert session_place(hours.hours, first, last, noon) == (nth, share)
    assert session_place(hours.hours, first, last, close) == (nth, 1.0)
    early, late = hours.hours["open"][0] - 1, hours.hours["close"][-1] + 1
    assert session_place(hours.hours, first, last, early) == (0, 0.0)
    assert trading_ns(hours.hours, first, last, early - HOUR, early) == 0
    assert session_close(hours.hours, first, last, late) == NO_TIME
    assert next_open(hours.hours, first, last, late) == NO_TIME


def halt_rows(*rows):
    return np.array(list(rows), HALT)


def test_halts_are_kept_by_symbol_and_time_and_the_old_ones_are_dropped():
    known_rows = halt_rows((7, 10, 1), (9, 5, 1))
    rows = with_halts(known_rows, halt_rows((7, 10, 0), (3, 50, 1), (9, 4, 1)))

    assert rows.tolist() == [(3, 50, 1), (7, 10, 1), (7, 10, 0), (9, 4, 1), (9, 5, 1)]
    kept = recent_halts(rows, 45 + 2 * REACH_NS)
    assert kept.tolist() == [(3, 50, 1), (7, 10, 0), (9, 5, 1)], "what holds now stays"
    assert len(recent_halts(rows[:0], 0)) == 0


def test_halted_time_is_counted_within_a_stretch_and_for_its_symbol():
    halts = halt_rows((7, 10, 1), (7, 30, 0), (7, 50, 1), (9, 0, 1))

    def halted(symbol, start, end):
        return halted_ns(halts, np.uint64(symbol), np.empty(0, HOURS), 0, 0, start, end)

    assert halted(7, 0, 100) == 20 + 50
    assert halted(7, 15, 25) == 10
    assert halted(7, 30, 50) == 0
    assert halted(9, 5, 6) == 1
    assert halted(8, 0, 100) == 0


def test_halts_travel_to_the_groups_of_all_orders_and_into_their_snapshots(day, lab):
    halted_day(day, schedule="TWAP")
    day.fill(OPEN + 45 * MINUTE)
    desk = lab.Desk(slow_marks(lab))
    desk.push(*day.tape.batches()[:5])

    for logic in desk.orders.values():
        assert logic.group.tables.halts["halted"].tolist() == [1, 0]
    desk.restart()
    desk.push(Batch(2, watermark=OPEN, ended=True))
    rows = lab.finals(desk.rows)
    (fill,) = rows[rows["kind"] == EventKind.ORDER_FILLED]
    assert fill["expected_progress"] == pytest.approx(0.25)


def test_a_calendars_hours_are_found_behind_anothers():
    calendars = np.zeros(2, CALENDAR)
    calendars["code"] = (7, 9)
    calendars["since"], calendars["until"] = -(1 << 62), 1 << 62
    codes, times = np.array([9, 0, 8]), np.array([0, 0, 0])
    assert first_uncovered(codes, times, calendars, 0) == 2
    calendars["first"], calendars["last"] = (0, 5), (5, 8)
    assert hours_of(calendars, 9) == (5, 8)
    assert hours_of(calendars, 8) == (0, 0)
