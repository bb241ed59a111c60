"""Holding market data back while orders are far behind, so that little of it must be kept."""

import threading

from domain.instants import END_OF_TIME, NO_TIME

_IDLE = END_OF_TIME


class MarketGate:
    """Watermarks of the `orders` partitions that this process reads.

    Workers of one process share a gate. Partitions read by other processes are not seen: a
    process that reads market data alone is never held, one whose own orders are current may
    run ahead of another's.
    """

    def __init__(self, ahead_ns: int) -> None:
        self._ahead_ns = ahead_ns
        self._orders: dict[int, int] = {}
        self._lock = threading.Lock()

    def note_orders(self, index: int, watermark: int, *, empty: bool = False) -> None:
        """An orders partition stands here, UNIX ns; `empty`: it never had a message."""
        with self._lock:
            self._orders[index] = _IDLE if empty and watermark == NO_TIME else watermark

    def orders_ended(self, index: int) -> None:
        """An orders partition gives nothing more and holds nobody."""
        with self._lock:
            self._orders[index] = _IDLE

    def is_open(self, market_watermark: int) -> bool:
        """Whether a market partition that stands here may go on."""
        with self._lock:
            slowest = min(self._orders.values(), default=_IDLE)
        if slowest == _IDLE:
            return True
        return slowest != NO_TIME and market_watermark <= slowest + self._ahead_ns
