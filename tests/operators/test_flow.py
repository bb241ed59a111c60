"""The whole graph under the real engine: the same rows however many workers share it."""

import os
import subprocess
import sys
import textwrap
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSink, TestingSource, cluster_main, run_main

from dataflows.graph import BAR_STEP_IDS, FLOW_ID, STEP_IDS, AlertPlan, monitor_graph
from domain.batch import Batch, DeadLetter
from domain.keys import GROUP_KEYS, key_of
from domain.reasons import DeadLetterReason
from operators.alerts.watch import WatchSettings
from operators.market.logic import MarketSettings
from operators.orders.group import OrderSettings

ROOT = Path(__file__).parents[2]


def busy_tape(tape, seed=3, symbols=5, orders=20, seconds=60.0):
    rng = np.random.default_rng(seed)
    for s in range(symbols):
        mid = 50.0 + 10 * s
        for t in np.sort(rng.uniform(-5, seconds, 60)):
            mid += rng.normal() * 0.01
            tape.quote(float(t), round(mid - 0.01, 4), round(mid + 0.01, 4), f"S{s}")
    tape.market.sort(key=lambda m: m.ts_event)
    for i in range(orders):
        start = float(rng.uniform(0, seconds / 2))
        more = {"symbol": f"S{i % symbols}"}
        if i % 4 == 3:
            more |= {"parent_order_id": "O0", "root_order_id": "O0", "symbol": "S0"}
        tape.accept(start, 1000, f"O{i}", desk=f"D{i % 2}", **more)
        for j, t in enumerate(np.sort(rng.uniform(start, start + 20, 4))):
            tape.fill(float(t), 100.0, 50.0, f"e{j}", order_id=f"O{i}", venue=f"V{j}", **more)
    tape.orders.sort(key=lambda m: m.ts_event)


def input_batches(tape, lab, pieces=9):
    whole = tape.batches()
    market, orders = lab.cut(whole[0], pieces), lab.cut(whole[2], pieces)
    orders[0].dead.append(
        DeadLetter("orders", 0, "1-0", DeadLetterReason.UNREADABLE, "not JSON", b"{", 0)
    )
    mixed = [batch for pair in zip(market, orders, strict=True) for batch in pair]
    return [*mixed, *whole[1::2]]


def graph(lab, batches, rows, dead):
    return monitor_graph(
        TestingSource(batches), lab.INPUTS, MarketSettings(lab.INPUTS), OrderSettings(),
        {"rows": TestingSink(rows)}, TestingSink(dead),
    )  # fmt: skip


def copies(batches):
    return [
        Batch(b.source, b.market.copy(), b.events.copy(), b.details.copy(), b.names,
              dead=b.dead, watermark=b.watermark, ended=b.ended)
        if isinstance(b, Batch) else b for b in batches
    ]  # fmt: skip


def outcome(lab, rows):
    """Final rows by order and newest records: what must not depend on the engine."""
    found = [r for _, r in rows]
    final = lab.finals(found)
    final = final[np.lexsort((final["seq"], final["order"]))]
    return final.tobytes(), {k: v.tobytes() for k, v in lab.records(found).items()}


@pytest.fixture
def by_hand(tape, lab):
    busy_tape(tape)
    batches = input_batches(tape, lab)
    desk = lab.Desk()
    desk.push(*copies(batches))
    return batches, outcome(lab, [("", r) for r in desk.rows])


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_rows_do_not_depend_on_the_number_of_workers(by_hand, lab, workers):
    batches, expected = by_hand
    rows, dead = [], []

    flow = graph(lab, copies(batches), rows, dead)
    if workers == 1:
        run_main(flow)
    else:
        cluster_main(flow, [], 0, worker_count_per_proc=workers)

    assert outcome(lab, rows) == expected
    assert len(expected[1]) == 20
    assert [(key, letter.words) for key, letter in dead] == [("orders-0", "not JSON")]
    assert {key for key, _ in rows} <= set(GROUP_KEYS)


@pytest.mark.parametrize("stop", [3, 8, 15])
def test_a_flow_that_was_killed_goes_on_from_its_last_epoch(by_hand, lab, tmp_path, stop):
    batches, expected = by_hand
    batches = copies(batches)
    batches.insert(stop, TestingSource.ABORT())
    init_db_dir(tmp_path, 1)
    rows, dead = [], []
    flow = graph(lab, batches, rows, dead)

    for _ in range(2):
        cluster_main(
            flow, [], 0, epoch_interval=timedelta(0), recovery_config=RecoveryConfig(str(tmp_path))
        )

    found = [r for _, r in rows]
    final = lab.finals(found)
    _, first = np.unique(final[["order", "seq"]], return_index=True)
    assert final[first].tobytes() == expected[0]
    assert {k: v.tobytes() for k, v in lab.records(found).items()} == expected[1]


def step_ids(flow: Dataflow):
    return [step.step_id for step in flow.substeps]


