"""The pipeline on W1 against one Polars batch and a plain per-event Bytewax flow.

Every way reads the same Parquet files and writes the same columns, all metrics of the status
for every fill, marks every 60 s. The outputs are compared first, to 1e-9, and nothing is timed
before they agree. Then the pipeline runs with alerts and without, in turns, both with marks
every 5 s: `alerts_overhead` is the share that alerts add.
"""

import argparse
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl

from benchmarks import batch_polars, per_event, stream
from benchmarks.batch_polars import OUTPUT, Session
from benchmarks.compare import differences
from benchmarks.report import apart, note, parser, show, timed
from benchmarks.w1 import CACHE, OPEN_NS, Paths, Size, w1
from domain.instants import SECOND

ALERT_MARK_NS = 5 * SECOND
KEY = ("order_id", "ts_event", "kind", "seq")
SESSION = Session(OPEN_NS)
WARM = Size(ticks=20_000, symbols=20, orders=50, fills=2_000)
"""A workload that warms a process before the timed pass."""


def run_stream(paths: Paths, out: Path, processes: int = 1) -> dict[str, float]:
    """Run the pipeline over the workload into columnar files in `out`, with OUTPUT's columns.

    Returns `stream_s`, from the first row read to the last row out in warm processes,
    `stream_wall_s` of the whole, and `peak_mb` of the largest process.
    """
    small = w1(1, cache=CACHE / "warm", size=WARM)
    found, _ = apart(stream.run, paths, out, processes, small)
    return found


def alerts_overhead(paths: Paths, out: Path, processes: int, repeat: int) -> dict[str, Any]:
    """The pipeline with alerts beside the one without; medians of passes in turns."""
    small = w1(1, cache=CACHE / "warm", size=WARM)
    seconds: dict[bool, list[float]] = {False: [], True: []}
    alerts = 0.0
    for _ in range(repeat):
        for on, passes in seconds.items():
            run = partial(stream.run, with_alerts=on)
            found, _ = apart(run, paths, fresh(out), processes, small, ALERT_MARK_NS)
            passes.append(found["stream_s"])
            alerts = max(alerts, found["alerts"])
    without_s, with_s = median(seconds[False]), median(seconds[True])
    return {
        "alerts_overhead": with_s / without_s - 1.0,
        "without_alerts_s": without_s,
        "with_alerts_s": with_s,
        "alert_changes": round(alerts),
    }


def run_polars(paths: Paths, out: Path, repeat: int) -> float:
    """One Polars batch: the median time of some, after one to warm up."""

    def once() -> None:
        batch_polars.run(paths.market, paths.orders, paths.reference, fresh(out), SESSION)

    return timed(once, repeat).median_s


def run_per_event(paths: Paths, out: Path) -> float:
    """The plain flow, once: it takes long enough for that."""

    def once() -> None:
        per_event.run(paths.market, paths.orders, paths.reference, fresh(out), OUTPUT, SESSION)

    return timed(once, 1, warm=0).median_s


def read_rows(folder: Path) -> pl.LazyFrame:
    """All rows that a way wrote, in Arrow or Parquet files."""
    parts = [pl.scan_ipc(file) for file in sorted(folder.glob("*.arrow"))]
    parts += [pl.scan_parquet(file) for file in sorted(folder.glob("*.parquet"))]
    names = pl.col("order_id", "symbol").cast(pl.String)
    return pl.concat([part.with_columns(names) for part in parts], how="vertical_relaxed").select(
        OUTPUT
    )


def must_agree(name: str, one: Path, other: Path) -> None:
    """Stop with what differs where two ways do not give the same rows."""
    found = differences(read_rows(one), read_rows(other), KEY)
    if found:
        raise SystemExit(f"{name} do not agree:\n" + "\n".join(map(str, found)))
    note(f"{name} agree to 1e-9")


def fresh(folder: Path) -> Path:
    """The folder, empty."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def measure(scale: int, processes: int, repeat: int, *, with_per_event: bool) -> dict[str, Any]:
    """Compare, then time; the figures of one scale."""
    paths = w1(scale)
    files = (paths.market, paths.orders)
    rows = sum(pl.scan_parquet(path).select(pl.len()).collect().item() for path in files)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=paths.market.parent) as folder:
        stream, polars, plain = (Path(folder, name) for name in ("stream", "polars", "plain"))
        apart(run_polars, paths, polars, 0)
        run_stream(paths, fresh(stream), processes)
        must_agree("pipeline and Polars", stream, polars)
        figures: dict[str, Any] = {}
        if with_per_event:
            figures["per_event_s"], _ = apart(run_per_event, paths, plain)
            must_agree("per-event flow and Polars", plain, polars)
        polars_s, polars_mb = apart(run_polars, paths, polars, repeat)
        runs = [run_stream(paths, fresh(stream), processes) for _ in range(repeat)]
        figures |= alerts_overhead(paths, stream, processes, repeat)
    stream_s = median(run["stream_s"] for run in runs)
    return {
        "stream_s": stream_s,
        "stream_wall_s": median(run["stream_wall_s"] for run in runs),
        "polars_s": polars_s,
        "ratio_to_polars": stream_s / polars_s,
        **figures,
        "events": rows,
        "events_per_s": rows / stream_s,
        "peak_mb": max(run["peak_mb"] for run in runs),
        "polars_peak_mb": polars_mb,
        "polars_threads": pl.thread_pool_size(),
        "processes": processes,
    }


def main(arguments: argparse.Namespace) -> None:
    """Measure each scale asked for; the last one's figures come first in the object."""
    scales = arguments.scale or [1, 10]
    found = {
        scale: measure(
            scale, arguments.processes, arguments.repeat, with_per_event=scale == 1
        )
        for scale in scales
    }  # fmt: skip
    first = found[scales[-1]] | {
        key: value for key, value in found[scales[0]].items() if key == "per_event_s"
    }
    by_scale = {f"w1x{scale}": figures for scale, figures in found.items()}
    show("pipeline", first | by_scale, as_json=arguments.json)


if __name__ == "__main__":
    options = parser("pipeline", __doc__ or "")
    options.add_argument("--scale", type=int, action="append", help="times W1; may be repeated")
    options.add_argument("--processes", type=int, default=1, help="worker processes")
    sys.exit(main(options.parse_args()))
