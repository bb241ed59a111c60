"""Writing rows in one transaction, and finding the row that stops it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import psycopg
import structlog

from domain.errors import ServerError
from domain.vocabulary import Topic
from sinks.history.alerts import ALERT_TABLES
from sinks.history.columns import HEADER, TRAILER
from sinks.history.connection import (
    Connection,
    connect,
    in_words,
    is_of_one_row,
    is_passing,
    run,
    shown,
)
from sinks.history.events import Row
from sinks.history.table import Table, Values
from sinks.history.tables import TABLES

_ALL = (*TABLES, *ALERT_TABLES)
_COPY_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Origin:
    """The message that rows came from, for what has to be said of one of them."""

    partition: int
    position: str
    body: bytes
    ts: int
    topic: str = str(Topic.EXECUTION_UPDATES)


@dataclass(frozen=True, slots=True)
class Sourced:
    """A row with the message it came from."""

    row: Row
    origin: Origin


@dataclass(frozen=True, slots=True)
class Packed:
    """Rows as COPY takes them, table by table."""

    rows: Sequence[Sourced]
    tables: Sequence[tuple[Table, Sequence[bytes]]]


def pack(rows: Sequence[Sourced]) -> Packed:
    """Encode the rows; of those with one key only the newest."""
    by_table: dict[str, dict[Values, Values]] = {table.name: {} for table in _ALL}
    for sourced in rows:
        table, values = sourced.row.table, sourced.row.values
        kept = by_table[table.name]
        key = table.key_of(values)
        old = kept.get(key)
        kept[key] = values if old is None or table.pick is None else table.pick(old, values)
    packed = [
        (table, [table.encode(values) for values in by_table[table.name].values()])
        for table in _ALL
        if by_table[table.name]
    ]
    return Packed(rows, packed)


class HistoryClient:
    """One connection to the history store, made again when it is lost.

    A row that the server will never take is handed to `refuse` with the reason, and the
    others are written.
    """

    def __init__(self, url: str, refuse: Callable[[Sourced, str], None]) -> None:
        self._url = url
        self._refuse = refuse
        self._connection: Connection | None = None
        self._made: set[str] = set()

    def send(self, packed: Packed) -> None:
        """Write in one transaction; may be called again with the same.

        Raises psycopg's errors where the server is away, ServerError where it refuses
        what no row is to blame for.
        """
        try:
            self._write(packed)
        except psycopg.Error as error:
            if not is_of_one_row(error):
                raise self._lost(error) from error
            self._write_around(packed.rows, error)

    def close(self) -> None:
        """Drop the connection."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        self._made.clear()

    def _lost(self, error: psycopg.Error) -> Exception:
        """What to raise; after an error a new connection is the safe way on."""
        self.close()
        if is_passing(error):
            return error
        return ServerError(
            f"the history store {shown(self._url)} refused a write: {in_words(error)}; "
            "is the schema migrated (`execmon db status`)?"
        )

    def _write_around(self, rows: Sequence[Sourced], error: psycopg.Error) -> None:
        """Halve the batch until the rows at fault stand alone."""
        if len(rows) == 1:
            words = in_words(error)
            structlog.get_logger("history_sink").warning("row_refused", reason=words)
            self._refuse(rows[0], words)
            return
        middle = len(rows) // 2
        for half in (rows[:middle], rows[middle:]):
            try:
                self._write(pack(half))
            except psycopg.Error as found:
                if not is_of_one_row(found):
                    raise self._lost(found) from found
                self._write_around(half, found)

    def _write(self, packed: Packed) -> None:
        connection = self._connected()
        for table, _ in packed.tables:
            self._make(connection, table)
        with connection.transaction(), connection.cursor() as cursor:
            for table, rows in packed.tables:
                with cursor.copy(table.copy) as copy:  # pyright: ignore[reportArgumentType]
                    for chunk in _chunks(rows):
                        copy.write(chunk)
                run(connection, table.upsert)

    def _make(self, connection: Connection, table: Table) -> None:
        if table.name not in self._made:
            run(connection, table.temporary)
            self._made.add(table.name)

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self.close()
            self._connection = connect(self._url)
        return self._connection


def _chunks(rows: Iterable[bytes]) -> Iterable[bytes]:
    """The COPY stream in pieces of some size: fewer calls than rows, less memory than whole."""
    waiting: list[bytes] = [HEADER]
    size = 0
    for row in rows:
        waiting.append(row)
        size += len(row)
        if size >= _COPY_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    waiting.append(TRAILER)
    yield b"".join(waiting)
