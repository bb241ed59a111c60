"""A desk's load for a live run: open orders that trade, and a market that never rests.

Times are seconds relative to the run's start; rows come as the bus
source gives them, one stored sequence for each partition of a topic.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from domain.columns import DETAIL, EVENT, MARKET, blank
from domain.instants import SECOND
from domain.keys import crc_of, key_of
from domain.reference import ReferenceRecord
from domain.reference_check import decode_reference
from domain.vocabulary import EventKind, MarketKind, Topic, TradeFlag
from sources.hashing import hash_names

START_NS = 1_795_185_000 * SECOND
"""Event time at which the measured stretch begins: 2026-11-20 14:30 UTC."""
TICK_SHARE = 0.8
FILL_SHARE = 0.8
"""Of order and route events; the rest are routes sent and acknowledged."""
PRINT_SHARE = 0.3
"""Of ticks; the rest are quotes."""
VENUES = ("XNAS", "XNYS", "BATS", "EDGX", "ARCX", "IEXG")
_DETAILS = {"desk": "US-CASH", "broker": "BRK1", "algo": "TWAP", "trader": "t07", "currency": "USD"}


@dataclass(slots=True)
class Rows:
    """Rows of one partition by time, and the texts of each row's own new name."""

    at_s: np.ndarray
    rows: np.ndarray
    names: list[str]
    """Execution or route of each row; empty for market data."""
    details: np.ndarray

    @staticmethod
    def none(topic: Topic) -> "Rows":
        """No rows of a topic."""
        dtype = MARKET if topic is Topic.MARKET_DATA else EVENT
        return Rows(np.empty(0), np.empty(0, dtype), [], np.empty(0, DETAIL))

    def where(self, chosen: np.ndarray) -> "Rows":
        """The rows that are chosen; only where none has details."""
        at = np.flatnonzero(chosen)
        return Rows(
            self.at_s[at],
            self.rows[at],
            [self.names[i] for i in at] if self.names else [],
            self.details,
        )


