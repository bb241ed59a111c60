"""The reference records of a run: which one holds at a time, as a record or as numbers."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from domain.calendars import session_seconds
from domain.columns import blank
from domain.instants import END_OF_TIME, NO_TIME
from domain.keys import key_of
from domain.reference import REFERENCE, Baseline, ReferenceKind, ReferenceRecord
from domain.reference_check import decode_reference, to_wire
from domain.reference_curves import cumulative_shares
from domain.wire import encode

HUB_CURRENCY = "USD"
"""Through which a rate is crossed where no record gives it directly."""


@dataclass(frozen=True, slots=True)
class _Entry:
    effective: int
    known: int
    record: ReferenceRecord


class ReferenceBook:
    """Records by subject. At a time, the newest of those effective and known by then holds.

    `known` is the time at which the run learnt of a record, so that a record which arrives in
    mid-stream changes nothing before it; NO_TIME for one loaded before the run.
    """

    def __init__(self, records: Iterable[ReferenceRecord] = ()) -> None:
        self._entries: dict[str, list[_Entry]] = {}
        self._symbols: dict[int, str] = {}
        self._dumped: list[tuple[int, bytes]] | None = None
        for record in records:
            self.add(record)

    def add(self, record: ReferenceRecord, *, known: int = NO_TIME) -> None:
        """Take a record; of two with one effective time the later added holds."""
        self._dumped = None
        entries = self._entries.setdefault(_slot(record), [])
        entry = _Entry(record.effective_ns, known, record)
        at = len(entries)
        while at and entries[at - 1].effective > entry.effective:
            at -= 1
        entries.insert(at, entry)
        if record.symbol is not None:
            self._symbols[key_of(record.symbol)] = record.symbol

    def add_json(self, raw: bytes, *, known: int = NO_TIME) -> ReferenceRecord:
        """Take a record as it came on the bus. Raises Refused."""
        record = decode_reference(raw)
        self.add(record, known=known)
        return record

    def symbol(self, symbol: str | int, now: int) -> ReferenceRecord | None:
        """The record of a symbol, by name or key, that holds at UNIX ns `now`."""
        name = self._symbols.get(symbol) if isinstance(symbol, int) else symbol
        return None if name is None else self._at(f"symbol:{name}", now)

    def scope(self, scope: str, now: int) -> ReferenceRecord | None:
        """The record of `venue:…`, `cohort:…`, `fx:…` or `model:…` that holds at `now`."""
        return self._at(scope, now)

    def baseline(self, scope: str, metric: str, now: int) -> Baseline | None:
        """What is usual of a metric at a venue or in a cohort."""
        record = self._at(scope, now)
        return record.baselines.get(metric) if record else None

    def rate(self, base: str, quote: str, now: int) -> float:
        """Units of `quote` for one of `base`: given, inverted, or crossed; NaN where unknown."""
        direct = self._rate(base, quote, now)
        if not math.isnan(direct):
            return direct
        return self._rate(base, HUB_CURRENCY, now) * self._rate(HUB_CURRENCY, quote, now)

    def row(self, symbol: str | int, now: int) -> np.void:
        """REFERENCE numbers of a symbol, by name or key; every number missing if unknown."""
        out = blank(REFERENCE, 1)
        out["symbol"] = symbol if isinstance(symbol, int) else key_of(symbol)
        record = self.symbol(symbol, now)
        if record is not None:
            _fill(out, record, now)
        return out[0]

    def table(self, now: int) -> np.ndarray:
        """REFERENCE rows of every symbol with a record at `now`, sorted by symbol key."""
        keys = sorted(key for key in self._symbols if self.symbol(key, now) is not None)
        out = blank(REFERENCE, len(keys))
        for i, key in enumerate(keys):
            out[i] = self.row(key, now)
        return out

    def next_change(self, now: int) -> int:
        """UNIX ns of the next time after `now` when rows may differ; END_OF_TIME for never."""
        begins = (max(e.effective, e.known) for e in self._all())
        splits = (time for e in self._all() for time in e.record.split_times())
        return min((time for time in (*begins, *splits) if time > now), default=END_OF_TIME)

    def forget(self, before: int) -> None:
        """Drop records that hold at no time from `before` on."""
        self._dumped = None
        for slot, entries in self._entries.items():
            held = self._entry_at(slot, before)
            if held is not None:
                del entries[: entries.index(held)]

    def dump(self) -> list[tuple[int, bytes]]:
        """(known, JSON) of every record, in an order that `load` takes back to the same book."""
        if self._dumped is None:
            self._dumped = [(e.known, encode(to_wire(e.record))) for e in self._all()]
        return list(self._dumped)

    @classmethod
    def load(cls, dumped: Iterable[tuple[int, bytes]]) -> "ReferenceBook":
        """The book that was dumped. Raises Refused."""
        book = cls()
        for known, raw in dumped:
            book.add_json(raw, known=known)
        return book

    def __len__(self) -> int:
        return sum(map(len, self._entries.values()))

    def __iter__(self) -> Iterator[ReferenceRecord]:
        return (entry.record for entry in self._all())

    def _all(self) -> Iterator[_Entry]:
        return (entry for entries in self._entries.values() for entry in entries)

    def _entry_at(self, slot: str, now: int) -> _Entry | None:
        for entry in reversed(self._entries.get(slot, ())):
            if entry.effective <= now and entry.known <= now:
                return entry
        return None

    def _at(self, slot: str, now: int) -> ReferenceRecord | None:
        entry = self._entry_at(slot, now)
        return entry.record if entry else None

    def _rate(self, base: str, quote: str, now: int) -> float:
        if base == quote:
            return 1.0
        record = self._at(f"fx:{base}/{quote}", now)
        if record is not None and record.rate is not None:
            return record.rate
        record = self._at(f"fx:{quote}/{base}", now)
        if record is not None and record.rate is not None:
            return 1 / record.rate
        return math.nan


def _slot(record: ReferenceRecord) -> str:
    return f"symbol:{record.symbol}" if record.kind is ReferenceKind.SYMBOL else record.key


def _fill(out: np.ndarray, record: ReferenceRecord, now: int) -> None:
    for field, name in (
        ("index", record.index_symbol),
        ("currency", record.currency),
        ("calendar", record.calendar),
    ):
        out[field] = key_of(name or "")
    for field in ("sigma_daily_bps", "beta", "spread_bps", "tick", "lot", "adv_qty", "prev_close"):
        value = getattr(record, field)
        out[field] = math.nan if value is None else value
    ratio = record.split_ratio(now)
    out["adv_qty"] *= ratio
    out["prev_close"] /= ratio
    if record.calendar is not None:
        out["session_s"] = session_seconds(record.calendar, now)
    if record.volume_curve:
        slots = out["volume_slots"] = len(record.volume_curve)
        out["volume_curve"][0, : slots + 1] = cumulative_shares(record.volume_curve)
    if record.volatility_curve:
        slots = out["volatility_slots"] = len(record.volatility_curve)
        out["volatility_curve"][0, :slots] = record.volatility_curve
