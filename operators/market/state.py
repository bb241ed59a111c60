"""Tables of one symbol group: symbols, their recent ticks, open orders, fills to follow."""

from typing import Any

import numpy as np

from domain.columns import EVENT
from domain.errors import RecoveryError
from domain.instants import NO_TIME
from domain.rows import HORIZONS
from operators.increments import StateStore
from operators.lookup import find, new_table, put, rehash

SYMBOL = np.dtype(
    [
        ("key", "u8"),
        ("last_ts", "i8"),  # effective time of the newest row
        ("quote_ts", "i8"),  # event time of the newest quote
        ("seq", "i8"),
        ("bid", "f8"),
        ("ask", "f8"),
        ("vol", "f8"),  # Σ size of eligible prints
        ("pv", "f8"),  # Σ price × size of the same
        ("mid_s", "f8"),  # ∫ mid dt over trading time, price × seconds
        ("open_s", "f8"),  # trading seconds with a valid mid
        ("open_px", "f8"),
        ("halted", "u1"),
        ("open_is_print", "u1"),
        ("lost", "u1"),  # ticks were trimmed: an older instant cannot be looked up
        ("reserved", "u1"),
        ("session", "i8"),  # when the trading interval of the newest row opened
        ("start", "i4"),  # ticks[row, start:start + count] are kept
        ("count", "i4"),
        ("print_start", "i4"),
        ("print_count", "i4"),
        ("first_interval", "i4"),  # intervals[first:last] are the symbol's trading sessions
        ("last_interval", "i4"),
        ("second", "i8"),  # newest whole second in the ring of mids
        ("quote_limit", "i8"),  # ns after which its quote is stale
        ("day", "i8"),  # when the session of the newest row began
        ("day_from", "f8"),  # `vol` when it began; NaN where that was not seen
        ("calendar", "u2"),  # calendar_code of its sessions, 0 where it always trades
        ("reserved_2", "u1", (6,)),
    ]
)

TICK = np.dtype(
    [
        ("ts", "i8"),
        ("seq", "i8"),
        ("quote_ts", "i8"),
        ("bid", "f8"),
        ("ask", "f8"),
        ("vol", "f8"),
        ("pv", "f8"),
        ("mid_s", "f8"),
        ("open_s", "f8"),
        ("open_px", "f8"),
        ("day_from", "f8"),
        ("halted", "u1"),
        ("open_is_print", "u1"),
        ("reserved", "u1", (6,)),
    ]
)
"""The symbol's running sums after a row: a stamp is a binary search among these."""

PRINT = np.dtype(
    [
        ("ts", "i8"),
        ("price", "f8"),
        ("size", "f8"),
        ("venue", "u8"),
        ("exec", "u8"),
        ("used", "u8"),
    ]
)
"""Eligible prints that could be our own: those with a venue or an execution id."""

TRACKED = np.dtype(
    [
        ("order", "u8"),
        ("root", "u8"),
        ("parent", "u8"),
        ("symbol_key", "u8"),
        ("exec", "u8"),  # of the newest fill, to skip a repeat
        ("next_mark", "i8"),
        ("last_ts", "i8"),  # effective time of the newest event
        ("order_qty", "f8"),
        ("cum_qty", "f8"),
        ("symbol", "i4"),
        ("phase_ms", "u4"),
        ("order_group", "u1"),
        ("side", "i1"),
        ("side_code", "u1"),
        ("open", "u1"),
        ("since_s", "u4"),  # second of the first event
    ]
)
"""Orders that get marks."""

FOLLOWED = np.dtype(
    [
        ("t_eff", "i8"),
        ("ts_event", "i8"),
        ("pos", "i8"),
        ("order", "u8"),
        ("root", "u8"),
        ("venue", "u8"),
        ("exec", "u8"),
        ("price", "f8"),
        ("size", "f8"),
        ("symbol", "i4"),
        ("source", "u1"),
        ("order_group", "u1"),
        ("matched", "u1"),
        ("side", "i1"),
    ]
)
"""Fills whose later mids, and whose own print, are still awaited."""

SECONDS_KEPT = 128
LATER_HORIZONS = tuple((i, h) for i, h in enumerate(HORIZONS.values()) if h > 0)
"""(index into HORIZON_NAMES, ns) of the horizons after the fill."""
OWN_PRINT_WINDOW_NS = 2_000_000_000
"""How far apart our fill and its print on the tape may lie."""

VERSION = 4
_BY_SYMBOL = ("symbols", "ticks", "prices", "prints", "seconds")


