"""CSV files of events or of ticks: one record on each line."""

import csv
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from domain.batch import Batch, DeadLetter
from domain.errors import InputError
from domain.instants import NO_TIME
from domain.keys import GROUPS
from domain.reasons import DeadLetterReason
from domain.vocabulary import Topic
from sources.ahead import last_instant
from sources.columnar.batches import BatchMaker, Part, known_times
from sources.columnar.block import TOPICS, Block
from sources.columnar.orders import EXEC_NAMES
from sources.columnar.parquet import check_ticks
from sources.names import LateNames
from sources.reader import Cursor

BATCH_LINES = 16_384
_FEW_LINES = 128
_TIMES = ("type", "ts_event")


class CsvReader:
    """A CSV file with the members of the JSON events as columns, as `ParquetReader` reads them.

    The first line names the columns. Fields may be quoted but hold no line ends; an empty one
    is missing. Times are RFC 3339 or UNIX ns; `conditions` are parted by `;`. A line that is
    not UTF-8 or has another number of fields becomes a dead letter. Raises InputError.
    """

    def __init__(self, path: str | Path, *, groups: int = GROUPS, exec_names: bool = False) -> None:
        self.path = Path(path)
        self.groups = groups
        self.exec_names = exec_names

    @cached_property
    def _header(self) -> tuple[list[str], int]:
        """Names of the columns, and the bytes of their line."""
        with self._open() as file:
            line = file.readline()
        try:
            names = next(csv.reader([line.decode("utf-8-sig").strip()]), [])
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{self.path}: the first line must name the columns") from error
        names = [name.strip() for name in names]
        if not names or len(set(names)) != len(names):
            raise InputError(f"{self.path}: the first line must name each column once")
        return names, len(line)

    @cached_property
    def topics(self) -> tuple[Topic, ...]:
        """Topics of the rows, of the file without `type`: market data."""
        names, _ = self._header
        if "type" not in names:
            check_ticks(set(names), self.path)
            return (Topic.MARKET_DATA,)
        at = names.index("type")
        kinds: set[str] = set()
        for chunk in self._chunks(Cursor()):
            kinds.update(row[at].strip() for row in chunk.rows)
        codes = Block({"type": pa.array(sorted(kinds), pa.string())}, len(kinds)).topic
        found = {TOPICS[c] for c in ([] if codes is None else codes) if c < len(TOPICS)}
        return tuple(t for t in TOPICS if t in found) or (Topic.ORDERS,)

    @cached_property
    def late_names(self) -> LateNames:
        """Texts of executions and routes, read from the file when first asked for."""
        at = [i for i, name in enumerate(self._header[0]) if name in EXEC_NAMES]

        def load() -> Iterator[Any]:
            for chunk in self._chunks(Cursor()):
                for i in at:
                    yield pa.array([row[i] for row in chunk.rows], pa.string()).unique()

        return LateNames(load)

    def total(self, topic: Topic) -> int:  # noqa: ARG002
        """Bytes of the file."""
        return self.path.stat().st_size

    def read(self, topic: Topic, source: int, start: Cursor) -> Iterator[tuple[Cursor, Batch]]:
        """Batches of one topic; a stretch without rows of it gives an empty one."""
        maker = BatchMaker(topic, source, self.groups, exec_names=self.exec_names)
        return maker.batches(self._parts(topic, start), start, self._last)

    def _parts(self, topic: Topic, start: Cursor) -> Iterator[Part]:
        first = topic is self.topics[0]
        names, _ = self._header
        for chunk in self._chunks(start):
            block = chunk.block(names)
            yield Part(
                block, block.rows_of(topic, 0, block.rows, strays=first), chunk.at, chunk.line,
                chunk.position, chunk.raw.__getitem__, chunk.refusals(topic) if first else (),
            )  # fmt: skip

    @cached_property
    def _last(self) -> int:
        chunks = self._chunks(Cursor(), _FEW_LINES)
        return last_instant(known_times(c.block(self._header[0], _TIMES) for c in chunks))

    def _chunks(self, start: Cursor, lines: int = 0) -> Iterator["_Chunk"]:
        lines = lines or BATCH_LINES
        names, skip = self._header
        at, number = (start.at, start.line) if start.at else (skip, 1)
        chunk = _Chunk(self.path.name, len(names))
        with self._open() as file:
            file.seek(at)
            for line in file:
                at, number = at + len(line), number + 1
                chunk.add(line.rstrip(b"\r\n"), number, at)
                if number % lines == 0:
                    yield chunk
                    chunk = _Chunk(self.path.name, len(names))
        if chunk.at:
            yield chunk

    def _open(self) -> Any:
        try:
            return self.path.open("rb")
        except OSError as error:
            raise InputError(f"{self.path}: {error.strerror}") from error


@dataclass(slots=True)
class _Chunk:
    """Some lines: their fields, and those that are no record."""

    name: str
    width: int
    rows: list[list[str]] = field(default_factory=list[list[str]])
    raw: list[bytes] = field(default_factory=list[bytes])
    lines: list[int] = field(default_factory=list[int])
    bad: list[tuple[int, bytes, str]] = field(default_factory=list[tuple[int, bytes, str]])
    at: int = 0
    line: int = 0

    def add(self, line: bytes, number: int, at: int) -> None:
        self.at, self.line = at, number
        if not line.strip():
            return
        try:
            fields = next(csv.reader([line.decode()], strict=True))
        except UnicodeDecodeError:
            self.bad.append((number, line, "the line is not UTF-8"))
        except csv.Error as error:
            self.bad.append((number, line, f"not a line of CSV: {error}"))
        else:
            if len(fields) == self.width:
                self.rows.append(fields)
                self.raw.append(line)
                self.lines.append(number)
            else:
                words = f"expected {self.width} fields as in the first line, found {len(fields)}"
                self.bad.append((number, line, words))

    def block(self, names: Sequence[str], wanted: Container[str] = ()) -> Block:
        """The lines as columns, all or those wanted."""
        columns = {
            name: pa.array([row[i].strip() or None for row in self.rows], pa.string())
            for i, name in enumerate(names)
            if not wanted or name in wanted
        }
        return Block(columns, len(self.rows))

    def position(self, row: int) -> str:
        return f"{self.name}:{self.lines[row]}"

    def refusals(self, topic: Topic) -> list[DeadLetter]:
        unreadable = DeadLetterReason.UNREADABLE
        return [
            DeadLetter(str(topic), 0, f"{self.name}:{line}", unreadable, words, raw, NO_TIME)
            for line, raw, words in self.bad
        ]
