"""A file of lines that appears when the run has ended, whole or not at all."""

from pathlib import Path
from typing import IO

from domain.errors import InputError


class LineFile:
    """Lines for `path`, nowhere if it is None. Use as a context manager.

    Raises InputError when the file cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._fresh = path.with_name(f".{path.name}.part") if path else None
        self._file: IO[bytes] | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether somebody named a file."""
        return self._path is not None

    def open(self) -> None:
        """Begin the file beside its place."""
        if self._fresh is None:
            return
        try:
            self._file = self._fresh.open("wb")
        except OSError as error:
            raise InputError(f"cannot write {self._path}: {error.strerror}") from error

    def add(self, line: bytes) -> None:
        """Write a line."""
        if self._file is not None:
            self._file.write(line + b"\n")

    def close(self, *, keep: bool) -> None:
        """End it; without `keep` nothing is left."""
        if self._file is None or self._fresh is None or self._path is None:
            return
        self._file.close()
        if keep:
            self._fresh.replace(self._path)
        else:
            self._fresh.unlink(missing_ok=True)
