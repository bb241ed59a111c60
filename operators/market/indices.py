"""Mids of indices at whole seconds, of which every order group is told.

An order's index is quoted in another symbol group, and often on another partition, than its own
symbol, so its mids travel with the groups' progress, as halts do: whoever folds an event has all
mids up to its time. A second is told of only where the mid is another than the one before.
"""

import math
from collections.abc import Iterable, Mapping

import numpy as np

from domain.instants import NO_TIME, SECOND
from domain.keys import key_of
from operators.arrays import joined
from operators.kernel import Row, Table, kernel
from operators.lookup import find
from operators.market.state import MarketState
from operators.market.tape import last_before, valid_mid
from operators.pieces import INDEX_MID, NO_INDEX_MIDS

Told = tuple[int, float]
"""(newest whole second that was told of, ns; its mid)"""


@kernel
def index_mids(symbol: Row, ticks: Table, after: int, mid: float, until: int, out: Table) -> int:
    """Write the mids of whole seconds in (after, until), each that differs; returns how many.

    `mid` is the newest that was told of. A second's is that of its last quote, where it is valid.
    """
    n = 0
    begin = max(last_before(ticks, symbol.start, symbol.count, after, -1), symbol.start)
    end = symbol.start + symbol.count
    for i in range(begin, end):
        second = ((ticks[i].ts + SECOND - 1) // SECOND) * SECOND
        if second >= until:
            break
        if second <= after or (i + 1 < end and ticks[i + 1].ts <= second):
            continue
        now = valid_mid(ticks[i].bid, ticks[i].ask)
        if now == now and now != mid:
            out[n].symbol = symbol.key
            out[n].ts = second
            out[n].mid = now
            mid = now
            n += 1
    return n


class Indices:
    """The indices that reference records name, and how far each was told of."""

    def __init__(self, names: Iterable[str] = (), told: Mapping[int, Told] | None = None) -> None:
        self.told = dict(told or {})
        for name in names:
            self.learn(name)

    def learn(self, name: str) -> None:
        """Know of an index by its symbol."""
        self.told.setdefault(key_of(name), (NO_TIME, math.nan))

    def mids(self, until: int, state: MarketState) -> np.ndarray:
        """What is new before an instant of those that are quoted in this group."""
        parts: list[np.ndarray] = []
        for key, (after, mid) in self.told.items():
            row = int(find(state.symbol_table, np.uint64(key)))
            if row < 0:
                continue
            out = np.empty(int(state.symbols[row]["count"]), INDEX_MID)
            n = index_mids(state.symbols[row], state.ticks[row], after, mid, until, out)
            if n:
                self.told[key] = (int(out["ts"][n - 1]), float(out["mid"][n - 1]))
                parts.append(out[:n])
        return joined(parts, INDEX_MID) if parts else NO_INDEX_MIDS
