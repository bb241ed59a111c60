"""The pipeline on W1 against one Polars batch and a plain per-event Bytewax flow.

Every way reads the same Parquet files and writes the same columns, all metrics of the status
for every fill, marks every 60 s. The outputs are compared first, to 1e-9, and nothing is timed
before they agree.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks import batch_polars, per_event
from benchmarks.batch_polars import OUTPUT, Session
from benchmarks.compare import differences
from benchmarks.report import note, parser, peak_mb, show, timed
from benchmarks.w1 import OPEN_NS, Paths, w1

KEY = ("order_id", "ts_event", "kind", "seq")
SESSION = Session(OPEN_NS)


def run_stream(paths: Paths, out: Path, processes: int = 1) -> dict[str, float]:
    """Run the pipeline over the workload into columnar files in `out`, each with OUTPUT's columns.

    Returns at least `stream_s`, from the first row read to the last row out in warm
    processes, and `stream_wall_s` of the whole.
    """
    raise NotImplementedError


def run_polars(paths: Paths, out: Path) -> None:
    """One Polars batch."""
    batch_polars.run(paths.market, paths.orders, paths.reference, out, SESSION)


def run_per_event(paths: Paths, out: Path) -> None:
    """The plain flow."""
    per_event.run(paths.market, paths.orders, paths.reference, out, OUTPUT, SESSION)


def read_rows(folder: Path) -> pl.DataFrame:
    """All rows that a way wrote."""
    parts = [pl.read_ipc(f) for f in sorted(folder.glob("*.arrow"))]
    parts += [pl.read_parquet(f) for f in sorted(folder.glob("*.parquet"))]
    plain = [part.with_columns(pl.col("order_id", "symbol").cast(pl.String)) for part in parts]
    return pl.concat(plain, how="vertical_relaxed").select(OUTPUT)


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
    rows = sum(pl.scan_parquet(p).select(pl.len()).collect().item()
               for p in (paths.market, paths.orders))  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="bench-", dir=paths.market.parent) as folder:
        stream, polars, plain = (Path(folder, name) for name in ("stream", "polars", "plain"))
        run_polars(paths, fresh(polars))
        figures: dict[str, Any] = {}
        if with_per_event:
            began = time.perf_counter()
            run_per_event(paths, fresh(plain))
            figures["per_event_s"] = time.perf_counter() - began
            must_agree("per-event flow and Polars", plain, polars)
        runs = [run_stream(paths, fresh(stream), processes)]
        must_agree("pipeline and Polars", stream, polars)
        polars_s = timed(_again(run_polars, paths, polars), repeat, warm=0).median_s
        runs += [run_stream(paths, fresh(stream), processes) for _ in range(repeat)]
        timings = sorted(run["stream_s"] for run in runs[1:])
        stream_s = timings[len(timings) // 2]
    return {
        "stream_s": stream_s,
        "stream_wall_s": min(run["stream_wall_s"] for run in runs[1:]),
        "polars_s": polars_s,
        "ratio_to_polars": stream_s / polars_s,
        "polars_threads": pl.thread_pool_size(),
        **figures,
        "events": rows,
        "events_per_s": rows / stream_s,
        "peak_mb": max([peak_mb(), *(run.get("peak_mb", 0.0) for run in runs)]),
        "processes": processes,
    }


def _again(run: Callable[[Paths, Path], None], paths: Paths, out: Path) -> Callable[[], None]:
    return lambda: run(paths, fresh(out))


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
