"""LOBSTER sessions: the visible limit order book of one NASDAQ symbol and day.

Every message is an event of an order and is followed by a row of the book, so nothing is left
to clocks: file row r (from 0) prints with market sequence 2r+1, then quotes with 2r+2, and its
order event carries `market_seq` 2r, an execution 2r+1. An order is thus received, and executed,
against the book that the message before it left, even where both have the same time, and an
execution's own print belongs to the window that it closes.

The monitored orders are the resting ones: a fill adds liquidity, its side is the resting
order's, and its print carries the same execution id. Orders whose submission lies outside the
file keep their other events; a part cancelled of such an order has no known new quantity.
"""

import re
from collections.abc import Iterator
from datetime import date
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from domain.batch import Batch, DeadLetter
from domain.errors import InputError
from domain.keys import GROUPS, key_of
from domain.reasons import DeadLetterReason
from domain.vocabulary import Topic
from sources.lobster_rows import CURRENCY, HALT, VENUE, market_rows, order_rows
from sources.reader import SLICE_ROWS, Cursor
from sources.textlines import (
    EXCESS,
    LINE,
    columns_of,
    decimal_ns,
    integer,
    lines_of,
    midnight_ns,
)

_NAME = re.compile(
    r"(?P<symbol>.+)_(?P<date>\d{4}-\d{2}-\d{2})_\d+_\d+_message_(?P<level>\d+)\.csv"
)
_COLUMNS = ("time", "type", "id", "size", "price", "direction")
_BOOK = ("ask", "ask_size", "bid", "bid_size")


