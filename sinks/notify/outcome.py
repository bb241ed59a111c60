"""How an attempt to send ended."""

from dataclasses import dataclass
from enum import Enum


class End(Enum):
    """What is known of an attempt."""

    DELIVERED = "delivered"
    """The other side said that it has it."""
    LATER = "later"
    """It does not have it; the same may be sent again."""
    UNCONFIRMED = "unconfirmed"
    """It may have it: it had been sent, and no answer came."""
    REFUSED = "refused"
    """It will never take this one."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of an attempt, in words."""

    end: End
    words: str
    after_s: float | None = None
    """How long the other side wants to be left alone."""
