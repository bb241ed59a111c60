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
from benchmarks.live_load import START_NS as LOAD_START_NS
from benchmarks.live_load import Load
from benchmarks.memory import filled
from benchmarks.report import apart, note, parser, show
from benchmarks.stages import Feeder, Stages
from benchmarks.stored_day import END_S, START_NS, is_done, store_day
from bus.clock import ClockWriter
from bus.publish import publish
from cli.recovery import prepare_recovery
from cli.recovery_store import read_store
from domain.instants import SECOND, format_rfc3339
from domain.topics import status_key
from operators.warm import warm_kernels
from runtime.chunk_log import chunk_logs

EPOCH_S = 5.0
EPOCHS_S = (1.0, 5.0, 20.0)
PATIENCE_S = 900.0
_WRITE = (
    "INSERT OR REPLACE INTO snaps (step_id, state_key, snap_epoch, ser_change) VALUES (?,?,?,?)"
)


def snapshots(orders: int, fills: int, ticks_per_s: int, times: int) -> dict[str, Any]:
    """Seconds and bytes of snapshots an epoch apart, taken and stored by hand."""
    warm_kernels()
    load = Load(orders)
    seconds: list[float] = []
    sizes: list[int] = []
    with TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        prepare_recovery(folder)
        stages, _ = filled(load, fills, ticks_per_s, chunk_logs(folder / "state"))
        with closing(sqlite3.connect(folder / "part-0.sqlite3", isolation_level=None)) as store:
            feeder = Feeder(load)
            for epoch in range(times + 1):
                before = _on_disk(folder)
                began = time.perf_counter()
                kept = _take(stages, store, epoch)
                seconds.append(time.perf_counter() - began)
                sizes.append(kept + _on_disk(folder) - before)
                _trade(stages, feeder, load, epoch * EPOCH_S, ticks_per_s)
    middle = statistics.median(seconds[1:])
    return {
        "snapshot_s": round(middle, 4),
        "snapshot_share": round(middle / EPOCH_S, 4),
        "snapshot_mb": round(statistics.median(sizes[1:]) / 1e6, 2),
        "snapshot_mb_first": round(sizes[0] / 1e6, 2),
    }


def _trade(stages: Stages, feeder: Feeder, load: Load, first_s: float, per_s: float) -> None:
    """An epoch's market and fills, a tenth of a second at a time."""
    for tenth in range(round(10 * EPOCH_S)):
        at_s = first_s + tenth / 10
        until = LOAD_START_NS + round((at_s + 0.1) * SECOND)
        traded, _ = load.traded(at_s, at_s + 0.1, per_s / 4)
        stages.push(feeder.market(load.market(at_s, at_s + 0.1, per_s), until))
        stages.push(feeder.orders(traded, until))


def _on_disk(folder: Path) -> int:
    return sum(f.stat().st_size for f in folder.rglob("*.chunks"))


def _take(stages: Stages, store: sqlite3.Connection, epoch: int) -> int:
    """Store a snapshot as the engine does; gives the bytes that went into its store."""
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
            kept = read_store(folder).bytes + _on_disk(folder)
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
                "restart_store_mb": round(kept / 1e6, 1),
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
