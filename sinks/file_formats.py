"""Appending tables to files so that a resumed run continues exactly behind its snapshot.

Text (NDJSON, CSV) is cut back to the length that the snapshot remembers. Parquet and Arrow
files cannot be continued once closed, so each stretch between two snapshots is a part of
its own in a folder beside the file, and the parts are joined into it at the end.
"""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from domain.errors import ConfigurationError, InputError, RecoveryError

SUFFIXES = (".parquet", ".arrow", ".ndjson", ".jsonl", ".csv")
TEXT_SUFFIXES = frozenset({".ndjson", ".jsonl"})
_ROWS_OF_A_GROUP = 65_536


class Appender(Protocol):
    """A file that grows."""

    def write(self, piece: Any) -> None:
        """Append a table, or lines for NDJSON."""
        ...

    def mark(self) -> int:
        """Make what was written durable; where to resume behind it."""
        ...

    def close(self) -> None:
        """Finish the file."""
        ...


def open_appender(path: Path, mark: int | None, *, resumable: bool) -> Appender:
    """The file's appender by its suffix; `mark` None begins the file anew.

    Raises ConfigurationError for another suffix or a folder that does not exist, InputError
    where the file cannot be written, RecoveryError where it cannot be resumed.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ConfigurationError(
            f"{path}: the suffix must be one of {', '.join(SUFFIXES)}, was {suffix or 'missing'}"
        )
    if not path.parent.is_dir():
        raise ConfigurationError(f"{path}: there is no folder {path.parent}; make it first")
    if mark is not None and not resumable:
        raise RecoveryError(f"{path} was not written to be resumed; start anew without recovery")
    try:
        if suffix in TEXT_SUFFIXES:
            return TextFile(path, mark)
        return CsvFile(path, mark) if suffix == ".csv" else PartFiles(path, mark, roll=resumable)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error


class TextFile:
    """Lines, one after the other."""

    def __init__(self, path: Path, mark: int | None) -> None:
        self._path = path
        self._file = path.open("r+b" if mark is not None and path.exists() else "wb")
        length = self._file.seek(0, os.SEEK_END)
        if mark is not None:
            if length < mark:
                raise RecoveryError(
                    f"{path} has {length} bytes, fewer than the {mark} of the snapshot; "
                    "it was changed or belongs to another run: start anew"
                )
            self._file.truncate(mark)
            self._file.seek(mark)

    def write(self, piece: Iterable[bytes]) -> None:
        """Append lines, each without its line end."""
        for line in piece:
            self._file.write(line)
            self._file.write(b"\n")

    def write_bytes(self, text: bytes) -> None:
        """Append as it is."""
        self._file.write(text)

    def mark(self) -> int:
        """Make it durable; the length in bytes."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        """Close."""
        self._file.close()


class CsvFile:
    """A header and lines; dictionaries and maps are written out as text."""

    def __init__(self, path: Path, mark: int | None) -> None:
        self._text = TextFile(path, mark)
        self._has_header = bool(mark)

    def write(self, piece: Any) -> None:
        """Append a table."""
        out = pa.BufferOutputStream()
        options = pa_csv.WriteOptions(include_header=not self._has_header)
        pa_csv.write_csv(_as_text(piece), out, options)
        self._text.write_bytes(out.getvalue().to_pybytes())
        self._has_header = True

    def mark(self) -> int:
        """Make it durable; the length in bytes."""
        return self._text.mark()

    def close(self) -> None:
        """Close."""
        self._text.close()


def _as_text(table: Any) -> Any:
    columns: dict[str, Any] = {}
    for name in table.column_names:
        column = table.column(name)
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        elif pa.types.is_timestamp(column.type):
            column = pc.strftime(column, format="%Y-%m-%dT%H:%M:%SZ")
        elif pa.types.is_map(column.type):
            column = pa.array([_shares_text(v) for v in column.to_pylist()], pa.string())
        columns[name] = column
    return pa.table(columns)


def _shares_text(shares: list[tuple[str, float]] | None) -> str | None:
    return None if shares is None else "|".join(f"{name}={share!r}" for name, share in shares)


class PartFiles:
    """Parquet or Arrow parts in `NAME.parts`, joined at the end; one part without `roll`."""

    def __init__(self, path: Path, mark: int | None, *, roll: bool) -> None:
        self._path = path
        self._folder = path.with_name(path.name + ".parts")
        self._roll = roll
        self._number = mark or 0
        self._writer: Any = None
        self._waiting: list[Any] = []
        self._waiting_rows = 0
        if mark is None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(exist_ok=True)
        self._check_parts()

    def _check_parts(self) -> None:
        for number, part in enumerate(self._parts()):
            if number >= self._number:
                part.unlink()
        if len(self._parts()) < self._number:
            raise RecoveryError(
                f"{self._folder} has {len(self._parts())} parts, fewer than the "
                f"{self._number} of the snapshot; start anew"
            )

    def _parts(self) -> list[Path]:
        return sorted(self._folder.glob(f"*{self._path.suffix}"))

    def write(self, piece: Any) -> None:
        """Append a table."""
        self._waiting.append(piece)
        self._waiting_rows += piece.num_rows
        if self._waiting_rows >= _ROWS_OF_A_GROUP:
            self._write_waiting()

    def _write_waiting(self) -> None:
        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting)
        table = table.unify_dictionaries() if len(self._waiting) > 1 else table
        self._waiting.clear()
        self._waiting_rows = 0
        if self._writer is None:
            part = self._folder / f"{self._number:08d}{self._path.suffix}"
            self._writer = _writer(part, table.schema)
        self._writer.write_table(table)

    def mark(self) -> int:
        """Close the part; the number of parts that are whole. Without `roll` nothing happens."""
        if not self._roll:
            return 0
        self._write_waiting()
        self._end_part()
        return self._number

    def _end_part(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            part = self._folder / f"{self._number:08d}{self._path.suffix}"
            with part.open("rb") as file:
                os.fsync(file.fileno())
            self._number += 1

    def close(self) -> None:
        """Join the parts into the file and remove them."""
        self._write_waiting()
        self._end_part()
        parts = self._parts()
        if len(parts) == 1:
            parts[0].replace(self._path)
        elif parts:
            _join(parts, self._path)
        shutil.rmtree(self._folder, ignore_errors=True)


def _writer(path: Path, schema: Any) -> Any:
    if path.suffix.lower() == ".parquet":
        texts = [f.name for f in schema if pa.types.is_dictionary(f.type)]
        return pq.ParquetWriter(path, schema, compression="lz4", use_dictionary=texts)
    return pa.ipc.new_file(path, pa.schema(_plain(f) for f in schema))


def _plain(field: Any) -> Any:
    """Arrow files keep one dictionary for each column, and ours grow: so they hold text."""
    return field.with_type(pa.string()) if pa.types.is_dictionary(field.type) else field


def _join(parts: list[Path], path: Path) -> None:
    fresh = path.with_name(path.name + ".joining")
    writer: Any = None
    for part in parts:
        if path.suffix.lower() == ".parquet":
            file = pq.ParquetFile(part, read_dictionary=None)
            writer = writer or pq.ParquetWriter(fresh, file.schema_arrow, compression="lz4")
            for batch in file.iter_batches():
                writer.write_batch(batch)
        else:
            reader = pa.ipc.open_file(part)
            writer = writer or pa.ipc.new_file(fresh, reader.schema)
            for i in range(reader.num_record_batches):
                writer.write_batch(reader.get_batch(i))
    writer.close()
    fresh.replace(path)
