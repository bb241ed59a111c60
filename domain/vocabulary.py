"""The terms of the desk and of FIX, as enums whose numbers are a storage format.

A member's number is written into column batches and snapshots: add members at the
end, never renumber.
"""

from enum import IntEnum, StrEnum


class Topic(StrEnum):
    """Topics of the bus. The first five are inputs and carry clock messages."""

    ORDERS = "orders"
    ROUTES = "routes"
    MARKET_DATA = "market-data"
    REFERENCE = "reference"
    CONTROL = "control"
    EXECUTION_UPDATES = "execution-updates"
    EXECUTION_EVENTS = "execution-events"
    EXECUTION_ALERTS = "execution-alerts"
    DEAD_LETTER = "dead-letter"


INPUT_TOPICS = (Topic.ORDERS, Topic.ROUTES, Topic.MARKET_DATA, Topic.REFERENCE, Topic.CONTROL)


class Side(StrEnum):
    """FIX 54. `sign` is +1 for a purchase and −1 for any sale."""

    BUY = "BUY"
    BUY_MINUS = "BUY_MINUS"
    SELL = "SELL"
    SELL_PLUS = "SELL_PLUS"
    SELL_SHORT = "SELL_SHORT"
    SELL_SHORT_EXEMPT = "SELL_SHORT_EXEMPT"

    @property
    def sign(self) -> int:
        """+1 for BUY and BUY_MINUS, −1 for every sale."""
        return 1 if self in {Side.BUY, Side.BUY_MINUS} else -1


SIDE_OF_FIX = {
    "1": Side.BUY,
    "2": Side.SELL,
    "3": Side.BUY_MINUS,
    "4": Side.SELL_PLUS,
    "5": Side.SELL_SHORT,
    "6": Side.SELL_SHORT_EXEMPT,
}
SIDES = tuple(Side)


class EventKind(IntEnum):
    """What an order or route event says happened; also the rows the market stage adds.

    Names in lower case are the `type` of the JSON event. MARK and below never travel on
    the bus: the market stage makes them for the order stage.
    """

    ORDER_ACCEPTED = 1
    ORDER_PENDING_CANCEL = 2
    ORDER_PENDING_REPLACE = 3
    ORDER_REPLACED = 4
    ORDER_CANCELLED = 5
    CANCEL_REJECTED = 6
    ORDER_REJECTED = 7
    ORDER_EXPIRED = 8
    ORDER_DONE_FOR_DAY = 9
    ORDER_SUSPENDED = 10
    ORDER_RESUMED = 11
    ORDER_FILLED = 12
    FILL_BUSTED = 13
    FILL_CORRECTED = 14
    ROUTE_SENT = 20
    ROUTE_ACKNOWLEDGED = 21
    ROUTE_REJECTED = 22
    ROUTE_TIMED_OUT = 23
    ROUTE_CANCELLED = 24
    MARK = 40
    OWN_PRINT = 41


ORDER_EVENT_TYPES = {k.name.lower(): k for k in EventKind if k <= EventKind.FILL_CORRECTED}
ROUTE_EVENT_TYPES = {
    k.name.lower(): k for k in EventKind if EventKind.ROUTE_SENT <= k <= EventKind.ROUTE_CANCELLED
}


class MarketKind(IntEnum):
    """Bits: a row may hold a quote and the print that followed it at once."""

    QUOTE = 1
    TRADE = 2
    AUCTION = 4
    HALTED = 8
    RESUMED = 16


MARKET_EVENT_TYPES = {k.name.lower(): k for k in MarketKind}


class TradeFlag(IntEnum):
    """Bits of a print, decided by the source from the tape's sale conditions."""

    ELIGIBLE = 1
    """Counts for volume-weighted benchmarks and participation."""
    OPENING = 2
    CLOSING = 4
    OUT_OF_SEQUENCE = 8
    EXTENDED_HOURS = 16
    SUSPICIOUS = 32


class OrderState(IntEnum):
    """FIX 39 in words. PENDING_* are FIX's own pending states."""

    UNKNOWN = 0
    """Only executions were seen so far, no acceptance."""
    NEW = 1
    PARTIALLY_FILLED = 2
    FILLED = 3
    CANCELLED = 4
    REPLACED = 5
    REJECTED = 6
    EXPIRED = 7
    DONE_FOR_DAY = 8
    SUSPENDED = 9
    PENDING_CANCEL = 10
    PENDING_REPLACE = 11

    @property
    def is_closed(self) -> bool:
        """Whether no further execution is expected."""
        return self in CLOSED_STATES


CLOSED_STATES = frozenset(
    {OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED, OrderState.EXPIRED}
)


class OrderType(IntEnum):
    """FIX 40."""

    UNKNOWN = 0
    MARKET = 1
    LIMIT = 2
    STOP = 3
    STOP_LIMIT = 4
    MARKET_ON_CLOSE = 5
    LIMIT_ON_CLOSE = 6
    PEGGED = 7


class TimeInForce(IntEnum):
    """FIX 59."""

    UNKNOWN = 0
    DAY = 1
    GTC = 2
    OPG = 3
    IOC = 4
    FOK = 5
    GTX = 6
    GTD = 7
    CLS = 8


class Liquidity(IntEnum):
    """FIX 851, LastLiquidityInd."""

    UNKNOWN = 0
    ADDED = 1
    REMOVED = 2
    ROUTED = 3
    AUCTION = 4


class AssetClass(IntEnum):
    """Chooses limits on quote age and the default calendar."""

    UNKNOWN = 0
    EQUITY = 1
    FUTURE = 2
    OPTION = 3
    FX = 4
    CRYPTO = 5
    BOND = 6


class Schedule(IntEnum):
    """How an algorithm means to spread an order over time."""

    NONE = 0
    TWAP = 1
    VWAP = 2
    POV = 3
    IS = 4
    CLOSE = 5
    CUSTOM = 6


URGENCY_KAPPA_T = {
    text: kappa_t
    for name, kappa_t in (("LOW", 1.0), ("MEDIUM", 3.0), ("HIGH", 6.0))
    for text in (name, name.lower(), name.capitalize())
}
"""How strongly an implementation-shortfall schedule is front-loaded, by urgency: κ·T."""


class RejectReason(IntEnum):
    """FIX 103, OrdRejReason; the values are FIX's own plus one."""

    NONE = 0
    BROKER = 1
    UNKNOWN_SYMBOL = 2
    EXCHANGE_CLOSED = 3
    ORDER_EXCEEDS_LIMIT = 4
    TOO_LATE_TO_ENTER = 5
    UNKNOWN_ORDER = 6
    DUPLICATE_ORDER = 7
    STALE_ORDER = 9
    UNSUPPORTED = 12
    INCORRECT_QUANTITY = 14
    PRICE_EXCEEDS_BAND = 17
    OTHER = 100


class Anomaly(IntEnum):
    """Bits shown with an order: what in its events does not add up, and what it met."""

    EXEC_ID_REUSED = 1
    CUM_QTY_FELL = 2
    OVERFILL = 4
    STATE_VIOLATION = 8
    LATE = 16
    NEVER_ACCEPTED = 32
    RESTATED = 64
    UNKNOWN_EXEC = 128
    """A bust or correction names an execution that was not seen."""
    AVG_PX_DIFFERS = 256
    """The counterparty's average (FIX 6) is not ours."""
    CUM_QTY_DIFFERS = 512
    """The counterparty's cumulative quantity (FIX 14) is not ours."""
    FILL_AFTER_CLOSE = 1024
    DRIFT = 2048
    """The market runs away from the order by itself: as far as an impact, and it is too small
    for one. It comes and goes."""