class Load:
    """Makes rows for any stretch of time; the same seed and stretch give the same rows."""

    def __init__(self, orders: int, symbols: int = 200, groups: int = 16, seed: int = 1) -> None:
        self.n_orders = orders
        self.groups = groups
        self.seed = seed
        self.symbols = [f"S{k:03d}" for k in range(symbols)]
        self.orders = [f"O{k:07d}" for k in range(orders)]
        self._symbol_key, self._symbol_group, _ = self._hashed(self.symbols)
        self.order_keys, self._order_group, self._phase = self._hashed(self.orders)
        self._venue_key = np.array([key_of(v) for v in VENUES], np.uint64)
        rng = np.random.default_rng(seed)
        self._mid = np.round(rng.uniform(20.0, 300.0, symbols), 2)
        self.symbol_of = rng.integers(0, symbols, orders)
        self._seq = np.ones(orders, np.int64)
        self._filled = np.zeros(orders)
        self._named = 0

    def _hashed(self, names: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        crc = np.array([crc_of(name) for name in names], np.uint32)
        return hash_names(pa.array(names)).key, (crc % self.groups).astype(np.uint8), crc

    @cached_property
    def names(self) -> Mapping[int, str]:
        """Texts of symbols, orders, venues and what acceptances say."""
        words = [*self.symbols, *self.orders, *VENUES, *_DETAILS.values()]
        return {key_of(word): word for word in words}

    @cached_property
    def references(self) -> tuple[ReferenceRecord, ...]:
        """What is known of each symbol before the day."""
        curve = [1.0 / 13] * 13
        return tuple(
            decode_reference(
                json.dumps(
                    {"type": "reference", "symbol": symbol, "adv_qty": 5e7, "beta": 1.0,
                     "sigma_daily_bps": 150.0, "spread_bps": 2.0, "volume_curve": curve,
                     "volatility_curve": [1.0] * 13, "tick": 0.01, "lot": 100.0,
                     "currency": "USD"}
                ).encode()
            )
            for symbol in self.symbols
        )  # fmt: skip

    def market(self, first_s: float, last_s: float, per_s: float) -> Rows:
        """Quotes and prints at random times, about `per_s` a second."""
        rng = self._rng(first_s, Topic.MARKET_DATA)
        at_s = _times(rng, first_s, last_s, per_s)
        n = len(at_s)
        rows = blank(MARKET, n)
        symbol = rng.integers(0, len(self.symbols), n)
        prints = rng.random(n) < PRINT_SHARE
        mid = self._mid[symbol] + 0.01 * rng.integers(-20, 21, n)
        rows["kind"] = np.where(prints, int(MarketKind.TRADE), int(MarketKind.QUOTE))
        rows["flags"] = np.where(prints, int(TradeFlag.ELIGIBLE), 0)
        rows["group"] = self._symbol_group[symbol]
        rows["symbol"] = self._symbol_key[symbol]
        rows["venue"] = np.where(prints, self._venue_key[rng.integers(0, len(VENUES), n)], 0)
        rows["bid"] = np.where(prints, np.nan, mid - 0.01)
        rows["ask"] = np.where(prints, np.nan, mid + 0.01)
        rows["price"] = np.where(prints, mid, np.nan)
        rows["size"] = np.where(prints, 100.0 * rng.geometric(0.4, n), np.nan)
        _stamp_times(rows, at_s)
        return Rows(at_s, rows, [], np.empty(0, DETAIL))

    def accepted(self, at_s: np.ndarray, orders: np.ndarray, order_qty: float = 1e9) -> Rows:
        """An acceptance of each of these orders, by index, at these times."""
        n = len(orders)
        rows = self._events(orders, at_s)
        rows["kind"] = int(EventKind.ORDER_ACCEPTED)
        rows["order_qty"] = order_qty
        rows["seq"] = 1
        details = blank(DETAIL, n)
        details["order"] = rows["order"]
        for field, text in _DETAILS.items():
            details[field] = key_of(text)
        details["start_ts"] = rows["ts_event"]
        details["end_ts"] = rows["ts_event"] + 3600 * SECOND
        details["schedule"] = 1
        return Rows(at_s, rows, [""] * n, details)

    def traded(self, first_s: float, last_s: float, per_s: float) -> tuple[Rows, Rows]:
        """Fills and routes of random orders, about `per_s` a second together."""
        rng = self._rng(first_s, Topic.ORDERS)
        at_s = _times(rng, first_s, last_s, per_s)
        orders = rng.integers(0, self.n_orders, len(at_s))
        filled = rng.random(len(at_s)) < FILL_SHARE
        return (
            self.fills_of(rng, at_s[filled], orders[filled]),
            self._routes_of(rng, at_s[~filled], orders[~filled]),
        )

    def fills_of(self, rng: np.random.Generator, at_s: np.ndarray, orders: np.ndarray) -> Rows:
        """A fill of 100 of each of these orders, by index, at these times."""
        rows = self._events(orders, at_s)
        nth = _nth(orders)
        rows["kind"] = int(EventKind.ORDER_FILLED)
        rows["venue"] = self._venue_key[rng.integers(0, len(VENUES), len(orders))]
        rows["last_qty"] = 100.0
        rows["last_px"] = self._mid[self.symbol_of[orders]] + 0.01 * rng.integers(-20, 21, len(nth))
        rows["cum_qty"] = self._filled[orders] + 100.0 * (nth + 1)
        rows["fee"] = 0.3
        rows["seq"] = self._seq[orders] + nth + 1
        np.add.at(self._filled, orders, 100.0)
        np.add.at(self._seq, orders, 1)
        names, rows["exec"] = self._fresh("E", len(orders))
        return Rows(at_s, rows, names, np.empty(0, DETAIL))

    def _routes_of(self, rng: np.random.Generator, at_s: np.ndarray, orders: np.ndarray) -> Rows:
        rows = self._events(orders, at_s)
        sent = rng.random(len(orders)) < 0.5
        rows["kind"] = np.where(sent, int(EventKind.ROUTE_SENT), int(EventKind.ROUTE_ACKNOWLEDGED))
        rows["venue"] = self._venue_key[rng.integers(0, len(VENUES), len(orders))]
        rows["order_qty"] = np.where(sent, 100.0, np.nan)
        names, rows["exec"] = self._fresh("R", len(orders))
        return Rows(at_s, rows, names, np.empty(0, DETAIL))

    def _events(self, orders: np.ndarray, at_s: np.ndarray) -> np.ndarray:
        rows = blank(EVENT, len(orders))
        symbol = self.symbol_of[orders]
        rows["order"] = rows["root"] = self.order_keys[orders]
        rows["order_group"] = self._order_group[orders]
        rows["phase"] = self._phase[orders]
        rows["symbol"] = self._symbol_key[symbol]
        rows["market_group"] = self._symbol_group[symbol]
        rows["side"] = np.where(orders % 2 == 0, 1, -1)
        rows["side_code"] = np.where(orders % 2 == 0, 0, 2)
        _stamp_times(rows, at_s)
        return rows

    def _fresh(self, letter: str, n: int) -> tuple[list[str], np.ndarray]:
        names = [f"{letter}{k:09d}" for k in range(self._named, self._named + n)]
        self._named += n
        return names, hash_names(pa.array(names, pa.string())).key

    def _rng(self, first_s: float, topic: Topic) -> np.random.Generator:
        return np.random.default_rng([self.seed, round(first_s * 1000) + (1 << 40), crc_of(topic)])


def _times(rng: np.random.Generator, first_s: float, last_s: float, per_s: float) -> np.ndarray:
    n = rng.poisson(per_s * (last_s - first_s))
    return np.sort(rng.uniform(first_s, last_s, n))


def _stamp_times(rows: np.ndarray, at_s: np.ndarray) -> None:
    rows["ts_event"] = rows["t_eff"] = START_NS + (at_s * 1e9).astype(np.int64)


def _nth(orders: np.ndarray) -> np.ndarray:
    """How many earlier elements of the array are equal to each."""
    by_order = np.argsort(orders, kind="stable")
    groups = orders[by_order]
    first = np.searchsorted(groups, groups)
    out = np.empty(len(orders), np.int64)
    out[by_order] = np.arange(len(orders)) - first
    return out


def dealt(rows: Rows, topic: Topic, partitions: int) -> list[Rows]:
    """The rows of each partition, numbered within it."""
    field = "group" if topic is Topic.MARKET_DATA else "order_group"
    where = rows.rows[field] % partitions
    out: list[Rows] = []
    for partition in range(partitions):
        mine = np.flatnonzero(where == partition)
        names = [rows.names[i] for i in mine.tolist()] if rows.names else []
        details = rows.details[mine] if len(rows.details) else rows.details
        out.append(Rows(rows.at_s[mine], rows.rows[mine], names, details))
    return out


def joined(parts: list[Rows], topic: Topic) -> Rows:
    """Rows of several stretches, one behind the other."""
    none = Rows.none(topic)
    return Rows(
        np.concatenate([none.at_s, *(p.at_s for p in parts)]),
        np.concatenate([none.rows, *(p.rows for p in parts)]),
        [name for p in parts for name in p.names],
        np.concatenate([none.details, *(p.details for p in parts)]),
    )
