"""Files of records that a resumed run continues exactly behind its snapshot.

Text (NDJSON, CSV) is cut back to the length that the snapshot remembers; Parquet and Arrow
are written in parts (`sinks.part_files`).
"""

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import msgspec

from domain.errors import ConfigurationError, InputError, RecoveryError
from sinks.part_files import PartFiles

SUFFIXES = (".parquet", ".arrow", ".ndjson", ".jsonl", ".csv")
TEXT_SUFFIXES = frozenset({".ndjson", ".jsonl"})
_encode = msgspec.json.Encoder().encode


Record = dict[str, Any]


class LineFile:
    """NDJSON: one record a line."""

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

    def begin(self, columns: list[str]) -> None:
        """A new file; lines name their own members."""

    def write(self, records: Iterable[Record]) -> None:
        """Append records."""
        for record in records:
            self._put(_encode(record))

    def _put(self, line: bytes) -> None:
        self._file.write(line)
        self._file.write(b"\n")

    def mark(self) -> int:
        """Make it durable; the length in bytes."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        """Close."""
        self._file.close()


class CsvFile(LineFile):
    """A header and lines; objects are JSON text, lists are joined by `|`."""

    def begin(self, columns: list[str]) -> None:
        """A new file: its header."""
        self._put(_csv_line(columns))

    def write(self, records: Iterable[Record]) -> None:
        """Append records, their members in the header's order."""
        for record in records:
            self._put(_csv_line([_cell(value) for value in record.values()]))


def _cell(value: Any) -> Any:
    if isinstance(value, dict):
        return _encode(value).decode()
    return "|".join(cast(tuple[str, ...], value)) if isinstance(value, tuple) else value


def _csv_line(cells: list[Any]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(cells)
    return out.getvalue().encode()


def check_path(path: Path) -> None:
    """Raise ConfigurationError for a suffix or a folder that will not do."""
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigurationError(
            f"{path}: the suffix must be one of {', '.join(SUFFIXES)}, "
            f"was {path.suffix or 'missing'}"
        )
    if path.is_dir():
        raise ConfigurationError(f"{path} is a folder; name a file in it")
    if not path.absolute().parent.is_dir():
        raise ConfigurationError(f"{path}: there is no folder {path.parent}; make it first")


Appender = LineFile | PartFiles


def open_appender(path: Path, mark: int | None, *, resumable: bool) -> Appender:
    """The file's appender by its suffix; `mark` None begins the file anew.

    Raises ConfigurationError as `check_path` does, InputError where the file cannot be
    written, RecoveryError where it cannot be resumed.
    """
    check_path(path)
    if mark is not None and not resumable:
        raise RecoveryError(f"{path} was not written to be resumed; start anew without recovery")
    suffix = path.suffix.lower()
    try:
        if suffix in TEXT_SUFFIXES:
            return LineFile(path, mark)
        return CsvFile(path, mark) if suffix == ".csv" else PartFiles(path, mark, roll=resumable)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
