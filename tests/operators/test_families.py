"""Parents and children in every shape and order of arrival."""

import numpy as np
import pytest

from domain.instants import SECOND
from domain.keys import key_of
from domain.vocabulary import OrderState
from operators.orders.process import MOST_ROWS
from operators.orders.tables import AGGS, DEEPEST, KEPTS, MIDS, ORDERS, REFS, VENUES

ARENAS = {
    "orders": ORDERS, "sums": ORDERS, "agg_sums": AGGS, "kept": KEPTS, "mids": MIDS,
    "refs": REFS, "venues": VENUES, "venue_qty": VENUES,
}  # fmt: skip


def check_room(desk):
    """No arena holds more rows than it has room for."""
    for logic in desk.orders.values():
        for name, arena in ARENAS.items():
            array = getattr(logic.group.tables, name)
            room = array.shape[1] if name == "mids" else array.shape[0]
            assert int(logic.group.tables.used[arena]) <= room, name


def chain(n):
    """(order id, its parent's members) from the root down."""
    names = [f"G{i}" for i in range(n)]
    root = {"root_order_id": "G0"}
    return [
        (name, {"parent_order_id": names[i - 1], **root} if i else {})
        for i, name in enumerate(names)
    ]


@pytest.mark.parametrize("generations", [2, 5, DEEPEST])
@pytest.mark.parametrize("batches", [1, 7])
def test_a_family_adds_up_over_all_its_generations(tape, lab, generations, batches):
    tape.quote(-1, 9.9, 10.1)
    family = chain(generations)
    for name, more in family:
        tape.accept(0, 10_000, name, **more)
    bottom, more = family[-1]
    for i in range(60):
        tape.fill(
            1 + 0.01 * i, 10, 10.0 + 0.02 * i, f"e{i}", order_id=bottom, venue=f"V{i}", **more
        )
    whole = tape.batches()
    desk = lab.Desk()
    desk.push(whole[0], *lab.cut(whole[2], batches))
    check_room(desk)
    desk.push(*whole[1::2])
    check_room(desk)

    for name, _ in family:
        found = lab.record(desk.rows, name)
        assert found["cum_qty"] == 600
        assert found["avg_px"] == pytest.approx(10.59)
        assert found["fills"] == 60


@pytest.mark.parametrize("top_first", [True, False])
def test_a_family_deeper_than_any_desk_has_is_cut_not_lost(tape, lab, top_first):
    tape.quote(-1, 9.9, 10.1)
    family = chain(3 * DEEPEST)
    for name, more in family if top_first else family[::-1]:
        tape.accept(0, 10_000, name, **more)
    bottom, more = family[-1]
    for i in range(50):
        tape.fill(1 + 0.01 * i, 20, 10.0, f"e{i}", order_id=bottom, venue=f"V{i}", **more)
    desk = lab.Desk()
    whole = tape.batches()
    desk.push(whole[0], whole[2])
    check_room(desk)
    desk.push(*whole[1::2])

    executed = [lab.record(desk.rows, name)["cum_qty"] for name, _ in family]
    assert executed == [0] * (2 * DEEPEST) + [1000] * DEEPEST
    assert MOST_ROWS >= DEEPEST, "every generation has its row"


@pytest.mark.parametrize("batches", [1, 3, 30])
def test_an_order_that_traded_alone_brings_its_trades_into_a_deep_family(tape, lab, batches):
    tape.quote(-1, 9.9, 10.1)
    family = chain(8)
    for name, more in family[:-1]:
        tape.accept(0, 10_000, name, **more)
    tape.accept(0.1, 10_000, "G7", root_order_id="G0")
    for i in range(100):
        tape.fill(1 + 0.01 * i, 4, 10.0, f"e{i}", order_id="G7", root_order_id="G0",
                  venue=f"V{i % 50}")  # fmt: skip
    tape.say("order_replaced", 5, "G7", order_qty=20_000.0, **family[7][1])
    desk = lab.Desk()
    whole = tape.batches()
    desk.push(whole[0], whole[5])
    for piece in lab.cut(whole[2], batches):
        desk.push(piece)
        check_room(desk)
    check_room(desk)
    desk.push(*whole[1::2])

    for name, _ in family:
        found = lab.record(desk.rows, name)
        assert (found["cum_qty"], found["fills"]) == (400, 100), name


