"""Rows to files: Parquet, Arrow, NDJSON or CSV by suffix, one kind of row a file."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from domain.errors import ConfigurationError, RecoveryError
from domain.records import (
    EVENT_FIELDS,
    FILL_FIELDS,
    ORDER_FIELDS,
    Field,
    Names,
    event_record,
    fill_record,
    order_record,
)
from domain.rows import ORDER_METRICS, STATUS_METRICS, Rows, Venues
from domain.status import status_bodies
from sinks.file_formats import TEXT_SUFFIXES, Appender, open_appender
from sinks.partitions import part_names, part_of
from sinks.tables import to_table

STATE_VERSION = 1
State = tuple[int, int]
"""(version, mark of the file)"""
_UNWRITTEN = 4

_encode = msgspec.json.Encoder().encode


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
    lines: Callable[[Rows, np.ndarray], Iterator[bytes]]


def _status(rows: Rows) -> tuple[np.ndarray, Venues | None]:
    status = rows.status
    return (status[status["provisional"] == 0] if status["provisional"].any() else status), None


def _status_lines(rows: Rows, status: np.ndarray) -> Iterator[bytes]:
    final = np.flatnonzero(rows.status["provisional"] == 0).tolist()
    yield from status_bodies(status, rows.names, rows.status_venues, at=final)


def _order_lines(rows: Rows, orders: np.ndarray) -> Iterator[bytes]:
    for at, row in enumerate(orders):
        yield _encode(order_record(row, rows.names, rows.order_venues, at))


def _each(record: Callable[[np.void, Names], dict[str, Any]]) -> Any:
    def lines(rows: Rows, array: np.ndarray) -> Iterator[bytes]:
        return (_encode(record(row, rows.names)) for row in array)

    return lines


_KINDS = {
    RowKind.STATUS: _Taking(ORDER_FIELDS, STATUS_METRICS, _status, _status_lines),
    RowKind.ORDERS: _Taking(
        ORDER_FIELDS, ORDER_METRICS, lambda rows: (rows.orders, rows.order_venues), _order_lines
    ),
    RowKind.FILLS: _Taking(
        FILL_FIELDS, (), lambda rows: (rows.fills, None), _each(fill_record)
    ),
    RowKind.EVENTS: _Taking(
        EVENT_FIELDS, (), lambda rows: (rows.timeline, None), _each(event_record)
    ),
}  # fmt: skip


class ColumnarSink(FixedPartitionedSink[Rows, State]):
    """Writes one kind of row to a file whose suffix says how.

    With `parts` above 1 each part of the key groups has a file of its own, named
    `STEM-NN.SUFFIX`. With `resumable` a run with recovery continues the files exactly behind
    its snapshot, at the price of a flush at each epoch; Parquet and Arrow files then exist
    once the run has ended, their parts before. Takes (key of an order group, Rows); raises
    ConfigurationError for a suffix or folder that will not do, before anything runs.
    """

    def __init__(
        self, path: Path, kind: RowKind, *, parts: int = 1, resumable: bool = True
    ) -> None:
        self.path = Path(path)
        self.kind = RowKind(kind)
        self.parts = parts
        self.resumable = resumable
        if self.path.is_dir():
            raise ConfigurationError(f"{self.path} is a folder; name a file in it")
        open_appender.__call__  # noqa: B018

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
            raise RecoveryError(
                f"the snapshot of {self.path} has version {resume_state[0]}, this program "
                f"reads {STATE_VERSION}: start anew with an empty recovery_dir"
            )
        path = self.path
        if self.parts > 1:
            path = path.with_name(f"{path.stem}-{for_part}{path.suffix}")
        mark = None if resume_state is None else resume_state[1]
        return FilePart(
            open_appender(path, mark, resumable=self.resumable),
            _KINDS[self.kind],
            as_lines=path.suffix.lower() in TEXT_SUFFIXES,
            durable=self.resumable,
        )


class FilePart(StatefulSinkPartition[Rows, State]):
    """One file; a thread converts and writes while the flow computes."""

    def __init__(
        self, appender: Appender, taking: _Taking, *, as_lines: bool, durable: bool
    ) -> None:
        self._appender = appender
        self._taking = taking
        self._as_lines = as_lines
        self._durable = durable
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="columnar")
        self._unwritten: list[Future[None]] = []

    def write_batch(self, values: list[Rows]) -> None:
        """Take rows; waits while several earlier batches are not written yet."""
        self._unwritten.append(self._thread.submit(self._write, values))
        while len(self._unwritten) > _UNWRITTEN:
            self._unwritten.pop(0).result()

    def _write(self, values: list[Rows]) -> None:
        taking = self._taking
        for rows in values:
            array, venues = taking.select(rows)
            if not len(array):
                continue
            if self._as_lines:
                self._appender.write(taking.lines(rows, array))
            else:
                table = to_table(array, taking.fields, taking.metrics, rows.names, venues)
                self._appender.write(table)

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
