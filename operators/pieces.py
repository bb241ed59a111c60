"""What travels between the steps of the flow.

Pieces are passed as they are inside a process; between processes they are pickled, their
arrays as bytes, which is many times cheaper than pickled arrays.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from domain.batch import NO_DETAILS, Batch
from domain.columns import DETAIL_NAMES, EVENT
from domain.instants import END_OF_TIME, NO_TIME
from domain.rows import BAR
from operators.arrays import distinct_keys

_EVENT_NAMES = ("order", "root", "parent", "symbol", "venue", "exec", "exec_ref")

STAMP = np.dtype(
    [
        ("bid", "f8"),  # the last quote before the instant
        ("ask", "f8"),
        ("quote_ts", "i8"),
        ("vol_open", "f8"),  # eligible volume before the instant, for a window that opens here
        ("vol_close", "f8"),  # through the instant, for a window that closes here
        ("pv_open", "f8"),  # Σ price × size, likewise
        ("pv_close", "f8"),
        ("mid_s", "f8"),  # ∫ mid dt over trading time, price × seconds
        ("open_s", "f8"),  # trading seconds with a valid mid
        ("open_px", "f8"),  # the session's opening price, NaN before it
        ("session_x", "f8"),  # share of the session's trading time that has passed
        ("mid_m60s", "f8"),  # mid at the last whole second at or before the instant less 60 s
        ("mid_m30s", "f8"),
        ("mid_m5s", "f8"),
        ("day_vol", "f8"),  # eligible volume of the session through the instant, NaN unknown
        ("stamp_flags", "u4"),  # bits of MarketFlag
        ("own_print", "u2"),  # 1: the print of this fill was on the tape by then
        ("calendar", "u2"),  # calendar_code of the symbol's sessions, 0: always trading
    ]
)
"""The market an instant met."""

STAMPED = np.dtype(EVENT.descr + STAMP.descr)
"""An order event, or a mark of an order, with the market it met."""

HORIZON = np.dtype(
    [
        ("t_eff", "i8"),  # when it was due
        ("order", "u8"),
        ("pos", "i8"),  # of the fill
        ("mid", "f8"),  # NaN: no quote
        ("source", "u1"),  # of the fill
        ("index", "u1"),  # into rows.HORIZON_NAMES
        ("order_group", "u1"),
        ("reserved", "u1", (5,)),
    ]
)
"""The mid some time after a fill."""

HALT = np.dtype([("symbol", "u8"), ("ts", "i8"), ("halted", "i8")])
"""From when a symbol was halted, or, with 0, traded again."""

INDEX_MID = np.dtype([("symbol", "u8"), ("ts", "i8"), ("mid", "f8")])
"""Mid of an index from a whole second on, UNIX ns, until the next row."""


class Piece:
    """Pickled with its arrays as bytes."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        values = [getattr(self, f.name) for f in fields(self)]  # pyright: ignore[reportArgumentType]
        return _restore, (type(self), [_packed(value) for value in values])


def _packed(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return (_PACKED, value.tobytes(), value.dtype.descr)
    return value


def _restore(kind: type, values: list[Any]) -> Any:
    return kind(*(_unpacked(value) for value in values))


def _unpacked(value: Any) -> Any:
    if isinstance(value, tuple) and value and value[0] == _PACKED:
        raw, descr = value[1], value[2]
        return np.frombuffer(bytearray(raw), _dtypes.setdefault(str(descr), np.dtype(descr)))
    return value


_PACKED = "\x00array"
_dtypes: dict[str, np.dtype] = {}


NO_STAMPED = np.empty(0, STAMPED)
NO_HORIZONS = np.empty(0, HORIZON)
NO_HALTS = np.empty(0, HALT)
NO_INDEX_MIDS = np.empty(0, INDEX_MID)


def names_in(
    tables: Iterable[Mapping[int, str]], events: Iterable[np.ndarray], details: np.ndarray
) -> dict[int, str]:
    """What some tables call the keys in rows of events and details."""
    columns = [rows[field] for rows in events if len(rows) for field in _EVENT_NAMES]
    if len(details):
        columns += [details[field] for field in DETAIL_NAMES]
    keys = distinct_keys(columns)
    names: dict[int, str] = {}
    for table in tables:
        names.update({key: table[key] for key in keys if key in table})
    return names


def _pack_batch(batch: Batch) -> list[Any]:
    """A batch's values; of its names, which it shares with other groups, those of its rows."""
    values = {f.name: _packed(getattr(batch, f.name)) for f in fields(batch)}
    if batch.names:
        values["names"] = names_in([batch.names], [batch.events], batch.details)
    return list(values.values())


def _restore_arrivals(group: int, progress: Any, batches: list[Any], spoken: Any) -> Any:
    return Arrivals(group, progress, [_restore(Batch, values) for values in batches], spoken)


@dataclass(slots=True)
class Arrivals:
    """What one symbol group takes at once. Pickled with its batches' arrays as bytes, too."""

    group: int
    progress: list[tuple[int, int, bool]]
    """(input, watermark, ended) of every input that spoke, after its rows."""
    batches: list[Batch]
    """Those with rows or records for this group, in the order in which they came."""
    spoken: list[tuple[int, np.ndarray]] = field(default_factory=list[tuple[int, np.ndarray]])
    """(market input, what `feed.spoken` says of its rows), of every symbol together."""

    def __reduce__(self) -> tuple[Any, ...]:
        batches = [_pack_batch(batch) for batch in self.batches]
        return _restore_arrivals, (self.group, self.progress, batches, self.spoken)


@dataclass(slots=True)
class Stamped(Piece):
    """What the market stage of one symbol group hands on."""

    group: int
    event_watermark: int = NO_TIME
    """No later order event of this group lies before."""
    watermark: int = NO_TIME
    """No later mark, horizon or record of this group lies before."""
    end: int = END_OF_TIME
    """The last event time, once every input has ended."""
    events: np.ndarray = field(default_factory=lambda: NO_STAMPED)
    horizons: np.ndarray = field(default_factory=lambda: NO_HORIZONS)
    details: np.ndarray = field(default_factory=lambda: NO_DETAILS)
    names: list[dict[int, str]] = field(default_factory=list)
    """Tables of the batches whose events go out or are held; several groups share one."""
    references: list[tuple[int, bytes]] = field(default_factory=list)
    """(effective time, JSON) of reference and control records."""
    provisional: np.ndarray = field(default_factory=lambda: NO_STAMPED)
    """Events that wait for the market, stamped with the newest quote."""
    bars: np.ndarray = field(default_factory=lambda: np.empty(0, BAR))
    """Final bars of symbols that are traded."""
    halts: np.ndarray = field(default_factory=lambda: NO_HALTS)
    """Halts of the group's symbols, and their ends, in stored order."""
    indices: np.ndarray = field(default_factory=lambda: NO_INDEX_MIDS)
    """Of the group's symbols those that are the index of some other."""


@dataclass(slots=True)
class OrderPiece(Piece):
    """What one order group takes: the pieces of several symbol groups, joined."""

    watermarks: dict[int, tuple[int, int, int]]
    """Event watermark, watermark and end of each symbol group that spoke."""
    events: np.ndarray
    horizons: np.ndarray
    details: np.ndarray
    provisional: np.ndarray
    names: dict[int, str]
    references: list[tuple[int, bytes]]
    group: int = -1
    halts: np.ndarray = field(default_factory=lambda: NO_HALTS)
    """Of every symbol: an order may be of any."""
    indices: np.ndarray = field(default_factory=lambda: NO_INDEX_MIDS)
    """Likewise."""
