"""Live latency through everything: from publication on the bus to the status readable in Redis.

An open loop over the deployed processes: messages are encoded before the run and published
on a schedule that never waits, 80 % ticks and 20 % fills and routes, 10,000 orders open,
snapshots on. A fill counts from when it was due to be published, in slices of 5 ms, to the
first entry of the status feed that shows it, by the status server's own clock, rounded up
to its millisecond; the first final one is counted apart. Orders of some symbols have a cost cap
that many of them pass, so that alerts are raised meanwhile; see `alert_watch.py`.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import psutil

from benchmarks.alert_watch import alert_figures
from benchmarks.bus_load import Plan
from benchmarks.deployed import deployed
from benchmarks.desk_process import DeskProcess, Sent
from benchmarks.feed_watch import FeedWatch, Shown
from benchmarks.live_sink import first_seen
from benchmarks.report import note, parser, show
from domain.instants import MILLISECOND, SECOND

RATES = (10_000, 50_000, 100_000)
WARM_S = 2.0
"""The first seconds at the rate are not counted."""
TAIL_S = 1.0
"""The rate goes on after the last fill that is counted."""
PATIENCE_S = 10.0
"""How long fills that were not shown are waited for."""
_PERCENTILES = {"p50_ms": 50.0, "p99_ms": 99.0, "p999_ms": 99.9}
_FEED = "100000"
_CAPS = "; ".join(f"symbol=S{k:03d} SLIPPAGE=0.5" for k in range(10))
"""Of one order in twenty."""


def run(rate: int, told: argparse.Namespace) -> dict[str, Any]:
    """One rate, on servers and processes of its own."""
    with deployed() as stand:
        plan = Plan(events_per_s=rate, seconds=WARM_S + told.seconds + TAIL_S, orders=told.orders)
        with DeskProcess(stand.servers.bus_url, plan) as desk:
            worker = stand.start_monitor(EXECMON_FEED_LENGTH=_FEED, EXECMON_ALERT_THRESHOLDS=_CAPS)
            with FeedWatch(stand.servers.status_url) as watch:
                desk.begin()
                desk.wait_until_running()
                process = psutil.Process(worker.pids()[0])
                before = process.cpu_times()
                sent = desk.finish()
                watch.until_shown(len(sent.order), PATIENCE_S)
            ended = worker.ended()
            if ended is not None:
                raise SystemExit(f"the monitor ended: {ended.words}")
            after = process.cpu_times()
            busy_s = after.user + after.system - before.user - before.system
            return {
                **figures(sent, watch.shown(), told.seconds),
                **alert_figures(stand.bus, sent.start_ns + round(WARM_S * SECOND)),
                "cores": round(busy_s / plan.seconds, 2),
                "worker_mb": round(process.memory_info().rss / 1e6, 1),
            }


def figures(sent: Sent, shown: Shown, seconds: float) -> dict[str, Any]:
    """Percentiles and shares of the fills that were due in the counted stretch."""
    fill_key = (sent.order.astype(np.int64) << 32) + _nth(sent.order)
    counted = (sent.due_s >= WARM_S) & (sent.due_s < WARM_S + seconds)
    first = _rows_of(shown, fill_key, np.ones(len(shown.order), bool))
    final = _rows_of(shown, fill_key, ~shown.provisional)
    due_ns = sent.start_ns + (sent.due_s * SECOND).astype(np.int64)
    provisional = shown.provisional[first] & (first >= 0)
    out: dict[str, Any] = {}
    for name, row, which in (
        ("", first, counted),
        ("provisional_", first, counted & provisional),
        ("final_", final, counted),
    ):
        ms = (_at(shown.readable_ns, row) - due_ns)[which] / MILLISECOND
        for key, share in _PERCENTILES.items():
            out[f"{name}{key}"] = round(float(np.percentile(ms, share)), 3) if len(ms) else None
    seen = counted & (first >= 0)
    stored_ns = sent.start_ns + (sent.stored_s * SECOND).astype(np.int64)
    published_ns = _at(shown.published_ns, first)
    readable_ns = _at(shown.readable_ns, first)
    out["stages"] = _stages(
        {
            "bus": (stored_ns - due_ns)[seen],
            "flow": (published_ns - stored_ns)[seen],
            "store": (readable_ns - published_ns)[seen],
        }
    )
    return {
        **out,
        "provisional_share": round(float(provisional[counted].mean()), 4),
        "fills": int(counted.sum()),
        "not_shown": int((counted & (first < 0)).sum()),
        "statuses": len(shown.order),
        "publisher_late_p99_ms": sent.late_p99_ms,
    }


def _stages(ns: dict[str, np.ndarray]) -> dict[str, Any]:
    total = sum(float(part.mean()) for part in ns.values() if len(part)) or 1.0
    return {
        name: {
            "p50_ms": round(float(np.percentile(part, 50)) / MILLISECOND, 3),
            "p99_ms": round(float(np.percentile(part, 99)) / MILLISECOND, 3),
            "share": round(float(part.mean()) / total, 4),
        }
        for name, part in ns.items()
        if len(part)
    }


def _rows_of(shown: Shown, fill_key: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Index of the first of these rows that shows each fill; −1 where none does."""
    rows = np.flatnonzero(which)
    at, order, number = first_seen(shown.order[rows], shown.fills[rows])
    key = (order.astype(np.int64) << 32) + number
    by_key = np.argsort(key)
    place = np.searchsorted(key[by_key], fill_key)
    found = place < len(key)
    found[found] &= key[by_key][place[found]] == fill_key[found]
    out = np.full(len(fill_key), -1, np.int64)
    out[found] = rows[at[by_key][place[found]]]
    return out


def _at(ns: np.ndarray, row: np.ndarray) -> np.ndarray:
    """The time of each row; where there is none, that of the end."""
    return np.where(row >= 0, ns[row], ns[-1] if len(ns) else 0)


def _nth(orders: np.ndarray) -> np.ndarray:
    """Which fill of its order each is, from 1."""
    by_order = np.argsort(orders, kind="stable")
    groups = orders[by_order]
    out = np.empty(len(orders), np.int64)
    out[by_order] = np.arange(len(orders)) - np.searchsorted(groups, groups) + 1
    return out


def main(arguments: Sequence[str]) -> None:
    """Every rate, and the percentiles by rate."""
    options = parser("latency", __doc__ or "")
    options.add_argument("--rates", default=",".join(map(str, RATES)), help="events a second")
    options.add_argument("--seconds", type=float, default=15.0, help="counted stretch")
    options.add_argument("--orders", type=int, default=10_000, help="open orders")
    told = options.parse_args(arguments)
    found: dict[str, Any] = dict.fromkeys(("p50_ms_50k", "p99_ms_50k", "p999_ms_50k"))
    for rate in map(int, told.rates.split(",")):
        note(f"{rate:,} events/s")
        figures_ = run(rate, told)
        note(f"  {figures_}")
        name = f"{rate // 1000}k" if rate >= 1000 else str(rate)
        found |= {f"{key}_{name}": value for key, value in figures_.items()}
    show("latency", {"orders": told.orders, **found}, as_json=told.json)


if __name__ == "__main__":
    main(sys.argv[1:])
