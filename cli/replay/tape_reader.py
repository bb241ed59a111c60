"""A desk's run against a tape as a reader: the tape with our prints, orders, routes."""

from collections.abc import Iterator

import numpy as np

from domain.batch import Batch, DeadLetter
from domain.vocabulary import Topic
from domain.wire import RowBuilder
from sources.reader import SLICE_ROWS, Cursor
from sources.simulator.tape import TapeRun

_EVENTS = 2_000


class TapeRunReader:
    """What `trade_tape` gave, one input for each topic.

    `names` are the texts of the tape's own keys; `dead` what could not be read of the tape.
    """

    topics = (Topic.ORDERS, Topic.ROUTES, Topic.MARKET_DATA)

    def __init__(self, run: TapeRun, names: dict[int, str], dead: list[DeadLetter]) -> None:
        self.run = run
        self._names = {**names, **run.names}
        self._dead = dead
        self._messages = {
            topic: [message for found, message in run.orders if found is topic]
            for topic in (Topic.ORDERS, Topic.ROUTES)
        }

    def total(self, topic: Topic) -> int:
        """Rows of the topic."""
        return len(self.run.market if topic is Topic.MARKET_DATA else self._messages[topic])

    def read(self, topic: Topic, source: int, start: Cursor) -> Iterator[tuple[Cursor, Batch]]:
        """Batches in the order of the run."""
        if topic is Topic.MARKET_DATA:
            yield from self._market(source, start)
        else:
            yield from self._orders(topic, source, start)

    def _market(self, source: int, start: Cursor) -> Iterator[tuple[Cursor, Batch]]:
        rows = self.run.market
        for first in range(start.at, max(len(rows), 1), SLICE_ROWS):
            market = rows[first : first + SLICE_ROWS].copy()
            market["source"] = source
            dead = self._dead if first == 0 else []
            market["t_eff"] = np.iinfo(np.int64).min
            batch = Batch(source=source, market=market, names=self._names, dead=dead)
            yield Cursor(first + len(market)), batch

    def _orders(self, topic: Topic, source: int, start: Cursor) -> Iterator[tuple[Cursor, Batch]]:
        builder = RowBuilder(topic, source, ordinal=start.ordinal)
        messages = self._messages[topic]
        for first in range(start.at, max(len(messages), 1), _EVENTS):
            piece = messages[first : first + _EVENTS]
            for message in piece:
                builder.add_order(message)
            yield Cursor(first + len(piece), 0, builder.ordinal), builder.build()
