"""One process of the monitor and two, from the same stored messages to the same statuses.

JSON is decoded and the Redis sink is in the loop. Each way starts with everything stored, so
that it runs as fast as it can. Wall time counts from the moment at which every process is ready;
processor time is each process's own, so that servers on the same cores do not hide it. On fewer
than four cores the servers take what a second process would need: there the cost of an event
counts, not the speed.
"""

import argparse
import os
import statistics
import sys
import time
from typing import Any

import psutil
import redis

from benchmarks.bus_load import Plan
from benchmarks.deployed import deployed
from benchmarks.report import note, parser, show
from benchmarks.stored_day import is_done, store_day
from domain.topics import STATUS_PREFIX
from runtime.ports import free_ports
from runtime.units import Processes

PATIENCE_S = 900.0
_ENOUGH_CORES = 4


def run(workers: int, plan: Plan) -> dict[str, Any]:
    """One run on servers of its own."""
    with deployed() as stand:
        events = store_day(stand.bus, plan)
        unit = stand.start("worker", commands=_commands(workers),
                           EXECMON_RECOVERY_DIR=str(stand.folder / "recovery"))  # fmt: skip
        began = time.monotonic()
        processes = [psutil.Process(pid) for pid in unit.pids()]
        before = [_busy_s(process) for process in processes]
        with redis.Redis.from_url(stand.servers.status_url) as status:
            _wait(unit, status)
            wall_s = time.monotonic() - began
            busy_s = [_busy_s(p) - b for p, b in zip(processes, before, strict=True)]
            shown = sum(1 for _ in status.scan_iter(f"{STATUS_PREFIX}*", 10_000))
    return {"events": events, "wall_s": wall_s, "busy_s": busy_s, "shown": shown}


def _commands(workers: int) -> list[list[str]]:
    base = [sys.executable, "-m", "cli.main", "worker"]
    if workers == 1:
        return [base]
    addresses = ";".join(f"127.0.0.1:{port}" for port in free_ports(workers))
    return [[*base, "--process-id", str(n), "--addresses", addresses] for n in range(workers)]


def _busy_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _wait(unit: Processes, status: Any) -> None:
    until = time.monotonic() + PATIENCE_S
    while not is_done(status):
        ended = unit.ended()
        if ended is not None or time.monotonic() > until:
            raise SystemExit(f"the monitor ended: {ended.words if ended else 'it took too long'}")
        time.sleep(0.05)


def figures(runs: dict[int, list[dict[str, Any]]]) -> dict[str, Any]:
    """Medians of each way, and the second's ratios to the first."""
    found: dict[str, Any] = {"events": runs[1][0]["events"]}
    wall_s: dict[int, float] = {}
    cpu_us: dict[int, float] = {}
    for workers, some in runs.items():
        wall_s[workers] = statistics.median(run["wall_s"] for run in some)
        cpu_us[workers] = statistics.median(
            1e6 * sum(run["busy_s"]) / run["events"] for run in some
        )
        found[f"events_per_s_{workers}"] = round(found["events"] / wall_s[workers])
        found[f"cpu_us_per_event_{workers}"] = round(cpu_us[workers], 2)
        found[f"cpu_s_by_process_{workers}"] = [round(s, 2) for s in some[-1]["busy_s"]]
    found["cpu_per_event_ratio_2"] = round(cpu_us[2] / cpu_us[1], 3)
    if len(os.sched_getaffinity(0)) >= _ENOUGH_CORES:
        found["speedup_2"] = round(wall_s[1] / wall_s[2], 3)
    return found


def main(arguments: argparse.Namespace) -> None:
    """Both ways in turn, as often as told."""
    plan = Plan(events_per_s=arguments.rate, seconds=arguments.seconds, orders=arguments.orders)
    runs: dict[int, list[dict[str, Any]]] = {1: [], 2: []}
    for number in range(arguments.repeat):
        for workers, some in runs.items():
            note(f"run {number + 1}: {workers} process{'es' if workers > 1 else ''}")
            some.append(run(workers, plan))
            note(f"  {some[-1]}")
    if len({one["shown"] for some in runs.values() for one in some}) > 1:
        raise SystemExit("the ways do not show the same orders")
    show("scaling", figures(runs), as_json=arguments.json)


def command_line(given: list[str] | None = None) -> argparse.Namespace:
    """The arguments."""
    out = parser("scaling", __doc__ or "")
    out.add_argument("--rate", type=int, default=10_000, help="events of a second of the day")
    out.add_argument("--seconds", type=float, default=60.0, help="length of the stored stretch")
    out.add_argument("--orders", type=int, default=5_000)
    return out.parse_args(given)


if __name__ == "__main__":
    main(command_line())
