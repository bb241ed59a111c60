"""A sink that keeps, in this process, only what the command was asked for."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from domain.rows import NO_FILLS, NO_ORDERS, Rows, Venues

KeyedRows = tuple[str, Rows]


class Collected:
    """What workers of one process have handed over so far; safe to use from all of them.

    Records are kept once for each order, the newest. `seen` is called with every Rows, for
    totals that need no records; so without `keep_orders` and `keep_fills` memory does not
    grow with the run.
    """

    def __init__(
        self,
        *,
        keep_orders: bool = False,
        keep_fills: bool = False,
        seen: Callable[[Rows], None] | None = None,
    ) -> None:
        self.keep_orders = keep_orders
        self.keep_fills = keep_fills
        self.names: dict[int, str] = {}
        self._seen = seen
        self._orders: list[tuple[np.ndarray, Venues]] = []
        self._fills: list[np.ndarray] = []
        self._lock = threading.Lock()

    def take(self, rows: Rows) -> None:
        """Keep what is wanted of the rows."""
        with self._lock:
            if self._seen is not None:
                self._seen(rows)
            if self.keep_orders and len(rows.orders):
                self._orders.append((rows.orders, rows.order_venues))
            if self.keep_fills and len(rows.fills):
                self._fills.append(rows.fills)
            if (self.keep_orders and len(rows.orders)) or (self.keep_fills and len(rows.fills)):
                self.names.update(rows.names)

    def orders(self) -> tuple[np.ndarray, Venues]:
        """The newest record of every order, by arrival and then key, and its venues."""
        with self._lock:
            if not self._orders:
                return NO_ORDERS, Venues()
            rows = np.concatenate([rows for rows, _ in self._orders])
            where = [(v, i) for rows_, v in self._orders for i in range(len(rows_))]
        newest = _newest(rows["order"])
        kept = rows[newest]
        place = np.lexsort((kept["order"], kept["ts"], kept["arrival_ts"]))
        chosen = newest[place]
        return rows[chosen], _joined([where[i] for i in chosen.tolist()])

    def amend(self, change: Callable[[np.ndarray], None]) -> None:
        """Let a function change the kept records in place, each ORDER array once."""
        with self._lock:
            self._orders = [(rows.copy(), venues) for rows, venues in self._orders]
            for rows, _ in self._orders:
                change(rows)

    def fills(self) -> np.ndarray:
        """Every execution, by time, then order and place in the input."""
        with self._lock:
            rows = np.concatenate(self._fills) if self._fills else NO_FILLS
        return rows[np.lexsort((rows["pos"], rows["source"], rows["order"], rows["ts"]))]


def _newest(orders: np.ndarray) -> np.ndarray:
    """Index of the last row of each order, ascending."""
    _, last = np.unique(orders[::-1], return_index=True)
    return np.sort(len(orders) - 1 - last)


def _joined(found: list[tuple[Venues, int]]) -> Venues:
    pairs = [venues.of(i) if len(venues.start) > i + 1 else [] for venues, i in found]
    sizes = np.array([0, *(len(p) for p in pairs)], np.int64)
    flat = [pair for some in pairs for pair in some]
    return Venues(
        np.cumsum(sizes),
        np.array([key for key, _ in flat], np.uint64),
        np.array([qty for _, qty in flat], np.float64),
    )


class CollectingSink(DynamicSink[KeyedRows]):
    """Hands every Rows of every worker in this process to `into`."""

    def __init__(self, into: Collected) -> None:
        self._into = into

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "_Rows":  # noqa: ARG002
        """One partition for each worker."""
        return _Rows(self._into)


class _Rows(StatelessSinkPartition[KeyedRows]):
    def __init__(self, into: Collected) -> None:
        self._into = into

    def write_batch(self, items: list[KeyedRows]) -> None:
        for _, rows in items:
            self._into.take(rows)


class CallingSink(DynamicSink[Any]):
    """Calls a function with every (key, item): dead letters, for instance."""

    def __init__(self, take: Callable[[Any], None]) -> None:
        self._take = take
        self._lock = threading.Lock()

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "_Calls":  # noqa: ARG002
        """One partition for each worker; calls never overlap."""
        return _Calls(self._take, self._lock)


class _Calls(StatelessSinkPartition[Any]):
    def __init__(self, take: Callable[[Any], None], lock: threading.Lock) -> None:
        self._take = take
        self._lock = lock

    def write_batch(self, items: list[Any]) -> None:
        with self._lock:
            for _, item in items:
                self._take(item)
