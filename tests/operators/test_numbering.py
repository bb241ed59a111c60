"""Which events give an order and its family a numbered row, and what it is valued with."""

import numpy as np
import pytest

from domain.batch import Batch, Input
from domain.instants import SECOND
from domain.keys import key_of
from domain.vocabulary import EventKind, OrderState, Topic
from operators.market.logic import MarketSettings
from operators.orders.group import OrderSettings

MARK = EventKind.MARK
CHILD = {"parent_order_id": "P", "root_order_id": "P"}


def rows_of(rows, lab, order_id):
    """(kind, seq) of an order's numbered rows."""
    found = lab.finals(rows)
    found = found[found["order"] == key_of(order_id)]
    return list(zip(found["kind"].tolist(), found["seq"].tolist(), strict=True))


@pytest.fixture
def quoted(tape):
    tape.quote(-1, 9.9, 10.1)
    return tape


def test_every_event_of_a_route_gives_its_order_a_row(quoted, run, lab):
    quoted.accept(0, 100)
    quoted.say("route_sent", 1, route_id="r", order_qty=60.0)
    quoted.say("route_acknowledged", 1.25, route_id="r")
    quoted.say("route_cancelled", 2, route_id="r", leaves_qty=60.0)
    quoted.quote(3, 9.9, 10.1)

    rows = run(quoted)

    assert rows_of(rows, lab, "A") == [(1, 1), (20, 2), (21, 3), (24, 4)]
    statuses = lab.finals(rows)
    assert statuses["routed_qty"].tolist() == [0, 60, 60, 0]
    np.testing.assert_array_equal(statuses["ack_ms"], [np.nan, np.nan, 250, 250])


def test_a_route_stored_twice_gives_one_row(quoted, run, lab):
    quoted.accept(0, 100)
    for _ in range(2):
        quoted.say("route_sent", 1, route_id="r", order_qty=60.0)

    assert rows_of(run(quoted), lab, "A") == [(1, 1), (20, 2)]


def test_of_one_instant_the_later_market_counts(quoted, run, lab):
    quoted.accept(0, 100)
    quoted.trade(1, 10.0, 500, seq=1)
    quoted.trade(2, 10.1, 100, seq=2)
    quoted.fill(2, 50, 10.1, "e", market_seq=2)
    quoted.say("route_acknowledged", 2, route_id="r", market_seq=1)

    rows = run(quoted)

    filled, answered = lab.finals(rows)[1:]
    assert filled["market_qty"] == answered["market_qty"] == 600
    assert lab.record(rows)["market_qty"] == 600


def family(tape):
    tape.accept(0, 100, "P")
    tape.accept(1, 60, "C", **CHILD)
    tape.say("route_sent", 2, "C", route_id="r", order_qty=80.0, **CHILD)


def test_what_a_child_routes_is_in_its_open_parents_next_row(quoted, run, lab):
    family(quoted)
    quoted.fill(3, 10, 10.0, "e", order_id="C", **CHILD)
    quoted.quote(4, 9.9, 10.1)

    rows = run(quoted, orders=OrderSettings(mark_row_interval_ns=3600 * SECOND))

    assert rows_of(rows, lab, "P") == [(1, 1), (12, 2)]
    found = lab.last_status(rows, "P")
    assert (found["routed_qty"], found["children"]) == (80, 1)


def test_what_no_row_has_shown_comes_beside_the_record(quoted, run, lab):
    family(quoted)
    quoted.quote(3, 9.8, 10.0)

    rows = run(quoted)

    assert rows_of(rows, lab, "P") == [(1, 1), (MARK, 2)]
    last, record = lab.last_status(rows, "P"), lab.record(rows, "P")
    assert last["routed_qty"] == record["routed_qty"] == 80
    assert last["seq"] == record["seq"] == 2
    assert last["bid"] == 9.9, "a parent is valued with what it trades and at marks"


def test_a_closed_parent_tells_at_once_what_its_children_still_do(quoted, run, lab):
    family(quoted)
    quoted.say("order_cancelled", 3, "P")
    quoted.say("route_cancelled", 4, "C", route_id="r", leaves_qty=80.0, **CHILD)
    quoted.say("order_cancelled", 5, "C", **CHILD)

    rows = run(quoted)

    assert rows_of(rows, lab, "P") == [(1, 1), (5, 2), (24, 3)]
    assert lab.last_status(rows, "P")["routed_qty"] == 0
    assert lab.record(rows, "P")["events"] == 3


