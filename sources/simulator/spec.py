"""What to simulate: symbols, venues, desk, impact, halts and faults, as plain typed records.

Every field has its unit in its name.
"""

import math
from typing import Literal

import msgspec

Algorithm = Literal["TWAP", "VWAP", "POV", "IS"]
Urgency = Literal["low", "medium", "high"]
FaultKind = Literal[
    "dead_venue",
    "slow_venue",
    "rejecting_venue",
    "quiet_venue",
    "toxic_venue",
    "overfilling_venue",
    "stalled_algorithm",
    "costly_algorithm",
    "market_move",
    "stale_feed",
    "duplicated",
    "reordered",
    "late_ticks",
    "late_fills",
    "future_dated",
    "garbage",
]


class SymbolSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One instrument. Prices in its currency, quantities in shares."""

    symbol: str
    price: float
    """Fair price before the first session."""
    adv_qty: float
    """Expected volume of a whole session."""
    tick: float = 0.01
    lot: int = 100
    sigma_daily_bps: float = 150.0
    """Standard deviation of the log return from open to close."""
    beta: float = 1.0
    """Part of the index's move that the symbol follows; 0 for none."""
    spread_bps: float = 2.0
    """Mean quoted spread; never below one tick."""
    quotes_per_s: float = 20.0
    trades_per_s: float = 5.0
    tail_df: float | None = 4.0
    """Degrees of freedom of Student increments; absent: Gaussian."""
    currency: str = "USD"


class VenueSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A market place. Fees are positive when paid and negative when received."""

    venue: str
    weight: float = 1.0
    """Share of the market's volume, before normalising."""
    presence: float = 0.8
    """Chance to quote at the best price, 0–1. The first venue always does."""
    latency_ms: float = 0.6
    """Median time from the desk to the book."""
    take_fee_per_share: float = 0.003
    add_fee_per_share: float = -0.002
    fee_bps: float = 0.0
    """Of notional, on top of the fees per share."""
    reject_rate: float = 0.003
    """Chance that a route is refused, 0–1."""


class ImpactSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the desk's own trades move the price.

    Each own fill of q shares moves the log price towards its side by
    `scale` × daily sigma × (q / ADV) ** `exponent`, and that move fades like
    (1 + t / `decay_s`) ** −`decay_exponent`. A `scale` of 0 turns it off.
    """

    scale: float = 1.5
    exponent: float = 0.6
    decay_s: float = 10.0
    decay_exponent: float = 0.5


class HaltSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Trading in a symbol stops; times in seconds after the start of the simulation."""

    symbol: str
    start_s: float
    duration_s: float = 30.0


class FaultSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that goes wrong between `start_s` and `end_s` of the simulation."""

    kind: FaultKind
    start_s: float = 0.0
    end_s: float = math.inf
    venue: str | None = None
    algorithm: Algorithm | None = None
    broker: str | None = None
    """With an algorithm: that algorithm at this broker alone."""
    symbol: str | None = None
    rate: float = 1.0
    """Share of the messages, routes or fills concerned, 0–1."""
    delay_ms: float = 250.0
    bps: float = 10.0
    """How far a toxic venue's price runs against each fill, how much worse than the venue's price
    a costly algorithm books it, or how far a market moves by itself: up, or down below zero."""


class ParentSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One order given to the desk; times in UNIX ns."""

    symbol: str
    side: str
    quantity: int
    algorithm: Algorithm
    start_ns: int
    end_ns: int
    participation: float | None = None
    urgency: Urgency = "medium"
    limit: float | None = None
    order_id: str | None = None
    desk: str | None = None
    broker: str | None = None


class DeskSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The desk's habits. Rates are chances 0–1 for each order, or each fill where said."""

    open_parents: int = 25
    """Orders worked at once; a new one comes as one ends. 0: only the listed parents."""
    duration_s: tuple[float, float] = (60.0, 180.0)
    participation: tuple[float, float] = (0.02, 0.12)
    """Size of an order as a share of the volume expected while it works."""
    algorithms: dict[str, float] = msgspec.field(
        default_factory=lambda: {"VWAP": 4.0, "TWAP": 3.0, "POV": 2.0, "IS": 2.0}
    )
    desks: tuple[str, ...] = ("US-CASH", "US-PROGRAM", "INDEX-ARB")
    traders_per_desk: int = 3
    brokers: tuple[str, ...] = ("BRK1", "BRK2", "BRK3")
    clients: tuple[str, ...] = ("ALPHA-FUND", "PENSION-7", "QUANT-LP", "MANDATE-12")
    strategies: tuple[str, ...] = ("MOMENTUM", "REBALANCE", "INDEX", "HEDGE")
    decision_delay_s: tuple[float, float] = (0.2, 4.0)
    amend_rate: float = 0.08
    cancel_rate: float = 0.05
    reject_rate: float = 0.02
    limit_rate: float = 0.15
    short_rate: float = 0.1
    """Share of the sales that are short."""
    bust_rate: float = 0.001
    """Of fills."""
    correct_rate: float = 0.002
    """Of fills."""
    commission_per_share: float = 0.0015
    route_timeout_s: float = 2.0
    report_parent_fills: bool = False
    """Whether the parent repeats its children's fills under execution ids of its own."""


class SimulationSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole simulation. The same specification and seed give the same bytes."""

    symbols: tuple[SymbolSpec, ...]
    venues: tuple[VenueSpec, ...]
    desk: DeskSpec = DeskSpec()
    impact: ImpactSpec = ImpactSpec()
    parents: tuple[ParentSpec, ...] = ()
    halts: tuple[HaltSpec, ...] = ()
    faults: tuple[FaultSpec, ...] = ()
    start_ts: str = "2026-11-20T14:30:00Z"
    """First instant; the open of the first session unless the calendar never closes."""
    calendar: str = "XNYS"
    """Named in the reference records; `24/7` has one session a UTC day."""
    session_s: float = 23_400.0
    sessions: int | None = 1
    """How many; absent: for ever."""
    duration_s: float | None = None
    """Stop after this much simulated time; absent: after the last session."""
    speed: float = 1.0
    """Simulated seconds in a second of the wall clock, in the live form alone."""
    auctions: bool = True
    u_shape: float = 1.0
    """Strength of the day's shape of volume, spread and volatility; 0 is flat."""
    index_symbol: str | None = None
    """One of the symbols: the factor that the others follow by their beta."""
    own_prints_named: bool = True
    """Whether the tape's prints of our fills carry our execution id."""
    market_seq: bool = True
    """Whether order events say which market event they followed."""
    send_reference: bool = True
    id_prefix: str = ""
