"""US consolidated tape: a day's prints of all venues and the national best bid and offer.

A folder holds, for each symbol and day, `SYMBOL_YYYYMMDD_trade.zip` and `…_quote.zip` (or the
CSV files themselves), and `SYMBOL_daily.zip` with bars. Times are ms since midnight in New
York, prices × 10,000. Each quote row states one side; the other is carried forward, and an
empty one is missing until it is first stated. Suspicious quotes are left out.

Prints come before quotes of the same ms, each in the order of its file: the clock cannot tell
which came first, and a print is never valued with a quote of its own instant. The sequence of
a symbol counts its rows in that order, from 1.
"""

import zipfile
from collections.abc import Iterator, Sequence
from datetime import date
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from domain.batch import Batch, DeadLetter
from domain.calendars import Session, session
from domain.errors import InputError
from domain.keys import GROUPS, group_of, key_of
from domain.reasons import DeadLetterReason
from domain.vocabulary import Topic
from sources.reader import SLICE_ROWS, Cursor
from sources.tape_rows import PRICE_SCALE, VENUES, print_rows, quote_rows
from sources.textlines import EXCESS, LINE, columns_of, integer, lines_of, midnight_ns

CALENDAR = "XNYS"
_PRINT = ("ms", "price", "size", "venue", "conditions", "suspicious")
_QUOTE = ("ms", "bid", "bid_size", "ask", "ask_size", "venue", "condition", "suspicious")
_BAR = ("day", "open", "high", "low", "close", "volume")
_DAY_MS = 24 * 3600 * 1000
_USABLE = {
    "trade": pl.col("ms").is_between(0, _DAY_MS, closed="left")
    & (pl.col("price") > 0)
    & (pl.col("size") > 0)
    & pl.col("conditions").is_not_null()
    & pl.col("suspicious").is_in([0, 1]),
    "quote": pl.col("ms").is_between(0, _DAY_MS, closed="left")
    & pl.min_horizontal("bid", "bid_size", "ask", "ask_size").ge(0)
    & pl.max_horizontal("bid", "ask").gt(0)
    & pl.all_horizontal(pl.col("bid", "bid_size", "ask", "ask_size").is_not_null())
    & pl.col("suspicious").is_in([0, 1]),
}


