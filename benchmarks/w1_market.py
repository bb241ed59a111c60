"""The market of W1: quotes and prints of many symbols, prices on the tick."""

from dataclasses import dataclass

import numpy as np
import polars as pl

TICK = 0.01


@dataclass(slots=True)
class Market:
    """Columns sorted by (symbol, time); `first[k]:first[k + 1]` are the rows of symbol k."""

    names: list[str]
    weight: np.ndarray
    """Share of activity of each symbol."""
    adv_qty: np.ndarray
    sigma_daily_bps: np.ndarray
    spread_bps: np.ndarray
    beta: np.ndarray
    first: np.ndarray
    symbol: np.ndarray
    ts: np.ndarray
    bid_ticks: np.ndarray
    ask_ticks: np.ndarray
    bid_size: np.ndarray
    ask_size: np.ndarray
    price_ticks: np.ndarray
    """Half ticks: a print may be at the mid."""
    size: np.ndarray

    def frame(self) -> pl.DataFrame:
        """The market file: one row per tick, in order of time."""
        by_time = np.argsort(self.ts, kind="stable")
        seq = np.arange(len(self.ts)) - self.first[self.symbol]
        columns = {
            "ts_event": self.ts,
            "seq": seq,
            "bid": self.bid_ticks / 100.0,
            "ask": self.ask_ticks / 100.0,
            "bid_size": self.bid_size,
            "ask_size": self.ask_size,
            "price": self.price_ticks / 200.0,
            "size": self.size,
        }
        symbol = named(self.symbol[by_time], self.names, "symbol")
        return pl.DataFrame([symbol, *(pl.Series(k, v[by_time]) for k, v in columns.items())])

    def row_before(self, symbol: np.ndarray, ts: np.ndarray) -> np.ndarray:
        """Index of the symbol's last tick before each time; its first where there is none."""
        start = np.int64(self.ts.min())
        width = np.int64(self.ts.max() - start + 2)
        key = self.symbol * width + (self.ts - start)
        wanted = symbol * width + np.clip(ts - start, 0, width - 1)
        return np.maximum(np.searchsorted(key, wanted) - 1, self.first[symbol])


def named(codes: np.ndarray, names: list[str], column: str) -> pl.Series:
    """A column of names written once each."""
    return pl.Series(column, codes.astype(np.uint32)).cat.to(pl.Enum(names))


def uneven(rng: np.random.Generator, total: int, weight: np.ndarray) -> np.ndarray:
    """Split a total by weight; every part gets at least one."""
    return 1 + rng.multinomial(total - len(weight), weight)


def make_market(
    rng: np.random.Generator, symbols: int, ticks: int, open_ns: int, session_ns: int
) -> Market:
    """A random walk on the tick for each symbol, busier at the open and the close."""
    weight = 1.0 / (np.arange(symbols) + 8.0) ** 0.9
    weight /= weight.sum()
    counts = uneven(rng, ticks, weight)
    first = np.concatenate([[0], np.cumsum(counts)])
    symbol = np.repeat(np.arange(symbols), counts)
    ts = _times(rng, symbol, first, open_ns, session_ns)

    base = rng.integers(4_000, 40_000, symbols)
    step = rng.choice(np.array([-1, 0, 0, 0, 1]), ticks)
    walk = np.cumsum(step)
    walk -= (walk[first[:-1]] - base)[symbol]
    mid = np.maximum(walk, 1_000)
    near = rng.integers(1, 3, ticks)
    far = rng.integers(0, 3, ticks)
    bid, ask = mid - near, mid + far
    where = rng.random(ticks)
    price = np.where(where < 0.42, 2 * bid, np.where(where < 0.84, 2 * ask, bid + ask))
    size = 100.0 * rng.geometric(0.4, ticks)
    return Market(
        names=[f"S{k:03d}" for k in range(symbols)],
        weight=weight,
        adv_qty=np.round(np.bincount(symbol, size) * rng.uniform(0.8, 1.3, symbols)),
        sigma_daily_bps=np.round(rng.uniform(80, 300, symbols), 1),
        spread_bps=np.round(2.5 / base * 1e4, 3),
        beta=np.round(rng.uniform(0.5, 1.6, symbols), 2),
        first=first,
        symbol=symbol,
        ts=ts,
        bid_ticks=bid,
        ask_ticks=ask,
        bid_size=100.0 * rng.geometric(0.2, ticks),
        ask_size=100.0 * rng.geometric(0.2, ticks),
        price_ticks=price,
        size=size,
    )


def _times(
    rng: np.random.Generator, symbol: np.ndarray, first: np.ndarray, open_ns: int, session_ns: int
) -> np.ndarray:
    u = rng.random(len(symbol))
    u = np.where(rng.random(len(symbol)) < 0.3, 0.5 + 4.0 * (u - 0.5) ** 3, u)
    ts = open_ns + 1 + (u * (session_ns - 2)).astype(np.int64)
    ts = ts[np.lexsort((ts, symbol))]
    # The opening quote of every symbol stands within its first second.
    ts[first[:-1]] = open_ns + rng.integers(1, 1_000_000_000, len(first) - 1)
    return ts[np.lexsort((ts, symbol))]
