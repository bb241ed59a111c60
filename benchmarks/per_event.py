"""W1 through a plain Bytewax flow, an event at a time, with dicts for state.

Two keyed steps, as anyone would write them first: the symbol's step stamps order events with
the market and makes the marks, the order's step keeps the sums and computes the status. The
rows are the ones that the pipeline writes. The files hold no tick and order event of one
symbol at the same instant, so merging by time decides everything.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any

import bytewax.operators as op
import polars as pl
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.operators import StatefulLogic
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import run_main

from benchmarks.batch_polars import Session
from benchmarks.per_event_metrics import measure
from benchmarks.per_event_state import (
    MARK,
    Row,
    apply_tick,
    due_marks,
    fold,
    follow_order,
    new_order,
    new_symbol,
    stamp,
    with_session,
)

MARK_NS = 60 * 10**9
TICK_COLUMNS = ["symbol", "ts_event", "bid", "ask", "price", "size"]
_ROWS_A_READ = 100_000
_ROWS_A_FILE = 100_000


class _Files(StatefulSourcePartition[tuple[str, Row], None]):
    """Both files as (symbol, row), merged by time, some hundreds at a time."""

    def __init__(self, market: Path, orders: Path) -> None:
        ticks = _rows(pl.scan_parquet(market).select(TICK_COLUMNS))
        events = _rows(pl.scan_parquet(orders))
        self._rows = merge(events, ticks, key=itemgetter("ts_event"))

    def next_batch(self) -> Iterable[tuple[str, Row]]:
        """The next rows."""
        batch = [(row["symbol"], row) for _, row in zip(range(1_000), self._rows, strict=False)]
        if not batch:
            raise StopIteration
        return batch

    def snapshot(self) -> None:
        """Nothing: the benchmark never resumes."""
        return


class _Source(FixedPartitionedSource[tuple[str, Row], None]):
    def __init__(self, market: Path, orders: Path) -> None:
        self._paths = (market, orders)

    def list_parts(self) -> list[str]:
        """One partition."""
        return ["w1"]

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> _Files:  # noqa: ARG002
        """Open both files."""
        return _Files(*self._paths)


def _rows(frame: pl.LazyFrame) -> Iterator[Row]:
    table = frame.collect()
    slices = (table.slice(at, _ROWS_A_READ) for at in range(0, len(table), _ROWS_A_READ))
    return chain.from_iterable(part.iter_rows(named=True) for part in slices)


class _SymbolLogic(StatefulLogic[Row, tuple[str, tuple[Row, Row]], Any]):
    """Stamps order events; the marks of open orders come before whatever follows them."""

    def __init__(self, until: int) -> None:
        self._symbol = new_symbol()
        self._until = until

    def on_item(self, value: Row) -> tuple[list[tuple[str, tuple[Row, Row]]], bool]:
        """A tick or an order event of the symbol."""
        out = self._marks(value["ts_event"])
        if "type" not in value:
            apply_tick(self._symbol, value)
            return out, False
        out.append((value["order_id"], (value, stamp(self._symbol, value["ts_event"]))))
        follow_order(self._symbol, value, MARK_NS)
        return out, False

    def _marks(self, until: int) -> list[tuple[str, tuple[Row, Row]]]:
        return [(name, (m, met)) for name, m, met in due_marks(self._symbol, until, MARK_NS)]

    def on_eof(self) -> tuple[list[tuple[str, tuple[Row, Row]]], bool]:
        """The marks that are left, to the last event time of the input."""
        return self._marks(self._until + 1), True

    def snapshot(self) -> Any:
        """The state itself."""
        return self._symbol


class _Collected(StatelessSinkPartition[Row]):
    """Rows into columnar files."""

    def __init__(self, out: Path, columns: Sequence[str]) -> None:
        self._out, self._columns = out, columns
        self._rows: list[Row] = []
        self._files = 0

    def write_batch(self, items: list[Row]) -> None:
        """Keep the rows until a file is full."""
        self._rows.extend(items)
        if len(self._rows) >= _ROWS_A_FILE:
            self.close()

    def close(self) -> None:
        """Write what is left."""
        if self._rows:
            frame = pl.DataFrame(self._rows, infer_schema_length=None).select(self._columns)
            frame.write_ipc(self._out / f"status-{self._files:03d}.arrow")
            self._files += 1
            self._rows = []


class _Sink(DynamicSink[Row]):
    def __init__(self, out: Path, columns: Sequence[str]) -> None:
        self._out, self._columns = out, columns

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Collected:  # noqa: ARG002
        """One writer."""
        return _Collected(self._out, self._columns)


def flow_of(
    market: Path, orders: Path, reference: Path, out: Path, columns: Sequence[str], session: Session
) -> Dataflow:
    """The flow from the two files to columnar files in the folder `out`."""
    records = map(json.loads, reference.read_text().splitlines())
    known = {r["symbol"]: with_session(r, session.open_ns, session.seconds) for r in records}
    last = [pl.scan_parquet(p).select(pl.col("ts_event").max()).collect().item()
            for p in (market, orders)]  # fmt: skip

    def take(order: Row | None, value: tuple[Row, Row]) -> tuple[Row, list[Row]]:
        event, met = value
        order = order or new_order()
        if event["type"] != MARK:
            fold(order, event, met)
        return order, [measure(order, event, met, known[order["accepted"]["symbol"]])]

    flow = Dataflow("per_event")
    rows = op.input("read", flow, _Source(market, orders))
    met = op.stateful("stamp", rows, lambda _: _SymbolLogic(max(last)))
    by_order = op.key_on("by_order", op.map("pair", met, itemgetter(1)), itemgetter(0))
    events = op.map_value("event", by_order, itemgetter(1))
    status = op.stateful_flat_map("status", events, take)
    op.output("write", op.map("row", status, itemgetter(1)), _Sink(out, columns))
    return flow


def run(
    market: Path, orders: Path, reference: Path, out: Path, columns: Sequence[str], session: Session
) -> None:
    """Run the flow in this process."""
    out.mkdir(parents=True, exist_ok=True)
    run_main(flow_of(market, orders, reference, out, columns, session))
