"""Bars of a second of the symbols that somebody trades.

A bar is cut once every input is past its end, so it is final. A second counts where an order
of the symbol was open in it, by effective times alone, however far the market was read ahead.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from domain.instants import NO_TIME, SECOND
from domain.rows import BAR
from operators.kernel import Row, Table, kernel
from operators.market.state import MarketState
from operators.market.tape import last_before

_SECOND = SECOND
_NEVER_S = (1 << 32) - 1

SPAN = np.dtype([("symbol", "i4"), ("from_s", "u4"), ("to_s", "u4"), ("reserved", "u4")])
"""Seconds, first and last, in which an order was open that no longer is."""


@kernel
def note_closed(spans: Table, used: Table, order: Row, t: int) -> None:
    """Keep when an open order of the table was open, as it leaves at `t`."""
    if used[0] < spans.shape[0]:
        span = spans[used[0]]
        span.symbol = order.symbol
        span.from_s = order.since_s
        span.to_s = max(t // _SECOND, 0)
        used[0] += 1


@kernel
def _drop_spans(spans: Table, used: Table, before_s: int) -> None:
    """Forget what ended before a second."""
    kept = 0
    for i in range(used[0]):
        if spans[i].to_s >= before_s:
            spans[kept] = spans[i]
            kept += 1
    used[0] = kept


@kernel
def _is_traded(
    symbol: int, second: int, since: Table, tracked: Table, n_tracked: int, idle_ns: int,
    spans: Table, n_spans: int,
) -> bool:  # fmt: skip
    """Whether an order of the symbol was open in the second."""
    if second >= since[symbol]:
        return True
    for i in range(n_spans):
        if spans[i].symbol == symbol and spans[i].from_s <= second <= spans[i].to_s:
            return True
    for i in range(n_tracked):
        order = tracked[i]
        if (
            order.symbol == symbol
            and order.order_qty != order.order_qty
            and order.since_s <= second <= (order.last_ts + idle_ns) // _SECOND
        ):
            return True
    return False


@kernel
def cut_bars(
    first_s: int, end_s: int, symbols: Table, n_symbols: int, ticks: Table, prices: Table,
    tracked: Table, n_tracked: int, idle_ns: int, spans: Table, used: Table, since: Table,
    out: Table,
) -> Any:  # fmt: skip
    """Write the bars of the seconds from `first_s` up to `end_s`; returns how many.

    −1 where `out` is too small; nothing has changed then. Orders whose size was never said
    count until they were silent for `idle_ns`. `since` is room for a number of each symbol.
    """
    for i in range(n_symbols):
        since[i] = _NEVER_S
    for i in range(n_tracked):
        order = tracked[i]
        if order.order_qty == order.order_qty and order.since_s < since[order.symbol]:
            since[order.symbol] = order.since_s
    count = 0
    for i in range(n_symbols):
        symbol = symbols[i]
        end = symbol.start + symbol.count
        at = last_before(ticks[i], symbol.start, symbol.count, first_s * _SECOND, -1) + 1
        while at < end and ticks[i, at].ts < end_s * _SECOND:
            second = ticks[i, at].ts // _SECOND
            before = at - 1
            trades = 0
            first_px = last_px = high = low = np.nan
            while at < end and ticks[i, at].ts < (second + 1) * _SECOND:
                price = prices[i, at]
                if price == price:
                    first_px = price if trades == 0 else first_px
                    high = price if trades == 0 else max(high, price)
                    low = price if trades == 0 else min(low, price)
                    last_px = price
                    trades += 1
                at += 1
            if trades == 0 or not _is_traded(
                i, second, since, tracked, n_tracked, idle_ns, spans, used[0]
            ):
                continue
            if count >= out.shape[0]:
                return -1
            bar = out[count]
            count += 1
            tick = ticks[i, at - 1]
            bar.symbol = symbol.key
            bar.ts = second * _SECOND
            bar.trades = trades
            bar.bid = tick.bid
            bar.ask = tick.ask
            bar.open = first_px
            bar.high = high
            bar.low = low
            bar.close = last_px
            bar.volume = tick.vol - (ticks[i, before].vol if before >= symbol.start else 0.0)
            value = tick.pv - (ticks[i, before].pv if before >= symbol.start else 0.0)
            bar.vwap = value / bar.volume if bar.volume > 0.0 else np.nan
    _drop_spans(spans, used, end_s)
    return count


class Bars:
    """The bars of one symbol group: which are cut, and what is needed for the next."""

    def __init__(self, idle_ns: int, resume: tuple[Any, ...] | None = None) -> None:
        self.idle_ns = idle_ns
        self.spans = np.zeros(0, SPAN)
        self.used = np.zeros(1, np.int64)
        self.names: dict[int, str] = {}
        self._next_s = 0
        if resume is not None:
            self._next_s, spans, names = resume
            self.spans = np.frombuffer(spans, SPAN).copy()
            self.used[0] = len(self.spans)
            self.names = dict(names)

    def snapshot(self) -> tuple[Any, ...]:
        """Plain data."""
        return (self._next_s, self.spans[: int(self.used[0])].tobytes(), dict(self.names))

    def reserve(self, events: int) -> None:
        """Make room for what so many events may close: each its order and a parent."""
        short = int(self.used[0]) + 2 * events - len(self.spans)
        if short > 0:
            more = np.zeros(max(short, len(self.spans), 64), SPAN)
            self.spans = np.concatenate([self.spans, more])

    def keep_from(self, instant: int) -> int:
        """From when ticks are needed, at least from UNIX ns `instant`."""
        return min(instant, self._next_s * _SECOND) if self._next_s else instant

    def learn(self, symbols: Iterable[int], names: Mapping[int, str]) -> None:
        """Keep what the symbols of orders are called."""
        for key in symbols:
            if key not in self.names and key in names:
                self.names[key] = names[key]

    def cut(self, until: int, state: MarketState) -> np.ndarray:
        """The bars that ended by UNIX ns `until`."""
        end_s = max(until, 0) // _SECOND
        if until == NO_TIME or end_s <= self._next_s:
            return np.empty(0, BAR)
        since = np.zeros(max(state.n_symbols, 1), np.int64)
        room = 64
        while True:
            out = np.zeros(room, BAR)
            count = cut_bars(
                self._next_s, end_s, state.symbols, state.n_symbols, state.ticks, state.prices,
                state.tracked, state.n_tracked, self.idle_ns, self.spans, self.used, since, out,
            )  # fmt: skip
            if count >= 0:
                break
            room *= 4
        self._next_s = end_s
        return out[:count]
