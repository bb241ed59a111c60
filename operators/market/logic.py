"""The market stage as a Bytewax step: one logic for each symbol group.

Market rows are folded when they come. An order event waits until its symbol's market is
past it, is stamped as of its own time, and goes out final. Where that takes longer than
`max_wait` a copy stamped with the newest quote goes out as provisional. Marks, later mids
and own prints follow when every input is past them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
from bytewax.operators import KeyedStream, StatefulBatchLogic
from bytewax.operators import stateful_batch as _stateful_batch

from domain.batch import NO_EVENTS, Batch, Input
from domain.columns import DETAIL, EVENT, MARKET
from domain.instants import END_OF_TIME, NO_TIME, SECOND
from domain.keys import key_of
from domain.vocabulary import AssetClass, MarketKind
from operators.arrays import joined
from operators.feed import Feed
from operators.increments import OpenIncrements, StateStore
from operators.lookup import find
from operators.market import release, tape
from operators.market.bars import Bars
from operators.market.indices import Indices
from operators.market.live import LiveOrders
from operators.market.progress import Progress
from operators.market.sessions import Sessions
from operators.market.state import LATER_HORIZONS, MarketState
from operators.pieces import HALT, HORIZON, NO_STAMPED, STAMPED, Arrivals, Stamped

_EVENT_BYTES = EVENT.itemsize
_LONG_AGO = NO_TIME // 2
_MARKS_AT_ONCE = 64
_QUOTE_AGE_NS = 900 * SECOND
_STOPS = np.uint8(MarketKind.HALTED | MarketKind.RESUMED)


@dataclass(frozen=True, slots=True)
class MarketSettings:
    """What the market stage needs to know; times in ns."""

    inputs: tuple[Input, ...]
    groups: int = 16
    mark_interval_ns: int = 5 * SECOND
    allowed_lateness_ns: int = 5 * SECOND
    max_wait_ns: int = 5_000_000
    forget_idle_ns: int = 3600 * SECOND
    default_calendar: str | None = None
    calendars: Mapping[str, str] | None = None
    """Calendar of each symbol."""
    indices: tuple[str, ...] = ()
    """Symbols known to be the index of others; reference records may name more."""
    horizons: tuple[tuple[int, int], ...] = LATER_HORIZONS
    watches_feed: bool = True
    """Whether silence of the market input is a fault of its feed; in a whole file it is not."""
    quote_age_limits_ns: Mapping[AssetClass, int] = field(
        default_factory=lambda: {AssetClass.FX: 60 * SECOND}
    )
    """Age from which a quote is stale; a quarter of an hour where a class is not among them."""
    bars: bool = False
    """Whether to cut bars of a second of the symbols that are traded."""
    increments: OpenIncrements | None = None
    """Where the arrays are kept from snapshot to snapshot; in the snapshots themselves if None."""


class _Told(msgspec.Struct):
    """What a reference record says that this stage needs."""

    symbol: str | None = None
    calendar: str | None = None
    index_symbol: str | None = None
    asset_class: str | None = None


class MarketLogic(StatefulBatchLogic[Arrivals, Stamped, Any]):
    """State of one symbol group."""

    def __init__(self, settings: MarketSettings, resume: tuple[Any, ...] | None) -> None:
        self.settings = settings
        self.group = -1
        self._store = StateStore(settings.increments)
        self.state = MarketState(settings.horizons, keep_prices=settings.bars)
        self.sessions = Sessions(settings.calendars or {}, settings.default_calendar)
        self.progress = Progress(settings.inputs, self.group)
        self._released = _LONG_AGO
        """Event watermark of the last release: ticks from then on are still asked for."""
        self.names: list[tuple[int, int, dict[int, str]]] = []
        """(input, its last event's position, names) of each batch with events that are held."""
        self._knows_calendars = False
        """Whether every reference input has spoken: its stored records come first."""
        self._early: list[Batch] = []
        """Market rows that came before any word from the reference inputs."""
        self.live = LiveOrders(settings.mark_interval_ns)
        self.bars = Bars(settings.forget_idle_ns)
        self.feed = Feed(watched=settings.watches_feed)
        self.indices = Indices(settings.indices)
        self._classes: dict[int, AssetClass] = {}
        """Asset class of each symbol whose reference record says it."""
        self._waiting_since: int | None = None
        self._shown: dict[int, int] = {}
        self._marks = np.zeros(_MARKS_AT_ONCE, STAMPED)
        """Room for marks; the fields that no mark has stay zero."""
        if resume is not None:
            (self.group, watermarks, ends, packed, self.sessions.calendar_of, early,
             self.names, marked, bars, feed, classes, indices) = resume  # fmt: skip
            self.indices = Indices(settings.indices, indices)
            self.feed = Feed(watched=settings.watches_feed, kept=feed)
            self._classes = {key: AssetClass(number) for key, number in classes.items()}
            self.progress = Progress(settings.inputs, self.group, watermarks, ends)
            self.live = LiveOrders(settings.mark_interval_ns, marked)
            self.bars = Bars(settings.forget_idle_ns, bars)
            self.state.unpack(packed, self._store)
            self._early = [
                Batch(source, np.frombuffer(rows, MARKET), watermark=watermark, ended=ended)
                for source, rows, watermark, ended in early
            ]
            self._released = max(self.progress.event_watermark, _LONG_AGO)
            for instant in (*watermarks.values(), *ends.values()):
                self._cover(instant)

    def snapshot(self) -> tuple[Any, ...]:
        """Plain data: the group, the watermarks and the packed arrays."""
        early = [(b.source, b.market.tobytes(), b.watermark, b.ended) for b in self._early]
        return (
            self.group, dict(self.progress.watermarks), dict(self.progress.ends),
            self.state.pack(self._store, f"market-{self.group}"),
            dict(self.sessions.calendar_of), early, list(self.names), dict(self.live.marked),
            self.bars.snapshot(), self.feed.dump(),
            {key: int(kind) for key, kind in self._classes.items()}, dict(self.indices.told),
        )  # fmt: skip

    def _note_progress(self, source: int, watermark: int, ended: bool) -> None:
        if self.progress.note(source, watermark, ended):
            self._cover(watermark)

    # Bytewax

    def on_batch(self, values: list[Arrivals]) -> tuple[Iterable[Stamped], bool]:
        """Fold what has arrived and release what is decided by it."""
        if self.group < 0:
            self.group = values[0].group
            self.progress = Progress(self.settings.inputs, self.group)
        out = Stamped(self.group)
        for arrived in values:
            for source, news in arrived.spoken:
                if source in self.progress.market:
                    self.feed.take(news)
            if not self._knows_calendars:
                self._take_early(arrived, out)
                continue
            for batch in arrived.batches:
                self._take(batch, out)
            for source, watermark, ended in arrived.progress:
                self._note_progress(source, watermark, ended)
        self._release(out)
        return [out], False

    def _take_early(self, arrived: Arrivals, out: Stamped) -> None:
        """Hold market rows, and how far the market is, until the calendars are known."""
        silent = [Batch(i, watermark=w, ended=ended) for i, w, ended in arrived.progress]
        for batch in (*arrived.batches, *silent):
            if self._knows_calendars or batch.source not in self.progress.market:
                self._take(batch, out)
            else:
                self._early.append(batch)
            self._knows_calendars = self.progress.has_reference
            if self._early and self._knows_calendars:
                for early in self._early:
                    self._take(early, out)
                self._early = []

    def _take(self, batch: Batch, out: Stamped) -> None:
        if batch.references:
            records = batch.records_since(self.progress.of(batch.source))
            self._learn_calendars(batch.references)
            for known, raw in records:
                self.live.take(raw, known)
            if self.group == 0:
                out.references.extend(records)
        self._note_progress(batch.source, batch.watermark, batch.ended)
        if len(batch.market):
            self._fold_market(batch.market, out)
        if len(batch.events):
            self._hold(batch.source, batch.events)
            if len(batch.details):
                out.details = joined((out.details, batch.details), DETAIL)
            self.names.append((batch.source, int(batch.events["pos"][-1]), batch.names))
            if self.settings.bars:
                self.bars.learn(np.unique(batch.events["symbol"]).tolist(), batch.names)

    def _learn_calendars(self, records: list[bytes]) -> None:
        for raw in records:
            told = msgspec.json.decode(raw, type=_Told)
            if not told.symbol:
                continue
            if told.index_symbol:
                self.indices.learn(told.index_symbol)
            if told.asset_class and told.asset_class in AssetClass.__members__:
                self._classes[key_of(told.symbol)] = AssetClass[told.asset_class]
            if told.calendar:
                self.sessions.learn(told.symbol, told.calendar)
            row = int(find(self.state.symbol_table, np.uint64(key_of(told.symbol))))
            if row >= 0:
                self._open_sessions(row)

    def on_notify(self) -> tuple[Iterable[Stamped], bool]:
        """Show what has waited too long, stamped with the newest quote."""
        self._waiting_since = None
        out = Stamped(self.group, provisional=self._provisional(), names=self._held_names())
        self.progress.set_on(out)
        return ([out] if len(out.provisional) else []), False

    def notify_at(self) -> datetime | None:
        """`max_wait` after the first event began to wait."""
        if self._waiting_since is None:
            return None
        due = self._waiting_since + self.settings.max_wait_ns
        return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=due // 1000)

    # Market rows

    def _fold_market(self, rows: np.ndarray, out: Stamped) -> None:
        state = self.state
        self._meet_symbols(rows)
        stops = rows["kind"] & _STOPS
        if stops.any():
            out.halts = joined((out.halts, _halts_of(rows[stops != 0])), HALT)
        keep_from = self._released - self.settings.allowed_lateness_ns
        if self.settings.bars:
            keep_from = self.bars.keep_from(keep_from)
        at = 0
        while True:
            reason, at = tape.fold_market(
                rows, at, state.symbol_table, state.symbols, state.ticks, state.prices,
                state.prints, state.seconds, state.intervals, keep_from, int(self.feed.table[0, 0]),
            )  # fmt: skip
            if reason == tape.DONE:
                return
            if reason == tape.WIDEN_TICKS:
                state.widen_ticks()
            else:
                state.widen_prints()

    def _meet_symbols(self, rows: np.ndarray) -> None:
        at = tape.first_unknown(rows, 0, self.state.symbol_table)
        while at < len(rows):
            self._open_sessions(self.state.slot_of(int(rows["symbol"][at])))
            at = tape.first_unknown(rows, at, self.state.symbol_table)

    def _cover(self, instant: int) -> None:
        if NO_TIME < instant < END_OF_TIME and self.sessions.grow(instant):
            for row in range(self.state.n_symbols):
                self._open_sessions(row)

    def _open_sessions(self, row: int) -> None:
        state = self.state
        first, last = self.sessions.interval_range(int(state.symbols[row]["key"]))
        state.intervals = self.sessions.intervals
        state.symbols[row]["first_interval"] = first
        state.symbols[row]["last_interval"] = last
        key = int(state.symbols[row]["key"])
        state.symbols[row]["calendar"] = self.sessions.code_of(key)
        state.symbols[row]["quote_limit"] = self.settings.quote_age_limits_ns.get(
            self._classes.get(key, AssetClass.UNKNOWN), _QUOTE_AGE_NS
        )

    # Order events

    def _hold(self, source: int, events: np.ndarray) -> None:
        held = self.state.pending.get(source)
        self.state.pending[source] = events if held is None else joined((held, events), EVENT)
        self._meet_symbols(events)

    def _release(self, out: Stamped) -> None:
        self.progress.set_on(out)
        market = self.progress.market_watermark
        self._released = max(out.event_watermark, _LONG_AGO)
        pieces: list[np.ndarray] = []
        if self.state.pending:
            out.names = self._held_names()
            ready = self._take_ready(market)
            if len(ready):
                self._stamp(ready, pieces)
        self._drop_names()
        self._note_waiting()
        until = out.event_watermark
        if until == END_OF_TIME:
            until = out.end + 1 if out.end < END_OF_TIME else until
        if until > NO_TIME:
            self._mark(until, pieces)
            if self.live.marked:
                pieces.append(self.live.marks(until, self.state, self.feed.table))
            if self.settings.bars:
                self._cut_bars(until, out)
            self._follow(until, out, pieces)
            if self.indices.told:
                out.indices = self.indices.mids(until, self.state)
        out.events = joined(pieces, STAMPED)
        self.feed.forget(self._released - self.settings.allowed_lateness_ns)

    def _cut_bars(self, until: int, out: Stamped) -> None:
        # The end of the input is the end of its last second.
        past = out.end + SECOND if out.end < END_OF_TIME else until
        out.bars = self.bars.cut(past, self.state)
        if len(out.bars):
            out.names = [*out.names, self.bars.names]

    def _take_ready(self, market: int) -> np.ndarray:
        """Events that the market is past, by input, each in stored order."""
        pending = self.state.pending
        ready: list[np.ndarray] = []
        for source in sorted(pending):
            held = pending[source]
            if int(held["t_eff"][-1]) < market or market == END_OF_TIME:
                ready.append(pending.pop(source))
            elif int(held["t_eff"][0]) < market:
                n = int(np.searchsorted(held["t_eff"], market, side="left"))
                ready.append(held[:n])
                pending[source] = held[n:]
        return joined(ready, EVENT) if ready else NO_EVENTS

    def _held_names(self) -> list[dict[int, str]]:
        """Names of events that go out now or are still held."""
        return [names for _, _, names in self.names]

    def _drop_names(self) -> None:
        if not self.names:
            return
        first = {source: int(rows["pos"][0]) for source, rows in self.state.pending.items()}
        self.names = [
            entry for entry in self.names if entry[1] >= first.get(entry[0], entry[1] + 1)
        ]

    def _note_waiting(self) -> None:
        pending = self.state.pending
        if not pending:
            self._waiting_since = None
            self._shown.clear()
        elif self._waiting_since is None and self._unshown():
            first = min(
                int(rows["ts_ingest"][self._shown_of(source, rows) :].min())
                for source, rows in pending.items()
                if len(rows) > self._shown_of(source, rows)
            )
            self._waiting_since = first if first > 0 else None

    def _shown_of(self, source: int, rows: np.ndarray) -> int:
        shown = self._shown.get(source, -1)
        return int(np.searchsorted(rows["pos"], shown, side="right"))

    def _unshown(self) -> bool:
        return any(
            len(rows) > self._shown_of(source, rows) for source, rows in self.state.pending.items()
        )

    def _stamp(self, events: np.ndarray, pieces: list[np.ndarray]) -> None:
        """Add the events stamped, and marks that fall before them."""
        state, settings = self.state, self.settings
        state.reserve_tracked(len(events))
        state.reserve_followed(len(events))
        if settings.bars:
            self.bars.reserve(len(events))
        rows = _with_stamps(events)
        pieces.append(rows)
        at = 0
        while True:
            at, count, state.n_tracked, state.followed_end = release.stamp_events(
                rows, at, self._marks, 0, state.symbol_table, state.symbols, state.ticks,
                state.prints, state.seconds, state.intervals, self.feed.table, state.tracked,
                state.tracked_table, state.n_tracked, state.followed, state.followed_end,
                settings.mark_interval_ns, settings.allowed_lateness_ns, self.bars.spans,
                self.bars.used,
            )  # fmt: skip
            if count:
                pieces.append(self._marks[:count].copy())
            if at == len(rows):
                return
            self._widen_marks()

    def _widen_marks(self) -> None:
        self._marks = np.zeros(2 * len(self._marks), STAMPED)

    def _mark(self, until: int, pieces: list[np.ndarray]) -> None:
        """Add the marks of open orders that fall before `until`."""
        state, settings = self.state, self.settings
        if release.earliest_mark(state.tracked, state.n_tracked) >= until:
            return
        row = 0
        while True:
            row, count = release.mark_open_orders(
                until, row, self._marks, state.symbols, state.ticks, state.seconds,
                state.intervals, self.feed.table, state.tracked, state.n_tracked,
                settings.mark_interval_ns,
            )  # fmt: skip
            if count:
                pieces.append(self._marks[:count].copy())
            if row == state.n_tracked:
                break
            if not count:
                self._widen_marks()
        if settings.bars:
            self.bars.reserve(state.n_tracked)
        state.n_tracked = release.drop_idle(
            state.tracked, state.tracked_table, state.n_tracked, until, settings.forget_idle_ns,
            self.bars.spans, self.bars.used,
        )  # fmt: skip

    def _follow(self, until: int, out: Stamped, pieces: list[np.ndarray]) -> None:
        """Give the later mids of fills, and their own prints, that fell due before `until`."""
        state = self.state
        ended = out.end < END_OF_TIME
        # At the end of the input every print that can come has come.
        own_until = END_OF_TIME if ended else until
        mids, prints = release.count_due(
            until, own_until, ended, state.followed, state.followed_end, state.cursors,
            state.horizon_ns,
        )  # fmt: skip
        if mids:
            out.horizons = np.zeros(mids, HORIZON)
            release.follow_fills(
                until, ended, state.followed, state.followed_end, state.cursors,
                state.horizon_index, state.horizon_ns, state.symbols, state.ticks, out.horizons,
            )  # fmt: skip
        if prints:
            own = np.zeros(prints, STAMPED)
            found = release.match_own_prints(
                own_until, state.followed, state.followed_end, state.cursors, state.symbols,
                state.prints, own,
            )  # fmt: skip
            if found and ended:
                own["t_eff"][:found] = np.minimum(own["t_eff"][:found], out.end)
            if found:
                pieces.append(own[:found])

    def _provisional(self) -> np.ndarray:
        pieces: list[np.ndarray] = []
        state = self.state
        for source, rows in state.pending.items():
            fresh = rows[self._shown_of(source, rows) :]
            if len(fresh):
                pieces.append(_with_stamps(fresh))
                self._shown[source] = int(fresh["pos"][-1])
        if not pieces:
            return NO_STAMPED
        out = joined(pieces, STAMPED)
        release.stamp_newest(
            out, state.symbol_table, state.symbols, state.ticks, state.seconds, state.intervals,
            self.feed.table, self.settings.allowed_lateness_ns,
        )  # fmt: skip
        return out


def _halts_of(rows: np.ndarray) -> np.ndarray:
    out = np.empty(len(rows), HALT)
    out["symbol"], out["ts"] = rows["symbol"], rows["t_eff"]
    out["halted"] = (rows["kind"] & MarketKind.RESUMED) == 0
    return out


def _with_stamps(events: np.ndarray) -> np.ndarray:
    rows = np.empty(len(events), STAMPED)
    rows.view(np.uint8).reshape(len(rows), -1)[:, :_EVENT_BYTES] = (
        np.ascontiguousarray(events).view(np.uint8).reshape(len(rows), -1)
    )
    return rows


def stamp_with_market(
    step_id: str, up: KeyedStream[Any], settings: MarketSettings
) -> KeyedStream[Stamped]:
    """Stamp order events with the market they met, keyed by symbol group."""

    def build(resume: tuple[Any, ...] | None) -> MarketLogic:
        return MarketLogic(settings, resume)

    return _stateful_batch(step_id, up, build)
