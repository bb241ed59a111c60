"""What is kept at the end of an epoch: plain data of a known version."""

import pickle

import numba
import numpy as np
import pytest

from domain.batch import Batch
from domain.errors import RecoveryError
from domain.instants import SECOND
from operators.market.logic import MarketLogic, MarketSettings
from operators.orders.group import OrderSettings
from operators.orders.logic import OrderLogic
from operators.orders.tables import VERSION, arrays_of, new_tables, pack, unpack
from runtime.chunk_log import chunk_logs

ORDERS = 600 if numba.config.DISABLE_JIT else 3000


def thousands_of_orders(tape, orders=ORDERS):
    tape.quote(-1, 9.9, 10.1)
    for i in range(orders):
        family = (
            {"parent_order_id": f"O{i - 1}", "root_order_id": f"O{i - 1}"} if i % 3 == 2 else {}
        )
        tape.accept(0.001 * i, 100, f"O{i}", broker=f"B{i % 5}", **family)
    for i in range(orders):
        family = (
            {"parent_order_id": f"O{i - 1}", "root_order_id": f"O{i - 1}"} if i % 3 == 2 else {}
        )
        tape.fill(3 + 0.0005 * i, 40, 10.0, f"e{i}", order_id=f"O{i}", venue=f"V{i % 4}", **family)
    tape.quote(5, 9.8, 10.0)


@pytest.mark.large
@pytest.mark.parametrize("in_increments", [False, True])
def test_thousands_of_orders_resume_where_they_were(tape, lab, tmp_path, in_increments):
    logs = chunk_logs(tmp_path) if in_increments else None
    thousands_of_orders(tape)
    whole = tape.batches()
    pieces = lab.cut(whole[2], 6)
    results = []
    for restart in (False, True):
        desk = lab.Desk(MarketSettings(lab.INPUTS, increments=logs), OrderSettings(increments=logs))
        desk.push(whole[0], whole[5])
        for i, piece in enumerate(pieces):
            desk.push(piece)
            if restart and i in {2, 4}:
                desk.restart()
        if restart:
            desk.restart()
        desk.push(*whole[1::2])
        results.append(
            (lab.finals(desk.rows).tobytes(),
             {k: v.tobytes() for k, v in lab.records(desk.rows).items()})
        )  # fmt: skip

    assert results[0] == results[1]
    assert len(results[0][1]) == ORDERS
    assert any(tmp_path.iterdir()) == in_increments


def test_names_are_saved_once_and_anew_when_some_were_let_go(tape, lab, tmp_path):
    logs = chunk_logs(tmp_path)
    tape.quote(-1, 9.9, 10.1)
    for i in range(200):
        tape.accept(i, 100, f"O{i}")
        tape.fill(i + 0.5, 100, 10.0, f"e{i}", order_id=f"O{i}")
    tape.quote(5000, 9.9, 10.1)
    tape.accept(5001, 100, "last")
    tape.quote(5002, 9.9, 10.1)
    whole = tape.batches()
    settings = OrderSettings(evict_after_ns=60 * SECOND, increments=logs)
    desk = lab.Desk(MarketSettings(lab.INPUTS, increments=logs), settings)
    sizes = []
    quiet = [
        Batch(i.index, watermark=lab.T0 + seconds * SECOND)
        for seconds in (2000, 5001)
        for i in lab.INPUTS
        if i.index
    ]
    for batch in (whole[0], *lab.cut(whole[2], 4), *quiet):
        desk.push(batch)
        for logic in desk.orders.values():
            logic.snapshot()
        names = {key: dict(logic.group.names) for key, logic in desk.orders.items()}
        sizes.append(sum(map(len, names.values())))
        desk.restart()
        assert {key: logic.group.names for key, logic in desk.orders.items()} == names

    assert max(sizes) > 400, "every order and execution"
    assert sizes[-1] < 100, "those of orders that left are gone"


def test_a_snapshot_in_increments_needs_its_folder(tape, lab, tmp_path):
    thousands_of_orders(tape, 3)
    whole = tape.batches()
    settings = OrderSettings(increments=chunk_logs(tmp_path))
    desk = lab.Desk(orders=settings)
    desk.push(whole[0], whole[2])
    snapshot = next(iter(desk.orders.values())).snapshot()
    with pytest.raises(RecoveryError, match="set recovery_dir to the folder"):
        OrderLogic(OrderSettings(), snapshot)


def test_snapshots_hold_no_class_of_ours(tape, lab):
    thousands_of_orders(tape, 30)
    whole = tape.batches()
    desk = lab.Desk()
    desk.push(whole[0], whole[2])
    for logic in (*desk.market.values(), *desk.orders.values()):
        raw = pickle.dumps(logic.snapshot())
        for package in (b"operators", b"domain", b"numpy"):
            assert package not in raw


def test_a_snapshot_stays_as_it_was_while_the_desk_goes_on(tape, lab):
    thousands_of_orders(tape, 30)
    whole = tape.batches()
    first, second = lab.cut(whole[2], 2)
    desk = lab.Desk()
    desk.push(whole[0], first, Batch(2, watermark=lab.T0 + 2 * SECOND))
    logics = [*desk.market.values(), *desk.orders.values()]
    before = [logic.snapshot() for logic in logics]
    kept = pickle.dumps(before)

    desk.push(second, Batch(2, watermark=lab.T0 + 20 * SECOND))

    assert pickle.dumps(before) == kept


def test_a_resumed_stage_gives_the_same_snapshot(tape, lab):
    thousands_of_orders(tape, 60)
    whole = tape.batches()
    desk = lab.Desk()
    desk.push(whole[0], lab.cut(whole[2], 2)[0])
    for logic in desk.market.values():
        assert MarketLogic(logic.settings, logic.snapshot()).snapshot() == logic.snapshot()
    for logic in desk.orders.values():
        assert OrderLogic(logic.settings, logic.snapshot()).snapshot() == logic.snapshot()


def test_an_order_snapshot_of_another_version_is_refused_in_words():
    packed = pack(new_tables(), {})
    assert packed[0] == VERSION
    with pytest.raises(RecoveryError, match=f"has version 99, this program reads {VERSION}"):
        unpack((99, *packed[1:]), {})


def test_empty_tables_survive_packing():
    empty = new_tables()
    tables = unpack(pack(empty, None), arrays_of(empty))
    assert not tables.used.any()
    assert not tables.order_table.any()


def test_a_stage_that_saw_nothing_resumes_as_one_that_saw_nothing():
    logic = OrderLogic(OrderSettings(), None)
    again = OrderLogic(OrderSettings(), logic.snapshot())
    assert again.snapshot() == logic.snapshot()
    assert list(again.on_eof()[0]) == []
    assert np.array_equal(again.waiting.rows, logic.waiting.rows)
