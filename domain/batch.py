"""What a source hands on: rows of one input partition, in stored order."""

from dataclasses import dataclass, field

import numpy as np

from domain.columns import DETAIL, EVENT, MARKET
from domain.instants import NO_TIME
from domain.reasons import DeadLetterReason
from domain.vocabulary import Topic

NO_MARKET = np.empty(0, MARKET)
NO_EVENTS = np.empty(0, EVENT)
NO_DETAILS = np.empty(0, DETAIL)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that could not be taken, whole, with where it stood and why."""

    topic: str
    partition: int
    position: str
    reason: DeadLetterReason
    words: str
    message: bytes
    ts: int
    """UNIX ns: when the message was stored, or the newest event time where that is unknown."""


@dataclass(slots=True)
class Batch:
    """Rows of one input partition, in stored order, and what is known after them.

    `watermark` is the newest effective time of the partition: no later row of it lies
    before. `ended` says that the partition has no further rows (files only).
    """

    source: int
    """Index of the input partition among all inputs of the run."""
    market: np.ndarray = field(default_factory=lambda: NO_MARKET)
    events: np.ndarray = field(default_factory=lambda: NO_EVENTS)
    details: np.ndarray = field(default_factory=lambda: NO_DETAILS)
    names: dict[int, str] = field(default_factory=dict)
    references: list[bytes] = field(default_factory=list)
    """JSON of reference and control records, which every group reads."""
    told: list[int] = field(default_factory=list)
    """Newest clock of the batch before each of these; missing, `watermark` stands for it."""
    dead: list[DeadLetter] = field(default_factory=list)
    watermark: int = NO_TIME
    ended: bool = False

    def records_since(self, watermark: int) -> list[tuple[int, bytes]]:
        """(effective time, JSON) of each record; `watermark` is the partition's before this batch.

        So a record is known from its own place among the clocks, however batches are cut.
        """
        told = self.told or [self.watermark] * len(self.references)
        pairs = zip(told, self.references, strict=True)
        return [(max(clock, watermark), raw) for clock, raw in pairs]


@dataclass(frozen=True, slots=True)
class Input:
    """One input partition of a run: `index` is its rank in every tie."""

    index: int
    topic: Topic
    partition: int