class MarketState:
    """The arrays, grown as needed. Rows in use are `n_symbols`, `n_tracked`, …"""

    def __init__(
        self, horizons: tuple[tuple[int, int], ...] = LATER_HORIZONS, *, keep_prices: bool = False
    ) -> None:
        self.horizon_index = np.array([i for i, _ in horizons], np.int64)
        self.horizon_ns = np.array([h for _, h in horizons], np.int64)
        self.symbols = np.zeros(16, SYMBOL)
        self.n_symbols = 0
        self.symbol_table = new_table(16)
        self.ticks = np.zeros((16, 256), TICK)
        self.prices = np.full((16, 256 if keep_prices else 0), np.nan)
        """Price of each tick's eligible print, where anybody needs them."""
        self.prints = np.zeros((16, 64), PRINT)
        self.seconds = np.full((16, SECONDS_KEPT), np.nan)
        self.tracked = np.zeros(64, TRACKED)
        self.n_tracked = 0
        self.tracked_table = new_table(64)
        self.followed = np.zeros(256, FOLLOWED)
        self.followed_start = 0
        self.followed_end = 0
        self.cursors = np.zeros(len(horizons) + 1, np.int64)
        """Next row of `followed` for each horizon, and last for the own print."""
        self.intervals = np.empty((0, 4), np.int64)
        self.pending: dict[int, np.ndarray] = {}
        """Events by input partition that wait for the market."""

    def slot_of(self, key: int) -> int:
        """Row of a symbol, made where it is new."""
        row = int(find(self.symbol_table, np.uint64(key)))
        if row >= 0:
            return row
        if self.n_symbols == len(self.symbols):
            self.symbols = np.concatenate([self.symbols, np.zeros_like(self.symbols)])
            self.ticks = np.concatenate([self.ticks, np.zeros_like(self.ticks)])
            self.prices = np.concatenate([self.prices, np.full_like(self.prices, np.nan)])
            self.prints = np.concatenate([self.prints, np.zeros_like(self.prints)])
            self.seconds = np.concatenate([self.seconds, np.full_like(self.seconds, np.nan)])
        if 4 * self.n_symbols > self.symbol_table.shape[0]:
            larger = new_table(2 * self.n_symbols)
            rehash(self.symbol_table, larger)
            self.symbol_table = larger
        row = self.n_symbols
        self.n_symbols += 1
        symbol = self.symbols[row]
        symbol["key"] = key
        symbol["last_ts"] = symbol["quote_ts"] = symbol["second"] = NO_TIME
        symbol["session"] = symbol["day"] = NO_TIME
        symbol["day_from"] = np.nan
        symbol["seq"] = -1
        symbol["bid"] = symbol["ask"] = symbol["open_px"] = np.nan
        put(self.symbol_table, np.uint64(key), row)
        return row

    def widen_ticks(self) -> None:
        """Double the room for every symbol's ticks."""
        self.ticks = np.concatenate([self.ticks, np.zeros_like(self.ticks)], axis=1)
        self.prices = np.concatenate([self.prices, np.full_like(self.prices, np.nan)], axis=1)

    def widen_prints(self) -> None:
        """Double the room for every symbol's prints."""
        self.prints = np.concatenate([self.prints, np.zeros_like(self.prints)], axis=1)

    def reserve_tracked(self, more: int) -> None:
        """Make room for this many further open orders."""
        while self.n_tracked + more > len(self.tracked):
            self.tracked = np.concatenate([self.tracked, np.zeros_like(self.tracked)])
        if 3 * (self.n_tracked + more) > 2 * self.tracked_table.shape[0]:
            larger = new_table(2 * (self.n_tracked + more))
            rehash(self.tracked_table, larger)
            self.tracked_table = larger

    def reserve_followed(self, more: int) -> None:
        """Make room for this many further fills, dropping those that are done."""
        done = int(self.cursors.min()) if len(self.cursors) else self.followed_end
        if self.followed_end + more > len(self.followed):
            kept = self.followed[done : self.followed_end].copy()
            size = len(self.followed)
            while len(kept) + more > size // 2:
                size *= 2
            self.followed = np.zeros(size, FOLLOWED)
            self.followed[: len(kept)] = kept
            self.followed_start = 0
            self.followed_end = len(kept)
            self.cursors -= done

    def pack(self, store: StateStore, key: str) -> tuple[Any, ...]:
        """Plain data and the arrays as they lie, so that little changes from epoch to epoch."""
        whole = {name: getattr(self, name) for name in (*_BY_SYMBOL, "tracked", "followed")}
        return (
            VERSION,
            tuple(self.horizon_ns.tolist()),
            (self.n_symbols, self.n_tracked, self.followed_start, self.followed_end),
            {name: array.shape for name, array in whole.items()},
            store.save(key, {name: array[: self._used(name)] for name, array in whole.items()}),
            self.cursors.tobytes(),
            {source: rows.tobytes() for source, rows in self.pending.items() if len(rows)},
        )

    def _used(self, name: str) -> int:
        rows = {"tracked": self.n_tracked, "followed": self.followed_end}
        return rows.get(name, self.n_symbols)

    def unpack(self, packed: tuple[Any, ...], store: StateStore) -> None:
        """Take over what `pack` gave. Raises RecoveryError for another layout."""
        version, horizons = packed[0], packed[1]
        if version != VERSION or horizons != tuple(self.horizon_ns.tolist()):
            raise RecoveryError(
                f"the market stage's snapshot has version {version} with horizons {horizons} ns; "
                f"this program reads version {VERSION} with {tuple(self.horizon_ns.tolist())}: "
                "start anew with an empty recovery_dir"
            )
        self.n_symbols, self.n_tracked, self.followed_start, self.followed_end = packed[2]
        arrays, _ = store.load(packed[4])
        keeps_prices = self.prices.shape[1] > 0
        for name, shape in packed[3].items():
            empty = getattr(self, name)
            array = (
                np.full(shape, np.nan) if empty.dtype.kind == "f" else np.zeros(shape, empty.dtype)
            )
            used = self._used(name)
            array[:used] = np.frombuffer(arrays[name], array.dtype).reshape(used, *shape[1:])
            setattr(self, name, array)
        if keeps_prices != (self.prices.shape[1] > 0):
            self.prices = np.full(
                self.ticks.shape if keeps_prices else (len(self.ticks), 0), np.nan
            )
        self.symbol_table = _table_of(self.symbols["key"][: self.n_symbols], len(self.symbols))
        self.tracked_table = _table_of(self.tracked["order"][: self.n_tracked], len(self.tracked))
        self.cursors = np.frombuffer(packed[5], np.int64).copy()
        self.pending = {
            source: np.frombuffer(raw, EVENT).copy() for source, raw in packed[6].items()
        }


def _table_of(keys: np.ndarray, room: int) -> np.ndarray:
    """A lookup of each key's row."""
    table = new_table(room)
    for row, key in enumerate(keys.tolist()):
        put(table, np.uint64(key), row)
    return table
