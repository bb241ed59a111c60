"""A sink that notes when each fill was first seen, and the latencies that follow from it."""

import time
from typing import Any

import numpy as np
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from benchmarks.live_source import Pace
from domain.instants import SECOND
from domain.rows import Rows
from domain.vocabulary import EventKind

SETTLE_NS = 2 * SECOND
"""Rest between the history and the start, for what the history left to do."""
_FIELDS = ("order", "fills", "provisional")


class SeenSink(DynamicSink[Any]):
    """Keeps what each status row shows, and starts the clock once the history is through."""

    def __init__(self, pace: Pace, fills_before: int) -> None:
        self.pace = pace
        self.fills_before = fills_before
        self.seen_ns: list[int] = []
        self.rows: list[np.ndarray] = []
        self.busy_s = 0.0
        """Processor time of the process from the start to the last row."""

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "SeenPart":
        """Of one worker."""
        del step_id, worker_index, worker_count
        return SeenPart(self)

    def take(self, rows: Rows) -> None:
        """Note which fills a batch of rows shows."""
        status = rows.status
        if not len(status):
            return
        if self.pace.start_ns is None:
            is_fill = (status["kind"] == EventKind.ORDER_FILLED) & (status["numbered"] == 1)
            self.fills_before -= int(is_fill.sum())
            if self.fills_before <= 0:
                self.pace.start_ns = time.time_ns() + SETTLE_NS
                self._started_s = time.process_time()
            return
        self.seen_ns.append(time.time_ns())
        self.rows.append(status[list(_FIELDS)].copy())
        self.busy_s = time.process_time() - self._started_s


class SeenPart(StatelessSinkPartition[Any]):
    """See SeenSink."""

    def __init__(self, sink: SeenSink) -> None:
        self._sink = sink

    def write_batch(self, items: list[Any]) -> None:
        """Take the rows of some steps."""
        for _, rows in items:
            self._sink.take(rows)


def first_seen(order: np.ndarray, fills: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(row, order, fill's number) of the first row that shows each fill of each order.

    Rows are given as they came; a row shows every fill up to its count.
    """
    by_order = np.argsort(order, kind="stable")
    keys, counts = order[by_order], fills[by_order].astype(np.int64)
    _, group = np.unique(keys, return_inverse=True)
    # A count never reaches 2^32, so later orders stay above earlier ones.
    newest = np.maximum.accumulate(counts + (group.astype(np.int64) << 32))
    before = np.concatenate([[0], newest[:-1]])
    starts = np.concatenate([[True], keys[1:] != keys[:-1]])[: len(keys)]
    newest -= group.astype(np.int64) << 32
    before = np.where(starts, 0, before - (group.astype(np.int64) << 32))
    fresh = np.maximum(newest - before, 0)
    row = np.repeat(by_order, fresh)
    number = np.arange(len(row)) - np.repeat(np.cumsum(fresh) - fresh, fresh)
    return row, order[row], number + np.repeat(before, fresh) + 1


class NoRows(DynamicSink[Any]):
    """Drops every row."""

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "NoRowsPart":
        """The same for every worker."""
        del step_id, worker_index, worker_count
        return NoRowsPart()


class NoRowsPart(StatelessSinkPartition[Any]):
    """See NoRows."""

    def write_batch(self, items: list[Any]) -> None:
        """Do nothing."""
