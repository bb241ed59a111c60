"""Schedules that an algorithm sends itself: shares in equal parts of its window, trading time."""

import numpy as np
import pytest

from domain.batch import Batch
from domain.instants import SECOND
from domain.keys import key_of
from domain.profiles import profile_text
from domain.vocabulary import EventKind
from operators.market.logic import MarketSettings
from operators.orders.group import OrderSettings
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

FRONT = [0.5, 0.3, 0.2]
"""Of three hours."""


def accept(day, ns=OPEN, hours=3, profile=FRONT, schedule=None, **more):
    day.accept(ns, schedule, ns, ns + hours * HOUR, params={"profile": profile}, **more)


def test_what_is_due_is_linear_between_the_edges_of_its_parts(day):
    accept(day)
    times = [OPEN, OPEN + HOUR // 2, OPEN + HOUR, OPEN + 2 * HOUR, OPEN + 150 * MINUTE,
             OPEN + 3 * HOUR, OPEN + 4 * HOUR]  # fmt: skip

    assert at_fills(day, *times) == pytest.approx([0, 0.25, 0.5, 0.8, 0.9, 1, 1], abs=1e-15)


@pytest.mark.parametrize("schedule", ["VWAP", "POV", "TWAP", "CLOSE", "CUSTOM"])
def test_it_goes_before_any_other_schedule(day, schedule):
    accept(day, schedule=schedule)

    assert at_fills(day, OPEN + HOUR) == pytest.approx([0.5])


def test_its_parts_are_equal_in_trading_time_over_a_night_and_a_holiday(day):
    # Two hours before the close, two of a half day two days later: four parts, an hour each.
    accept(day, CLOSE - 2 * HOUR, hours=(HALF_OPEN + 2 * HOUR - (CLOSE - 2 * HOUR)) / HOUR,
           profile=[0.4, 0.1, 0.3, 0.2])  # fmt: skip

    due = at_fills(day, CLOSE - HOUR, CLOSE + HOUR, HALF_OPEN, HALF_OPEN + HOUR, HALF_CLOSE)
    assert due == pytest.approx([0.4, 0.5, 0.5, 0.8, 1.0])


def test_without_the_end_of_its_window_nothing_is_due(day):
    day.accept(OPEN, params={"profile": FRONT})
    day.fill(OPEN + HOUR)

    assert all(np.isnan(v) for v in day.expected().values())


def test_a_halt_moves_what_was_due_in_it_to_the_rest_in_proportion(day):
    accept(day)
    day.stop("halted", OPEN + HOUR)
    day.stop("resumed", OPEN + 2 * HOUR)
    times = [OPEN + 90 * MINUTE, OPEN + 2 * HOUR, OPEN + 150 * MINUTE, OPEN + 3 * HOUR]

    # Half was due before; the last part, which has the other half to do, is even.
    assert at_fills(day, *times) == pytest.approx([0.5, 0.5, 0.75, 1.0])


def test_a_halt_after_all_was_due_leaves_it_due(day):
    accept(day, hours=2, profile=[1.0, 0.0])
    day.stop("halted", OPEN + 90 * MINUTE)
    day.stop("resumed", OPEN + 100 * MINUTE)

    assert at_fills(day, OPEN + HOUR, OPEN + 95 * MINUTE, OPEN + 110 * MINUTE) == [1.0, 1.0, 1.0]


def test_where_trading_never_stops_its_parts_are_equal_in_time(day, lab):
    accept(day)
    for hours in (1, 2):
        day.fill(OPEN + hours * HOUR)

    found = day.expected(market=MarketSettings(lab.INPUTS))

    assert [found[OPEN + HOUR], found[OPEN + 2 * HOUR]] == pytest.approx([0.5, 0.8])


def test_a_window_without_any_trading_expects_nothing(day):
    accept(day, CLOSE + HOUR, hours=2)

    assert np.isnan(at_fills(day, CLOSE + 2 * HOUR)).all()


def test_an_amended_quantity_is_due_as_the_rest_of_the_profile(day):
    accept(day)
    day.fill(OPEN + HOUR // 2, 400)
    amended(day, order_qty=1400.0)
    # 400 are done; of the thousand that are left, 0.3 / 0.5 in the second hour.
    found = at_fills(day, OPEN + 2 * HOUR)

    assert found == pytest.approx([(400 + 1000 * 0.6) / 1400])


def test_an_amendment_may_send_another_profile_or_another_schedule(day):
    for name in ("A", "B"):
        accept(day, order_id=name)
    later = {"start": OPEN + HOUR, "end": OPEN + 3 * HOUR}
    amended(day, params={"profile": [0.9, 0.1]}, **later)
    amended(day, "B", params={"schedule": "TWAP"}, **later)
    for name in ("A", "B"):
        day.fill(OPEN + 2 * HOUR, order_id=name)
    rows = day.lab.finals(day.run())
    at = rows[(rows["ts"] == OPEN + 2 * HOUR) & (rows["kind"] == EventKind.ORDER_FILLED)]

    due = dict(zip(at["order"].tolist(), at["expected_progress"].tolist(), strict=True))
    assert due[key_of("A")] == pytest.approx(0.9)
    assert due[key_of("B")] == pytest.approx(0.5)


def test_many_orders_each_with_its_own_survive_batches_and_restarts(day, lab):
    names = [f"P{n}" for n in range(9)]
    for n, name in enumerate(names):
        accept(day, order_id=name, profile=[n / 10, 1 - n / 10], hours=2)
        day.fill(OPEN + HOUR, order_id=name)
    whole = day.run()
    again = day.run(pieces=5, restart=True)
    rows = lab.finals(whole)
    rows = rows[rows["kind"] == EventKind.ORDER_FILLED]

    due = dict(zip(rows["order"].tolist(), rows["expected_progress"].tolist(), strict=True))
    assert due == pytest.approx({key_of(name): n / 10 for n, name in enumerate(names)})
    assert lab.finals(again).tobytes() == lab.finals(whole).tobytes()


def test_profiles_of_orders_that_left_are_let_go(lab):
    day = Day(lab)
    for n in range(200):
        ns = OPEN + n * MINUTE
        accept(day, ns, hours=1, profile=[n / 400, 1 - n / 400], order_id=f"P{n}")
        day.tape.say("order_cancelled", (ns + 30 * SECOND - lab.T0) / SECOND, f"P{n}")
    desk = lab.Desk(
        MarketSettings(lab.INPUTS, default_calendar="XNYS"),
        OrderSettings(evict_after_ns=MINUTE),
    )
    orders = day.tape.batches()[2]
    for part in lab.cut(orders, 10):
        desk.push(part, Batch(0, watermark=part.watermark), Batch(2, watermark=part.watermark))

    groups = [logic.group for logic in desk.orders.values()]
    kept = {key for group in groups for key in group.tables.profiles["key"].tolist()}
    assert key_of(profile_text([199 / 400, 201 / 400])) in kept
    assert len(kept) < 100
    for group in groups:
        assert set(group.tables.profiles["key"].tolist()) <= set(group.names)
