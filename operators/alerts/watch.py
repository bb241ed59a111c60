"""The rules' step for orders: one logic for each group of root order ids.

It reads the rows of the order stage and tells, as crossings, when a condition of an order begins
to hold, changes its severity or ends.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from bytewax.operators import KeyedStream, StatefulBatchLogic
from bytewax.operators import stateful_batch as _stateful_batch

from domain.alerts import Crossing
from domain.errors import other_version
from domain.flags import Flag, Flags
from domain.instants import END_OF_TIME, NO_TIME
from domain.published import Severity
from domain.rows import STATUS_IN_KERNELS, Rows
from domain.thresholds import Configured
from operators.alerts.flagged import Flagged
from operators.alerts.judge import DONE, FULL, KEPT, NEW_ORDER, judge, watch_new
from operators.alerts.kept import evaluations_of
from operators.alerts.limits import LimitBook
from operators.alerts.parcels import Parcel
from operators.alerts.routed import RoutedQty
from operators.alerts.told import Silent, is_about_a_feed
from operators.lookup import find, new_table, put
from rules.crossings import order_crossings
from rules.judgement import VERDICT, WATCHED

VERSION = 2
_MOST_VERDICTS = 1024
_NO_SOURCE = -1
"""Which group a parcel is from is known by its key."""


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """What the rules' step needs to know."""

    groups: int = 16
    market_partitions: int = 4
    """Of topic `market-data`: names the feed of a symbol."""
    configured: tuple[Configured, ...] = ()
    config_version: str = ""
    keeps_evaluations: bool = False
    """Hand on the evaluations that could matter to another threshold."""
    flags: Flags = field(default_factory=dict[Flag, Severity])
    """Which signs in an order's events are alerts, of what severity."""


