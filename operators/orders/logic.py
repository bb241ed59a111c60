"""The order stage as a Bytewax step: one logic for each group of root order ids."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
from bytewax.operators import KeyedStream, StatefulBatchLogic
from bytewax.operators import stateful_batch as _stateful_batch

from domain.columns import DETAIL, EVENT, HAS_DETAIL
from domain.events import Envelope
from domain.instants import END_OF_TIME, NO_TIME, SECOND
from domain.reasons import Reason
from domain.reference import REFERENCE, ReferenceRecord
from domain.reference_book import ReferenceBook
from domain.rows import (
    FILL,
    FILL_IN_KERNELS,
    ORDER,
    ORDER_IN_KERNELS,
    STATUS,
    STATUS_IN_KERNELS,
    Rows,
    Venues,
    chosen_venues,
    joined_venues,
)
from domain.vocabulary import EventKind
from operators.arrays import in_order, joined, used_keys
from operators.orders.curves import reference_table
from operators.orders.evict import close_gaps, stale_families
from operators.orders.fold import index_tables
from operators.orders.horizons import note_horizons
from operators.orders.layout import HORIZON_SUMS, HORIZONS_KEPT, blank_orders
from operators.orders.process import MOST_ROWS, WAIT, process
from operators.orders.records import (
    count_fills,
    list_fills,
    list_venues,
    write_records,
    write_statuses,
)
from operators.orders.sums import N_SUMS
from operators.orders.tables import (
    AGGS,
    KEPTS,
    MOST_VENUES,
    ORDERS,
    REFS,
    VENUES,
    new_tables,
    pack,
    reserve,
    trimmed,
    unpack,
)
from operators.orders.undo import Trial
from operators.pieces import HORIZON, STAMPED, OrderPiece

_EVENT_BYTES = EVENT.itemsize
_EVICT_EVERY_NS = 60 * SECOND
_EVICT_AT_LEAST_NS = 600 * SECOND
_EVICT_SHARE = 3
"""Orders are let go once they are a third of all, or ten minutes have passed."""
_MANY_NAMES = 64


@dataclass(frozen=True, slots=True)
class OrderSettings:
    """What the order stage needs to know; times in ns."""

    groups: int = 16
    mark_interval_ns: int = 5 * SECOND
    mark_row_interval_ns: int = 60 * SECOND
    evict_after_ns: int = 3600 * SECOND
    max_wait_ns: int = 5_000_000
    references: tuple[ReferenceRecord, ...] = ()
    """Records known before the run; more may come on the topic."""


class OrderLogic(StatefulBatchLogic[OrderPiece, Rows, Any]):
    """State of one order group."""

    def __init__(self, settings: OrderSettings, resume: tuple[Any, ...] | None) -> None:
        self.settings = settings
        self.book = ReferenceBook(settings.references)
        self.references = reference_table(np.empty(0, REFERENCE))
        self._references_from = self._references_until = NO_TIME
        self.watermarks: dict[int, tuple[int, int, int]] = {}
        self.tables = new_tables()
        self.names: dict[int, str] = {}
        self.pending = np.empty(0, STAMPED)
        self.horizons = np.empty(0, HORIZON)
        self.details = np.empty(0, DETAIL)
        self.shown: set[tuple[int, int]] = set()
        self._told = np.empty(0, STAMPED)
        """Events that were shown and are not decided yet: later ones are shown on top."""
        self.next_eviction = NO_TIME
        self.finished = False
        self._terms = np.zeros(N_SUMS)
        self._total = np.zeros(2)
        self._spare = blank_orders(1)
        self._republish = False
        self._horizon_sums = np.zeros((HORIZONS_KEPT, len(HORIZON_SUMS), 2))
        self._waiting_since: int | None = None
        self._evicted_before = NO_TIME // 2
        self._names_kept = 0
        if resume is not None:
            (self.watermarks, packed, self.names, pending, horizons, details,
             self.next_eviction, self.finished, book) = resume  # fmt: skip
            self.book = ReferenceBook.load(book)
            self.tables = unpack(packed)
            self.pending = np.frombuffer(pending, STAMPED).copy()
            self.horizons = np.frombuffer(horizons, HORIZON).copy()
            self.details = np.frombuffer(details, DETAIL).copy()

    def snapshot(self) -> tuple[Any, ...]:
        """Plain data and packed arrays."""
        return (
            dict(self.watermarks), pack(self.tables), dict(self.names),
            self.pending.tobytes(), self.horizons.tobytes(), self.details.tobytes(),
            self.next_eviction, self.finished, self.book.dump(),
        )  # fmt: skip

    def on_batch(self, values: list[OrderPiece]) -> tuple[Iterable[Rows], bool]:
        """Take what has arrived, fold what is decided, show what has waited."""
        fresh = [self.pending]
        horizons = [self.horizons]
        details = [self.details]
        provisional: list[np.ndarray] = []
        for piece in values:
            for group, event_watermark, watermark, end in piece.watermarks:
                self.watermarks[group] = (event_watermark, watermark, end)
            fresh.append(piece.events)
            horizons.append(piece.horizons)
            if len(piece.details):
                details.append(piece.details)
            if len(piece.provisional):
                provisional.append(piece.provisional)
            self.names.update(piece.names)
            self._take_references(piece.references)
        self.pending = in_order(joined(fresh, STAMPED))
        self.horizons = joined(horizons, HORIZON)
        if len(details) > 1:
            rows = joined(details, DETAIL)
            self.details = rows[np.lexsort((rows["pos"], rows["source"]))]
        out = self._advance()
        if self._republish:
            out = [*out, self._statuses()]
        if provisional:
            shown = self._show(joined(provisional, STAMPED))
            out = out if shown is None else [*out, shown]
        self._note_waiting()
        return out, False

    def on_notify(self) -> tuple[Iterable[Rows], bool]:
        """Show events that are stamped but wait for other inputs."""
        self._waiting_since = None
        waiting = self.pending[self.pending["kind"] < EventKind.MARK]
        shown = self._show(waiting)
        return ([] if shown is None else [shown]), False

    def notify_at(self) -> datetime | None:
        """`max_wait` after the first waiting event came in."""
        if self._waiting_since is None:
            return None
        due = self._waiting_since + self.settings.max_wait_ns
        return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=due // 1000)

    def on_eof(self) -> tuple[Iterable[Rows], bool]:
        """Nothing is written here: the end of the input travels as a watermark."""
        return [], False

    # Progress

    def _least(self) -> tuple[int, int, int]:
        if len(self.watermarks) < self.settings.groups:
            return NO_TIME, NO_TIME, END_OF_TIME
        events, everything, ends = zip(*self.watermarks.values(), strict=True)
        end = max(ends) if all(e == END_OF_TIME for e in everything) else END_OF_TIME
        return min(events), min(everything), end

    def _advance(self) -> list[Rows]:
        event_watermark, watermark, end = self._least()
        out: list[Rows] = []
        if len(self.pending) and int(self.pending["t_eff"][0]) < event_watermark:
            out.append(self._fold(event_watermark, watermark))
        if len(self.horizons) and watermark > NO_TIME:
            due = self.horizons["t_eff"] < watermark
            if due.any():
                note_horizons(self.tables, self.horizons[due])
                self.horizons = self.horizons[~due]
        if watermark == END_OF_TIME:
            if not self.finished and end < END_OF_TIME:
                self.finished = True
                slots = np.arange(int(self.tables.used[ORDERS]))
                out.append(self._records(slots, end))
        elif watermark > NO_TIME and watermark >= self.next_eviction:
            if self.next_eviction != NO_TIME:
                out.extend(self._evict(watermark - self.settings.evict_after_ns))
            self.next_eviction = watermark + _EVICT_EVERY_NS
        return out

    def _take_references(self, records: list[tuple[int, bytes]]) -> None:
        for known, raw in records:
            type_ = msgspec.json.decode(raw, type=Envelope).type
            if type_ == "reference":
                self.book.add_json(raw, known=known)
                self._references_until = NO_TIME
            elif type_ == "status_republish_requested":
                self._republish = True

    def _refresh_references(self, now: int) -> None:
        if not self._references_from <= now < self._references_until:
            self.references = reference_table(self.book.table(now))
            self._references_from = now
            self._references_until = self.book.next_change(now)

    def _fold(self, event_watermark: int, watermark: int) -> Rows:
        rows = self.pending
        ready = int(np.searchsorted(rows["t_eff"], event_watermark, side="left"))
        decided, rest = rows[:ready], rows[ready:]
        self.tables = reserve(self.tables, decided)
        later = np.zeros(ready, np.uint8)
        out = self._process(decided, later, event_watermark, watermark)
        self.pending = joined([decided[later == WAIT], rest], STAMPED)
        taken = np.flatnonzero((later == 0) & (decided["kind"] < EventKind.MARK))
        out.timeline = _events_of(decided, taken)
        out.watermark = watermark
        if self.shown or len(self.details):
            settled = decided[later != WAIT]
            self._forget_shown(settled)
            self._drop_details(settled)
        return out

    def _process(
        self, rows: np.ndarray, later: np.ndarray, event_watermark: int, watermark: int
    ) -> Rows:
        """Fold rows and give what they cause; `later` tells those that come again."""
        settings = self.settings
        status: list[np.ndarray] = []
        venues: list[Venues] = []
        fills: list[np.ndarray] = []
        restated: list[np.ndarray] = []
        holding = np.zeros(max(len(rows), 1), np.uint64)
        at = held = 0
        while at < len(rows):
            self._refresh_references(int(rows["t_eff"][at]))
            until = int(np.searchsorted(rows["t_eff"], self._references_until, side="left"))
            room = min(2 * (len(rows) - at) + 64, 65_536)
            room_for_venues = (room + MOST_ROWS) * (int(self.tables.used[MOST_VENUES]) + 2)
            out = np.empty(room, STATUS)
            traded = Venues(
                np.zeros(room + 1, np.int64), np.empty(room_for_venues, np.uint64),
                np.empty(room_for_venues),
            )  # fmt: skip
            executed = np.empty(until - at, FILL)
            again = np.empty(until - at, np.int64)
            at, count, n_fills, n_again, held = process(
                rows[:until], at, later, event_watermark, watermark, settings.mark_interval_ns,
                settings.mark_row_interval_ns, self.tables, self.details, self.references,
                self._terms, out.view(STATUS_IN_KERNELS), traded.start, traded.key, traded.qty,
                executed.view(FILL_IN_KERNELS), again, holding, held, self._spare,
            )  # fmt: skip
            if count:
                used = int(traded.start[count])
                status.append(out[:count])
                venues.append(
                    Venues(traded.start[: count + 1], traded.key[:used], traded.qty[:used])
                )
            fills.append(executed[:n_fills])
            restated.append(again[:n_again])
        slots = np.unique(np.concatenate(restated)) if restated else np.empty(0, np.int64)
        if len(slots):
            fills.append(self._fills_of(slots))
        found = Rows(status=joined(status, STATUS), executed=joined(fills, FILL), names=self.names)
        if venues:
            found.status_venues = venues[0] if len(venues) == 1 else joined_venues(venues)
        return found

    def _fills_of(self, slots: np.ndarray) -> np.ndarray:
        out = np.empty(count_fills(self.tables, slots), FILL)
        list_fills(self.tables, slots, out.view(FILL_IN_KERNELS), self._total)
        return out

    def _drop_details(self, folded: np.ndarray) -> None:
        told = folded[(folded["flags"] & HAS_DETAIL) != 0]
        if len(told):
            self.details = self.details[~np.isin(_place_of(self.details), _place_of(told))]

    # Provisional rows

    def _forget_shown(self, decided: np.ndarray) -> None:
        if self.shown and len(decided):
            self.shown.difference_update(_places(decided))
            still = [place in self.shown for place in _places(self._told)]
            self._told = self._told[np.array(still, bool)]

    def _show(self, events: np.ndarray) -> Rows | None:
        """Fold events on a copy of the state and give the rows, marked provisional."""
        fresh = [i for i, place in enumerate(_places(events)) if place not in self.shown]
        if not fresh:
            return None
        rows = events[fresh]
        self.shown.update(_places(rows))
        self._told = joined([self._told, rows], STAMPED)
        waiting = self.pending[self.pending["kind"] < EventKind.MARK]
        together = in_order(joined([waiting, self._told], STAMPED))
        together = together[np.isin(together["root"], rows["root"])]
        _, first = np.unique(together[["source", "pos"]], return_index=True)
        together = together[np.sort(first)]
        self.tables = reserve(self.tables, together)
        trial = Trial(self.tables, np.unique(together["root"]))
        later = np.zeros(len(together), np.uint8)
        out = self._process(together, later, END_OF_TIME, END_OF_TIME)
        trial.undo()
        out.executed = out.executed[:0]
        if not len(out.status):
            return None
        newest = _newest_of_each(out.status)
        out.status_venues = chosen_venues(out.status_venues, newest)
        out.status = out.status[newest]
        out.status["provisional"] = 1
        out.status["numbered"] = 0
        out.status["seq"] = -1
        return out

    def _note_waiting(self) -> None:
        waiting = self.pending["ts_ingest"][self.pending["kind"] < EventKind.MARK]
        if not len(waiting):
            self._waiting_since = None
            return
        places = zip(self.pending["source"].tolist(), self.pending["pos"].tolist(), strict=True)
        unseen = [
            ingest
            for place, ingest, kind in zip(
                places, self.pending["ts_ingest"].tolist(), self.pending["kind"].tolist(),
                strict=True,
            )
            if kind < EventKind.MARK and place not in self.shown and ingest > 0
        ]  # fmt: skip
        self._waiting_since = min(unseen, default=None)

    def _statuses(self) -> Rows:
        """The status of every order as it stands, for a store that lost what it had."""
        self._republish = False
        slots = np.arange(int(self.tables.used[ORDERS]))
        status = np.empty(len(slots), STATUS)
        write_statuses(self.tables, self.references, slots, status.view(STATUS_IN_KERNELS))
        return Rows(status=status, status_venues=self._venues_of(slots), names=self.names)

    # Order records and eviction

    def _records(self, slots: np.ndarray, now: int) -> Rows:
        self._refresh_references(now)
        orders = np.empty(len(slots), ORDER)
        fills = np.empty(count_fills(self.tables, slots), FILL)
        write_records(
            self.tables, self.references, slots, orders.view(ORDER_IN_KERNELS),
            fills.view(FILL_IN_KERNELS), self._horizon_sums, self._total,
            int(Reason.UNOBSERVED),
        )  # fmt: skip
        out = Rows(
            orders=orders,
            order_venues=self._venues_of(slots),
            fills=fills,
            watermark=self._least()[1],
        )
        out.names = self.names
        return out

    def _venues_of(self, slots: np.ndarray) -> Venues:
        room = 4 * len(slots) + 16
        while True:
            start = np.zeros(len(slots) + 1, np.int64)
            key = np.zeros(room, np.uint64)
            qty = np.zeros(room)
            count = list_venues(self.tables, slots, start, key, qty)
            if count >= 0:
                return Venues(start, key[:count], qty[:count])
            room *= 4

    def _evict(self, before: int) -> list[Rows]:
        tables = self.tables
        gone = np.zeros(int(tables.used[ORDERS]), np.uint8)
        leaving = stale_families(tables, before, gone)
        if _EVICT_SHARE * leaving < len(gone) and not self._overdue(before):
            return []
        self._evicted_before = before
        if not leaving:
            self._forget_names()
            return []
        out = self._records(np.flatnonzero(gone), before + self.settings.evict_after_ns)
        places = [
            np.full(int(tables.used[arena]), -1, np.int64)
            for arena in (ORDERS, KEPTS, AGGS, REFS, VENUES)
        ]
        close_gaps(tables, gone, blank_orders(1), *places)
        self.tables = trimmed(tables)
        index_tables(self.tables)
        self._forget_names()
        return [out]

    def _overdue(self, before: int) -> bool:
        return before - self._evicted_before >= _EVICT_AT_LEAST_NS

    def _forget_names(self) -> None:
        """Drop the names of what left; of many, once that could be a fifth."""
        if self._names_kept > _MANY_NAMES and 4 * len(self.names) < 5 * self._names_kept:
            return
        tables = self.tables
        live = used_keys(
            self.names,
            (
                (tables.orders[: int(tables.used[ORDERS])], _STATE_NAMES),
                (tables.kept[: int(tables.used[KEPTS])], _KEPT_NAMES),
                (self.pending, _EVENT_NAMES),
                (self.details, _DETAIL_NAMES),
            ),
        )
        self.names = {key: self.names[key] for key in live}
        self._names_kept = len(live)


_STATE_NAMES = (
    "order", "root", "parent", "symbol", "desk", "broker", "algo", "strategy", "trader",
    "client", "currency", "cl_ord",
)  # fmt: skip
_KEPT_NAMES = ("exec", "exec_ref", "venue")
_EVENT_NAMES = ("order", "root", "parent", "symbol", "venue", "exec", "exec_ref")
_DETAIL_NAMES = ("broker", "algo", "strategy", "trader", "desk", "client", "currency", "cl_ord")


def _events_of(rows: np.ndarray, at: np.ndarray) -> np.ndarray:
    """EVENT part of stamped rows, by index."""
    out = np.empty(len(at), EVENT)
    if len(at):
        raw = rows.view(np.uint8).reshape(len(rows), -1)
        out.view(np.uint8).reshape(len(at), -1)[:] = raw[at, :_EVENT_BYTES]
    return out


def _place_of(rows: np.ndarray) -> np.ndarray:
    """Input partition and position as one number."""
    return (rows["pos"] << 8) | rows["source"]


def _places(rows: np.ndarray) -> list[tuple[int, int]]:
    return list(zip(rows["source"].tolist(), rows["pos"].tolist(), strict=True))


def _newest_of_each(status: np.ndarray) -> np.ndarray:
    """Index of the last row of every order."""
    _, last = np.unique(status["order"][::-1], return_index=True)
    return np.sort(len(status) - 1 - last)


def track_orders(
    step_id: str, up: KeyedStream[OrderPiece], settings: OrderSettings
) -> KeyedStream[Rows]:
    """Fold stamped events into orders and give the rows they cause, keyed by order group."""

    def build(resume: tuple[Any, ...] | None) -> OrderLogic:
        return OrderLogic(settings, resume)

    return _stateful_batch(step_id, up, build)