@pytest.mark.parametrize("batches", [1, 4])
def test_a_parent_that_joins_a_family_late_brings_its_children_along(tape, lab, batches):
    tape.quote(-1, 9.9, 10.1)
    root = {"root_order_id": "G0"}
    tape.accept(0, 1000, "P", **root)
    for i in range(60):
        tape.accept(0.1, 100, f"C{i}", parent_order_id="P", **root)
        tape.fill(1 + 0.01 * i, 2, 10.0, "e", order_id=f"C{i}", parent_order_id="P",
                  venue=f"V{i}", **root)  # fmt: skip
    for name, more in chain(5):
        tape.accept(2, 1000, name, **more)
    tape.say("order_replaced", 3, "P", order_qty=1000.0, parent_order_id="G4", **root)
    desk = lab.Desk()
    whole = tape.batches()
    desk.push(whole[0], whole[5])
    for piece in lab.cut(whole[2], batches):
        desk.push(piece)
        check_room(desk)
    desk.push(whole[1], whole[3])

    for name in ("P", "G4", "G0"):
        assert lab.record(desk.rows, name)["cum_qty"] == 120, name


def test_an_order_said_to_have_several_parents_keeps_the_first(tape, lab):
    tape.quote(-1, 9.9, 10.1)
    family = {"order_id": "C", "root_order_id": "P0"}
    for i in range(4):
        tape.accept(0, 100, f"P{i}", root_order_id="P0")
    tape.say("order_suspended", 0.5, "C", root_order_id="P0")
    for i in range(40):
        tape.fill(1 + 0.01 * i, 1, 10.0, f"e{i}", parent_order_id=f"P{i % 4}", **family)
    desk = lab.Desk()
    whole = tape.batches()
    desk.push(whole[0], whole[2], *whole[1::2])
    check_room(desk)

    executed = [lab.record(desk.rows, f"P{i}")["cum_qty"] for i in range(4)]
    assert executed == [40, 0, 0, 0]


def test_a_child_with_children_of_its_own_hands_their_trades_on(tape, run, lab):
    """C trades for P before it is known that P works for G."""
    tape.quote(-1, 9.9, 10.1)
    root = {"root_order_id": "G"}
    tape.accept(0, 100, "G")
    tape.accept(0, 100, "P", **root)
    tape.accept(0, 100, "C", parent_order_id="P", **root)
    for i in range(3):
        tape.fill(1 + i, 20, 10.0 + i, f"e{i}", order_id="C", parent_order_id="P", venue=f"V{i}",
                  **root)  # fmt: skip
    tape.say("order_replaced", 5, "P", order_qty=100.0, parent_order_id="G", **root)
    tape.fill(6, 40, 13.0, "e9", order_id="C", parent_order_id="P", **root)
    tape.quote(100, 9.9, 10.1)
    rows = run(tape)

    for name in "GPC":
        found = lab.record(rows, name)
        assert found["cum_qty"] == 100
        assert found["avg_px"] == pytest.approx(11.8)
        assert found["state"] == OrderState.FILLED
        assert found["markout_cost_1s_bps"] == pytest.approx((1180 - 1000) / 1180 * 1e4)


def test_an_order_that_traded_itself_becomes_a_parent_and_only_reconciles(tape, run, lab):
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 100, "P")
    tape.fill(1, 60, 10.0, "p1", order_id="P", cum_qty=60.0, venue="V")
    tape.accept(2, 60, "C", parent_order_id="P", root_order_id="P")
    tape.fill(3, 40, 10.5, "c1", order_id="C", parent_order_id="P", root_order_id="P", venue="W")

    found = lab.record(run(tape), "P")

    assert (found["cum_qty"], found["avg_px"]) == (40, 10.5)
    assert found["reported_cum_qty"] == 60


