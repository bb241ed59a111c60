"""Positions in a partition as text: `LEDGER:ENTRY`, or `LEDGER:ENTRY:N` inside a batch.

A producer may store several messages as one entry. The last of them has the position of
the whole entry, so that a partition read to its end stands where the broker says it ends.
"""

import re
from typing import Any

from bus.base import START
from bus.pulsar.errors import pulsar_module
from domain.errors import BusError

Rank = tuple[int, int, int]
"""(ledger, entry, message in the entry); sorts as messages are stored."""

WHOLE = 1 << 31
"""The last message of an entry, or all of it."""
BEGINNING: Rank = (-1, -1, WHOLE)
_SHAPE = re.compile(r"(\d{1,18}):(\d{1,18})(?::(\d{1,9}))?", re.ASCII)
_BATCH_SIZE = 6
"""Number of the field in the client's serialized form."""


def rank_of(position: str) -> Rank:
    """A position as numbers. Raises BusError where it is none."""
    if position == START:
        return BEGINNING
    found = _SHAPE.fullmatch(position)
    if found is None:
        raise BusError(f"expected a position such as 12:345 or 12:345:6, got {position!r}")
    ledger, entry, number = found.groups()
    return int(ledger), int(entry), WHOLE if number is None else int(number)


def text_of(rank: Rank) -> str:
    """A rank as a position; START where nothing was ever stored."""
    ledger, entry, number = rank
    if ledger < 0 or entry < 0:
        return START
    return f"{ledger}:{entry}" if number == WHOLE else f"{ledger}:{entry}:{number}"


def rank_of_id(message_id: Any) -> Rank:
    """Where a message stands, from the id that the client gives it."""
    number = message_id.batch_index()
    if number < 0 or number >= _batch_size(message_id.serialize()) - 1:
        number = WHOLE
    return message_id.ledger_id(), message_id.entry_id(), number


def entry_id(rank: Rank) -> Any:
    """The client's id of a whole entry; the earliest of all for the beginning."""
    ids = pulsar_module().MessageId
    return ids.earliest if rank[0] < 0 else ids(-1, rank[0], rank[1], -1)


def done_before(rank: Rank) -> Rank:
    """The newest entry of which nothing is left to do once this message is done."""
    ledger, entry, number = rank
    return rank if number == WHOLE else (ledger, entry - 1, WHOLE)


def _batch_size(serialized: bytes) -> int:
    """Messages in the entry: the client keeps the number to itself but for this form of an id.

    Each field is a tag and a number, both in groups of seven bits, the lowest first.
    """
    values = iter(serialized)
    for tag in values:
        if tag & 7:
            break
        value = shift = 0
        for byte in values:
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        if tag >> 3 == _BATCH_SIZE:
            return value
    return 1
