"""The desk's own orders: a parent that an algorithm works, and the children it sends."""

import math
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from domain.vocabulary import Side
from sources.simulator.spec import Algorithm, Urgency, VenueSpec


@dataclass(slots=True, eq=False)
class Parent:
    """An order given to the desk. Quantities in shares, times in UNIX ns."""

    order_id: str
    symbol: str
    side: Side
    order_qty: int
    algorithm: Algorithm
    start: int
    end: int
    participation: float | None
    urgency: Urgency
    limit_px: float | None
    desk: str
    trader: str
    broker: str
    client: str
    strategy: str
    currency: str
    decision_ts: int
    decision_px: float | None
    seq: int = 0
    filled: int = 0
    """Bought or sold by the children, busted shares taken off."""
    notional: float = 0.0
    working: int = 0
    """Left in children that are at a venue or on the way."""
    children: "list[Child]" = field(default_factory=list)
    """Only the open ones."""
    child_count: int = 0
    start_volume: float = 0.0
    open: bool = True
    cancelling: bool = False
    suspended: bool = False
    ending: str | None = None
    """The event that will end it once the children are in."""
    end_told: bool = False
    """Whether an event ended it; a filled order needs none."""

    @property
    def leaves(self) -> int:
        """Shares neither filled nor working."""
        return max(0, self.order_qty - self.filled - self.working)


@dataclass(slots=True, eq=False)
class Child:
    """One slice at one venue at a time. `limit_px` is None for a market order."""

    order_id: str
    parent: Parent
    venue: int
    order_qty: int
    limit_px: float | None
    immediate: bool
    """Whether what is not filled at once is cancelled (IOC)."""
    seq: int = 0
    cum: int = 0
    open: bool = True
    route: int = 0
    """How many times it was routed; its newest route is this one."""
    answered: bool = False
    """Whether the newest route was acknowledged, rejected or given up."""
    resting: bool = False
    queue_ahead: int = 0
    price_ticks: int = 0
    sent_at: int = 0
    cancelling: bool = False

    @property
    def leaves(self) -> int:
        """Shares still wanted."""
        return self.order_qty - self.cum

    @property
    def route_id(self) -> str:
        """Id of the newest route."""
        return f"{self.order_id}-R{self.route}"


class Touch(NamedTuple):
    """The best prices and sizes; NaN where there is no quote."""

    bid: float
    ask: float
    bid_size: float
    ask_size: float

    @property
    def mid(self) -> float | None:
        """Between the two; None without a quote on both sides."""
        middle = (self.bid + self.ask) / 2
        return None if math.isnan(middle) else round(middle, 9)


class Exchange(Protocol):
    """What the desk sees of a market, simulated or from a tape."""

    @property
    def venues(self) -> tuple[VenueSpec, ...]:
        """The venues, by index."""
        ...

    def touch(self, symbol: str) -> Touch:
        """The national best bid and offer."""
        ...

    def displayed(self, symbol: str, venue: int, sign: int) -> float:
        """Shares at the touch of that venue that a buyer (+1) or seller (−1) can take."""
        ...

    def volume(self, symbol: str) -> float:
        """Shares traded so far, ours too."""
        ...

    def halted(self, symbol: str) -> bool:
        """Whether trading in the symbol is stopped."""
        ...

    def market_seq(self, symbol: str) -> int | None:
        """Sequence of the symbol's last market event."""
        ...

    def grid(self, symbol: str) -> tuple[float, int]:
        """Tick in currency and lot in shares."""
        ...

    def volume_share(self, symbol: str, t: int) -> float:
        """Share of the session's volume expected until `t`, 0–1."""
        ...

    def expected_volume(self, symbol: str, start: int, end: int) -> float:
        """Shares expected to trade between two times."""
        ...

    def place(self, child: Child, t: int) -> None:
        """Execute a child against the venue's book as far as it goes; rest it unless IOC."""
        ...

    def withdraw(self, child: Child) -> None:
        """Take a resting child from the book."""
        ...

    def drift(self, symbol: str, log_move: float) -> None:
        """Shift the fair price for good, where the market is a simulated one."""
        ...
