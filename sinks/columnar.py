"""Rows to files: Parquet, Arrow, NDJSON or CSV by suffix, one kind of row a file."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from domain.errors import other_version
from domain.records import (
    EVENT_FIELDS,
    FILL_FIELDS,
    ORDER_FIELDS,
    Field,
    event_records,
    fill_records,
    order_record,
    status_record,
)
from domain.rows import ORDER_METRICS, STATUS_METRICS, Rows, Venues
from sinks.arrow_tables import to_table
from sinks.file_formats import Appender, PartFiles, check_path, open_appender
from sinks.partitions import part_names, part_of

STATE_VERSION = 1
State = tuple[int, int]
"""(version, mark of the file)"""
_UNWRITTEN = 4


class RowKind(StrEnum):
    """Which rows a file takes."""

    STATUS = "status"
    """Every final state of every order, marks included."""
    ORDERS = "orders"
    """Each order's whole record."""
    FILLS = "fills"
    EVENTS = "events"
    """The timeline: order and route events as they were folded."""


@dataclass(frozen=True, slots=True)
class _Taking:
    """How a kind of row is taken out of `Rows` and written."""

    fields: tuple[Field, ...]
    metrics: tuple[str, ...]
    select: Callable[[Rows], tuple[np.ndarray, Venues | None]]
    """The rows, and the venues of each."""
    records: Callable[[Rows], Iterable[dict[str, Any]]]


def _status(rows: Rows) -> tuple[np.ndarray, Venues | None]:
    status = rows.status
    shown_early = status["provisional"] != 0
    if shown_early.any():
        return status[~shown_early], Venues()
    return status, rows.status_venues


def _status_records(rows: Rows) -> Iterator[dict[str, Any]]:
    for at in np.flatnonzero(rows.status["provisional"] == 0).tolist():
        yield status_record(rows.status[at], rows.names, rows.status_venues, at)


def _order_records(rows: Rows) -> Iterator[dict[str, Any]]:
    for at, row in enumerate(rows.orders):
        yield order_record(row, rows.names, rows.order_venues, at)


def _fill_records(rows: Rows) -> Iterable[dict[str, Any]]:
    return fill_records(rows.fills, rows.names)


def _event_records(rows: Rows) -> Iterable[dict[str, Any]]:
    return event_records(rows.timeline, rows.names)


_KINDS = {
    RowKind.STATUS: _Taking(ORDER_FIELDS, STATUS_METRICS, _status, _status_records),
    RowKind.ORDERS: _Taking(
        ORDER_FIELDS, ORDER_METRICS, lambda rows: (rows.orders, rows.order_venues), _order_records
    ),
    RowKind.FILLS: _Taking(FILL_FIELDS, (), lambda rows: (rows.fills, None), _fill_records),
    RowKind.EVENTS: _Taking(EVENT_FIELDS, (), lambda rows: (rows.timeline, None), _event_records),
}


class ColumnarSink(FixedPartitionedSink[Rows, State]):
    """Writes one kind of row to a file whose suffix says how.

    With `parts` above 1 each part of the key groups has a file of its own, named
    `STEM-NN.SUFFIX`. With `resumable` a run with recovery continues the files exactly behind
    its snapshot, at the price of a flush at each epoch; Parquet and Arrow files then exist
    once the run has ended, their parts before and still (`sinks.part_files`).

    Takes (key of an order group, Rows); raises ConfigurationError for a suffix or folder
    that will not do, before anything runs.
    """

    def __init__(
        self, path: Path, kind: RowKind, *, parts: int = 1, resumable: bool = True
    ) -> None:
        self.path = Path(path)
        self.kind = RowKind(kind)
        self.parts = parts
        self.resumable = resumable
        check_path(self.path)

    def list_parts(self) -> list[str]:
        """Names of the files' parts."""
        return part_names(self.parts)

    def part_fn(self, item_key: str) -> int:
        """The file of a group."""
        return part_of(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: State | None) -> "FilePart":
        """A file, begun anew or continued behind the snapshot."""
        del step_id
        if resume_state is not None and resume_state[0] != STATE_VERSION:
            raise other_version(f"the snapshot of {self.path}", resume_state[0], STATE_VERSION)
        path = self.path
        if self.parts > 1:
            path = path.with_name(f"{path.stem}-{for_part}{path.suffix}")
        mark = None if resume_state is None else resume_state[1]
        appender = open_appender(path, mark, resumable=self.resumable)
        return FilePart(appender, _KINDS[self.kind], durable=self.resumable, is_new=not mark)


class FilePart(StatefulSinkPartition[Rows, State]):
    """One file; a thread converts and writes while the flow computes."""

    def __init__(self, appender: Appender, taking: _Taking, *, durable: bool, is_new: bool) -> None:
        self._appender = appender
        self._taking = taking
        self._durable = durable
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="columnar")
        self._unwritten: list[Future[None]] = []
        if is_new:
            # A file without a row still says which columns it would have.
            self._write_table(Rows())

    def write_batch(self, values: list[Rows]) -> None:
        """Take rows; waits while several earlier batches are not written yet."""
        self._unwritten.append(self._thread.submit(self._write, values))
        while len(self._unwritten) > _UNWRITTEN:
            self._unwritten.pop(0).result()

    def _write(self, values: list[Rows]) -> None:
        for rows in values:
            if isinstance(self._appender, PartFiles):
                self._write_table(rows)
            else:
                self._appender.write(self._taking.records(rows))

    def _write_table(self, rows: Rows) -> None:
        taking = self._taking
        array, venues = taking.select(rows)
        table = to_table(array, taking.fields, taking.metrics, rows.names, venues)
        if isinstance(self._appender, PartFiles):
            self._appender.write(table)
        else:
            self._appender.begin(table.column_names)

    def _wait(self) -> None:
        while self._unwritten:
            self._unwritten.pop(0).result()

    def snapshot(self) -> State:
        """Where to go on, everything before it being on disk."""
        if not self._durable:
            return (STATE_VERSION, 0)
        self._wait()
        return (STATE_VERSION, self._appender.mark())

    def close(self) -> None:
        """Write what is left and finish the file."""
        self._wait()
        self._appender.close()
        self._thread.shutdown()
