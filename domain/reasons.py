"""Why a number is missing, and why a message was refused."""

from enum import IntEnum


class Reason(IntEnum):
    """Stands beside every null metric. The numbers are written into column batches."""

    NONE = 0
    NO_FILL = 1
    NO_QUOTE = 2
    STALE_QUOTE = 3
    CROSSED = 4
    LOCKED = 5
    NOT_REACHED = 6
    PENDING = 7
    """A horizon that has not passed, or an opening that has not happened."""
    UNOBSERVED = 8
    """The data ended before the horizon."""
    ALL_OWN = 9
    NO_SCHEDULE = 10
    TOO_EARLY = 11
    NO_DECISION = 12
    PARTIAL_TOTAL = 13
    NON_POSITIVE_BENCHMARK = 14
    NO_ARRIVAL = 15
    NO_TRADE = 16
    NO_ROUTE = 17
    NO_REFERENCE = 18
    NO_INDEX = 19
    NO_LIMIT = 20
    NO_SYMBOL = 21
    """A list: the children trade several symbols, so no one price benchmarks it."""
    ZERO_QTY = 22
    HALTED = 23
    LATE = 24
    TOO_FEW = 25


class DeadLetterReason(IntEnum):
    """Why a message could not be taken. The message itself is kept with the reason."""

    UNREADABLE = 1
    """Not JSON, not FIX, not the columns it claims to be."""
    UNKNOWN_TYPE = 2
    MISSING_FIELD = 3
    WRONG_TYPE = 4
    OUT_OF_RANGE = 5
    BAD_ID = 6
    BAD_SIDE = 7
    BAD_TIME = 8
    FUTURE = 9
    """Dated further ahead of its publication than is allowed."""
    WRONG_TOPIC = 10
    BAD_CHECKSUM = 11
    STORE_REFUSED = 12
    """The history store will not take it."""
    INVALID_EVENT = 13
    """Of our own: it must not go out as it is, and its number stays unused."""