class LobsterReader:
    """One session: its quotes and prints, and the life of every visible order.

    `folder` holds one message and one orderbook file; where it holds several sessions,
    `symbol` and `day` choose. Raises InputError if none or several fit, or if the two files
    do not belong together. A line that cannot be read becomes a dead letter; a bad message
    leaves out its book row too.
    """

    topics = (Topic.ORDERS, Topic.MARKET_DATA)

    def __init__(
        self,
        folder: str | Path,
        symbol: str | None = None,
        day: date | None = None,
        *,
        groups: int = GROUPS,
        batch_rows: int = SLICE_ROWS,
    ) -> None:
        self._message, found = _find(Path(folder), symbol, day)
        self._book = self._message.with_name(self._message.name.replace("_message_", "_orderbook_"))
        self.symbol: str = found["symbol"]
        self.day = date.fromisoformat(found["date"])
        self.groups = groups
        self._batch_rows = batch_rows

    @property
    def events(self) -> int:
        """Messages of the session that could be read."""
        return self._session.height

    @cached_property
    def by_type(self) -> dict[int, int]:
        """Number of messages of each LOBSTER type."""
        kinds, counts = np.unique(self._session["type"].to_numpy(), return_counts=True)
        return dict(zip(kinds.tolist(), counts.tolist(), strict=True))

    def total(self, topic: Topic) -> int:
        """Rows of the topic."""
        return len(self.market if topic is Topic.MARKET_DATA else self.orders[0])

    def read(self, topic: Topic, source: int, start: Cursor) -> Iterator[tuple[Cursor, Batch]]:
        """Batches of quotes and prints, or of order events."""
        total = self.total(topic)
        dead = self._refusals(topic)
        for first in range(start.at, max(total, 1), self._batch_rows):
            last = min(first + self._batch_rows, total)
            batch = self._slice(topic, source, first, last)
            if first == 0:
                batch.dead = dead
            yield Cursor(last, 0, last), batch

    def _slice(self, topic: Topic, source: int, first: int, last: int) -> Batch:
        names = {key_of(name): name for name in (self.symbol, VENUE, CURRENCY)}
        if topic is Topic.MARKET_DATA:
            market = self.market[first:last].copy()
            market["source"] = source
            return Batch(source=source, market=market, names=names)
        events, details, texts = self.orders
        rows = events[first:last].copy()
        rows["source"] = source
        told = slice(*np.searchsorted(details["pos"], (first, last)))
        told_rows = details[told].copy()
        told_rows["source"] = source
        for field, column in zip(("order", "exec"), texts, strict=True):
            names.update(zip(rows[field].tolist(), column[first:last].to_list(), strict=True))
        names.pop(0, None)
        return Batch(source=source, events=rows, details=told_rows, names=names)

    @cached_property
    def _lines(self) -> tuple[list[str], list[str]]:
        try:
            both = lines_of(self._message.read_bytes()), lines_of(self._book.read_bytes())
        except OSError as error:
            raise InputError(f"{error.filename}: {error.strerror}") from error
        if len(both[0]) != len(both[1]):
            raise InputError(
                f"{self._message.name} has {len(both[0])} lines and {self._book.name} "
                f"{len(both[1])}; they must belong together line by line"
            )
        return both

    @cached_property
    def _parsed(self) -> pl.DataFrame:
        """Every message line with its book row, and whether each could be read."""
        lines, book_lines = self._lines
        book = columns_of(book_lines, _BOOK).select(LINE, *(integer(n) for n in _BOOK))
        kind, size = pl.col("type"), pl.col("size")
        usable = (
            pl.col(EXCESS).is_null()
            & pl.all_horizontal(pl.col(*_COLUMNS).is_not_null())
            & kind.is_between(1, 7)
            & ((kind == HALT) | ((size > 0) & (pl.col("price") > 0)))
            & pl.col("direction").is_in([-1, 1])
        )
        return (
            columns_of(lines, _COLUMNS)
            .select(LINE, EXCESS, decimal_ns("time"), *(integer(n) for n in _COLUMNS[1:]))
            .with_columns(usable=usable)
            .join(book, on=LINE, how="left", maintain_order="left")
            .with_columns(quoted=pl.all_horizontal(pl.col(*_BOOK).is_not_null()))
        )

    @cached_property
    def _session(self) -> pl.DataFrame:
        midnight = midnight_ns(self.day)
        return self._parsed.filter("usable").with_columns(
            ts=pl.col("time") + midnight, row=pl.col(LINE) - 1
        )

    def _refusals(self, topic: Topic) -> list[DeadLetter]:
        """Lines of the topic's file that could not be read."""
        market = topic is Topic.MARKET_DATA
        path, lines = (self._book, self._lines[1]) if market else (self._message, self._lines[0])
        wanted = (pl.col("usable") & ~pl.col("quoted")) if market else ~pl.col("usable")
        words = _BOOK_WORDS if market else _MESSAGE_WORDS
        return [
            DeadLetter(
                str(topic), 0, f"{path.name}:{line}", DeadLetterReason.UNREADABLE, words,
                lines[line - 1].encode(), midnight_ns(self.day),
            )
            for line in self._parsed.filter(wanted)[LINE].to_list()
        ]  # fmt: skip

    @cached_property
    def market(self) -> np.ndarray:
        """Prints, halts and quotes in stored order, as rows of MARKET."""
        return market_rows(self._session, self.symbol, self.groups)

    @cached_property
    def orders(self) -> tuple[np.ndarray, np.ndarray, tuple[pl.Series, pl.Series]]:
        """Events, their details, and the order and execution ids as text, in stored order."""
        return order_rows(self._session, self.symbol, self.groups)


_MESSAGE_WORDS = (
    "expected time,type,id,size,price,direction: seconds after midnight, a type from 1 to 7, "
    "whole numbers, size and price above 0, direction 1 or -1"
)
_BOOK_WORDS = "expected ask price, ask size, bid price, bid size as whole numbers"


def _find(folder: Path, symbol: str | None, day: date | None) -> tuple[Path, re.Match[str]]:
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder with LOBSTER files")
    found = [
        (path, match)
        for path in sorted(folder.glob("*_message_*.csv"))
        if (match := _NAME.fullmatch(path.name))
        and symbol in {None, match["symbol"]}
        and (day is None or day.isoformat() == match["date"])
    ]
    if not found:
        raise InputError(
            f"{folder} holds no LOBSTER session"
            f"{f' of {symbol}' if symbol else ''}{f' on {day}' if day else ''}; expected "
            "SYMBOL_YYYY-MM-DD_START_END_message_LEVEL.csv and its orderbook file"
        )
    if len(found) > 1:
        names = ", ".join(path.name for path, _ in found)
        raise InputError(f"{folder} holds several sessions, choose symbol and day: {names}")
    return found[0]
