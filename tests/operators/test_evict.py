"""Finished families leave; what stays in the same group is packed and goes on unchanged."""

import numpy as np
import pytest

from domain.batch import Batch
from domain.instants import SECOND
from domain.keys import group_of, key_of
from operators.market.logic import MarketSettings
from operators.orders.group import OrderGroup, OrderSettings
from operators.orders.tables import COUNTERS, KEPTS, ORDERS, new_tables, reserve_rows, trimmed
from operators.pieces import STAMPED


def same_group(n, group=5):
    found, i = [], 0
    while len(found) < n:
        i += 1
        if group_of(f"R{i}") == group:
            found.append(f"R{i}")
    return found


def history(tape, roots, done):
    """Families of one order group, interleaved, the done ones cancelled after their trades."""
    tape.quote(0, 9.9, 10.1)
    for i, root in enumerate(roots):
        family = {"parent_order_id": root, "root_order_id": root}
        tape.accept(1, 100, root, broker=f"B{i}")
        tape.accept(1, 100, f"{root}.1", **family)
        tape.accept(1, 100, f"{root}.2", parent_order_id=f"{root}.1", root_order_id=root)
        tape.accept(1, 100, f"{root}.3", **family)
        for j in range(4):
            deep = {"parent_order_id": f"{root}.1", "root_order_id": root}
            tape.fill(2 + j, 10, 10 + j, f"e{j}", order_id=f"{root}.2", venue=f"V{j % 3}", **deep)
            tape.fill(2 + j, 5, 10 + j, f"e{j}", order_id=f"{root}.3", venue=f"W{j}", **family)
        tape.say("fill_busted", 7, f"{root}.3", exec_ref_id="e1", **family)
        if root in done:
            for name in (f"{root}.2", f"{root}.3", f"{root}.1", root):
                more = {} if name == root else {**family, "parent_order_id": root}
                tape.say("order_cancelled", 9, name, **more)


def later_events(tape, roots):
    for root in roots:
        family = {"parent_order_id": root, "root_order_id": root}
        deep = {"parent_order_id": f"{root}.1", "root_order_id": root}
        tape.fill(4200, 7, 12.0, "z", order_id=f"{root}.2", venue="V9", **deep)
        tape.fill(4200, 10, 10, "e0", order_id=f"{root}.2", cum_qty=10.0, **deep)  # a repeat
        tape.say("fill_busted", 4201, f"{root}.2", exec_ref_id="e2", **deep)
        tape.fill(4202, 3, 12.0, "y", order_id=f"{root}.3", venue="W0", **family)


@pytest.mark.parametrize("stay", [[0], [2], [1, 3], [0, 1, 2, 3]])
def test_what_stays_goes_on_as_if_nobody_had_left(lab, stay):
    roots = same_group(4)
    staying = [roots[i] for i in stay]
    results = []
    for evict_after_s, restart in ((3600, False), (3600, True), (10**6, False)):
        tape, later = lab.Tape(), lab.Tape()
        history(tape, roots, set(roots) - set(staying))
        later_events(later, staying)
        every = 600 * SECOND
        desk = lab.Desk(
            MarketSettings(lab.INPUTS, mark_interval_ns=every),
            OrderSettings(mark_interval_ns=every, evict_after_ns=evict_after_s * SECOND),
        )
        whole = tape.batches()
        desk.push(whole[0], whole[2])
        for t in (100, 200, 3700, 4000, 4150):
            desk.push(*(Batch(i, watermark=lab.T0 + t * SECOND) for i in range(3)))
        kept = sum(int(o.group.tables.used[ORDERS]) for o in desk.orders.values())
        assert kept == 4 * (len(stay) if evict_after_s == 3600 else 4)
        if restart:
            desk.restart()
        desk.push(
            lab.effective(later.batch(1, later.orders, ordinal=1000), lab.T0 + 4150 * SECOND),
            *(Batch(i, watermark=lab.T0 + 4300 * SECOND, ended=True) for i in range(3)),
        )
        found = lab.records(desk.rows)
        assert len(found) == 16
        results.append({k: v.tobytes() for k, v in found.items() if k in map(key_of, staying)})
        rows = lab.finals(desk.rows)
        results[-1]["rows"] = rows[np.isin(rows["root"], [*map(key_of, staying)])].tobytes()

    assert results[0] == results[1] == results[2]


