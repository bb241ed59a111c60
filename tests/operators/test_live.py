"""What control messages ask for: marks a second for a watched order, statuses once more."""

import json

import numpy as np
import pytest

from domain.batch import Batch, Input
from domain.instants import SECOND
from domain.rows import FillStatus, MarketFlag
from domain.vocabulary import EventKind, Topic
from operators.feed import Feed
from operators.market.logic import MarketLogic, MarketSettings
from operators.market.state import MarketState

MARK = int(EventKind.MARK)
INPUTS = tuple(
    Input(i, topic, 0)
    for i, topic in enumerate((Topic.MARKET_DATA, Topic.ORDERS, Topic.ROUTES, Topic.CONTROL))
)


def control(at, *messages):
    return Batch(3, references=[json.dumps(m).encode() for m in messages], watermark=at)


def started(order_id="A", live=True):
    return {"type": "monitoring_started", "order_id": order_id, "real_time_updates": live}


@pytest.fixture
def desk(lab):
    return lab.Desk(MarketSettings(INPUTS))


def watched(tape, lab, desk, *messages, until=20):
    """An order of 100, two fills, the messages said at 3 s, and time moved on second by second."""
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 100)
    tape.fill(1, 10, 10.0, "e1")
    tape.fill(12.5, 10, 10.2, "e2")
    tape.quote(30, 9.9, 10.1)
    market, orders, routes = (b for b in tape.batches() if not b.ended)
    first, second = lab.cut(orders, 3)[:2], lab.cut(orders, 3)[2]
    desk.push(market, *first, routes, control(lab.T0 + 3 * SECOND, *messages))
    for t in range(4, until):
        if t == 13:
            desk.push(second)
        desk.push(*(Batch(i, watermark=lab.T0 + t * SECOND + 1) for i in range(4)))
    return desk


def finals(desk):
    return [
        row.tobytes() for rows in desk.rows for row in rows.status
        if row["numbered"] and not row["provisional"]
    ]  # fmt: skip


def marks(desk):
    return sorted(
        int(row["ts"]) for rows in desk.rows for row in rows.status if row["kind"] == MARK
    )


def test_a_watched_order_is_marked_each_second_and_its_rows_stay_the_same(tape, lab, desk):
    plain = watched(type(tape)(), lab, lab.Desk(MarketSettings(INPUTS)))

    watched(tape, lab, desk, started())

    assert len(marks(desk)) >= 15
    assert set(np.diff(marks(desk))) == {SECOND, 2 * SECOND}, "none where a fill is newer"
    assert set(np.diff(marks(plain))) == {5 * SECOND}
    assert set(marks(plain)) <= set(marks(desk))
    assert finals(desk) == finals(plain)
    for one, other in zip(sorted(desk.orders.items()), sorted(plain.orders.items()), strict=True):
        assert one[1].snapshot()[1] == other[1].snapshot()[1]


@pytest.mark.parametrize(
    "ended", [started(live=False), {"type": "monitoring_stopped", "order_id": "A"}]
)
def test_a_watch_that_ended_marks_no_more(tape, lab, desk, ended):
    watched(tape, lab, desk, started(), ended)

    assert set(np.diff(marks(desk))) == {5 * SECOND}


def test_a_watch_of_an_order_that_never_comes_is_forgotten_after_a_day(lab, desk):
    desk.push(
        control(lab.T0, started("ghost"), {"type": "other"}, {"type": "other", "order_id": "ghost"})
    )
    live = [logic.live for logic in desk.market.values()]
    assert [len(one.marked) for one in live] == [1] * 16

    desk.push(*(Batch(i, watermark=lab.T0 + 86_401 * SECOND) for i in range(4)))

    assert [len(one.marked) for one in live] == [0] * 16


def test_a_watch_survives_a_restart(tape, lab, desk):
    watched(tape, lab, desk, started())
    for logic in desk.market.values():
        again = MarketLogic(logic.settings, logic.snapshot())
        assert again.live.marked == logic.live.marked
        assert again.snapshot() == logic.snapshot()


def test_a_closed_market_is_not_marked(lab, desk):
    live = next(iter(desk.market.values()), MarketLogic(MarketSettings(INPUTS), None)).live
    live.take(json.dumps(started()).encode(), lab.T0)

    assert len(live.marks(lab.T0 + SECOND, MarketState(), Feed().table)) == 0


