"""What every file reader offers: its topics, and batches from any point on."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple, Protocol

from domain.batch import Batch
from domain.instants import NO_TIME
from domain.vocabulary import Topic
from sources.effective import set_effective_times

BATCH_ROWS = 131_072
"""Most rows of a batch of columns."""
SLICE_ROWS = 8_192
"""Rows of a batch where one file is a whole day, so that steps of event time stay small."""


class Cursor(NamedTuple):
    """Where to go on reading one topic of a file: four plain integers."""

    at: int = 0
    """In the reader's own unit: rows, lines or bytes behind us."""
    line: int = 0
    """Lines of text behind us, for positions of dead letters."""
    ordinal: int = 0
    """Order and route events given so far: the `pos` of the next one."""
    watermark: int = NO_TIME
    """Newest effective time given so far, ns."""


class Reader(Protocol):
    """A file, or files that belong together, as one input partition for each topic."""

    @property
    def topics(self) -> tuple[Topic, ...]:
        """Topics found in the file, each an input of its own in stored order."""
        ...

    def total(self, topic: Topic) -> int | None:
        """`Cursor.at` at the end of the topic, or None where only reading tells."""
        ...

    def read(self, topic: Topic, source: int, start: Cursor) -> Iterator[tuple[Cursor, Batch]]:
        """Batches of a topic after `start`, each with the cursor behind it.

        `source` is the input's index, written into every row. Effective times and the
        cursor's watermark are left to the caller. Raises InputError where the file as a
        whole cannot be read; single rows that cannot be taken are in `Batch.dead`.
        """
        ...


def batches(reader: Reader, topic: Topic, source: int = 0) -> Iterator[Batch]:
    """Every batch of one topic from the start, effective times set, for batch tools."""
    watermark = NO_TIME
    for _, batch in reader.read(topic, source, Cursor()):
        watermark = settle(batch, watermark)
        yield batch


def settle(batch: Batch, watermark: int) -> int:
    """Set effective times, and date refusals by them; returns the new watermark, ns."""
    after = set_effective_times(batch, watermark)
    batch.dead = [replace(d, ts=after) if d.ts == NO_TIME else d for d in batch.dead]
    return after
