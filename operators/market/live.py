"""Orders that somebody watches: a mark a second for the screen, which changes nothing.

A watcher's request comes on topic `control`. Its marks show an order as the market values it
now; the order's own state, its numbered rows and the rules know the regular marks alone, so
whether and when somebody watches is not seen in any result.
"""

from typing import Any

import msgspec
import numpy as np

from domain.columns import SHOWS_ONLY
from domain.instants import SECOND
from domain.keys import key_of
from operators.kernel import Table, kernel
from operators.lookup import find
from operators.market.release import is_trading, write_mark
from operators.market.state import MarketState
from operators.market.tape import stamp
from operators.pieces import STAMPED

LIVE_INTERVAL_NS = SECOND
_MS = 1_000_000
_FORGET_NS = 86_400 * SECOND


class Watch(msgspec.Struct):
    """What a control message says of watching an order."""

    type: str = ""
    order_id: str | None = None
    real_time_updates: bool = False


@kernel
def newest_mark_before(until: int, phase_ms: int, interval_ns: int) -> Any:
    """Last mark time of an order strictly before an instant."""
    phase = (np.int64(phase_ms) * _MS) % interval_ns
    return ((until - 1 - phase) // interval_ns) * interval_ns + phase


@kernel
def live_marks(
    until: int,
    interval_ns: int,
    keys: Table,
    marked: Table,
    out: Table,
    symbols: Table,
    ticks: Table,
    seconds: Table,
    intervals: Table,
    feed: Table,
    tracked: Table,
    tracked_table: Table,
) -> Any:
    """Write the newest mark before `until` of each watched open order; returns how many.

    `marked` holds each one's last and is moved on. A regular mark is not written again.
    """
    count = 0
    for i in range(keys.shape[0]):
        row = find(tracked_table, keys[i])
        if row < 0:
            continue
        order = tracked[row]
        t = newest_mark_before(until, order.phase_ms, LIVE_INTERVAL_NS)
        if t <= marked[i]:
            continue
        marked[i] = t
        symbol = symbols[order.symbol]
        is_regular = newest_mark_before(t + 1, order.phase_ms, interval_ns) == t
        if is_regular or not is_trading(symbol, intervals, t):
            continue
        write_mark(out[count], order, t)
        out[count].flags = SHOWS_ONLY
        stamp(
            out[count], symbol, ticks[order.symbol], seconds[order.symbol], intervals, feed, t, -1
        )
        out[count].own_print = 0
        count += 1
    return count


class LiveOrders:
    """Which orders are watched, and when each was marked last."""

    def __init__(self, interval_ns: int, marked: dict[int, int] | None = None) -> None:
        self.interval_ns = interval_ns
        """Between two regular marks, which are shown anyway."""
        self.marked = dict(marked or {})

    def take(self, raw: bytes, known: int) -> None:
        """Begin or end a watch, where a control message says so."""
        told = msgspec.json.decode(raw, type=Watch)
        if told.order_id is None:
            return
        key = key_of(told.order_id)
        if told.type == "monitoring_started" and told.real_time_updates:
            self.marked.setdefault(key, known)
        elif told.type in {"monitoring_started", "monitoring_stopped"}:
            self.marked.pop(key, None)

    def marks(self, until: int, state: MarketState, feed: np.ndarray) -> np.ndarray:
        """What `live_marks` writes for every watched order; forgets those gone for a day."""
        keys = np.fromiter(self.marked, np.uint64, len(self.marked))
        marked = np.fromiter(self.marked.values(), np.int64, len(self.marked))
        out = np.zeros(len(keys), STAMPED)
        count = live_marks(
            until, self.interval_ns, keys, marked, out, state.symbols, state.ticks,
            state.seconds, state.intervals, feed, state.tracked, state.tracked_table,
        )  # fmt: skip
        self.marked = {
            key: last
            for key, last in zip(keys.tolist(), marked.tolist(), strict=True)
            if last > until - _FORGET_NS
        }
        return out[:count]
