"""The JSON events of the bus, as typed records.

One record type per topic. Unknown fields are ignored, so a newer producer can add some;
a missing or wrong field is refused in words by `domain.wire`.
"""

import msgspec


class AlgoParams(msgspec.Struct, omit_defaults=True, frozen=True):
    """What an algorithm was told: times are RFC 3339, participation is a rate 0–1.

    `urgency` is LOW, MEDIUM or HIGH; `kappa_t`, which goes before it, is the κ·T itself.
    `profile` is a schedule of its own, which goes before any other: the shares of the order that
    fall into equal parts of the time from `start` to `end`, in trading time; they sum to 1.
    """

    schedule: str | None = None
    start: str | None = None
    end: str | None = None
    participation: float | None = None
    urgency: str | None = None
    kappa_t: float | None = None
    profile: list[float] | None = None


class OrderMessage(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Topics `orders` and `routes`. Field names are FIX's; see the data dictionary."""

    type: str
    ts_event: str
    order_id: str = ""
    topic: str | None = None
    parent_order_id: str | None = None
    root_order_id: str | None = None
    cl_ord_id: str | None = None
    exec_id: str | None = None
    exec_ref_id: str | None = None
    route_id: str | None = None
    symbol: str | None = None
    side: str | None = None
    order_qty: float | None = None
    last_qty: float | None = None
    last_px: float | None = None
    cum_qty: float | None = None
    leaves_qty: float | None = None
    avg_px: float | None = None
    ord_type: str | None = None
    limit_px: float | None = None
    time_in_force: str | None = None
    venue: str | None = None
    broker: str | None = None
    algo: str | None = None
    algo_params: AlgoParams | None = None
    strategy: str | None = None
    trader: str | None = None
    desk: str | None = None
    client: str | None = None
    currency: str | None = None
    asset_class: str | None = None
    liquidity: str | None = None
    fee: float | None = None
    reject_reason: int | None = None
    displayed_qty: float | None = None
    decision_ts: str | None = None
    decision_px: float | None = None
    ts_received: str | None = None
    seq: int | None = None
    market_seq: int | None = None
    text: str | None = None


class MarketMessage(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Topic `market-data`: quote, trade, auction, halted, resumed."""

    type: str
    ts_event: str
    symbol: str = ""
    topic: str | None = None
    bid: float | None = None
    ask: float | None = None
    bid_size: float | None = None
    ask_size: float | None = None
    price: float | None = None
    size: float | None = None
    venue: str | None = None
    auction: str | None = None
    """`opening` or `closing`, for `auction`."""
    conditions: list[str] | None = None
    eligible: bool | None = None
    """Whether the print counts for volume-weighted benchmarks; absent: from `conditions`."""
    exec_id: str | None = None
    seq: int | None = None


class Clock(msgspec.Struct, kw_only=True):
    """A message that only moves event time; in every partition of the input topics."""

    type: str
    ts_event: str
    topic: str | None = None


REPUBLISH = "status_republish_requested"
"""Type of the control message on which every open order, and every open alert, is told again."""


class Envelope(msgspec.Struct):
    """The two members that tell what the rest is."""

    type: str = ""
    topic: str | None = None
