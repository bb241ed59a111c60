"""GET status over HTTP while the pipeline runs: latency at a fixed rate, and the most there is.

A desk publishes 10,000 events a second, the monitor folds them, and one API process answers
for the orders it is folding. The rate is an open loop: a request is due at its time whether
or not those before it were answered, and its latency counts from when it was due. Everything
runs as deployed, on this machine: identity, rate limit, counters, snapshots.
"""

import argparse
import sys
from collections.abc import Sequence
from statistics import median, quantiles
from typing import Any
from urllib.parse import quote

import psutil
import uvloop

from benchmarks.bus_load import Plan, order_id
from benchmarks.deployed import deployed
from benchmarks.desk_process import DeskProcess
from benchmarks.http_load import closed_loop, open_loop
from benchmarks.report import note, parser, show

_WARM_S = 1.0
_QUIET_S = 2.0


def measure(told: argparse.Namespace) -> dict[str, Any]:
    """Figures of one run over embedded servers."""
    closed_s = told.seconds / 2
    busy_s = _WARM_S + told.seconds + told.repeat * (closed_s + _QUIET_S) + _QUIET_S
    with deployed() as stand:
        plan = Plan(events_per_s=told.events, seconds=busy_s, orders=told.orders)
        with DeskProcess(stand.servers.bus_url, plan) as desk:
            note("starting the monitor and the API")
            stand.start_monitor()
            key, port, pid = stand.start_api()
            note(f"{plan.orders:,} orders, then {plan.events_per_s:,.0f} events/s")
            desk.begin()
            desk.wait_until_running()
            paths = [
                f"/api/v1/monitoring/{quote(order_id(n), safe='')}/status".encode()
                for n in range(plan.orders)
            ]
            uvloop.run(closed_loop(port, key, paths, _WARM_S))
            note(f"open loop at {told.rate:g} requests/s")
            process = psutil.Process(pid)
            before = process.cpu_times()
            took = uvloop.run(open_loop(port, key, paths, told.rate, told.seconds))
            after = process.cpu_times()
            note("closed loop")
            rates = [
                uvloop.run(closed_loop(port, key, paths, closed_s)) for _ in range(told.repeat)
            ]
            resident_mb = process.memory_info().rss / 1e6
            sent = desk.finish()
    cuts = quantiles(took, n=1000, method="inclusive")
    busy = after.user + after.system - before.user - before.system
    return {
        "rate_per_s": told.rate,
        "events_per_s": plan.events_per_s,
        "orders": plan.orders,
        "requests": len(took),
        "p50_ms": 1e3 * cuts[499],
        "p99_ms": 1e3 * cuts[989],
        "p999_ms": 1e3 * cuts[998],
        "cores_at_rate": busy / told.seconds,
        "most_per_s": median(rates),
        "resident_mb": resident_mb,
        "publisher_late_p99_ms": sent.late_p99_ms,
    }


def main(arguments: Sequence[str]) -> None:
    """Measure, and print the figures."""
    options = parser("status", __doc__ or "")
    options.add_argument("--rate", type=float, default=1_000.0, help="requests a second")
    options.add_argument("--seconds", type=float, default=10.0, help="length of each measurement")
    options.add_argument("--events", type=float, default=10_000.0, help="events a second")
    options.add_argument("--orders", type=int, default=10_000, help="open orders")
    told = options.parse_args(arguments)
    show("status", measure(told), as_json=told.json)


if __name__ == "__main__":
    main(sys.argv[1:])