def test_a_child_that_had_traded_gives_its_new_parent_a_row(quoted, run, lab):
    quoted.accept(0, 100, "P")
    quoted.accept(1, 60, "C", root_order_id="P")
    quoted.fill(2, 10, 10.0, "e", order_id="C", root_order_id="P")
    quoted.say("order_suspended", 3, "C", **CHILD)

    rows = run(quoted)

    assert rows_of(rows, lab, "P") == [(1, 1), (EventKind.ORDER_SUSPENDED, 2)]
    assert lab.last_status(rows, "P")["cum_qty"] == 10


def test_a_repeat_that_names_the_parent_is_in_the_parents_record(quoted, run, lab):
    quoted.accept(0, 100, "P")
    for more in ({"root_order_id": "P"}, CHILD):
        quoted.say("order_suspended", 3, "C", **more)

    rows = run(quoted)

    assert rows_of(rows, lab, "P") == [(1, 1), (MARK, 2)]
    assert lab.last_status(rows, "P")["children"] == lab.record(rows, "P")["children"] == 1


def test_a_parent_that_never_spoke_has_the_time_of_its_first_child(quoted, run, lab):
    quoted.accept(1, 60, "C", **CHILD)
    quoted.quote(2, 9.9, 10.1)

    rows = run(quoted)

    found = lab.last_status(rows, "P")
    assert (found["state"], found["seq"]) == (OrderState.UNKNOWN, 1)
    assert found["ts"] == found["known"] == lab.T0 + SECOND
    assert lab.record(rows, "P")["seq"] == 1


def test_a_print_found_after_its_fill_gives_the_family_rows(quoted, run, lab):
    family(quoted)
    quoted.trade(2.5, 10.0, 300)
    quoted.fill(3, 10, 10.0, "e", order_id="C", **CHILD)
    quoted.trade(4, 10.0, 10, exec_id="e")
    quoted.quote(9, 9.9, 10.1)

    rows = run(quoted, orders=OrderSettings(mark_row_interval_ns=3600 * SECOND))

    for order_id in ("P", "C"):
        mine = lab.finals(rows)
        mine = mine[mine["order"] == key_of(order_id)]
        [found] = mine[mine["kind"] == EventKind.OWN_PRINT]
        assert found["own_matched_qty"] == 10
        assert found["known"] == lab.T0 + 5 * SECOND
        assert found["ts"] < lab.T0 + 5 * SECOND


def test_a_print_found_late_does_not_overtake_a_mark(quoted, lab):
    inputs = (*lab.INPUTS, Input(3, Topic.CONTROL, 0))
    quoted.accept(0, 100)
    quoted.fill(3, 10, 10.0, "e")
    quoted.trade(4, 10.0, 10, exec_id="e")
    quoted.quote(30, 9.9, 10.1)
    second = {"mark_interval_ns": SECOND}
    found = []
    for silent in (True, False):
        desk = lab.Desk(
            MarketSettings(inputs, **second),
            OrderSettings(mark_row_interval_ns=SECOND, **second),
        )
        late = Batch(3, watermark=lab.T0 + 30 * SECOND, ended=True)
        heard = Batch(3, watermark=lab.T0 + 7 * SECOND // 2)
        desk.push(heard if silent else late, *quoted.batches(), *([late] if silent else []))
        found.append(lab.finals(desk.rows).tobytes())

    assert found[0] == found[1]


def test_a_mark_without_a_number_is_made_up_for_beside_the_record(quoted, run, lab):
    quoted.fill(0, 10, 10.0, "e")
    quoted.quote(7, 10.9, 11.1)
    quoted.quote(20, 11.9, 12.1)

    rows = run(quoted, orders=OrderSettings(mark_row_interval_ns=3600 * SECOND))

    assert rows_of(rows, lab, "A") == [(12, 1), (MARK, 2)]
    assert lab.last_status(rows)["bid"] == lab.record(rows)["bid"] > 10
