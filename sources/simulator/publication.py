"""Faults on the way from the market and the desk to the bus: what readers have to bear."""

import heapq
from collections.abc import Iterator

import msgspec

from domain.events import MarketMessage, OrderMessage
from domain.instants import MILLISECOND, SECOND, format_rfc3339
from domain.vocabulary import Topic
from sources.simulator.agenda import Dice
from sources.simulator.journal import Entry, Message, Stamps
from sources.simulator.spec import FaultKind, FaultSpec

_FAR_FUTURE_NS = 4_070_908_800 * SECOND
"""The first instant of 2099."""
_BROKEN = (
    b"\x00\xff\xfe",
    b"{",
    b"[]",
    b"null",
    b'{"type":"trade"}',
    b'{"type":"no_such_event","ts_event":"2026-11-20T14:30:00Z"}',
    b'{"type":"order_filled","order_id":"X","symbol":"X","last_qty":-1,"last_px":1,'
    b'"ts_event":"2026-11-20T14:30:00Z"}',
    b'{"type":"quote","symbol":"X","bid":"1","ts_event":"2026-11-20T14:30:00Z"}',
)


class Publication:
    """Delays, repeats, drops and spoils messages as the faults say."""

    def __init__(
        self, faults: tuple[FaultSpec, ...], start_ns: int, stamps: Stamps, dice: Dice
    ) -> None:
        self._faults = faults
        self._start = start_ns
        self._stamps = stamps
        self._dice = dice
        self._late: list[tuple[int, int, Topic, Message]] = []
        self._count = 0

    def of(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        """The entries as they are published, in order of that time."""
        for t, topic, message in entries:
            while self._late and self._late[0][0] <= t:
                yield self._pop()
            yield from self._publish(t, topic, message)
        while self._late:
            yield self._pop()

    def _pop(self) -> Entry:
        t, _, topic, message = heapq.heappop(self._late)
        return t, topic, message

    def _hold(self, t: int, topic: Topic, message: Message) -> None:
        self._count += 1
        heapq.heappush(self._late, (t, self._count, topic, message))

    def _publish(self, t: int, topic: Topic, message: Message) -> Iterator[Entry]:
        delay = 0
        for fault in self._faults:
            if not self._concerns(fault, t, message):
                continue
            if fault.kind == "stale_feed":
                return
            if not self._dice.happens(fault.rate):
                continue
            if fault.kind in {"late_ticks", "late_fills"}:
                delay = max(delay, round(fault.delay_ms * MILLISECOND))
            elif fault.kind == "reordered":
                delay = max(delay, round(self._dice.uniform() * fault.delay_ms * MILLISECOND))
            else:
                self._add(fault, t, topic, message)
        if delay:
            self._hold(t + delay, topic, message)
        else:
            yield t, topic, message

    def _concerns(self, fault: FaultSpec, t: int, message: Message) -> bool:
        if not fault.start_s <= (t - self._start) / SECOND < fault.end_s:
            return False
        if isinstance(message, dict | bytes) or fault.symbol not in {None, message.symbol}:
            return False
        return _takes(fault.kind, message)

    def _add(self, fault: FaultSpec, t: int, topic: Topic, message: Message) -> None:
        if fault.kind == "duplicated":
            later = round(self._dice.uniform() * fault.delay_ms * MILLISECOND)
            self._hold(t + later, topic, message)
        elif fault.kind == "future_dated" and isinstance(message, OrderMessage | MarketMessage):
            ahead = msgspec.structs.replace(message, ts_event=format_rfc3339(_FAR_FUTURE_NS))
            self._hold(t, topic, ahead)
        elif fault.kind == "garbage":
            self._hold(t, topic, self._garbage(message))

    def _garbage(self, message: Message) -> bytes:
        choice = int(self._dice.uniform() * (len(_BROKEN) + 2))
        if choice < len(_BROKEN):
            return _BROKEN[choice]
        if choice == len(_BROKEN):
            return b"\xff" + self._dice.bytes(1 + int(self._dice.uniform() * 60))
        whole = msgspec.json.encode(message)
        return whole[: 1 + int(self._dice.uniform() * (len(whole) - 2))]


def _takes(kind: FaultKind, message: OrderMessage | MarketMessage) -> bool:
    if kind in {"stale_feed", "late_ticks"}:
        return isinstance(message, MarketMessage)
    if kind == "late_fills":
        return isinstance(message, OrderMessage) and message.type == "order_filled"
    return kind in {"duplicated", "reordered", "future_dated", "garbage"}
