"""Live latency of the two stages: from a fill's arrival to the first row that shows it.

Open loop: the schedule is fixed before the run and never waits for the flow, so whatever
stalls the flow is counted against every fill that was due meanwhile. 10,000 orders are open,
the last 60 s are full of their fills, recovery is on. Rows come as columns: decoding and the
sinks' servers have their own figures.
"""

import argparse
import sqlite3
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from bytewax.recovery import RecoveryConfig
from bytewax.testing import cluster_main

from benchmarks.live_load import TICK_SHARE, Load, Rows, dealt, joined
from benchmarks.live_sink import SeenSink, first_seen
from benchmarks.live_source import Feed, LiveSource, Pace
from benchmarks.report import apart, note, parser, peak_mb, show
from cli.recovery import prepare_recovery
from dataflows.graph import monitor_graph
from domain.vocabulary import INPUT_TOPICS, Topic
from operators.market.logic import MarketSettings
from operators.orders.logic import OrderSettings
from operators.warm import warm_kernels
from runtime.chunk_log import chunk_logs
from sinks.collect import CallingSink

WINDOW_S = 60
WARM_S = 2.0
"""The first seconds of the schedule are not counted."""
TAIL_S = 1.0
"""The schedule goes on after the last fill that is counted."""
_PERCENTILES = {"p50_ms": 50.0, "p99_ms": 99.0, "p999_ms": 99.9, "max_ms": 100.0}


@dataclass(frozen=True, slots=True)
class Case:
    """One run."""

    events_per_s: int = 50_000
    groups: int = 16
    epoch_s: float = 5.0
    orders: int = 10_000
    partitions: int = 4
    """Of each of the five topics."""
    fills_before: int | None = None
    """Fills of each order in the last 60 s before the start; None: what the rate gives."""
    seconds: float = 15.0
    """Counted stretch of the schedule."""

    @property
    def name(self) -> str:
        """What sets it apart."""
        rate = f"{self.events_per_s // 1000}k" if self.events_per_s >= 1000 else self.events_per_s
        window = "full" if self.fills_before is None else self.fills_before
        words = f"{rate}, {self.groups} groups, epoch {self.epoch_s:g} s, window {window}"
        return f"{words}, {self.partitions} partitions"


BASE = Case()
CASES = (
    replace(BASE, events_per_s=10_000),
    BASE,
    replace(BASE, events_per_s=100_000),
    replace(BASE, groups=1),
    replace(BASE, groups=4),
    replace(BASE, epoch_s=1.0),
    replace(BASE, epoch_s=20.0, seconds=40.0),
    replace(BASE, fills_before=0),
    replace(BASE, fills_before=20),
    replace(BASE, partitions=1),
)
"""Rates; key groups; epochs; bytes of a snapshot; partitions of a topic."""


def run(case: Case) -> dict[str, Any]:
    """One run in this process."""
    warm_kernels()
    load = Load(case.orders, groups=case.groups)
    feeds, fills = make_feeds(case, load)
    pace = Pace(end_s=WARM_S + case.seconds + TAIL_S)
    source = LiveSource(feeds, load.names, pace)
    counted_before = int((fills.at_s < 0).sum())
    sink = SeenSink(pace, max(counted_before, 1))
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        prepare_recovery(Path(folder))
        logs = chunk_logs(Path(folder) / "state")
        flow = monitor_graph(
            source,
            source.inputs,
            MarketSettings(source.inputs, groups=case.groups, increments=logs),
            OrderSettings(groups=case.groups, references=load.references, increments=logs),
            {"seen": sink},
            CallingSink(_refused),
        )
        cluster_main(
            flow, [], 0,
            epoch_interval=timedelta(seconds=case.epoch_s),
            recovery_config=RecoveryConfig(folder, backup_interval=timedelta(0)),
        )  # fmt: skip
        ended_ns = time.time_ns()
        snapshot_mb = newest_snapshot_mb(Path(folder))
    figures = latencies(sink, fills, load, case, ended_ns)
    cores = sink.busy_s / max(pace.end_s, 1e-9)
    return {
        **figures,
        "snapshot_mb": snapshot_mb,
        "cores": round(cores, 2),
        "peak_mb": peak_mb(),
        **asdict(case),
    }


def _refused(letter: Any) -> None:
    raise ValueError(letter.words)