@pytest.mark.large
def test_those_who_leave_take_their_record_and_their_names_along(lab):
    roots = same_group(3)
    tape = lab.Tape()
    history(tape, roots, {roots[0]})
    desk = lab.Desk()
    whole = tape.batches()
    desk.push(whole[0], whole[2])
    assert not lab.records(desk.rows)
    for t in (100, 3700, 4000, 4400):
        desk.push(*(Batch(i, watermark=lab.T0 + t * SECOND) for i in range(3)))

    gone = {key_of(name) for name in (roots[0], *(f"{roots[0]}.{i}" for i in (1, 2, 3)))}
    assert set(lab.records(desk.rows)) == gone
    assert sum(len(r.fills) for r in desk.rows) == 8
    assert lab.record(desk.rows, roots[0])["cum_qty"] == 55
    names = {name for o in desk.orders.values() for name in o.group.names.values()}
    assert roots[1] in names
    assert not {roots[0], f"{roots[0]}.2", "B0"} & names


def test_a_family_stays_while_one_of_it_is_open_or_young(lab):
    (root,) = same_group(1)
    tape = lab.Tape()
    history(tape, [root], {root})
    tape.say("fill_corrected", 3000, f"{root}.2", exec_ref_id="e0", last_qty=9.0, last_px=10.0,
             parent_order_id=f"{root}.1", root_order_id=root)  # fmt: skip
    desk = lab.Desk()
    whole = tape.batches()
    desk.push(whole[0], whole[2])
    for t in (3100, 3700, 4400, 5000):
        desk.push(*(Batch(i, watermark=lab.T0 + t * SECOND) for i in range(3)))
    assert sum(int(o.group.tables.used[ORDERS]) for o in desk.orders.values()) == 4

    for t in (6700, 7400):
        desk.push(*(Batch(i, watermark=lab.T0 + t * SECOND) for i in range(3)))
    assert sum(int(o.group.tables.used[ORDERS]) for o in desk.orders.values()) == 0


def test_many_names_are_looked_through_only_once_a_fifth_could_be_gone():
    group = OrderGroup(OrderSettings())
    group.names = {n: str(n) for n in range(1, 101)}
    group.evict(0, np.empty(0, STAMPED))
    assert not group.names

    group.names = {n: str(n) for n in range(1, 101)}
    group._names_kept = 100
    group.evict(group.settings.evict_after_ns, np.empty(0, STAMPED))
    assert len(group.names) == 100

    group.names.update({n: str(n) for n in range(101, 127)})
    group.evict(2 * group.settings.evict_after_ns, np.empty(0, STAMPED))
    assert not group.names


@pytest.mark.parametrize("stay", [0, 10])
def test_room_for_far_more_orders_than_stay_is_given_back(stay):
    more = np.zeros(COUNTERS, np.int64)
    more[[ORDERS, KEPTS]] = 5_000, 40_000
    roomy = reserve_rows(new_tables(), more)
    roomy.used[ORDERS] = stay
    roomy.orders["order"][:stay] = np.arange(1, stay + 1)

    small = trimmed(roomy)

    assert len(roomy.orders) >= 5_000
    assert len(roomy.kept) >= 40_000
    assert len(small.orders) <= 128
    assert len(small.kept) <= 512
    assert len(small.order_table) <= 256
    assert len(small.exec_table) <= 512
    assert small.orders["order"][:stay].tolist() == list(range(1, stay + 1))
