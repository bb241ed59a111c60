"""Batches of one topic from blocks of columns."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from domain.batch import Batch, DeadLetter
from domain.errors import Refused
from domain.instants import NO_TIME
from domain.reasons import DeadLetterReason
from domain.vocabulary import Topic
from sources.ahead import InTime, Refusals
from sources.columnar.block import Block
from sources.columnar.convert import Names
from sources.columnar.market import Doubts, Rows, market_rows
from sources.columnar.orders import EXEC_NAMES, ORDER_NAMES, event_rows
from sources.columnar.refuse import refusal
from sources.reader import Cursor

_DETAIL_NAMES = ("cl_ord_id", "broker", "algo", "strategy", "trader", "desk", "client", "currency")
_MARKET_NAMES = ("symbol", "venue")
_LOST = Refused(
    DeadLetterReason.WRONG_TYPE, "a value of the row is not of the kind that its column holds"
)


class Part(NamedTuple):
    """Some rows of a block that are read for one topic.

    `position` names a row for a dead letter, `raw` gives its text where the file has one.
    """

    block: Block
    rows: Rows
    at: int
    line: int
    """Where the part ends, as a Cursor says it."""
    position: Callable[[int], str]
    raw: Callable[[int], bytes] | None = None
    dead: Sequence[DeadLetter] = ()
    """What was refused before it could be a row."""

    def times(self) -> np.ndarray:
        """UNIX ns of each row."""
        return self.block.told[self.rows]


def known_times(blocks: Iterable[Block]) -> Iterator[int]:
    """UNIX ns of every row that tells one."""
    for block in blocks:
        yield from block.told[block.told != NO_TIME].tolist()


class BatchMaker:
    """Turns parts of blocks into batches, refusals taken out.

    Names of executions and routes go along only with `exec_names`: they may be millions.
    """

    def __init__(self, topic: Topic, source: int, groups: int, *, exec_names: bool) -> None:
        self._topic = topic
        self._source = source
        self._groups = groups
        self._exec_names = exec_names

    def batches(
        self, parts: Iterator[Part], start: Cursor, last: int
    ) -> Iterator[tuple[Cursor, Batch]]:
        """A batch of every part, no event of it after `last` or ahead of what follows it."""
        ordinal = start.ordinal
        in_time = InTime(parts, Part.times, last=last, newest=start.watermark)
        for part, ahead in in_time:
            batch = self._make(part, ordinal, ahead)
            in_time.built(batch)
            ordinal += len(batch.events)
            yield Cursor(part.at, part.line, ordinal), batch

    def _make(self, part: Part, ordinal: int, ahead: Refusals) -> Batch:
        batch = Batch(source=self._source)
        block, rows = part.block, part.rows
        if self._topic is Topic.MARKET_DATA:
            batch.market, doubts = market_rows(block, rows, self._source, self._groups)
        else:
            made = event_rows(block, rows, self._source, self._groups, ordinal)
            batch.events, batch.details, doubts = made
        doubts.bad[list(ahead)] = True
        if doubts.bad.any():
            kept = self._refuse(batch, part, doubts, ahead)
            self._keep(batch, kept, ordinal)
            rows = np.arange(block.rows)[rows][kept]
        batch.dead = [*part.dead, *batch.dead]
        batch.names = self._names(block, rows)
        return batch

    def _refuse(self, batch: Batch, part: Part, doubts: Doubts, ahead: Refusals) -> np.ndarray:
        """Which rows stay; letters of the others are added to the batch."""
        block, position, raw = part.block, part.position, part.raw
        numbers = np.arange(block.rows)[part.rows]
        kept = np.ones(len(numbers), np.bool_)
        letters: list[DeadLetter] = []
        for i in np.flatnonzero(doubts.bad).tolist():
            row = int(numbers[i])
            text = None if raw is None else (lambda at=row: raw(at))
            letter = refusal(block, row, self._topic, position(row), text, ahead.get(i))
            if letter is None and doubts.lost[i]:
                letter = refusal(block, row, self._topic, position(row), text, _LOST)
            if letter is not None:
                kept[i] = False
                letters.append(letter)
        batch.dead = letters
        return kept

    def _keep(self, batch: Batch, kept: np.ndarray, ordinal: int) -> None:
        if self._topic is Topic.MARKET_DATA:
            batch.market = batch.market[kept]
            return
        old = batch.events["pos"][kept]
        batch.events = batch.events[kept]
        batch.events["pos"] = np.arange(ordinal, ordinal + len(batch.events))
        at = np.searchsorted(old, batch.details["pos"])
        told = np.isin(batch.details["pos"], old)
        batch.details = batch.details[told]
        batch.details["pos"] = at[told] + ordinal

    def _names(self, block: Block, rows: Rows) -> dict[int, str]:
        """Texts of every key in these rows."""
        market = self._topic is Topic.MARKET_DATA
        wanted = _MARKET_NAMES if market else (*ORDER_NAMES, *_DETAIL_NAMES)
        if self._exec_names:
            wanted = (*wanted, "exec_id") if market else (*wanted, *EXEC_NAMES)
        found: dict[int, str] = {}
        for name in wanted:
            names = block.names(name)
            if names is not None:
                found.update(_texts(names, block, name, rows))
        profiles = None if market else block.profiles()
        if profiles is not None:
            found.update(
                (key, profiles.texts[key]) for key in set(profiles.keys[rows].tolist()) - {0}
            )
        found.pop(0, None)
        return found


def _texts(names: Names, block: Block, column: str, rows: Rows) -> dict[int, str]:
    if names.codes is None or names.texts is None or names.text_keys is None:
        array = block.columns[column]
        part = (
            array.slice(rows.start, rows.stop - rows.start)
            if isinstance(rows, slice)
            else array.take(rows)
        )
        keys = names.hashed.key[rows].tolist()
        return {k: str(v) for k, v in zip(keys, part.to_pylist(), strict=True) if k}
    used = np.zeros(len(names.texts), np.bool_)
    used[names.codes[rows]] = True
    at = np.flatnonzero(used).tolist()
    return dict(zip(names.text_keys[used].tolist(), map(names.texts.__getitem__, at), strict=True))
