"""What the state weighs: an open order, a snapshot, and the process over a day with eviction."""

import argparse
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import psutil
from bytewax.testing import TestingSource, run_main

from benchmarks.live_load import START_NS, Load, joined
from benchmarks.live_sink import NoRows
from benchmarks.report import apart, note, parser, show
from benchmarks.stages import INPUTS, Feeder, Stages, of_orders
from dataflows.graph import monitor_graph
from domain.batch import Batch
from domain.instants import SECOND
from domain.vocabulary import Topic
from operators.increments import OpenIncrements
from operators.market.logic import MarketSettings
from operators.orders.logic import OrderSettings
from operators.warm import warm_kernels
from sinks.collect import CallingSink

WINDOW_S = 60
ORDER_S = 1_800
"""How long an order of the day is worked."""
WARM_S = 3 * 3600
"""An order's work, its hour of retention, the slowest eviction, and the same for the arenas."""
DAY_S = 8 * 3600
MARK_S = 30


def open_orders(orders: int = 10_000, fills: int = 20) -> dict[str, Any]:
    """Bytes of each part of the state once every order is open with its fills."""
    stages, names = filled(Load(orders), fills, ticks_per_s=200)
    parts = stages.state_bytes()
    before = filled(Load(orders), 0, ticks_per_s=200)[0].state_bytes()
    whole = of_orders(parts) / orders
    return {
        "bytes_per_open_order": round(whole),
        "bytes_per_order_alone": round(of_orders(before) / orders),
        "bytes_per_fill": round((whole - of_orders(before) / orders) / fills),
        "names_before_trim_per_order": round(names / orders),
        "bytes_by_part": {name: round(n / orders) for name, n in parts.items()},
    }


def snapshot(orders: int = 10_000, fills: int = 20, ticks_per_s: int = 40_000) -> dict[str, Any]:
    """Megabytes of one snapshot with the market of the last seconds at full rate."""
    stages, _ = filled(Load(orders), fills, ticks_per_s)
    parts = {name: n / 1e6 for name, n in stages.snapshot_bytes().items()}
    by_part = {name: round(n / 1e6, 2) for name, n in stages.state_bytes().items()}
    return {
        "snapshot_mb": round(parts["market"] + parts["orders"], 2),
        "snapshot_mb_market": round(parts["market"], 2),
        "snapshot_mb_orders": round(parts["orders"], 2),
        "snapshot_mb_names": round(parts["names"], 2),
        "state_mb_by_part": by_part,
    }


def filled(
    load: Load, fills: int, ticks_per_s: float, increments: OpenIncrements | None = None
) -> tuple[Stages, int]:
    """The stages after a minute: every order accepted, then filled `fills` times.

    And the most bytes that names took: they are trimmed once a minute.
    """
    stages, feeder = Stages(load, increments), Feeder(load)
    names = 0
    rng = np.random.default_rng(2)
    everyone = np.arange(load.n_orders)
    accepted = load.accepted(np.linspace(-WINDOW_S, 1 - WINDOW_S, load.n_orders), everyone)
    each = np.linspace(1 - WINDOW_S, -1, fills + 1)[:-1]
    parts = [
        load.fills_of(rng, at_s + np.sort(rng.uniform(0, 1, load.n_orders)), everyone)
        for at_s in each
    ]
    traded = joined(parts, Topic.ORDERS)
    for second in range(-WINDOW_S - 1, 0):
        until = START_NS + (second + 1) * SECOND
        rate = ticks_per_s if second >= -10 else min(ticks_per_s, 1_000)
        stages.push(feeder.market(load.market(second, second + 1, rate), until))
        if second == -WINDOW_S:
            stages.push(feeder.orders(accepted, until))
            continue
        due = (traded.at_s >= second) & (traded.at_s < second + 1)
        stages.push(feeder.orders(traded.where(due), until))
        if second == -3:
            names = stages.names_bytes()
    return stages, names


def day(open_at_once: int = 4_000, fills: int = 20, day_s: int = DAY_S) -> dict[str, Any]:
    """Resident memory of a whole flow over a day in which orders come and go at one pace."""
    warm_kernels()
    load = Load(open_at_once * (day_s + ORDER_S) // ORDER_S)
    resident: list[float] = []
    flow = monitor_graph(
        TestingSource(_day_batches(load, fills, day_s, resident)),
        INPUTS,
        MarketSettings(INPUTS, mark_interval_ns=MARK_S * SECOND),
        OrderSettings(mark_interval_ns=MARK_S * SECOND, references=load.references),
        {"rows": NoRows()},
        CallingSink(_refused),
    )
    run_main(flow)
    warm = np.array(resident[min(WARM_S, day_s // 2) // 60 :])
    middle = float(np.median(warm))
    return {
        "resident_mb": round(middle, 1),
        "resident_mb_at_start": round(resident[0], 1),
        "resident_swing_pct": round(100 * float(np.abs(warm - middle).max()) / middle, 2),
        "resident_trend_pct": round(100 * _trend(warm) / middle, 2),
        "resident_mb_each_half_hour": [round(mb) for mb in resident[::30]],
        "day_orders": load.n_orders,
    }


def _trend(series: np.ndarray) -> float:
    """What the straight line through a series gains from its first to its last point."""
    slope, _ = np.polyfit(np.arange(len(series)), series, 1)
    return float(slope) * (len(series) - 1)


def _refused(letter: Any) -> None:
    raise ValueError(letter.words)


def _day_batches(load: Load, fills: int, day_s: int, resident: list[float]) -> Iterator[Batch]:
    """A minute at a time; the process's memory is noted before each, MB."""
    feeder, process = Feeder(load), psutil.Process()
    rng = np.random.default_rng(3)
    arrival = np.arange(load.n_orders) * day_s / load.n_orders
    due = np.empty((0, 2))
    for minute in range(day_s // 60):
        first, last = minute * 60.0, minute * 60.0 + 60.0
        until = START_NS + int(last) * SECOND
        resident.append(process.memory_info().rss / 1e6)
        yield feeder.market(load.market(first, last, 100), until)
        fresh = np.flatnonzero((arrival >= first) & (arrival < last))
        yield feeder.orders(load.accepted(arrival[fresh], fresh, 100.0 * fills), until - 1)
        times = arrival[fresh, None] + 60.0 + rng.uniform(0, ORDER_S - 60.0, (len(fresh), fills))
        mine = np.column_stack([times.ravel(), np.repeat(fresh, fills)])
        due = np.concatenate([due, mine])
        due = due[np.argsort(due[:, 0], kind="stable")]
        now = int(np.searchsorted(due[:, 0], last))
        traded = load.fills_of(rng, due[:now, 0], due[:now, 1].astype(np.int64))
        due = due[now:]
        yield feeder.orders(traded, until)


def main(arguments: argparse.Namespace) -> None:
    """Each part in a process of its own."""
    figures: dict[str, Any] = {}
    for part in (open_orders, snapshot, day):
        note(part.__doc__ or "")
        found, _ = apart(part)
        note(f"  {found}")
        figures |= found
    show("memory", figures, as_json=arguments.json)


if __name__ == "__main__":
    sys.exit(main(parser("memory", __doc__ or "").parse_args()))
