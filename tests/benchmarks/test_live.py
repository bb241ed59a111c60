"""The live benchmarks at a tiny size, and the arithmetic of their latencies."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.inprocess import CASES, Case, make_feeds, run
from benchmarks.live_load import START_NS, Load, dealt
from benchmarks.live_sink import first_seen
from benchmarks.memory import day, open_orders, snapshot
from domain.keys import group_of, key_of
from domain.vocabulary import EventKind, Topic

TINY = Case(events_per_s=500, groups=4, orders=40, fills_before=3, seconds=1.0, partitions=1)


@pytest.fixture(scope="module")
def figures():
    return run(TINY)


def test_every_fill_of_the_schedule_is_counted_and_seen(figures):
    _, fills = make_feeds(TINY, Load(TINY.orders, groups=TINY.groups))
    due = ((fills.at_s >= 2.0) & (fills.at_s < 3.0)).sum()

    assert figures["fills"] == due > 50
    assert figures["not_shown"] == 0
    assert 0.0 <= figures["provisional_share"] <= 1.0


def test_no_fill_is_seen_before_it_arrives(figures):
    assert 0.0 < figures["p50_ms"] <= figures["p99_ms"] <= figures["p999_ms"] <= figures["max_ms"]


def test_the_recovery_store_was_written(figures):
    state = 40 * 4 * 256 / 1e6  # orders × (acceptance and fills) × bytes of each, at the least

    assert figures["snapshot_mb"] > state


def test_a_row_that_shows_three_fills_is_the_first_of_each_not_seen_before():
    order = np.array([7, 9, 7, 7, 9], np.uint64)
    fills = np.array([1, 2, 1, 4, 3])

    row, of, number = first_seen(order, fills)

    assert dict(zip(zip(of.tolist(), number.tolist(), strict=True), row.tolist(), strict=True)) == {
        (7, 1): 0, (9, 1): 1, (9, 2): 1, (7, 2): 3, (7, 3): 3, (7, 4): 3, (9, 3): 4,
    }  # fmt: skip


def test_a_row_that_shows_fewer_fills_than_before_is_nobodys_first():
    row, _, number = first_seen(np.array([7, 7, 7], np.uint64), np.array([3, 1, 4]))

    assert row.tolist() == [0, 0, 0, 2]
    assert number.tolist() == [1, 2, 3, 4]


def test_the_schedule_is_the_same_each_time():
    (feeds, _), (again, _) = (make_feeds(TINY, Load(40, groups=4)) for _ in range(2))

    for place, feed in feeds.items():
        assert feed.live.rows.tobytes() == again[place].live.rows.tobytes()
        assert feed.live.names == again[place].live.names


def test_fills_of_an_order_add_up_and_every_partition_is_in_order():
    load = Load(10, symbols=3)
    orders, _ = load.traded(0.0, 5.0, 100.0)
    fills = orders.rows[orders.rows["kind"] == EventKind.ORDER_FILLED]

    mine = fills[fills["order"] == key_of("O0000003")]
    assert mine["cum_qty"].tolist() == [100.0 * (i + 1) for i in range(len(mine))]
    parts = dealt(orders, Topic.ORDERS, 4)
    assert sum(len(part.rows) for part in parts) == len(orders.rows)
    assert all((np.diff(part.rows["t_eff"]) >= 0).all() for part in parts)
    assert (mine["order_group"] == group_of("O0000003")).all()
    assert mine["ts_event"].min() >= START_NS


def test_cases_differ_from_the_base_in_one_thing_each():
    base = CASES[1]

    for case in CASES:
        changed = [
            field
            for field in ("events_per_s", "groups", "epoch_s", "orders", "partitions")
            if getattr(case, field) != getattr(base, field)
        ]
        assert len(changed) + (case.fills_before != base.fills_before) <= 1
    assert {case.groups for case in CASES} == {1, 4, 16}
    assert replace(base, events_per_s=100_000) in CASES


def test_an_order_weighs_its_own_rows_and_those_of_its_fills():
    figures = open_orders(orders=50, fills=4)

    parts = figures["bytes_by_part"]
    assert parts["kept"] >= 5 * 200
    assert figures["bytes_per_open_order"] > figures["bytes_per_order_alone"]
    assert figures["bytes_per_fill"] > 100


def test_a_snapshot_holds_the_market_and_the_orders():
    figures = snapshot(orders=50, fills=4, ticks_per_s=500)

    assert 0 < figures["snapshot_mb_market"] < figures["snapshot_mb"]
    assert 0 < figures["snapshot_mb_orders"] < figures["snapshot_mb"]


def test_memory_is_noted_each_minute_of_the_day():
    figures = day(open_at_once=20, fills=3, day_s=2 * 3600)

    assert len(figures["resident_mb_each_half_hour"]) == 4
    assert figures["resident_mb"] > 50
    assert 0 <= figures["resident_swing_pct"] < 50
