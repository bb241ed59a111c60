"""FIX logs as order events."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from domain.batch import Batch
from domain.errors import InputError, Refused
from domain.instants import NO_TIME, parse_rfc3339
from domain.keys import GROUPS
from domain.reasons import DeadLetterReason
from domain.vocabulary import Topic
from domain.wire import RowBuilder
from sources.ahead import InTime, last_instant
from sources.fix.orders import ORDER_TYPES_OF_MESSAGE, OrderTranslator, Reported
from sources.fix.scan import Damaged, Found, messages_of
from sources.fix.tables import SESSION_TYPES
from sources.fix.values import event_time
from sources.reader import Cursor

BATCH_LINES = 4096
_FEW_LINES = 128


@dataclass(slots=True)
class FixCounts:
    """What a log held. `by_type` counts by tag 35, `versions` by tag 8."""

    lines: int = 0
    messages: int = 0
    junk_lines: int = 0
    """Lines that are not blank and hold no trace of a message."""
    bad_checksums: int = 0
    bad_lengths: int = 0
    no_event: int = 0
    """Reports that say nothing new: status, and executions without a quantity."""
    by_type: Counter[str] = field(default_factory=Counter[str])
    versions: Counter[str] = field(default_factory=Counter[str])
    unsupported: Counter[str] = field(default_factory=Counter[str])
    """Application messages that are not of orders, by tag 35."""


class FixReader:
    """The orders of a FIX log, as one input on topic `orders`.

    With `strict` a message whose checksum or length is wrong is refused; without, it is only
    counted. `counts` and `reported` (the counterparty's last cumulative quantity and average
    price of each order) speak of what has been read so far. Resuming reads the log from its
    start, since orders are recognised by what came before. Raises InputError when the file
    cannot be read.
    """

    topics = (Topic.ORDERS,)

    def __init__(self, path: str | Path, *, strict: bool = False, groups: int = GROUPS) -> None:
        self.path = Path(path)
        self.strict = strict
        self.groups = groups
        self._restart()

    def _restart(self) -> None:
        self.counts = FixCounts()
        self._orders = OrderTranslator()

    @property
    def reported(self) -> dict[str, Reported]:
        """By order id, what the counterparty said last."""
        return self._orders.reported

    def total(self, topic: Topic) -> int | None:  # noqa: ARG002
        """Bytes of the log."""
        return self.path.stat().st_size if self.path.exists() else None

    def read(self, topic: Topic, source: int, start: Cursor) -> Iterator[tuple[Cursor, Batch]]:
        """Batches of events, one for some thousand lines."""
        self._restart()
        builder = RowBuilder(topic, source, groups=self.groups)
        parts = InTime(self._parts(BATCH_LINES), _Part.times, last=self._last, newest=NO_TIME)
        for part, ahead in parts:
            self.counts.lines = part.lines
            self.counts.junk_lines += part.junk
            for i, (where, message, _) in enumerate(part.messages):
                try:
                    self._add(message, ahead.get(i), builder)
                except Refused as refused:
                    builder.refuse(message.raw, refused, position=where, partition=0, ts=NO_TIME)
            batch = builder.build()
            parts.built(batch)
            if part.at > start.at:
                yield Cursor(part.at, part.lines, builder.ordinal), batch

    @cached_property
    def _last(self) -> int:
        parts = self._parts(_FEW_LINES)
        return last_instant(time for part in parts for _, _, time in part.messages)

    def _parts(self, lines: int) -> Iterator["_Part"]:
        part = _Part()
        try:
            with self.path.open("rb") as log:
                for line in log:
                    part.at, part.lines = part.at + len(line), part.lines + 1
                    self._take(line.rstrip(b"\r\n"), part)
                    if part.lines % lines == 0:
                        yield part
                        part = _Part(part.at, part.lines)
        except OSError as error:
            raise InputError(f"{self.path}: {error.strerror}") from error
        if part.lines % lines:
            yield part

    def _take(self, line: bytes, part: "_Part") -> None:
        found = list(messages_of(line))
        for n, message in enumerate(found):
            where = f"{self.path.name}:{part.lines}" + (f"#{n + 1}" if n else "")
            part.messages.append((where, message, _time_of(message)))
        part.junk += not found and bool(line.strip())

    def _add(self, message: Found | Damaged, ahead: Refused | None, builder: RowBuilder) -> None:
        if isinstance(message, Damaged):
            raise Refused(DeadLetterReason.UNREADABLE, message.words)
        kind = message.fields["35"]
        counts = self.counts
        counts.messages += 1
        counts.by_type[kind] += 1
        counts.versions[message.fields.get("8", "")] += 1
        counts.bad_checksums += not message.checksum_ok
        counts.bad_lengths += not message.length_ok
        if self.strict and not (message.checksum_ok and message.length_ok):
            wrong = "checksum (tag 10)" if message.length_ok else "body length (tag 9)"
            raise Refused(DeadLetterReason.BAD_CHECKSUM, f"the {wrong} does not fit the message")
        if ahead is not None:
            raise ahead
        if kind in ORDER_TYPES_OF_MESSAGE:
            told = self._orders.translate(message)
            if told.event is None:
                counts.no_event += 1
            else:
                builder.add_order(told.event)
            self._orders.remember(told)
        elif kind not in SESSION_TYPES:
            counts.unsupported[kind] += 1


@dataclass(slots=True)
class _Part:
    """Some thousand lines: their messages with where they stand and when they happened."""

    at: int = 0
    lines: int = 0
    junk: int = 0
    messages: list[tuple[str, Found | Damaged, int]] = field(
        default_factory=list[tuple[str, Found | Damaged, int]]
    )

    def times(self) -> np.ndarray:
        return np.array([time for _, _, time in self.messages], np.int64)


def _time_of(message: Found | Damaged) -> int:
    """UNIX ns of a message about an order, NO_TIME where it tells none."""
    if isinstance(message, Damaged) or message.fields["35"] not in ORDER_TYPES_OF_MESSAGE:
        return NO_TIME
    try:
        return parse_rfc3339(event_time(message.fields))
    except (Refused, ValueError, OverflowError):
        return NO_TIME
