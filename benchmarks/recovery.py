"""What recovery costs: snapshots while it runs, epochs of other lengths, and a restart.

- A snapshot of both stages with 10,000 open orders is taken and stored by hand, as the engine
  does it: its time as a share of the default epoch is `snapshot_share`.
- The live latency of `inprocess` at epochs of 1, 5 and 20 s.
- A worker with 100,000 open orders is killed and started again, timed until it shows what was
  filled meanwhile.
"""

import argparse
import pickle
import sqlite3
import statistics
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import redis

from benchmarks import inprocess
from benchmarks.bus_load import Plan, order_id
from benchmarks.deployed import deployed
from benchmarks.live_load import Load
from benchmarks.memory import filled
from benchmarks.report import apart, note, parser, show
from benchmarks.stored_day import END_S, START_NS, is_done, store_day
from bus.clock import ClockWriter
from bus.publish import publish
from cli.recovery import prepare_recovery
from cli.recovery_store import read_store
from domain.instants import SECOND, format_rfc3339
from domain.topics import status_key
from operators.warm import warm_kernels

EPOCH_S = 5.0
EPOCHS_S = (1.0, 5.0, 20.0)
PATIENCE_S = 900.0
_WRITE = (
    "INSERT OR REPLACE INTO snaps (step_id, state_key, snap_epoch, ser_change) VALUES (?,?,?,?)"
)


def snapshots(orders: int, fills: int, ticks_per_s: int, times: int) -> dict[str, Any]:
    """Seconds and bytes of a snapshot, taken and stored by hand."""
    warm_kernels()
    stages, _ = filled(Load(orders), fills, ticks_per_s)
    seconds: list[float] = []
    size = 0
    with TemporaryDirectory(prefix="bench-") as name:
        prepare_recovery(Path(name))
        with closing(sqlite3.connect(Path(name) / "part-0.sqlite3", isolation_level=None)) as store:
            for epoch in range(times + 1):
                began = time.perf_counter()
                size = _take(stages, store, epoch)
                seconds.append(time.perf_counter() - began)
    middle = statistics.median(seconds[1:])
    return {
        "snapshot_s": round(middle, 4),
        "snapshot_share": round(middle / EPOCH_S, 4),
        "snapshot_mb": round(size / 1e6, 2),
    }


def _take(stages: Any, store: sqlite3.Connection, epoch: int) -> int:
    size = 0
    store.execute("BEGIN")
    for step, logics in (("market", stages.market), ("orders", stages.orders)):
        for key, logic in logics.items():
            state = pickle.dumps(logic.snapshot())
            size += len(state)
            store.execute(_WRITE, (step, key, epoch, state))
    store.execute("DELETE FROM snaps WHERE snap_epoch < ?", (epoch,))
    store.execute("COMMIT")
    return size


def epochs(told: argparse.Namespace) -> dict[str, Any]:
    """Latency of the stages by the length of an epoch."""
    found: dict[str, Any] = {}
    for epoch_s in EPOCHS_S:
        # Every epoch closes at least twice in the counted stretch.
        seconds = max(told.seconds, 2.0 * epoch_s) if told.seconds >= EPOCH_S else told.seconds
        case = replace(
            inprocess.BASE, events_per_s=told.rate, epoch_s=epoch_s, orders=told.orders,
            fills_before=told.fills, seconds=seconds,
        )  # fmt: skip
        note(f"epoch {epoch_s:g} s")
        run, _ = apart(inprocess.run, case)
        note(f"  {run}")
        for name in ("p50_ms", "p99_ms", "p999_ms", "snapshot_mb"):
            found[f"{name}_epoch_{epoch_s:g}"] = run[name]
    return found


def restart(orders: int, seconds: float) -> dict[str, Any]:
    """Seconds from the start of a process that was killed until it shows what is new."""
    with deployed() as stand:
        plan = Plan(events_per_s=100.0, seconds=seconds, orders=orders)
        store_day(stand.bus, plan)
        folder = stand.folder / "recovery"
        told = {"EXECMON_RECOVERY_DIR": str(folder), "EXECMON_EPOCH_S": "1"}
        with redis.Redis.from_url(stand.servers.status_url) as status:
            first = stand.start("worker", **told)
            _wait(lambda: is_done(status))
            epoch = read_store(folder).resume_epoch
            _wait(lambda: read_store(folder).resume_epoch > epoch + 1)
            first.kill()
            kept = {step.step: step.bytes for step in read_store(folder).steps}
            fill = {
                "type": "order_filled", "order_id": order_id(7), "symbol": "S007", "side": "BUY",
                "exec_id": "AFTER", "last_qty": 7.0, "last_px": 100.0,
                "ts_event": format_rfc3339(START_NS + round((END_S + plan.seconds) * SECOND)),
            }  # fmt: skip
            before = status.hget(status_key(order_id(7)), "body")
            publish(stand.bus, [fill])
            with ClockWriter(stand.bus, kind="event") as clock:
                clock.tick(START_NS + round((END_S + plan.seconds + 1) * SECOND))
            began = time.monotonic()
            stand.start("worker", **told)
            ready_s = time.monotonic() - began
            _wait(lambda: status.hget(status_key(order_id(7)), "body") != before)
            return {
                "restart_s": round(time.monotonic() - began, 2),
                "restart_ready_s": round(ready_s, 2),
                "restart_orders": orders,
                "restart_snapshot_mb": round(sum(kept.values()) / 1e6, 1),
            }


def _wait(what: Any) -> None:
    until = time.monotonic() + PATIENCE_S
    while not what():
        if time.monotonic() > until:
            raise SystemExit("it took too long")
        time.sleep(0.01)


def main(arguments: argparse.Namespace) -> None:
    """Each part in turn, those that compute in processes of their own."""
    ticks = round(0.8 * arguments.rate)
    found, _ = apart(snapshots, arguments.orders, arguments.fills, ticks, max(arguments.repeat, 1))
    note(f"{found}")
    found |= epochs(arguments)
    found |= restart(arguments.restart_orders, 5.0)
    show("recovery", found, as_json=arguments.json)


def command_line(given: list[str] | None = None) -> argparse.Namespace:
    """The arguments."""
    out = parser("recovery", __doc__ or "")
    out.add_argument("--rate", type=int, default=10_000, help="events a second of the live part")
    out.add_argument("--orders", type=int, default=10_000, help="open orders of the live part")
    out.add_argument("--fills", type=int, default=20, help="fills of each of them before")
    out.add_argument("--seconds", type=float, default=15.0, help="counted stretch of each epoch")
    out.add_argument("--restart-orders", type=int, default=100_000)
    return out.parse_args(given)


if __name__ == "__main__":
    sys.exit(main(command_line()))
