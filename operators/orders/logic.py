"""The order stage as a Bytewax step: one logic for each group of root order ids."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
from bytewax.operators import KeyedStream, StatefulBatchLogic
from bytewax.operators import stateful_batch as _stateful_batch

from domain.columns import DETAIL
from domain.events import REPUBLISH, Envelope
from domain.instants import END_OF_TIME, NO_TIME, SECOND
from domain.reference_book import ReferenceBook
from domain.rows import NO_FILLS, Rows, chosen_venues
from operators.arrays import joined
from operators.increments import StateStore
from operators.orders.group import OrderGroup, OrderSettings, events_of
from operators.orders.horizons import note_horizons
from operators.orders.shown import Shown, newest_of_each
from operators.orders.tables import ORDERS, arrays_of, pack, reserve, unpack
from operators.orders.undo import Trials
from operators.orders.waiting import Waiting
from operators.pieces import HORIZON, NO_HORIZONS, STAMPED, OrderPiece

_EVICT_EVERY_NS = 60 * SECOND
_pack_names = msgspec.msgpack.encode
_NAMES = msgspec.msgpack.Decoder(dict[int, str])


class OrderLogic(StatefulBatchLogic[OrderPiece, Rows, Any]):
    """Progress of one order group: what waits, what was shown, what is folded when."""

    def __init__(self, settings: OrderSettings, resume: tuple[Any, ...] | None) -> None:
        self.settings = settings
        self.group = OrderGroup(settings)
        self._store = StateStore(settings.increments)
        self._key = "orders"
        self._new_names: dict[int, str] = {}
        self._names_saved: dict[int, str] | None = None
        """The table of names that was saved, to which `_new_names` are added."""
        self.watermarks: dict[int, tuple[int, int, int]] = {}
        self.waiting = Waiting()
        self.horizons = NO_HORIZONS
        self._noted = NO_TIME
        """The watermark up to which later mids are noted: new ones lie behind it."""
        self.shown = Shown()
        self._trials = Trials()
        self.next_eviction = NO_TIME
        self.finished = False
        self._republish = False
        self._controls: list[tuple[int, bytes]] = []
        self._scopes: list[tuple[int, bytes]] = []
        """Control messages, and records of venues and cohorts, that go on with the next rows."""
        self._told = NO_TIME
        """How far whoever reads the rows knows this group to be; told again after a restart."""
        self._waiting_since: int | None = None
        if resume is not None:
            (self.watermarks, packed, self.group.names, pending, horizons, details,
             self.next_eviction, self.finished, book) = resume  # fmt: skip
            self.group.book = ReferenceBook.load(book)
            self._resume_tables(packed)
            self.group.details = np.frombuffer(details, DETAIL).copy()
            self.group.know_profiles(self.group.details["profile"])
            self.waiting = Waiting(np.frombuffer(pending, STAMPED).copy())
            self.horizons = np.frombuffer(horizons, HORIZON).copy()

    def _resume_tables(self, packed: tuple[Any, ...]) -> None:
        group = self.group
        arrays, added = self._store.load(packed[2])
        group.tables = unpack(packed, arrays)
        orders = group.tables.orders[: int(group.tables.used[ORDERS])]
        group.know_hours(orders["now_calendar"], orders["now_ts"])
        if added:
            group.names = {}
            for part in added["names"]:
                group.names.update(_NAMES.decode(part))
            self._names_saved = group.names
        group.know_profiles(orders["profile"])

    def snapshot(self) -> tuple[Any, ...]:
        """Plain data and packed arrays."""
        group = self.group
        if self._store.in_increments:
            kept, names = self._save_changes(), {}
        else:
            kept = self._store.save(self._key, arrays_of(group.tables))
            names = dict(group.names)
        return (
            dict(self.watermarks), pack(group.tables, kept), names,
            self.waiting.rows.tobytes(), self.horizons.tobytes(), group.details.tobytes(),
            self.next_eviction, self.finished, group.book.dump(),
        )  # fmt: skip

    def _save_changes(self) -> Any:
        group = self.group
        # Names that were let go are in a new table.
        fresh = group.names is not self._names_saved
        names = group.names if fresh else self._new_names
        added = {"names": _pack_names(names) if names else b""}
        kept = self._store.save(self._key, arrays_of(group.tables), added, fresh=fresh)
        self._names_saved, self._new_names = group.names, {}
        return kept

    def _learn_names(self, names: Mapping[int, str]) -> None:
        if self._store.in_increments:
            known = self.group.names
            self._new_names.update(item for item in names.items() if item[0] not in known)
        self.group.names.update(names)

    def on_batch(self, values: list[OrderPiece]) -> tuple[Iterable[Rows], bool]:
        """Take what has arrived, fold what is decided, show what has waited."""
        group = self.group
        for piece in values:
            self.watermarks.update(piece.watermarks)
            self._key = f"orders-{piece.group}"
            self._learn_names(piece.names)
            if piece.references:
                self._take_references(piece.references, hands_on=piece.group == 0)
            group.learn_halts(piece.halts)
            group.learn_indices(piece.indices)
            group.add_details(piece.details)
        events = joined((piece.events for piece in values), STAMPED)
        if len(events):
            self.waiting.add(events)
        self.horizons = joined((self.horizons, *(p.horizons for p in values)), HORIZON)
        provisional = joined((piece.provisional for piece in values), STAMPED)
        out = [*self._handed_on(), *self._advance(provisional)]
        if self._republish:
            self._republish = False
            out.append(group.statuses())
        if len(provisional):
            out.extend(self._show(provisional))
        waiting = self.waiting.events
        self._waiting_since = self.shown.waiting_since(waiting) if len(waiting) else None
        return out, False

    def on_notify(self) -> tuple[Iterable[Rows], bool]:
        """Show events that are stamped but wait for other inputs."""
        self._waiting_since = None
        return self._show(self.waiting.events), False

    def notify_at(self) -> datetime | None:
        """`max_wait` after the first waiting event came in."""
        if self._waiting_since is None:
            return None
        due = self._waiting_since + self.settings.max_wait_ns
        return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=due // 1000)

    def on_eof(self) -> tuple[Iterable[Rows], bool]:
        """Nothing is written here: the end of the input travels as a watermark."""
        return [], False

    def _least(self) -> tuple[int, int, int]:
        if len(self.watermarks) < self.settings.groups:
            return NO_TIME, NO_TIME, END_OF_TIME
        events, everything, ends = zip(*self.watermarks.values(), strict=True)
        least = min(everything)
        return min(events), least, max(ends) if least == END_OF_TIME else END_OF_TIME

    def _advance(self, arriving: np.ndarray) -> list[Rows]:
        """Fold what is decided and let go what is done with; `arriving` rows are shown next."""
        event_watermark, watermark, end = self._least()
        out: list[Rows] = []
        if len(self.waiting):
            decided, held = self.waiting.decided(event_watermark, watermark)
            if len(decided):
                out.append(self._fold(decided, held, event_watermark, watermark))
        if len(self.horizons) and watermark > self._noted:
            self._noted = watermark
            left = note_horizons(self.group.tables, self.horizons, watermark)
            self.horizons = self.horizons[:left]
        if watermark == END_OF_TIME:
            if not self.finished and end < END_OF_TIME:
                self.finished = True
                out.append(self.group.all_records())
        elif watermark > NO_TIME and watermark >= self.next_eviction:
            if self.next_eviction != NO_TIME:
                held = joined((self.waiting.rows, self.shown.rows, arriving), STAMPED)
                gone = self.group.evict(watermark - self.settings.evict_after_ns, held)
                out += [] if gone is None else [gone]
            self.next_eviction = watermark + _EVICT_EVERY_NS
        if self.settings.progress_ns:
            self._tell(out, watermark)
        for rows in out:
            rows.watermark, rows.end = watermark, end
        return out

    def _tell(self, out: list[Rows], watermark: int) -> None:
        """See to it that those who wait for this group hear of its progress."""
        step = self.settings.progress_ns
        if watermark > NO_TIME and watermark // step > self._told // step:
            if not out:
                out.append(Rows())
            self._told = watermark

    def _handed_on(self) -> list[Rows]:
        """What the rules must know before the watermark is past it."""
        if not (self._controls or self._scopes):
            return []
        rows = Rows(watermark=self._told, controls=self._controls, references=self._scopes)
        self._controls, self._scopes = [], []
        return [rows]

    def _take_references(self, records: list[tuple[int, bytes]], *, hands_on: bool) -> None:
        for known, raw in records:
            type_ = msgspec.json.decode(raw, type=Envelope).type
            if type_ == "reference":
                record = self.group.take_reference(raw, known)
                if hands_on and self.settings.progress_ns and record.scope is not None:
                    self._scopes.append((known, raw))
                continue
            self._republish |= type_ == REPUBLISH
            if self.settings.progress_ns:
                self._controls.append((known, raw))

    def _fold(
        self, decided: np.ndarray, held: np.ndarray, event_watermark: int, watermark: int
    ) -> Rows:
        group = self.group
        group.tables = reserve(group.tables, decided)
        later = np.zeros(len(decided), np.uint8)
        out = group.fold(decided, later, event_watermark, watermark, held)
        settled = self.waiting.settle(decided, later)
        out.timeline = events_of(decided, later)
        if len(self.shown) or len(group.details):
            self.shown.forget(settled)
            group.drop_details(settled)
        return out

    def _show(self, events: np.ndarray) -> list[Rows]:
        """Fold events on a copy of the state and give the rows, marked provisional."""
        rows = self.shown.unseen(events)
        if not len(rows):
            return []
        self.shown.add(rows)
        roots = np.unique(rows["root"])
        together = self.shown.together(self.waiting.events, roots)
        self.group.tables = tables = reserve(self.group.tables, together)
        self._trials.begin(tables, roots)
        out = self.group.fold(together, np.zeros(len(together), np.uint8), END_OF_TIME, END_OF_TIME)
        self._trials.undo(tables)
        if not len(out.status):
            return []
        newest = newest_of_each(out.status)
        if len(newest) < len(out.status):
            out.status_venues = chosen_venues(out.status_venues, newest)
            out.status = out.status.take(newest)
        out.executed = NO_FILLS
        out.status["provisional"] = 1
        out.status["numbered"] = 0
        out.status["seq"] = -1
        return [out]


def track_orders(
    step_id: str, up: KeyedStream[OrderPiece], settings: OrderSettings
) -> KeyedStream[Rows]:
    """Fold stamped events into orders and give the rows they cause, keyed by order group."""

    def build(resume: tuple[Any, ...] | None) -> OrderLogic:
        return OrderLogic(settings, resume)

    return _stateful_batch(step_id, up, build)
