"""Roll-ups under the real engine: the same crossings however many workers share them."""

from datetime import timedelta

import bytewax.operators as op
import numpy as np
import pytest
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSink, TestingSource, cluster_main, run_main

from domain.batch import Batch
from domain.instants import SECOND
from domain.keys import GROUP_KEYS
from domain.published import Severity
from operators.market.logic import MarketSettings, stamp_with_market
from operators.orders.group import OrderSettings
from operators.orders.logic import track_orders
from operators.rollups.logic import RollupSettings, roll_up
from operators.split import groups_fed, route_to_orders, split_batches


def flow_of(lab, batches, out, groups):
    fed = groups_fed(lab.INPUTS, 16)
    flow = Dataflow("rollups")
    source = op.input("source", flow, TestingSource(batches))
    pieces = op.flat_map_batch("split", source, lambda items: split_batches(items, fed, 16))
    stamped = stamp_with_market("market", pieces, MarketSettings(lab.INPUTS))
    routed = op.flat_map_batch("route", stamped, lambda items: route_to_orders(items, 16))
    rows = track_orders("orders", routed, OrderSettings(progress_ns=SECOND // 4))
    op.output("raised", roll_up("rollups", rows, RollupSettings(groups=groups)), TestingSink(out))
    return flow


@pytest.fixture
def batches(tape, lab):
    rng = np.random.default_rng(9)
    for t in range(-2, 120, 2):
        tape.quote(float(t), 9.99, 10.01)
    for i in range(6):
        tape.accept(0.0, 1000, f"P{i}", desk=f"D{i % 2}", algo="VWAP", broker="B", currency="USD")
    for n in range(220):
        t, venue = 1.0 + n / 2, ["XNAS", "ARCX"][n % 2]
        family = {"parent_order_id": f"P{n % 6}", "root_order_id": f"P{n % 6}"}
        where = {"venue": venue, "route_id": f"r{n}", **family}
        tape.accept(t, 100, f"P{n % 6}.{n}", **family)
        tape.say("route_sent", t + 0.01, f"P{n % 6}.{n}", order_qty=100.0, **where)
        refused = venue == "XNAS" and rng.random() < 0.4
        answer = "route_rejected" if refused else "route_acknowledged"
        tape.say(answer, t + 0.02, f"P{n % 6}.{n}", **where)
    whole = tape.batches()
    last = max(batch.watermark for batch in whole)
    cuts = [[*lab.cut(batch, 8), Batch(batch.source, watermark=last)] for batch in whole[::2]]
    return [batch for together in zip(*cuts, strict=True) for batch in together] + whole[1::2]


def copies(batches):
    return [
        Batch(b.source, b.market.copy(), b.events.copy(), b.details.copy(), b.names,
              watermark=b.watermark, ended=b.ended)
        if isinstance(b, Batch) else b for b in batches
    ]  # fmt: skip


def crossings(out):
    found = {repr(c): c for _, raised in out for c in raised.crossings}
    return sorted(found.values(), key=lambda c: (c.t, c.scope, c.seq, c.desk))


@pytest.fixture
def expected(lab, batches):
    out = []
    run_main(flow_of(lab, copies(batches), out, 1))
    assert {c.severity for c in crossings(out)} >= {Severity.MEDIUM}
    assert {c.scope for c in crossings(out)} == {"venue:XNAS"}
    return crossings(out)


@pytest.mark.parametrize(("workers", "groups"), [(2, 1), (3, 4)])
def test_crossings_do_not_depend_on_the_number_of_workers(lab, batches, expected, workers, groups):
    out = []

    cluster_main(flow_of(lab, copies(batches), out, groups), [], 0, worker_count_per_proc=workers)

    assert crossings(out) == expected
    assert {key for key, _ in out} == set(GROUP_KEYS[:groups])


@pytest.mark.parametrize("stop", [5, 14, 22])
def test_a_flow_that_was_killed_raises_the_same(lab, batches, expected, tmp_path, stop):
    parts = copies(batches)
    parts.insert(stop, TestingSource.ABORT())
    init_db_dir(tmp_path, 1)
    out = []
    flow = flow_of(lab, parts, out, 2)

    for _ in range(2):
        cluster_main(
            flow, [], 0, epoch_interval=timedelta(0), recovery_config=RecoveryConfig(str(tmp_path))
        )

    assert crossings(out) == expected
