"""The orders of W1: acceptance, slices routed to venues, fills at the quotes, the end."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from benchmarks.w1_market import Market, named, uneven

VENUES = ["XNAS", "XNYS", "BATS", "EDGX", "ARCX", "IEXG"]
ALGOS = ["TWAP", "VWAP", "POV", "IS"]
SLICE_FILLS = 10
"""Fills of one route."""
TYPES = [
    "order_accepted",
    "route_sent",
    "route_acknowledged",
    "order_filled",
    "route_cancelled",
    "order_cancelled",
]
ACCEPTED, SENT, ACKNOWLEDGED, FILLED, ROUTE_CANCELLED, CANCELLED = range(6)
_MS = 1_000_000


@dataclass(slots=True)
class _Orders:
    """One element per order."""

    symbol: np.ndarray
    side: np.ndarray
    arrival: np.ndarray
    end: np.ndarray
    qty: np.ndarray
    unfilled: np.ndarray


@dataclass(slots=True)
class _Fills:
    """One element per fill, sorted by (order, time)."""

    order: np.ndarray
    ts: np.ndarray
    qty: np.ndarray
    px: np.ndarray
    route: np.ndarray
    venue: np.ndarray
    cum: np.ndarray


def make_orders(
    rng: np.random.Generator, market: Market, orders: int, fills: int, length_ns: int,
    open_ns: int, session_ns: int,
) -> pl.DataFrame:  # fmt: skip
    """The orders file: one row per event, in order of time; what an event does not say is null."""
    symbol = rng.choice(len(market.names), orders, p=market.weight)
    arrival = open_ns + 10**9 + rng.integers(0, session_ns - length_ns - 2 * 10**9, orders)
    side = rng.choice(np.array([1, -1]), orders)
    counts = uneven(rng, fills, np.full(orders, 1.0 / orders))
    done = _make_fills(rng, market, symbol, side, arrival, counts, length_ns)
    filled = np.bincount(done.order, done.qty, orders)
    unfilled = np.where(rng.random(orders) < 0.3, 100.0 * rng.integers(1, 50, orders), 0.0)
    book = _Orders(symbol, side, arrival, arrival + length_ns, filled + unfilled, unfilled)
    rows = [
        _accepted(rng, market, book),
        *_routes(rng, done),
        _filled(done),
        _cancelled(book),
    ]
    return _one_file(rows, market, book)


def _make_fills(
    rng: np.random.Generator, market: Market, symbol: np.ndarray, side: np.ndarray,
    arrival: np.ndarray, counts: np.ndarray, length_ns: int,
) -> _Fills:  # fmt: skip
    order = np.repeat(np.arange(len(symbol)), counts)
    n = len(order)
    ts = arrival[order] + 10**9 + rng.integers(0, length_ns - 2 * 10**9, n)
    ts = ts[np.lexsort((ts, order))]
    row = market.row_before(symbol[order], ts)
    bid, ask = market.bid_ticks[row], market.ask_ticks[row]
    buys = side[order] > 0
    near, far = np.where(buys, bid, ask), np.where(buys, ask, bid)
    where = rng.random(n)
    half_ticks = np.where(where < 0.5, 2 * far, np.where(where < 0.85, 2 * near, bid + ask))
    qty = 100.0 * rng.integers(1, 10, n)
    nth = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
    opens = nth % SLICE_FILLS == 0
    route = np.cumsum(opens) - 1
    venue = rng.integers(0, len(VENUES), int(opens.sum()))[route]
    total = np.cumsum(qty)
    before = np.concatenate([[0.0], total])[np.cumsum(counts) - counts]
    return _Fills(order, ts, qty, half_ticks / 200.0, route, venue, total - before[order])


def _accepted(rng: np.random.Generator, market: Market, book: _Orders) -> pl.DataFrame:
    n = len(book.symbol)
    decided = rng.random(n) < 0.9
    limited = rng.random(n) < 0.4
    decision_ts = book.arrival - rng.integers(100 * _MS, 1_000 * _MS, n)
    met = market.row_before(book.symbol, decision_ts)
    decision_px = (market.bid_ticks[met] + market.ask_ticks[met]) / 200.0
    worst = np.round(decision_px * (1.0 + 0.01 * book.side), 2)
    algo = rng.integers(0, len(ALGOS), n)
    rate = np.round(rng.uniform(0.05, 0.25, n), 2)
    frame = _event(ACCEPTED, np.arange(n), book.arrival).with_columns(
        order_qty=book.qty,
        limit_px=pl.Series(np.where(limited, worst, np.nan)).fill_nan(None),
        decision_ts=pl.when(pl.Series(decided)).then(pl.Series(decision_ts)),
        decision_px=pl.Series(np.where(decided, decision_px, np.nan)).fill_nan(None),
        start=book.arrival,
        end=book.end,
        participation=pl.Series(np.where(algo == ALGOS.index("POV"), rate, np.nan)).fill_nan(None),
    )
    return frame.with_columns(named(algo, ALGOS, "algo"))


def _routes(rng: np.random.Generator, fills: _Fills) -> list[pl.DataFrame]:
    """Each slice is sent before its first fill; of some a rest is cancelled after the last."""
    opens = np.flatnonzero(np.diff(fills.route, prepend=-1))
    closes = np.append(opens[1:], len(fills.route)) - 1
    n = len(opens)
    order = fills.order[opens]
    sent = fills.ts[opens] - rng.integers(20 * _MS, 500 * _MS, n)
    rest = np.where(rng.random(n) < 0.2, 100.0 * rng.integers(1, 5, n), 0.0)
    qty = np.bincount(fills.route, fills.qty, n) + rest
    route = np.arange(n) + 1
    venue = named(fills.venue[opens], VENUES, "venue")
    some = rest > 0
    return [
        _event(SENT, order, sent).with_columns(venue, route_id=route, order_qty=qty),
        _event(ACKNOWLEDGED, order, sent + rng.integers(_MS // 5, 5 * _MS, n)).with_columns(
            venue, route_id=route
        ),
        _event(ROUTE_CANCELLED, order[some], fills.ts[closes][some] + 50_000).with_columns(
            venue.filter(pl.Series(some)), route_id=route[some], leaves_qty=rest[some]
        ),
    ]


def _filled(fills: _Fills) -> pl.DataFrame:
    by_time = np.argsort(np.argsort(fills.ts, kind="stable"), kind="stable")
    per_share = np.array([0.0030, 0.0028, 0.0025, 0.0027, 0.0030, 0.0009])
    return _event(FILLED, fills.order, fills.ts).with_columns(
        named(fills.venue, VENUES, "venue"),
        exec_id=by_time + 1,
        last_qty=fills.qty,
        last_px=fills.px,
        cum_qty=fills.cum,
        fee=np.round(fills.qty * per_share[fills.venue], 4),
    )


def _cancelled(book: _Orders) -> pl.DataFrame:
    some = np.flatnonzero(book.unfilled > 0)
    return _event(CANCELLED, some, book.end[some])


def _event(kind: int, order: np.ndarray, ts: np.ndarray) -> pl.DataFrame:
    frame = pl.DataFrame({"order": order, "ts_event": ts})
    return frame.with_columns(named(np.full(len(order), kind), TYPES, "type"))


def _one_file(rows: list[pl.DataFrame], market: Market, book: _Orders) -> pl.DataFrame:
    ids = [f"O{k:06d}" for k in range(len(book.symbol))]
    frame = pl.concat(rows, how="diagonal").sort("ts_event", "order", maintain_order=True)
    order = frame["order"].to_numpy()
    return frame.select(
        "type",
        named(order, ids, "order_id"),
        named(book.symbol[order], market.names, "symbol"),
        named((book.side[order] < 0).astype(np.int64), ["BUY", "SELL"], "side"),
        "ts_event",
        pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("order").alias("seq"),
        pl.col("exec_id").cast(pl.Int64),
        pl.col("route_id").cast(pl.Int64),
        "order_qty",
        "last_qty",
        "last_px",
        "cum_qty",
        "leaves_qty",
        "limit_px",
        "venue",
        "fee",
        "algo",
        "start",
        "end",
        "participation",
        "decision_ts",
        "decision_px",
    )
