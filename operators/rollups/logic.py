"""Roll-ups as a Bytewax step: one logic for each group of venues and cohorts."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
import numpy as np
from bytewax import operators as op
from bytewax.operators import KeyedStream, StatefulBatchLogic
from bytewax.operators import stateful_batch as _stateful_batch

from domain.alerts import Crossing
from domain.errors import other_version
from domain.flags import Flag, Flags
from domain.instants import END_OF_TIME, NO_TIME, SECOND
from domain.published import Severity
from domain.reference import ReferenceRecord
from domain.reference_book import ReferenceBook
from domain.rows import Rows
from operators.rollups.inbox import Inbox
from operators.rollups.pieces import LIGHT, Gather, Raised, ScopePiece
from operators.rollups.state import Kept, Rollups

VERSION = 2
"""Of the snapshot."""
_pack = msgspec.msgpack.encode
_KEPT = msgspec.msgpack.Decoder(Kept)


@dataclass(frozen=True, slots=True)
class RollupSettings:
    """What the roll-ups need to know; times in ns."""

    order_groups: int = 16
    groups: int = 1
    """Among which venues and cohorts are dealt. Little comes here: one carries all venues of a
    deployment, and each more takes a copy of the open orders."""
    progress_ns: int = SECOND // 4
    """Without anything else to tell, time is told of at least this far apart."""
    references: tuple[ReferenceRecord, ...] = ()
    """Records of venues and cohorts known before the run; more may come on the topic."""
    flags: Flags = field(default_factory=dict[Flag, Severity])
    """Which signs in a cohort's costs are alerts, of what severity."""


class RollupLogic(StatefulBatchLogic[ScopePiece, Raised, Any]):
    """Progress of one group of scopes."""

    def __init__(self, settings: RollupSettings, resume: tuple[Any, ...] | None) -> None:
        self.settings = settings
        self.inbox = inbox = Inbox(settings.order_groups)
        self._told = NO_TIME
        if resume is None:
            self.book = ReferenceBook(settings.references)
            self.rollups = Rollups(self.book, settings.groups, flags=settings.flags)
            return
        if resume[0] != VERSION:
            raise other_version("the roll-ups' snapshot", resume[0], VERSION)
        _, group, watermarks, rows, names, inbox.end, kept, book, self._told = resume
        inbox.watermarks, inbox.names = dict(watermarks), dict(names)
        inbox.rows = np.frombuffer(rows, LIGHT).copy()
        self.book = ReferenceBook.load(book)
        self.rollups = Rollups(self.book, settings.groups, _KEPT.decode(kept), settings.flags)
        self.rollups.group = group

    def snapshot(self) -> tuple[Any, ...]:
        """Plain data and packed bytes."""
        inbox, rollups = self.inbox, self.rollups
        return (
            VERSION, rollups.group, dict(inbox.watermarks), inbox.rows.tobytes(),
            dict(inbox.names), inbox.end, _pack(rollups.kept), self.book.dump(), self._told,
        )  # fmt: skip

    def on_batch(self, values: list[ScopePiece]) -> tuple[Iterable[Raised], bool]:
        """Take what has arrived and judge what is complete."""
        rollups = self.rollups
        rollups.group = values[0].group
        self.inbox.put(values)
        for piece in values:
            for known, raw in piece.references:
                self.book.add_json(raw, known=known)
                rollups.forget_bases()
        watermark = self.inbox.watermark
        if watermark == NO_TIME:
            return [], False
        crossings = self._judge(watermark)
        if not crossings and watermark - self._told < self.settings.progress_ns:
            return [], False
        self._told = watermark
        return [Raised(rollups.group, watermark, crossings, self.inbox.end)], False

    def on_notify(self) -> tuple[Iterable[Raised], bool]:
        """Nothing waits for a clock."""
        return [], False

    def notify_at(self) -> datetime | None:
        """Never: time is event time."""
        return None

    def on_eof(self) -> tuple[Iterable[Raised], bool]:
        """Nothing is told here: the end of the input travels as a watermark."""
        return [], False

    def _judge(self, watermark: int) -> list[Crossing]:
        inbox, rollups = self.inbox, self.rollups
        rows = inbox.take()
        # By column: a record array makes its tuples field by field.
        rollups.take(
            zip(*(rows[name].tolist() for name in LIGHT.names or ()), strict=True), inbox.names
        )
        until = watermark if watermark < END_OF_TIME else inbox.end
        if until < END_OF_TIME:
            rollups.pass_time(until)
        inbox.forget_names()
        found, rollups.found = rollups.found, []
        return found


def roll_up(step_id: str, up: KeyedStream[Rows], settings: RollupSettings) -> KeyedStream[Raised]:
    """Crossings about venues and cohorts, keyed by group of scopes.

    `up` are the order stage's rows, which tell of their progress.
    """
    gather = Gather(settings.groups, settings.progress_ns)

    def build(resume: tuple[Any, ...] | None) -> RollupLogic:
        return RollupLogic(settings, resume)

    pieces = op.flat_map_batch(f"{step_id}_pieces", up, gather)
    return _stateful_batch(step_id, pieces, build)
