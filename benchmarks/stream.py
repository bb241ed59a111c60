"""The real pipeline over W1's Parquet files, into Arrow files with the compared columns."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import cluster_main, run_main

from benchmarks.batch_polars import OUTPUT
from benchmarks.report import peak_mb
from benchmarks.w1 import CALENDAR, Paths
from dataflows.graph import AlertPlan, monitor_graph
from domain.batch import DeadLetter
from domain.instants import SECOND
from domain.reference_check import decode_reference
from domain.rows import Rows
from operators.market.logic import MarketSettings
from operators.orders.group import OrderSettings
from operators.warm import warm_kernels
from sinks.columns import columns_of
from sources.columnar import ParquetReader
from sources.files import FileSource

MARK_NS = 60 * SECOND
FLUSH_ROWS = 200_000
_EPOCH = timedelta(hours=1)
"""Nothing is recovered here, so no state is packed either."""
_SOURCE = {"ts_event": "ts", "order_id": "order"}


class ArrowSink(DynamicSink[Any]):
    """Every status row of a worker, in uncompressed Arrow files of some 200,000 rows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "ArrowPart":
        """The files of one worker."""
        del step_id, worker_count
        return ArrowPart(self.folder, worker_index)


class ArrowPart(StatelessSinkPartition[Any]):
    """Rows not written yet, and the number of the next file."""

    def __init__(self, folder: Path, worker: int) -> None:
        self.folder, self.worker, self.number = folder, worker, 0
        self.rows: list[np.ndarray] = []
        self.waiting = 0
        self.names: dict[int, str] = {}
        self.thread = ThreadPoolExecutor(1)
        self.unwritten: list[Future[None]] = []

    def write_batch(self, items: list[Any]) -> None:
        """Take the rows of some steps."""
        for _, rows in items:
            self._take(rows)

    def _take(self, rows: Rows) -> None:
        if not len(rows.status):
            return
        self.rows.append(rows.status)
        self.names.update(rows.names)
        self.waiting += len(rows.status)
        if self.waiting >= FLUSH_ROWS:
            self.flush()

    def flush(self) -> None:
        """Hand what waits to the thread that writes; waits itself while two are unwritten."""
        if not self.rows:
            return
        path = self.folder / f"{self.worker:02d}-{self.number:04d}.arrow"
        self.unwritten.append(self.thread.submit(self._write, path, self.rows))
        while len(self.unwritten) > 2:
            self.unwritten.pop(0).result()
        self.number += 1
        self.rows, self.waiting = [], 0

    def _write(self, path: Path, rows: list[np.ndarray]) -> None:
        found = columns_of(rows, [_SOURCE.get(name, name) for name in OUTPUT])
        columns = [self._column(found[_SOURCE.get(name, name)], name) for name in OUTPUT]
        table = pa.Table.from_arrays(columns, names=list(OUTPUT))
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)

    def _column(self, values: np.ndarray, name: str) -> Any:
        if name not in {"order_id", "symbol"}:
            return pa.array(np.ascontiguousarray(values))
        keys, codes = np.unique(values, return_inverse=True)
        texts = [self.names[key] for key in keys.tolist()]
        return pa.DictionaryArray.from_arrays(codes.astype(np.int32), texts)

    def close(self) -> None:
        """Write the rest."""
        self.flush()
        for unwritten in self.unwritten:
            unwritten.result()
        self.thread.shutdown()


class NoLetters(DynamicSink[Any]):
    """Fails at the first refused message: W1 has none."""

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "NoLettersPart":
        """The same for every worker."""
        del step_id, worker_index, worker_count
        return NoLettersPart()


class NoLettersPart(StatelessSinkPartition[Any]):
    """See NoLetters."""

    def write_batch(self, items: list[tuple[str, DeadLetter]]) -> None:
        """Raise with the first refusal."""
        raise ValueError(items[0][1].words)


class Counted(DynamicSink[Any]):
    """Counts changes of alerts."""

    def __init__(self) -> None:
        self.parts: list[CountedPart] = []

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "CountedPart":
        """The count of one worker."""
        del step_id, worker_index, worker_count
        self.parts.append(CountedPart())
        return self.parts[-1]


class CountedPart(StatelessSinkPartition[Any]):
    """See Counted."""

    count = 0

    def write_batch(self, items: list[Any]) -> None:
        """Count them."""
        self.count += len(items)


def run(
    paths: Paths,
    out: Path,
    workers: int,
    warm: Paths | None = None,
    mark_ns: int = MARK_NS,
    *,
    with_alerts: bool = False,
) -> dict[str, float]:
    """One timed pass in this process, kernels warm; see `pipeline.run_stream`."""
    began = time.perf_counter()
    warm_kernels()
    plan = _Plan(workers, mark_ns, with_alerts)
    if warm is not None:
        _pass(warm, out, plan)
        for file in out.glob("*.arrow"):
            file.unlink()
    counted = Counted()
    seconds = _pass(paths, out, plan, counted)
    return {
        "alerts": sum(part.count for part in counted.parts),
        "stream_s": seconds,
        "stream_wall_s": time.perf_counter() - began,
        "peak_mb": peak_mb(),
    }


@dataclass(frozen=True, slots=True)
class _Plan:
    workers: int
    mark_ns: int
    with_alerts: bool


def _pass(paths: Paths, out: Path, plan: _Plan, counted: Counted | None = None) -> float:
    source = FileSource(ParquetReader(paths.market), ParquetReader(paths.orders))
    lines = paths.reference.read_bytes().splitlines()
    records = tuple(decode_reference(line) for line in lines)
    market = MarketSettings(
        source.inputs, mark_interval_ns=plan.mark_ns, default_calendar=CALENDAR, horizons=()
    )
    orders = OrderSettings(
        mark_interval_ns=plan.mark_ns, mark_row_interval_ns=MARK_NS, references=records
    )
    alerts = AlertPlan(sink=counted or Counted()) if plan.with_alerts else None
    flow = monitor_graph(
        source, source.inputs, market, orders, {"rows": ArrowSink(out)}, NoLetters(),
        alerts,
    )  # fmt: skip
    began = time.perf_counter()
    if plan.workers == 1:
        run_main(flow, epoch_interval=_EPOCH)
    else:
        cluster_main(flow, [], 0, epoch_interval=_EPOCH, worker_count_per_proc=plan.workers)
    return time.perf_counter() - began