class TapeReader:
    """Quotes and prints of some symbols on one day, merged by time, as one input.

    Raises InputError where a file is missing or the day is not a trading day. A line that
    cannot be read becomes a dead letter.
    """

    topics = (Topic.MARKET_DATA,)

    def __init__(
        self,
        folder: str | Path,
        symbols: Sequence[str],
        day: date,
        *,
        groups: int = GROUPS,
        batch_rows: int = SLICE_ROWS,
    ) -> None:
        self.folder = Path(folder)
        self.symbols = tuple(symbols)
        self.day = day
        self.groups = groups
        self._batch_rows = batch_rows
        self._dead: list[DeadLetter] = []
        if not self.symbols:
            raise InputError("name at least one symbol of the tape")
        hours = session(CALENDAR, day)
        if hours is None:
            raise InputError(f"{day} is not a trading day in New York")
        self.session: Session = hours
        """Regular session, by which prints are eligible."""

    def total(self, topic: Topic) -> int:  # noqa: ARG002
        """Rows of all symbols."""
        return len(self.rows)

    def read(self, topic: Topic, source: int, start: Cursor) -> Iterator[tuple[Cursor, Batch]]:  # noqa: ARG002
        """Batches of quotes and prints."""
        total = len(self.rows)
        names = {key_of(name): name for name in (*self.symbols, *VENUES.values())}
        for first in range(start.at, max(total, 1), self._batch_rows):
            last = min(first + self._batch_rows, total)
            market = self.rows[first:last].copy()
            market["source"] = source
            dead = self._dead if first == 0 else []
            yield Cursor(last), Batch(source=source, market=market, names=names, dead=dead)

    @cached_property
    def rows(self) -> np.ndarray:
        """Every row of the day as MARKET, in time's order, symbols in the order given."""
        self._dead.clear()
        each = [self._symbol_rows(symbol) for symbol in self.symbols]
        rows = np.concatenate([rows for rows, _ in each])
        return rows[np.argsort(np.concatenate([place for _, place in each]), kind="stable")]

    def _symbol_rows(self, symbol: str) -> tuple[np.ndarray, np.ndarray]:
        """Rows of one symbol and the instants at which they stand, ns."""
        midnight = midnight_ns(self.day)
        prints = print_rows(self._lines(symbol, "trade", _PRINT), midnight, self.session)
        quotes = quote_rows(self._lines(symbol, "quote", _QUOTE), midnight)
        # Each file is in the tape's order: a time that steps back stays where it stands.
        place = np.concatenate([np.maximum.accumulate(p["ts_event"]) for p in (prints, quotes)])
        order = np.argsort(place, kind="stable")
        rows = np.concatenate((prints, quotes))[order]
        rows["seq"] = np.arange(1, len(rows) + 1)
        rows["symbol"] = key_of(symbol)
        rows["group"] = group_of(symbol, self.groups)
        return rows, place[order]

    def _lines(self, symbol: str, what: str, names: tuple[str, ...]) -> pl.DataFrame:
        stem = f"{symbol.lower()}_{self.day:%Y%m%d}_{what}"
        lines = lines_of(_content(self.folder, stem))
        whole = [n for n in names if n not in {"venue", "conditions", "condition"}]
        columns = columns_of(lines, names).with_columns(
            *(integer(n) for n in whole),
            pl.col("venue").str.strip_chars(),
        )
        if "conditions" in names:
            columns = columns.with_columns(
                pl.col("conditions").str.to_integer(base=16, strict=False)
            )
        usable = _USABLE[what] & pl.col(EXCESS).is_null()
        columns = columns.with_columns(usable=usable.fill_null(value=False))
        for line in columns.filter(~pl.col("usable"))[LINE].to_list():
            self._refuse(stem, line, lines[line - 1], names)
        return columns.filter("usable")

    def _refuse(self, stem: str, line: int, text: str, names: tuple[str, ...]) -> None:
        words = f"expected {','.join(names)} as whole numbers, conditions in hexadecimal digits"
        self._dead.append(
            DeadLetter(
                str(Topic.MARKET_DATA), 0, f"{stem}:{line}", DeadLetterReason.UNREADABLE, words,
                text.encode(), midnight_ns(self.day),
            )
        )  # fmt: skip


def daily_bars(folder: str | Path, symbol: str) -> pl.DataFrame:
    """A symbol's days, oldest first: date, open, high, low, close in currency, volume in shares.

    Raises InputError where the file is missing or a line of it cannot be read.
    """
    stem = f"{symbol.lower()}_daily"
    prices = _BAR[1:5]
    bars = columns_of(lines_of(_content(Path(folder), stem)), _BAR).with_columns(
        pl.col("day").str.slice(0, 8).str.to_date("%Y%m%d", strict=False).alias("date"),
        *(integer(n) for n in _BAR[1:]),
    )
    usable = pl.min_horizontal(*prices).gt(0) & pl.all_horizontal(
        pl.col("date", *_BAR[1:]).is_not_null()
    )
    bad = bars.filter(~usable.fill_null(value=False))
    if bad.height:
        raise InputError(
            f"{stem}, line {bad[LINE][0]}: expected YYYYMMDD 00:00,open,high,low,close,volume "
            "as whole numbers, prices × 10,000"
        )
    return bars.select("date", *(pl.col(n) / PRICE_SCALE for n in prices), "volume").sort("date")


def _content(folder: Path, stem: str) -> bytes:
    """The CSV in `stem.zip`, or `stem.csv`."""
    packed, plain = folder / f"{stem}.zip", folder / f"{stem}.csv"
    try:
        if not packed.exists():
            return plain.read_bytes()
        with zipfile.ZipFile(packed) as archive:
            members = [m for m in archive.namelist() if m.lower().endswith(".csv")]
            if len(members) != 1:
                raise InputError(f"{packed} must hold one CSV file, holds {len(members)}")
            return archive.read(members[0])
    except FileNotFoundError as error:
        raise InputError(f"neither {packed} nor {plain.name} exists") from error
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{packed}: {error}") from error
