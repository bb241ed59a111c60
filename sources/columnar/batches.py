"""Batches of one topic from blocks of columns."""

from collections.abc import Callable

import numpy as np

from domain.batch import Batch, DeadLetter
from domain.vocabulary import Topic
from sources.columnar.block import Block
from sources.columnar.convert import Names
from sources.columnar.market import Rows, market_rows
from sources.columnar.orders import EXEC_NAMES, ORDER_NAMES, event_rows
from sources.columnar.refuse import refusal

_DETAIL_NAMES = ("cl_ord_id", "broker", "algo", "strategy", "trader", "desk", "client", "currency")
_MARKET_NAMES = ("symbol", "venue")


class BatchMaker:
    """Turns stretches of a block into batches, refusals taken out.

    `position` names a row for a dead letter, `raw` gives its text where the file has one.
    Names of executions and routes go along only with `exec_names`: they may be millions.
    """

    def __init__(
        self, topic: Topic, source: int, groups: int, *, strays: bool, exec_names: bool
    ) -> None:
        self._topic = topic
        self._source = source
        self._groups = groups
        self._strays = strays
        self._exec_names = exec_names

    def make(
        self, block: Block, first: int, last: int, ordinal: int,
        position: Callable[[int], str], raw: Callable[[int], bytes] | None = None,
    ) -> Batch:  # fmt: skip
        """The topic's rows between two rows of the block; events are numbered from `ordinal`."""
        rows = block.rows_of(self._topic, first, last, strays=self._strays)
        batch = Batch(source=self._source)
        if self._topic is Topic.MARKET_DATA:
            batch.market, doubt = market_rows(block, rows, self._source, self._groups)
        else:
            made = event_rows(block, rows, self._source, self._groups, ordinal)
            batch.events, batch.details, doubt = made
        if doubt.any():
            kept = self._refuse(batch, block, rows, doubt, position, raw)
            self._keep(batch, kept, ordinal)
            rows = np.arange(block.rows)[rows][kept]
        batch.names = self._names(block, rows)
        return batch

    def _refuse(
        self, batch: Batch, block: Block, rows: Rows, doubt: np.ndarray,
        position: Callable[[int], str], raw: Callable[[int], bytes] | None,
    ) -> np.ndarray:  # fmt: skip
        """Which rows stay; letters of the others are added to the batch."""
        numbers = np.arange(block.rows)[rows]
        kept = np.ones(len(doubt), np.bool_)
        letters: list[DeadLetter] = []
        for i in np.flatnonzero(doubt).tolist():
            row = int(numbers[i])
            text = None if raw is None else (lambda at=row: raw(at))
            letter = refusal(block, row, self._topic, position(row), text)
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
