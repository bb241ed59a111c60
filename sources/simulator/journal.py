"""Writes down what happens, as the messages of the bus, in order of time."""

from collections.abc import Callable
from typing import Any

from domain.events import MarketMessage, OrderMessage
from domain.instants import SECOND, format_rfc3339
from domain.vocabulary import Topic
from sources.simulator.orders import Child, Parent

Message = OrderMessage | MarketMessage | dict[str, Any] | bytes
"""Bytes are garbage, on request only."""
Entry = tuple[int, Topic, Message]
"""When it is published (UNIX ns of the simulation), where, and what."""


class Stamps:
    """Instants of the simulation as RFC 3339 text, shifted and scaled for the live form."""

    def __init__(self, start_ns: int) -> None:
        self._start = start_ns
        self._base = start_ns
        self._speed = 1.0
        self._grid = 1
        self._second = -1
        self._prefix = ""

    def follow(self, base_ns: int, speed: float) -> None:
        """Let the start of the simulation be `base_ns`, and time run `speed` times as fast."""
        self._base, self._speed, self._grid = base_ns, speed, 1000

    def outside(self, t: int) -> int:
        """The UNIX ns that an instant of the simulation is shown as."""
        ago = t - self._start
        shown = self._base + (ago if self._speed == 1.0 else round(ago / self._speed))
        return shown - shown % self._grid

    def text(self, t: int) -> str:
        """RFC 3339 UTC, to the microsecond or, where it matters, the nanosecond."""
        second, ns = divmod(self.outside(t), SECOND)
        if second != self._second:
            self._second = second
            self._prefix = format_rfc3339(second * SECOND)[:-1]
        if ns % 1000:
            return f"{self._prefix}.{ns:09d}Z"
        return f"{self._prefix}.{ns // 1000:06d}Z"


class Journal:
    """Collects messages until the script takes them."""

    def __init__(self, stamps: Stamps) -> None:
        self.stamps = stamps
        self.entries: list[Entry] = []
        self.market_seq_of: Callable[[str], int | None] = lambda _symbol: None
        """Sequence of a symbol's last market event, for the events of orders."""

    def market(self, t: int, message: MarketMessage) -> None:
        """Keep a market event."""
        self.entries.append((t, Topic.MARKET_DATA, message))

    def reference(self, t: int, record: dict[str, Any]) -> None:
        """Keep a reference record."""
        self.entries.append((t, Topic.REFERENCE, record))

    def parent(self, t: int, kind: str, parent: Parent, **fields: Any) -> None:
        """Keep an event of a parent order."""
        parent.seq += 1
        self._order(Topic.ORDERS, t, kind, parent, parent.order_id, parent.seq, fields)

    def child(self, t: int, kind: str, child: Child, **fields: Any) -> None:
        """Keep an event of a child order."""
        self._child(Topic.ORDERS, t, kind, child, fields)

    def route(self, t: int, kind: str, child: Child, venue: str, **fields: Any) -> None:
        """Keep an event of a child's newest route."""
        fields["route_id"] = child.route_id
        fields["venue"] = venue
        self._child(Topic.ROUTES, t, kind, child, fields)

    def _child(self, topic: Topic, t: int, kind: str, child: Child, fields: dict[str, Any]) -> None:
        child.seq += 1
        root = child.parent.order_id
        fields["parent_order_id"] = root
        fields["root_order_id"] = root
        self._order(topic, t, kind, child.parent, child.order_id, child.seq, fields)

    def _order(
        self,
        topic: Topic,
        t: int,
        kind: str,
        parent: Parent,
        order_id: str,
        seq: int,
        fields: dict[str, Any],
    ) -> None:
        message = OrderMessage(
            type=kind,
            ts_event=self.stamps.text(t),
            order_id=order_id,
            symbol=parent.symbol,
            side=parent.side.value,
            seq=seq,
            market_seq=self.market_seq_of(parent.symbol),
            **fields,
        )
        self.entries.append((t, topic, message))
