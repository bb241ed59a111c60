"""A small desk to tell scenarios with: calm symbols, few venues, orders that are listed."""

from typing import Any

from domain.alerts import alert_id_of, dedupe_key
from domain.events import AlgoParams, MarketMessage, OrderMessage
from domain.instants import SECOND, format_rfc3339, parse_rfc3339
from domain.keys import crc_of
from domain.vocabulary import Topic
from sources.simulator.spec import (
    DeskSpec,
    FaultSpec,
    ParentSpec,
    SimulationSpec,
    SymbolSpec,
    VenueSpec,
)

OPEN = "2026-11-20T14:30:00Z"
OPEN_NS = parse_rfc3339(OPEN)
VENUES = (
    VenueSpec(venue="XNAS", weight=3.0),
    VenueSpec(venue="ARCX", weight=2.0),
    VenueSpec(venue="EDGX", weight=1.0),
)
DESK = "US-CASH"
SPREAD_BPS = 2.0


def symbol(name: str, **more: Any) -> SymbolSpec:
    """A stock that moves 60 bps a day."""
    calm: dict[str, Any] = {
        "price": 100.0, "adv_qty": 10_000_000, "sigma_daily_bps": 60.0, "beta": 0.0,
        "spread_bps": SPREAD_BPS, "quotes_per_s": 1.0, "trades_per_s": 1.0,
    }  # fmt: skip
    return SymbolSpec(symbol=name, **{**calm, **more})


def order(
    order_id: str,
    symbol: str,
    quantity: int,
    start_s: float,
    end_s: float,
    algorithm: Any = "TWAP",
    open_ns: int = OPEN_NS,
    **more: Any,
) -> ParentSpec:
    """A purchase; times in seconds after the open."""
    members = {"side": "BUY", "desk": DESK, "broker": "BRK1", **more}
    return ParentSpec(
        order_id=order_id, symbol=symbol, quantity=quantity, algorithm=algorithm,
        start_ns=open_ns + round(start_s * SECOND), end_ns=open_ns + round(end_s * SECOND),
        **members,
    )  # fmt: skip


def desk(
    *parents: ParentSpec,
    minutes: float,
    faults: tuple[FaultSpec, ...] = (),
    symbols: tuple[SymbolSpec, ...] = (symbol("AAA"), symbol("BBB")),
    **more: Any,
) -> SimulationSpec:
    """The desk works the listed orders from the open on, for so many minutes of a flat day."""
    members: dict[str, Any] = {
        "desk": DeskSpec(open_parents=0, bust_rate=0.0, correct_rate=0.0),
        "venues": VENUES, "u_shape": 0.0, "start_ts": OPEN, "duration_s": minutes * 60.0,
    }  # fmt: skip
    return SimulationSpec(symbols=symbols, parents=parents, faults=faults, **{**members, **more})


class Tale:
    """Events told one by one; times in seconds after an instant at which an order is judged."""

    def __init__(self, order_id: str, begin_ns: int = OPEN_NS) -> None:
        self.order_id = order_id
        self.begin_ns = begin_ns + crc_of(order_id) % 5_000 * 1_000_000
        self._told: list[tuple[float, int, Topic, Any]] = []

    @property
    def said(self) -> list[tuple[Topic, Any]]:
        """The messages in order of time."""
        return [
            (topic, message) for _, _, topic, message in sorted(self._told, key=lambda x: x[:2])
        ]

    def _tell(self, seconds: float, topic: Topic, message: Any) -> None:
        self._told.append((seconds, len(self._told), topic, message))

    def at(self, seconds: float) -> str:
        """RFC 3339 text of a time."""
        return format_rfc3339(self.begin_ns + round(seconds * SECOND))

    def quotes(self, until_s: int, mid: float = 100.0) -> None:
        """A market that stands still, quoted each second with a trade."""
        for t in range(until_s):
            head: dict[str, Any] = {"symbol": "X", "ts_event": self.at(t + 0.5)}
            quote = MarketMessage(type="quote", bid=mid - 0.01, ask=mid + 0.01, **head)
            self._tell(t + 0.5, Topic.MARKET_DATA, quote)
            trade = MarketMessage(type="trade", price=mid, size=1_000.0, **head)
            self._tell(t + 0.5, Topic.MARKET_DATA, trade)

    def order(self, type_: str, seconds: float, **more: Any) -> None:
        """An event of the order, or of a child of it that is named."""
        members = {"order_id": self.order_id, "symbol": "X", "side": "BUY", **more}
        message = OrderMessage(type=type_, ts_event=self.at(seconds), **members)
        self._tell(seconds, Topic.ORDERS, message)

    def accept(self, quantity: float, until_s: float | None = None, **more: Any) -> None:
        """The order comes at 0, with a TWAP until then where a time is given."""
        if until_s is not None:
            more["algo_params"] = AlgoParams(
                schedule="TWAP", start=self.at(0), end=self.at(until_s)
            )
        self.order("order_accepted", 0.0, order_qty=quantity, desk=DESK, **more)

    def acknowledge(self, seconds: float, type_: str) -> None:
        """Somebody says that they look at the order's first alert of a type."""
        alert_id = alert_id_of(dedupe_key(DESK, self.order_id, type_), 1)
        members = {"scope": DESK, "alert_id": alert_id, "by": "mia", "ts_event": self.at(seconds)}
        self._tell(seconds, Topic.CONTROL, {"type": "alert_acknowledged", **members})

    def fill(self, seconds: float, quantity: float, px: float = 100.0, **more: Any) -> None:
        """An execution."""
        exec_id = f"e{len(self._told)}"
        self.order(
            "order_filled", seconds, exec_id=exec_id, last_qty=quantity, last_px=px, venue="XNAS",
            **more,
        )  # fmt: skip