class WatchLogic(StatefulBatchLogic[Rows, Parcel, Any]):
    """The open orders of one group, and which conditions hold for them."""

    def __init__(self, settings: WatchSettings, resume: tuple[Any, ...] | None) -> None:
        self.limits = LimitBook(settings.configured, settings.config_version)
        self.routed = RoutedQty()
        self.silent = Silent(settings.groups, settings.market_partitions)
        self.flagged = Flagged(settings.flags, settings.config_version)
        self._table = new_table(64)
        self._watched = _unused(64)
        self._free = np.arange(63, -1, -1)
        self._freed = 64
        self._verdicts = np.zeros(_MOST_VERDICTS, VERDICT)
        self._kept = np.zeros(64, KEPT)
        self._keeps = settings.keeps_evaluations
        self._watermark = NO_TIME
        self._end = END_OF_TIME
        self._venues: dict[int, str] = {}
        """Names of the venues that orders were routed to."""
        if resume is not None:
            self._resume(resume)

    def snapshot(self) -> tuple[Any, ...]:
        """Plain data: the watched orders as bytes, what was asked, what was routed."""
        kept = self._watched[self._watched["limits"] >= 0]
        return (
            VERSION, kept.tobytes(), self.limits.dump(), self.routed.dump(), self.silent.dump(),
            dict(self._venues), self._watermark,
            self._end, self.flagged.dump(),
        )  # fmt: skip

    def _resume(self, resume: tuple[Any, ...]) -> None:
        version = resume[0]
        if version != VERSION:
            raise other_version("the rules' snapshot", version, VERSION)
        (
            _, kept, asked, routed, silent, self._venues, self._watermark, self._end, flagged
        ) = resume  # fmt: skip
        self.flagged.load(flagged)
        rows = np.frombuffer(kept, WATCHED)
        self._make_room(len(rows))
        for row in rows:
            self._freed -= 1
            at = int(self._free[self._freed])
            self._watched[at] = row
            # Rows of limits are numbered anew, so each order's are chosen again.
            self._watched[at]["next_at"] = NO_TIME
            put(self._table, row["order"], at)
        self.limits.load(asked)
        self.routed.load(routed)
        self.silent.load(silent)

    def on_batch(self, values: list[Rows]) -> tuple[Iterable[Parcel], bool]:
        """Judge what came, and say how far this group is."""
        crossings: list[Crossing] = []
        controls: list[tuple[int, bytes]] = []
        kept: list[Rows] = []
        for rows in values:
            for known, raw in rows.controls:
                self._take(known, raw)
            controls += rows.controls
            self._venues.update(self.routed.take(rows, self._watermark))
            # Records of orders that leave say nothing new.
            if len(rows.status) and not len(rows.orders):
                crossings += self._judge(rows, kept)
                crossings += self.flagged.take(rows)
            self._watermark = max(self._watermark, rows.watermark)
            self._end = min(self._end, rows.end)
        crossings += self.flagged.pass_time(min(self._watermark, self._end))
        parcel = Parcel(_NO_SOURCE, self._watermark, crossings, controls, self._end, kept)
        return [parcel], False

    def on_notify(self) -> tuple[Iterable[Parcel], bool]:
        """Nothing here waits for the wall clock."""
        return [], False

    def notify_at(self) -> datetime | None:
        """Never."""
        return None

    def on_eof(self) -> tuple[Iterable[Parcel], bool]:
        """The end of the input travels as a watermark."""
        return [], False

    def _take(self, known: int, raw: bytes) -> None:
        order = self.limits.take(raw, known)
        at = int(find(self._table, np.uint64(order))) if order else -1
        if at >= 0:
            # The next row of the order asks for its limits, whichever change comes first.
            self._watched[at]["next_at"] = NO_TIME

    def _judge(self, rows: Rows, kept: list[Rows]) -> list[Crossing]:
        seen = rows.status.view(STATUS_IN_KERNELS)
        out: list[Crossing] = []
        begin, why = 0, FULL
        while why != DONE:
            if len(self._free) < self._freed + len(seen) - begin:
                self._free = np.concatenate([self._free, np.zeros(len(seen) - begin, np.int64)])
            if len(self._kept) < len(seen) - begin:
                self._kept = np.zeros(2 * (len(seen) - begin), KEPT)
            freed = self._freed
            begin, count, keeps, self._freed, why = judge(
                seen, begin, self._table, self._watched, self.limits.table, self.limits.wide,
                self._free, freed, self._verdicts, self._kept,
            )  # fmt: skip
            if keeps and self._keeps:
                kept.append(evaluations_of(rows, self._kept[:keeps], self.limits.in_force))
            for verdict in self._verdicts[:count]:
                out += self._tell(verdict, rows)
            self._forget(self._free[freed : self._freed])
            if why == NEW_ORDER:
                self._watch(seen, begin)
            elif why not in {DONE, FULL}:
                self._choose_limits(rows, begin)
        return out

    def _tell(self, verdict: np.void, rows: Rows) -> list[Crossing]:
        row = rows.status[int(verdict["row"])]
        if is_about_a_feed(verdict):
            return self.silent.take(verdict, row, rows.names)
        venue = self._venues.get(self.routed.main_venue(int(row["root"]), int(row["known"])), "")
        version = self.limits.versions[int(verdict["limits"])]
        return order_crossings(verdict, row, rows.names, venue, version)

    def _forget(self, freed: np.ndarray) -> None:
        for order in self._watched["order"][freed].tolist():
            self.limits.forget(order)
            self.routed.forget(order)

    def _watch(self, seen: np.ndarray, begin: int) -> None:
        """Watch the new orders among the rows left."""
        self._make_room(len(seen) - begin)
        plain = self.limits.is_plain
        self._freed = watch_new(
            seen, begin, self._table, self._watched, self._free, self._freed,
            END_OF_TIME if plain else NO_TIME,
        )  # fmt: skip

    def _choose_limits(self, rows: Rows, at: int) -> None:
        row = rows.status[at]
        state = self._watched[int(find(self._table, row["order"]))]
        names = rows.names
        state["limits"], state["next_at"] = self.limits.choose(
            int(row["order"]),
            int(row["known"]),
            names.get(int(row["desk"]), ""),
            int(row["asset_class"]),
            names.get(int(row["symbol"]), ""),
        )

    def _make_room(self, more: int) -> None:
        used = len(self._watched) - self._freed
        size = len(self._watched)
        while size < used + more:
            size *= 2
        if size > len(self._watched):
            fresh = np.arange(size - 1, len(self._watched) - 1, -1)
            self._free = np.concatenate([self._free[: self._freed], fresh])
            self._freed += len(fresh)
            self._watched = np.concatenate([self._watched, _unused(size - len(self._watched))])
            self._table = new_table(size)
            for at in np.flatnonzero(self._watched["limits"] >= 0).tolist():
                put(self._table, self._watched[at]["order"], at)


def _unused(count: int) -> np.ndarray:
    rows = np.zeros(count, WATCHED)
    rows["limits"] = -1
    return rows


def watch_orders(
    step_id: str, up: KeyedStream[Rows], settings: WatchSettings
) -> KeyedStream[Parcel]:
    """Rows of the order groups to what the rules say of their orders, with the same keys."""

    def build(resume: tuple[Any, ...] | None) -> WatchLogic:
        return WatchLogic(settings, resume)

    return _stateful_batch(step_id, up, build)