def test_statuses_are_given_again_on_request(tape, lab, desk):
    watched(tape, lab, desk)
    count = len(desk.rows)
    last = lab.last_status(desk.rows)

    desk.push(control(lab.T0 + 21 * SECOND, {"type": "status_republish_requested", "by": "x"}))

    (again,) = [row for rows in desk.rows[count:] for row in rows.status]
    assert not again["numbered"]
    assert not again["provisional"]
    assert again["seq"] == last["seq"]
    assert again["cum_qty"] == 20
    assert again["market_flags"] & MarketFlag.SHOWS_ONLY, "the rules have judged it"
    (venues,) = [rows.status_venues for rows in desk.rows[count:] if len(rows.status)]
    assert venues.start.tolist() == [0, 1]


def test_a_status_that_is_given_again_is_the_last_one_to_the_letter(tape, lab, desk):
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 100)
    tape.fill(1, 10, 10.0, "e1")
    tape.say("fill_busted", 2, exec_ref_id="e1")
    tape.quote(3, 9.9, 10.1)
    desk.push(*(b for b in tape.batches() if not b.ended))
    desk.push(*(Batch(i, watermark=lab.T0 + 3 * SECOND) for i in range(4)))
    last = lab.last_status(desk.rows)
    count = len(desk.rows)

    desk.push(control(lab.T0 + 4 * SECOND, {"type": "status_republish_requested", "by": "x"}))

    (again,) = [row for rows in desk.rows[count:] for row in rows.status]
    assert last["restated"] == 1
    assert again["restated"] == last["restated"]


def executions(desk):
    return [row for rows in desk.rows for row in rows.executed]


def test_an_execution_is_told_at_once_with_the_market_it_met(tape, lab, desk):
    watched(tape, lab, desk)

    one, two = executions(desk)
    assert (one["last_qty"], one["cum_qty"], one["bid"], one["mid"]) == (10, 10, 9.9, 10.0)
    assert (two["cum_qty"], two["status"]) == (20, FillStatus.COUNTED)
    assert np.isnan(two["mid_60s"])


def test_what_a_bust_changes_is_told_again(tape, lab):
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 100)
    for t in (1, 2, 3):
        tape.fill(t, 10, 10.0, f"e{t}")
    tape.say("fill_busted", 4, exec_ref_id="e1")
    tape.quote(9, 9.9, 10.1)
    desk = lab.Desk()
    desk.push(*(b for b in tape.batches() if not b.ended))
    desk.push(*(Batch(i, watermark=lab.T0 + 9 * SECOND) for i in range(3)))

    told = executions(desk)
    assert [row["status"] for row in told] == [*[FillStatus.COUNTED] * 3, FillStatus.BUSTED]
    assert [row["cum_qty"] for row in told] == [10, 20, 30, 0]
    assert told[3]["exec"] == told[0]["exec"]


def test_a_late_execution_is_told_with_the_quantity_before_it(tape, lab):
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 100)
    for t in (1, 3, 2):
        tape.fill(t, 10 * t, 10.0, f"e{t}")
    tape.say("fill_busted", 4, exec_ref_id="nobody's")
    tape.quote(9, 9.9, 10.1)
    desk = lab.Desk()
    desk.push(*tape.batches())

    assert [row["cum_qty"] for row in executions(desk)] == [10, 40, 30]


def test_what_is_told_of_executions_does_not_depend_on_how_it_was_read(tape, lab):
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 100)
    for t in range(1, 6):
        tape.fill(t, 10, 10.0, f"e{t}")
        tape.quote(t + 0.5, 9.9, 10.1 + t)
    for t, name in ((6, "e1"), (7, "e4")):
        tape.say("fill_busted", t, exec_ref_id=name)
    tape.say("fill_corrected", 8, exec_ref_id="e2", exec_id="c2", last_qty=7, last_px=9.0)
    tape.quote(80, 9.9, 10.1)
    at_once, by_pieces = lab.Desk(), lab.Desk()
    at_once.push(*tape.batches())
    market, _, orders, *_ = tape.batches()
    ends = [b for b in tape.batches() if b.ended]
    by_pieces.push(market)
    for piece in lab.cut(orders, 9):
        by_pieces.push(piece)
        by_pieces.push(Batch(2, watermark=piece.watermark))
    by_pieces.push(*ends)

    assert [r.tobytes() for r in executions(at_once)] == [
        r.tobytes() for r in executions(by_pieces)
    ]


def test_the_record_repeats_what_was_told_with_the_later_mids(tape, lab):
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 0.3)
    for t, qty in ((1, 0.1), (2, 0.2)):
        tape.fill(t, qty, 10.0, f"e{t}")
    tape.quote(9, 9.9, 10.1)
    desk = lab.Desk()
    desk.push(*tape.batches())

    whole = [row for rows in desk.rows for row in rows.fills]
    told = executions(desk)
    for name in ("order", "exec", "last_qty", "cum_qty", "mid", "arrival_mid", "status"):
        assert [row[name] for row in whole] == [row[name] for row in told]
    assert whole[0]["mid_1s"] == 10.0