def test_step_ids_are_a_storage_format(lab):
    """State is found again by these names: a renamed step would forget it in silence."""
    flow = graph(lab, [], [], [])

    assert flow.flow_id == FLOW_ID == "monitor"
    assert STEP_IDS == (
        "source", "refused", "dead_letters", "split", "market", "route", "orders",
    )  # fmt: skip
    assert step_ids(flow) == [f"monitor.{name}" for name in (*STEP_IDS, "rows")]
    stateful = [s.step_id for s in flow.substeps if type(s).__name__ == "stateful_batch"]
    assert stateful == ["monitor.market", "monitor.orders"]


def test_bars_add_their_steps_and_rename_none(lab):
    flow = monitor_graph(
        TestingSource([]), lab.INPUTS, MarketSettings(lab.INPUTS, bars=True), OrderSettings(),
        {"rows": TestingSink([])}, TestingSink([]),
    )  # fmt: skip

    expected = (*STEP_IDS, "bars", "rows_and_bars", "rows")
    assert BAR_STEP_IDS == ("bars", "rows_and_bars")
    assert step_ids(flow) == [f"monitor.{name}" for name in expected]


def test_kept_evaluations_reach_the_sinks_beside_the_bars(lab):
    tape = lab.Tape()
    tape.accept(0.5, 10_000, desk="D", schedule=("TWAP", 0.5, 1000.5, None))
    for t in range(200):
        tape.quote(t, 99.99, 100.01)
        tape.trade(t + 0.1, 100.0, 100)
    out = []
    plan = AlertPlan(sink=TestingSink([]), watch=WatchSettings(keeps_evaluations=True))
    flow = monitor_graph(
        TestingSource(tape.batches()), lab.INPUTS, MarketSettings(lab.INPUTS, bars=True),
        OrderSettings(), {"rows": TestingSink(out)}, TestingSink([]), plan,
    )  # fmt: skip
    assert step_ids(flow)[-5:] == [
        f"monitor.{name}" for name in ("news", "evaluations", "bars", "rows_and_bars", "rows")
    ]
    run_main(flow)

    kept = [rows for _, rows in out if len(rows.evaluations)]
    assert len(np.concatenate([rows.evaluations for rows in kept])) > 10
    assert all(rows.names[int(rows.evaluations["desk"][0])] == "D" for rows in kept)
    assert any(len(rows.bars) for _, rows in out)


def test_bars_reach_the_sinks_with_the_names_of_their_symbols(lab):
    tape = lab.Tape()
    tape.accept(0, 100)
    tape.trade(0.5, 10.0, 100)
    out = []
    flow = monitor_graph(
        TestingSource(tape.batches()), lab.INPUTS, MarketSettings(lab.INPUTS, bars=True),
        OrderSettings(), {"rows": TestingSink(out)}, TestingSink([]),
    )  # fmt: skip
    run_main(flow)

    [rows] = [rows for _, rows in out if len(rows.bars)]
    assert rows.names[int(rows.bars["symbol"][0])] == "X"
    assert any(len(rows.orders) for _, rows in out)


TWO_PROCESSES = """
import importlib.util, pickle, sys
from pathlib import Path
from bytewax.testing import TestingSource
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from dataflows.graph import monitor_graph
from operators.alerts.watch import WatchSettings
from operators.market.logic import MarketSettings
from operators.orders.group import OrderSettings

folder = Path({folder!r})
batches, inputs = pickle.loads((folder / "batches").read_bytes())

class Part(StatelessSinkPartition):
    def __init__(self, path):
        self.file = path.open("ab")
    def write_batch(self, items):
        pickle.dump(items, self.file)
    def close(self):
        self.file.close()

class Files(DynamicSink):
    def __init__(self, name):
        self.name = name
    def build(self, step_id, worker_index, worker_count):
        return Part(folder / f"{{self.name}}-{{worker_index}}")

flow = monitor_graph(
    TestingSource(batches), inputs, MarketSettings(inputs), OrderSettings(),
    {{"rows": Files("rows")}}, Files("dead"),
)
"""


def test_two_processes_give_the_same_rows_as_one(by_hand, lab, tmp_path):
    import pickle

    batches, expected = by_hand
    (tmp_path / "batches").write_bytes(pickle.dumps((copies(batches), lab.INPUTS)))
    (tmp_path / "two_processes.py").write_text(
        textwrap.dedent(TWO_PROCESSES).format(folder=str(tmp_path))
    )
    done = subprocess.run(
        [sys.executable, "-m", "bytewax.testing", "two_processes:flow", "-p", "2"],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"},
        cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr

    rows = []
    for worker in range(2):
        with (tmp_path / f"rows-{worker}").open("rb") as file:
            mine = []
            while file.peek(1):
                mine += pickle.load(file)
        assert mine, "each process had its share"
        rows += mine
    assert outcome(lab, rows) == expected
    names = {name for _, r in rows for name in r.names.values()}
    assert {"O0", "S4", "V3", "D1"} <= names
    assert key_of("O0") in {int(k) for k in expected[1]}
