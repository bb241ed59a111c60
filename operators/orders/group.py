"""One group of orders: its tables, what they are called, and the rows they give."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from domain.columns import DETAIL, DETAIL_NAMES, EVENT, HAS_DETAIL
from domain.instants import NO_TIME, SECOND
from domain.profiles import profile_rows
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
    MarketFlag,
    Rows,
    Venues,
    joined_venues,
)
from operators.arrays import joined, used_keys
from operators.increments import OpenIncrements
from operators.orders.curves import reference_table
from operators.orders.evict import close_gaps, stale_families
from operators.orders.fold import index_tables
from operators.orders.hours import TradingHours, recent_halts, with_halts
from operators.orders.indices import recent_mids, with_mids
from operators.orders.layout import HORIZON_SUMS, HORIZONS_KEPT, blank_orders
from operators.orders.numbering import write_unshown
from operators.orders.process import MOST_ROWS, list_taken, process
from operators.orders.records import (
    count_fills,
    list_venues,
    write_records,
    write_statuses,
)
from operators.orders.shown import place_of
from operators.orders.sums import N_SUMS
from operators.orders.tables import (
    AGGS,
    KEPTS,
    MOST_VENUES,
    ORDERS,
    REFS,
    VENUES,
    new_tables,
    trimmed,
)
from operators.pieces import STAMPED

_MOST_ROWS_AT_ONCE = 65_536
_EVICT_AT_LEAST_NS = 600 * SECOND
_EVICT_SHARE = 3
"""Orders are let go once they are a third of all, or ten minutes have passed."""
_MANY_NAMES = 64
_NOBODY = np.empty(0, np.uint64)
_ORDER_NAMES = (
    "order", "root", "parent", "symbol", "desk", "broker", "algo", "strategy", "trader",
    "client", "currency", "cl_ord", "profile",
)  # fmt: skip
_KEPT_NAMES = ("exec", "exec_ref", "venue")
_EVENT_NAMES = ("order", "root", "parent", "symbol", "venue", "exec", "exec_ref")
_EVENT_OF_STAMPED = np.dtype(
    {"names": ["event"], "formats": [(np.void, EVENT.itemsize)], "itemsize": STAMPED.itemsize}
)


@dataclass(frozen=True, slots=True)
class OrderSettings:
    """What the order stage needs to know; times in ns."""

    groups: int = 16
    mark_interval_ns: int = 5 * SECOND
    mark_row_interval_ns: int = 60 * SECOND
    evict_after_ns: int = 3600 * SECOND
    max_wait_ns: int = 5_000_000
    progress_ns: int = 0
    """Step of event time at which rows, or none, tell how far the group is; 0: never."""
    references: tuple[ReferenceRecord, ...] = ()
    """Records known before the run; more may come on the topic."""
    increments: OpenIncrements | None = None
    """Where the arrays are kept from snapshot to snapshot; in the snapshots themselves if None."""


class OrderGroup:
    """The orders of a group as tables that kernels fold events into."""

    def __init__(self, settings: OrderSettings) -> None:
        self.settings = settings
        self.tables = new_tables()
        self.names: dict[int, str] = {}
        self.details = np.empty(0, DETAIL)
        """Of events that are not folded yet, by input and position."""
        self.book = ReferenceBook(settings.references)
        self._hours = TradingHours()
        self._references = reference_table(np.empty(0, REFERENCE))
        self._references_from = self._references_until = NO_TIME
        self._evicted_before = NO_TIME // 2
        self._names_kept = 0
        self._terms = np.zeros(N_SUMS)
        self._total = np.zeros(2)
        self._spare = blank_orders(1)
        self._horizon_sums = np.zeros((HORIZONS_KEPT, len(HORIZON_SUMS), 2))

    # What is known beside the events

    def take_reference(self, raw: bytes, known: int) -> ReferenceRecord:
        """Take a reference record. Raises Refused."""
        self._references_until = NO_TIME
        return self.book.add_json(raw, known=known)

    def add_details(self, rows: np.ndarray) -> None:
        """Keep details until their events are folded."""
        self.know_profiles(rows["profile"])
        if rows.shape[0]:
            rows = joined([self.details, rows], DETAIL)
            self.details = rows[np.lexsort((rows["pos"], rows["source"]))]

    def know_profiles(self, keys: np.ndarray) -> None:
        """Know of the schedules that these keys name, among all names."""
        known = self.tables.profiles["key"]
        # Nearly always none has one, and looking them up takes longer than seeing that.
        if keys.any() and np.isin(keys, known, invert=True)[keys != 0].any():
            found = {*known.tolist(), *keys.tolist()} - {0}
            self.tables = self.tables._replace(profiles=profile_rows(found, self.names))

    def drop_details(self, folded: np.ndarray) -> None:
        """Let go the details of events that were folded."""
        told = folded[(folded["flags"] & HAS_DETAIL) != 0]
        if len(told) and len(self.details):
            self.details = self.details[~np.isin(place_of(self.details), place_of(told))]

    def learn_halts(self, news: np.ndarray) -> None:
        """Know of halts, and of their ends."""
        if len(news):
            self.tables = self.tables._replace(halts=with_halts(self.tables.halts, news))

    def learn_indices(self, news: np.ndarray) -> None:
        """Know of further mids of indices."""
        if len(news):
            self.tables = self.tables._replace(indices=with_mids(self.tables.indices, news))

    def know_hours(self, codes: np.ndarray, times: np.ndarray) -> None:
        """Have the trading hours of calendars at hand around these times."""
        if self._hours.cover(codes, times):
            self.tables = self.tables._replace(
                hours=self._hours.hours, calendars=self._hours.calendars
            )

    def _refresh_references(self, now: int) -> None:
        if not self._references_from <= now < self._references_until:
            self._references = reference_table(self.book.table(now))
            self._references_from = now
            self._references_until = self.book.next_change(now)

    # Folding

    def fold(
        self,
        rows: np.ndarray,
        later: np.ndarray,
        event_watermark: int,
        watermark: int,
        waiting: np.ndarray = _NOBODY,
    ) -> Rows:
        """Fold rows, for which there is room, and give what they cause.

        `later` tells those that come again, as all of the families whose roots are `waiting` do.
        """
        status: list[np.ndarray] = []
        venues: list[Venues] = []
        fills: list[np.ndarray] = []
        settings = self.settings
        self.know_hours(rows["calendar"], rows["ts_event"])
        held = len(waiting)
        holding = np.empty(len(rows) + held + 1, np.uint64)
        holding[:held] = waiting
        at = 0
        while at < len(rows):
            self._refresh_references(int(rows["t_eff"][at]))
            until = int(rows["t_eff"].searchsorted(self._references_until))
            room = min(2 * (len(rows) - at) + 64, _MOST_ROWS_AT_ONCE)
            out = np.empty(room, STATUS)
            traded = self._room_for_venues(room)
            executed = np.empty(until - at, FILL)
            at, count, n_fills, held = process(
                rows[:until], at, later, event_watermark, watermark, settings.mark_interval_ns,
                settings.mark_row_interval_ns, self.tables, self.details, self._references,
                self._terms, out.view(STATUS_IN_KERNELS), traded.start, traded.key, traded.qty,
                executed.view(FILL_IN_KERNELS), self._total, holding, held, self._spare,
            )  # fmt: skip
            if count:
                used = int(traded.start[count])
                status.append(out[:count])
                venues.append(
                    Venues(traded.start[: count + 1], traded.key[:used], traded.qty[:used])
                )
            fills.append(executed[:n_fills])
        found = Rows(status=joined(status, STATUS), executed=joined(fills, FILL), names=self.names)
        if venues:
            found.status_venues = venues[0] if len(venues) == 1 else joined_venues(venues)
        return found

    def _room_for_venues(self, rows: int) -> Venues:
        room = (rows + MOST_ROWS) * (int(self.tables.used[MOST_VENUES]) + 2)
        return Venues(np.zeros(rows + 1, np.int64), np.empty(room, np.uint64), np.empty(room))

    # Rows of orders as they stand

    def statuses(self) -> Rows:
        """The status of every order for those who show it, with no new number."""
        slots = self._in_order(np.arange(int(self.tables.used[ORDERS])))
        status = np.empty(len(slots), STATUS)
        for part in self._by_references(slots):
            out = status[part].view(STATUS_IN_KERNELS)
            write_statuses(self.tables, self._references, slots[part], out)
        status["market_flags"] |= MarketFlag.SHOWS_ONLY
        return Rows(status=status, status_venues=self._venues_of(slots), names=self.names)

    def records(self, slots: np.ndarray) -> Rows:
        """The whole records of some orders and their executions.

        An order that changed since its last numbered row gets one more, so that its record
        says nothing that its statuses did not.
        """
        slots = self._in_order(slots)
        status = self._unshown(slots)
        orders = np.empty(len(slots), ORDER)
        fills = np.empty(count_fills(self.tables, slots), FILL)
        written = 0
        for part in self._by_references(slots):
            written += write_records(
                self.tables, self._references, slots[part], orders[part].view(ORDER_IN_KERNELS),
                fills[written:].view(FILL_IN_KERNELS), self._horizon_sums, self._total,
                int(Reason.UNOBSERVED),
            )  # fmt: skip
        return Rows(
            status=status.status, status_venues=status.status_venues, orders=orders,
            order_venues=self._venues_of(slots), fills=fills, names=self.names,
        )  # fmt: skip

    def _unshown(self, slots: np.ndarray) -> Rows:
        slots = slots[self.tables.orders["unshown"][slots] != 0]
        status = np.empty(len(slots), STATUS)
        for part in self._by_references(slots):
            out = status[part].view(STATUS_IN_KERNELS)
            write_unshown(self.tables, self._references, slots[part], out)
        return Rows(status=status, status_venues=self._venues_of(slots))

    def _in_order(self, slots: np.ndarray) -> np.ndarray:
        """Orders by when their newest row was known, so that few parts share references."""
        return slots[np.argsort(self.tables.orders["now_known"][slots], kind="stable")]

    def _by_references(self, slots: np.ndarray) -> Iterator[slice]:
        """The parts of orders whose newest rows met the same reference numbers.

        The numbers are those of this group while the part is in hand.
        """
        known = self.tables.orders["now_known"][slots]
        begin = 0
        while begin < len(slots):
            self._refresh_references(int(known[begin]))
            end = int(np.searchsorted(known, self._references_until, side="left"))
            yield slice(begin, end)
            begin = end

    def all_records(self) -> Rows:
        """The records of every order."""
        return self.records(np.arange(int(self.tables.used[ORDERS])))

    def _venues_of(self, slots: np.ndarray) -> Venues:
        room = 4 * len(slots) + 16
        while True:
            start = np.zeros(len(slots) + 1, np.int64)
            key, qty = np.zeros(room, np.uint64), np.zeros(room)
            count = list_venues(self.tables, slots, start, key, qty)
            if count >= 0:
                return Venues(start, key[:count], qty[:count])
            room *= 4

    # Eviction

    def evict(self, before: int, held: np.ndarray) -> Rows | None:
        """Let families go that ended before an instant, and give their records.

        Waits until it is worth it. `held` are events that wait: their names stay.
        """
        gone = np.zeros(int(self.tables.used[ORDERS]), np.uint8)
        leaving = stale_families(self.tables, before, gone)
        overdue = before - self._evicted_before >= _EVICT_AT_LEAST_NS
        if _EVICT_SHARE * leaving < len(gone) and not overdue:
            return None
        self._evicted_before = before
        self.tables = self.tables._replace(
            halts=recent_halts(self.tables.halts, before),
            indices=recent_mids(self.tables.indices, self._first_arrival(before)),
        )
        out: Rows | None = None
        if leaving:
            out = self.records(np.flatnonzero(gone))
            self._close_gaps(gone)
        self._forget_names(held)
        return out

    def _first_arrival(self, before: int) -> int:
        """The earliest arrival of an order in memory, at most `before`."""
        orders = self.tables.orders[: int(self.tables.used[ORDERS])]
        known = orders["arrival_ts"][orders["accepted"] != 0]
        return min(before, int(known.min())) if len(known) else before

    def _close_gaps(self, gone: np.ndarray) -> None:
        places = [
            np.full(int(self.tables.used[arena]), -1, np.int64)
            for arena in (ORDERS, KEPTS, AGGS, REFS, VENUES)
        ]
        close_gaps(self.tables, gone, blank_orders(1), *places)
        self.tables = trimmed(self.tables)
        index_tables(self.tables)

    def _forget_names(self, held: np.ndarray) -> None:
        """Drop the names of what left; of many, once that could be a fifth."""
        if self._names_kept > _MANY_NAMES and 4 * len(self.names) < 5 * self._names_kept:
            return
        tables = self.tables
        arrays: tuple[tuple[Any, tuple[str, ...]], ...] = (
            (tables.orders[: int(tables.used[ORDERS])], _ORDER_NAMES),
            (tables.kept[: int(tables.used[KEPTS])], _KEPT_NAMES),
            (held, _EVENT_NAMES),
            (self.details, DETAIL_NAMES),
        )
        live = used_keys(self.names, arrays)
        self.names = {key: self.names[key] for key in live}
        self._names_kept = len(live)
        profiles = self.tables.profiles
        stay = [key in self.names for key in profiles["key"].tolist()]
        self.tables = self.tables._replace(profiles=profiles[stay])


def events_of(rows: np.ndarray, later: np.ndarray) -> np.ndarray:
    """The events, without their stamps, of the rows that were taken: no marks, no repeats."""
    taken = np.empty(len(rows), np.int64)
    count = list_taken(rows, later, taken)
    out = np.empty(count, EVENT)
    if count:
        raw = rows.view(_EVENT_OF_STAMPED)["event"]
        raw.take(taken[:count], out=out.view(raw.dtype), mode="clip")
    return out
