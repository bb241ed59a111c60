"""Scheduled rows as a Bytewax source: what has arrived by now, collected for the linger.

The schedule is fixed before the run begins and never waits for the flow: a row that is read
late is counted from when it should have been read.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from benchmarks.live_load import START_NS, Rows
from domain.batch import Batch, Input
from domain.instants import NO_TIME
from domain.vocabulary import Topic

CLOCK_S = 0.25
CLOCK_LAG_S = 0.05
_IDLE = timedelta(milliseconds=1)


@dataclass
class Pace:
    """When the measured stretch begins and ends, and how far the history has been read."""

    end_s: float
    linger_s: float = 0.002
    start_ns: int | None = None
    """Wall clock of second 0, set once everything before it has come out."""
    partitions: int = 0
    given: list[int] = field(default_factory=list[int])
    """Partitions that gave each slice of the history."""

    def may_give(self, slice_: int) -> bool:
        """Whether every partition has given the slice before."""
        return slice_ == 0 or self.given[slice_ - 1] == self.partitions

    def elapsed_s(self) -> float:
        """Seconds since the start, below 0 before it."""
        if self.start_ns is None:
            return -1.0
        return (time.time_ns() - self.start_ns) * 1e-9


@dataclass
class Feed:
    """What one partition gives: slices of history, then rows at their times."""

    history: list[tuple[float, Rows]]
    """(the slice's end, its rows)."""
    live: Rows


class LiveSource(FixedPartitionedSource[Batch, int]):
    """One partition for each feed."""

    def __init__(
        self, feeds: Mapping[tuple[Topic, int], Feed], names: Mapping[int, str], pace: Pace
    ) -> None:
        self.inputs = tuple(Input(i, *place) for i, place in enumerate(feeds))
        self._feeds = {f"{topic}/{number}": feed for (topic, number), feed in feeds.items()}
        self._names = names
        self._pace = pace
        pace.partitions = len(feeds)
        pace.given = [0] * max(len(feed.history) for feed in feeds.values())

    def list_parts(self) -> list[str]:
        """Names of the partitions: topic and number."""
        return list(self._feeds)

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> "LivePart":
        """A partition at its beginning: these runs are not resumed."""
        del step_id, resume_state
        at = list(self._feeds).index(for_part)
        return LivePart(self.inputs[at], self._feeds[for_part], self._names, self._pace)


class LivePart(StatefulSourcePartition[Batch, int]):
    """One partition."""

    def __init__(self, part: Input, feed: Feed, names: Mapping[int, str], pace: Pace) -> None:
        self._part = part
        self._feed = feed
        self._names = names
        self._pace = pace
        self._slice = 0
        self._at = 0
        self._ordinal = 0
        self._watermark = NO_TIME
        self._clock_s = 0.0

    def next_batch(self) -> list[Batch]:
        """The next slice of history, or what has arrived since the last batch."""
        if self._slice < len(self._feed.history):
            return self._next_slice()
        elapsed = self._pace.elapsed_s()
        if elapsed >= self._pace.end_s:
            raise StopIteration
        if elapsed < min(self._row_due_s(), self._clock_due_s()):
            return []
        live = self._feed.live
        first, self._at = self._at, int(np.searchsorted(live.at_s, elapsed, side="right"))
        if elapsed >= self._clock_due_s():
            self._clock_s = elapsed // CLOCK_S * CLOCK_S
            self._move(self._clock_s - CLOCK_LAG_S)
        return [self._batch(live, first, self._at)]

    def next_awake(self) -> datetime | None:
        """When the next row has lingered, or the next clock message is due."""
        start = self._pace.start_ns
        if self._slice < len(self._feed.history) or start is None:
            return datetime.now(UTC) + _IDLE
        due = min(self._row_due_s(), self._clock_due_s(), self._pace.end_s)
        return datetime.fromtimestamp(start * 1e-9 + due, UTC)

    def snapshot(self) -> int:
        """Rows given so far."""
        return self._at

    def _row_due_s(self) -> float:
        rows = self._feed.live.at_s
        return float(rows[self._at]) + self._pace.linger_s if self._at < len(rows) else np.inf

    def _clock_due_s(self) -> float:
        return self._clock_s + CLOCK_S

    def _next_slice(self) -> list[Batch]:
        if not self._pace.may_give(self._slice):
            return []
        end_s, rows = self._feed.history[self._slice]
        self._pace.given[self._slice] += 1
        self._slice += 1
        self._move(end_s)
        return [self._batch(rows, 0, len(rows.rows))]

    def _move(self, until_s: float) -> None:
        self._watermark = max(self._watermark, START_NS + int(until_s * 1e9))

    def _batch(self, rows: Rows, first: int, last: int) -> Batch:
        batch = Batch(self._part.index)
        part = rows.rows[first:last].copy()
        if last > first:
            part["source"] = self._part.index
            self._watermark = max(self._watermark, int(part["t_eff"][-1]))
        batch.watermark = self._watermark
        if self._part.topic is Topic.MARKET_DATA:
            batch.market = part
        elif last > first:
            self._add_events(batch, part, rows, first)
        return batch

    def _add_events(self, batch: Batch, part: np.ndarray, rows: Rows, first: int) -> None:
        n = len(part)
        part["pos"] = np.arange(self._ordinal, self._ordinal + n)
        self._ordinal += n
        start = self._pace.start_ns
        if start is not None:
            part["ts_ingest"] = start + (rows.at_s[first : first + n] * 1e9).astype(np.int64)
        batch.events = part
        fresh = rows.names[first : first + n]
        keys = {key for name in ("order", "symbol", "venue") for key in part[name].tolist() if key}
        batch.names = {key: self._names[key] for key in keys}
        batch.names.update(zip(part["exec"].tolist(), fresh, strict=True))
        batch.names.pop(0, None)
        if len(rows.details):
            batch.details = rows.details.copy()
            batch.details["source"] = self._part.index
            batch.details["pos"] = part["pos"]
            batch.names.update((key, self._names[key]) for key in _said(batch.details))


def _said(details: np.ndarray) -> set[int]:
    names = ("desk", "broker", "algo", "trader", "currency")
    return {key for name in names for key in np.unique(details[name]).tolist() if key}