@pytest.mark.parametrize(
    "links", [[("A", "B"), ("B", "A")], [("A", "A")], [("A", "B"), ("B", "C"), ("C", "A")]]
)
def test_a_circle_of_parents_is_cut_not_followed(tape, run, lab, links):
    tape.quote(-1, 9.9, 10.1)
    for i, (child, parent) in enumerate(links):
        tape.accept(i, 100, child, parent_order_id=parent, root_order_id="A")
        tape.fill(i + 0.5, 10, 10.0, f"e{i}", order_id=child, parent_order_id=parent,
                  root_order_id="A")  # fmt: skip
    rows = run(tape)

    total = sum(lab.record(rows, c)["cum_qty"] for c, _ in links)
    assert total >= 10 * len(links)


def test_a_routed_child_counts_towards_its_parents_fill_rate(tape, run, lab):
    family = {"parent_order_id": "P", "root_order_id": "P"}
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 1000, "P")
    tape.accept(0, 500, "C", **family)
    tape.say("route_sent", 1, "C", route_id="r1", order_qty=200.0, venue="V", **family)
    tape.fill(2, 100, 10.0, "e1", order_id="C", venue="V", **family)
    tape.say("route_timed_out", 3, "C", route_id="r1", order_qty=50.0, venue="V", **family)

    rows = run(tape)

    assert lab.record(rows, "P")["fill_rate"] == lab.record(rows, "C")["fill_rate"]
    assert lab.record(rows, "P")["fill_rate"] == pytest.approx(100 / 150)


def test_own_prints_of_children_leave_the_parents_volume(tape, run, lab):
    family = {"parent_order_id": "P", "root_order_id": "P"}
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 300, "P")
    tape.accept(0, 300, "C", **family)
    tape.trade(1, 10.2, 900)
    tape.trade(2.5, 10.1, 100, venue="V")
    tape.fill(2, 100, 10.1, "e1", order_id="C", venue="V", **family)
    tape.fill(2, 100, 10.1, "e1", order_id="C", venue="V", cum_qty=100.0, **family)
    tape.quote(20, 9.9, 10.1)
    rows = run(tape)

    for name in ("P", "C"):
        found = lab.record(rows, name)
        assert found["own_matched_qty"] == 100
        assert found["vwap_ex_own"] == pytest.approx(10.2)


def test_a_parent_is_no_longer_marked_once_its_children_filled_it(tape, lab):
    family = {"parent_order_id": "P", "root_order_id": "P"}
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 100, "P")
    for i, child in enumerate(("C1", "C2")):
        tape.accept(i, 60, child, **family)
        tape.fill(i + 2, 50, 10.0, f"e{i}", order_id=child, **family)
    tape.quote(120, 9.9, 10.1)
    desk = lab.Desk()
    desk.push(*tape.batches())

    rows = lab.statuses(desk.rows)
    rows = rows[rows["order"] == key_of("P")]

    assert rows["ts"].max() <= lab.T0 + 3 * SECOND
    assert sorted(
        order for logic in desk.market.values()
        for order in logic.state.tracked["order"][: logic.state.n_tracked].tolist()
    ) == sorted([key_of("C1"), key_of("C2")])  # fmt: skip


def test_the_window_of_a_parent_holds_its_childrens_last_minute(tape, run, lab):
    family = {"parent_order_id": "P", "root_order_id": "P"}
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 1000, "P")
    for child in ("C1", "C2"):
        tape.accept(0, 500, child, **family)
    for i, t in enumerate((1, 30, 61.5, 80)):
        tape.fill(t, 60, 10.0, f"e{i}", order_id=f"C{1 + i % 2}", **family)
    rows = lab.finals(run(tape))
    parent = rows[(rows["order"] == key_of("P")) & (rows["last_qty"] == 60)]

    np.testing.assert_allclose(parent["fill_qty_per_s"][-1], 180 / 60)
    np.testing.assert_allclose(parent["fill_qty_per_s"][0], 60 / 60)
