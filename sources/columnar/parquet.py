"""Parquet files of events or of ticks."""

from collections import OrderedDict
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

from domain.batch import Batch
from domain.errors import InputError
from domain.keys import GROUPS
from domain.vocabulary import Topic
from sources.ahead import last_instant
from sources.columnar.batches import BatchMaker, Part, known_times
from sources.columnar.block import TOPICS, Block
from sources.columnar.convert import readable
from sources.columnar.market import PRICES
from sources.columnar.orders import EXEC_NAMES
from sources.names import LateNames
from sources.reader import BATCH_ROWS, Cursor

_KEPT_BLOCKS = 3
_FEW_ROWS = 1024


class ParquetReader:
    """A Parquet file with the members of the JSON events as columns.

    With a column `type` each row is that event, of market, orders or routes, and each topic
    an input of its own; without it the file holds ticks: `symbol`, `ts_event`, a quote (`bid`,
    `ask`, sizes), a print (`price`, `size`) or both, the quote first. Times are int64 UNIX ns,
    timestamps, or RFC 3339; ids may be integers; a NaN is missing. `algo_params` may be a
    struct or its members `schedule`, `start`, `end`, `participation`, `urgency`, `kappa_t`,
    `profile`, a list.

    Row groups are decoded one ahead, in a thread of the reader. Names of executions stay out
    of the batches unless `exec_names`; `late_names` finds them afterwards. Raises InputError.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        groups: int = GROUPS,
        exec_names: bool = False,
        batch_rows: int = BATCH_ROWS,
    ) -> None:
        self.path = Path(path)
        self.groups = groups
        self.exec_names = exec_names
        self._batch_rows = batch_rows
        self._blocks: OrderedDict[int, Future[Block]] = OrderedDict()
        self._ahead = ThreadPoolExecutor(1, thread_name_prefix="parquet")

    @cached_property
    def _schema(self) -> Any:
        try:
            return pq.read_schema(self.path)
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{self.path} is not a Parquet file: {error}") from error

    @cached_property
    def _metadata(self) -> Any:
        with self._damage_in_words():
            return pq.read_metadata(self.path)

    @contextmanager
    def _damage_in_words(self) -> Generator[None]:
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{self.path} is damaged: {error}") from error

    @cached_property
    def topics(self) -> tuple[Topic, ...]:
        """Topics of the rows, of the file without `type`: market data."""
        names = set(self._schema.names)
        if "type" not in names:
            check_ticks(names, self.path)
            return (Topic.MARKET_DATA,)
        found: set[Topic] = set()
        with self._damage_in_words(), self._open(["type"]) as file:
            for group in range(file.num_row_groups):
                types = _one(file.read_row_group(group, ["type"]).column(0)).unique().to_pylist()
                block = Block({"type": pa.array(types, pa.string())}, len(types))
                codes = block.topic if block.topic is not None else []
                found.update(TOPICS[code] for code in codes if code < len(TOPICS))
        return tuple(t for t in TOPICS if t in found) or (Topic.ORDERS,)

    @cached_property
    def late_names(self) -> LateNames:
        """Texts of executions and routes, read from the file when first asked for."""
        columns = [name for name in EXEC_NAMES if name in self._schema.names]

        def load() -> Iterator[Any]:
            with self._damage_in_words(), self._open([]) as file:
                for group in range(file.num_row_groups if columns else 0):
                    table = file.read_row_group(group, columns)
                    yield from (_one(table.column(name)).unique() for name in columns)

        return LateNames(load)

    def total(self, topic: Topic) -> int:  # noqa: ARG002
        """Rows of the file."""
        return self._metadata.num_rows

    def read(self, topic: Topic, source: int, start: Cursor) -> Iterator[tuple[Cursor, Batch]]:
        """Batches of one topic; a stretch without rows of it gives an empty one."""
        maker = BatchMaker(topic, source, self.groups, exec_names=self.exec_names)
        return maker.batches(self._parts(topic, start), start, self._last)

    def _parts(self, topic: Topic, start: Cursor) -> Iterator[Part]:
        first, base = topic is self.topics[0], 0
        for group in range(self._metadata.num_row_groups):
            end = base + self._metadata.row_group(group).num_rows
            at = max(base, start.at)
            while at < end:
                block = self._block(group)
                last = min(at + self._batch_rows, end)

                def position(row: int, base: int = base) -> str:
                    return f"{self.path.name}: row {base + row + 1}"

                rows = block.rows_of(topic, at - base, last - base, strays=first)
                yield Part(block, rows, last, 0, position)
                at = last
            base = end

    @cached_property
    def _last(self) -> int:
        return last_instant(known_times(self._blocks_of("type", "ts_event")))

    def _blocks_of(self, *names: str) -> Iterator[Block]:
        """Some columns of the whole file, a little at a time."""
        found = [name for name in names if name in self._schema.names]
        with (
            self._damage_in_words(),
            self._open([name for name in found if name == "type"]) as file,
        ):
            for rows in file.iter_batches(_FEW_ROWS, columns=found):
                columns = map(readable, rows.columns)
                yield Block(dict(zip(rows.schema.names, columns, strict=True)), rows.num_rows)

    def _block(self, group: int) -> Block:
        for wanted in (group, group + 1):
            if wanted not in self._blocks and wanted < self._metadata.num_row_groups:
                self._blocks[wanted] = self._ahead.submit(self._load, wanted)
        while len(self._blocks) > _KEPT_BLOCKS:
            self._blocks.popitem(last=False)
        return self._blocks[group].result()

    def _load(self, group: int) -> Block:
        with self._damage_in_words(), self._open(None) as file:
            table = file.read_row_group(group)
        table = table.flatten().unify_dictionaries().combine_chunks()
        columns = {name: _one(table.column(name)) for name in table.column_names}
        block = Block(columns, table.num_rows)
        block.warm()
        return block

    def _open(self, coded: list[str] | None) -> Any:
        """The file, texts that repeat read as codes."""
        if coded is None:
            texts = [
                f.name for f in self._schema if pt.is_string(f.type) or pt.is_large_string(f.type)
            ]
            coded = [name for name in texts if name not in {*EXEC_NAMES, "ts_event"}]
        return pq.ParquetFile(self.path, read_dictionary=coded)


def check_ticks(names: set[str], path: Path) -> None:
    """Raise InputError unless the columns make ticks."""
    if not {"symbol", "ts_event"} <= names or not names & {"bid", "ask", "price"}:
        raise InputError(
            f"{path}: expected a column type with the kind of event, or ticks with symbol, "
            f"ts_event and some of {', '.join(PRICES)}; found {', '.join(sorted(names))}"
        )


def _one(column: Any) -> Any:
    """The column in one piece, its texts readable."""
    if column.num_chunks == 1:
        return readable(column.chunk(0))
    if not column.num_chunks:
        return pa.array([], column.type)
    return readable(pa.concat_arrays(column.chunks))
