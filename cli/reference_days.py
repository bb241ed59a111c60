"""Past days' files of every kind the product reads, as daily bars and session profiles."""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from analytics.daily_bars import read_daily_bars
from analytics.session_profile import SessionProfile
from domain.calendars import sessions_between
from domain.columns import MARKET
from domain.errors import InputError
from domain.instants import SECOND
from domain.keys import key_of
from domain.vocabulary import Topic
from sources.lobster import LobsterReader
from sources.ndjson import NdjsonReader
from sources.reader import Cursor
from sources.tape import TapeReader

TAPE_PRICE_SCALE = 10_000.0
Tell = Callable[[str], None]
"""Takes a line on what has just been read."""


def tape_bars(folder: Path, symbol: str) -> pl.DataFrame | None:
    """Daily bars that lie in a tape folder, None where there are none. Raises InputError."""
    for suffix in (".zip", ".csv"):
        path = folder / f"{symbol.lower()}_daily{suffix}"
        if path.is_file():
            return read_daily_bars(path, price_scale=TAPE_PRICE_SCALE)
    return None


def tape_days(folder: Path, symbol: str, before: date | None) -> list[date]:
    """Days of a symbol's prints in a tape folder, those before a date where one is given."""
    shape = re.compile(re.escape(symbol.lower()) + r"_(\d{8})_trade\.(?:zip|csv)")
    names = sorted(path.name for path in folder.glob("*_trade.*"))
    found = (shape.fullmatch(name) for name in names)
    days = (datetime.strptime(m[1], "%Y%m%d").replace(tzinfo=UTC).date() for m in found if m)
    return [day for day in days if before is None or day < before]


def add_tape(
    profile: SessionProfile, folder: Path, symbol: str, days: Sequence[date], tell: Tell
) -> None:
    """Take days of the US tape. Raises InputError."""
    if not folder.is_dir():
        raise InputError(f"no such folder: {folder}")
    for day in days:
        rows = TapeReader(folder, [symbol], day).rows
        profile.add(rows, day)
        tell(f"{symbol} {day}: {len(rows):,} rows of the tape")


def add_lobster(profile: SessionProfile, folder: Path, symbol: str, tell: Tell) -> None:
    """Take one LOBSTER session. Raises InputError."""
    reader = LobsterReader(folder, symbol)
    rows = reader.market
    profile.add(rows, reader.day)
    tell(f"{symbol} {reader.day}: {len(rows):,} rows of the book")


def add_market_file(profile: SessionProfile, path: Path, symbol: str, tell: Tell) -> None:
    """Take every session of a symbol in a file of market events. Raises InputError."""
    rows = _market_rows(path, tell)
    rows = rows[rows["symbol"] == np.uint64(key_of(symbol))]
    rows = rows[np.argsort(rows["ts_event"], kind="stable")]
    if not len(rows):
        raise InputError(f"{path} holds no market event of {symbol}")
    for day in _sessions_of(profile.calendar, rows["ts_event"]):
        profile.add(rows, day)
        tell(f"{symbol} {day}: {path.name}")


def _sessions_of(calendar: str, ts: np.ndarray) -> Iterator[date]:
    """Dates of the sessions in which there are rows."""
    first, last = (datetime.fromtimestamp(int(t) // SECOND, UTC).date() for t in (ts[0], ts[-1]))
    for found in sessions_between(calendar, first - timedelta(1), last + timedelta(1)):
        inside = np.searchsorted(ts, [found.open_ns, found.close_ns])
        if inside[1] > inside[0]:
            yield found.date


def _market_rows(path: Path, tell: Tell) -> np.ndarray:
    if not path.is_file():
        raise InputError(f"no such file: {path}")
    found = [batch for _, batch in _reader(path).read(Topic.MARKET_DATA, 0, Cursor())]
    refused = [dead for batch in found for dead in batch.dead]
    if refused:
        tell(f"{path}: {len(refused)} events refused, the first: {refused[0].words}")
    return np.concatenate([np.empty(0, MARKET), *(batch.market for batch in found)])


def _reader(path: Path) -> NdjsonReader:
    if path.suffix in {".ndjson", ".jsonl"}:
        return NdjsonReader(path)
    raise InputError(
        f"market events come as .ndjson or .jsonl, not {path.suffix or 'bare'}: {path}"
    )
