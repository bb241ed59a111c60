"""Parquet and Arrow files in parts, since neither can be continued once closed.

Each stretch between two snapshots is a part of its own in a folder `NAME.parts` beside the
file; at the end of the run the parts are joined into it. The folder stays for a run that
resumes, and may be removed once none will.
"""

import os
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from domain.errors import RecoveryError

_ROWS_OF_A_GROUP = 65_536


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
        table = pa.concat_tables(_with_texts(piece) for piece in self._waiting)
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
        """Join the parts into the file; with `roll` they stay, for a run that resumes."""
        self._write_waiting()
        self._end_part()
        parts = self._parts()
        if self._roll:
            _join(parts, self._path)
        else:
            parts[0].replace(self._path)
            shutil.rmtree(self._folder, ignore_errors=True)


def _writer(path: Path, schema: Any) -> Any:
    if path.suffix.lower() == ".parquet":
        return pq.ParquetWriter(path, schema, compression="lz4")
    return pa.ipc.new_file(path, schema)


def _with_texts(table: Any) -> Any:
    """The table with text for dictionaries, which differ from piece to piece."""
    fields = [
        field.with_type(pa.string()) if pa.types.is_dictionary(field.type) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))


def _join(parts: list[Path], path: Path) -> None:
    fresh = path.with_name(path.name + ".joining")
    writer: Any = None
    for part in parts:
        if path.suffix.lower() == ".parquet":
            file = pq.ParquetFile(part)
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