def make_feeds(case: Case, load: Load) -> tuple[dict[tuple[Topic, int], Feed], Rows]:
    """Every partition's rows, with history in slices of a second; and all fills, by time."""
    end_s = WARM_S + case.seconds + TAIL_S
    ticks = case.events_per_s * TICK_SHARE
    traded = case.events_per_s - ticks
    everyone = np.arange(case.orders)
    slices: list[dict[Topic, Rows]] = []
    for second in range(-WINDOW_S - 5, 0):
        market = load.market(second, second + 1, min(ticks, 5_000.0 if second < -10 else ticks))
        orders, routes = Rows.none(Topic.ORDERS), Rows.none(Topic.ROUTES)
        if second < -WINDOW_S:
            part = np.array_split(everyone, 5)[second + WINDOW_S + 5]
            at_s = np.linspace(second, second + 1, len(part), endpoint=False)
            orders = load.accepted(at_s, part)
        elif case.fills_before is None:
            orders, routes = load.traded(second, second + 1, traded)
        else:
            orders = _some_fills(load, second, case)
        slices.append({Topic.MARKET_DATA: market, Topic.ORDERS: orders, Topic.ROUTES: routes})
    live = dict(zip((Topic.ORDERS, Topic.ROUTES), load.traded(0.0, end_s, traded), strict=True))
    live[Topic.MARKET_DATA] = load.market(0.0, end_s, ticks)
    feeds: dict[tuple[Topic, int], Feed] = {}
    for topic in INPUT_TOPICS:
        parts = [
            dealt(some.get(topic, Rows.none(topic)), topic, case.partitions) for some in slices
        ]
        now = dealt(live.get(topic, Rows.none(topic)), topic, case.partitions)
        for p in range(case.partitions):
            history = [(float(i - len(parts) + 1), part[p]) for i, part in enumerate(parts)]
            feeds[topic, p] = Feed(history, now[p])
    fills = joined([*(some[Topic.ORDERS] for some in slices[5:]), live[Topic.ORDERS]], Topic.ORDERS)
    return feeds, fills


def _some_fills(load: Load, second: int, case: Case) -> Rows:
    """An equal share of the fills before the start, in the last seconds of the window."""
    due = -second <= (case.fills_before or 0)
    if not due:
        return Rows.none(Topic.ORDERS)
    at_s = np.linspace(second, second + 1, case.orders, endpoint=False)
    rng = np.random.default_rng([load.seed, -second])
    return load.fills_of(rng, at_s, rng.permutation(case.orders))


def latencies(sink: SeenSink, fills: Rows, load: Load, case: Case, ended_ns: int) -> dict[str, Any]:
    """Percentiles over the fills of the counted stretch, those never shown included."""
    start = sink.pace.start_ns or ended_ns
    shown = np.concatenate(sink.rows) if sink.rows else np.empty(0, [("order", "u8")])
    when = np.repeat(np.array(sink.seen_ns), [len(rows) for rows in sink.rows])
    row, order, number = first_seen(shown["order"], shown["fills"])
    keys = np.sort(load.order_keys)
    name = (np.searchsorted(keys, order) << 32) + number
    due = fills.rows
    due_name = (np.searchsorted(keys, due["order"]) << 32) + np.round(due["cum_qty"] / 100)
    counted = (fills.at_s >= WARM_S) & (fills.at_s < WARM_S + case.seconds)
    by_name = np.argsort(name)
    at = np.searchsorted(name[by_name], due_name[counted].astype(np.int64))
    found = at < len(name)
    found[found] &= name[by_name][at[found]] == due_name[counted][found]
    seen = np.full(len(at), ended_ns, np.int64)
    seen[found] = when[row[by_name][at[found]]]
    ms = (seen - start) * 1e-6 - fills.at_s[counted] * 1e3
    provisional = shown["provisional"][row[by_name][at[found]]]
    return {
        **{key: round(float(np.percentile(ms, p)), 3) for key, p in _PERCENTILES.items()},
        "fills": len(ms),
        "not_shown": int((~found).sum()),
        "provisional_share": round(float(provisional.mean()), 4) if len(provisional) else None,
    }


def newest_snapshot_mb(folder: Path) -> float:
    """Bytes of the state that the store holds for the newest epoch of each key."""
    total = 0
    for file in folder.glob("*.sqlite3"):
        with sqlite3.connect(file) as store:
            found = store.execute(
                "SELECT SUM(length(ser_change)) FROM snaps AS s WHERE snap_epoch ="
                " (SELECT MAX(snap_epoch) FROM snaps AS t"
                " WHERE t.step_id = s.step_id AND t.state_key = s.state_key)"
            )
            total += found.fetchone()[0] or 0
    return round(total / 1e6, 2)


def main(arguments: argparse.Namespace) -> None:
    """Every case once, in a process of its own; the rates' percentiles come first."""
    found: dict[str, dict[str, Any]] = {}
    for case in CASES:
        if arguments.only in case.name:
            note(case.name)
            found[case.name], _ = apart(run, case)
            note(f"  {found[case.name]}")
    first: dict[str, Any] = {}
    for case in CASES[:3]:
        rate = f"{case.events_per_s // 1000}k"
        for key in ("p50_ms", "p99_ms", "p999_ms", "provisional_share"):
            first[f"{key}_{rate}"] = found.get(case.name, {}).get(key)
    first["snapshot_mb_50k"] = found.get(BASE.name, {}).get("snapshot_mb")
    show("inprocess", {**first, "cases": found}, as_json=arguments.json)


if __name__ == "__main__":
    options = parser("inprocess", __doc__ or "")
    options.add_argument("--only", default="", metavar="WORDS", help="cases with these words")
    sys.exit(main(options.parse_args()))
