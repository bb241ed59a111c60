"""Replays whose files hold orders and market as they are: LOBSTER, NDJSON, CSV, Parquet."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import cast

from cli.replay.run import ReplayOptions, replay, write_files
from cli.replay.show import show
from domain.errors import InputError
from sources.lobster import LobsterReader
from sources.reader import Reader


def replay_lobster(
    folder: Path, symbol: str | None, day: date | None, options: ReplayOptions
) -> None:
    """Replay one session and print its figures; `events` counts the file's messages."""
    reader = LobsterReader(folder, symbol, day)
    result = replay([reader], options)
    write_files(result, options)
    head = {"format": "lobster", "symbol": reader.symbol, "date": reader.day.isoformat()}
    show({**head, **result.summary(reader.events)}, options)


def replay_files(format_: str, files: Sequence[Path], options: ReplayOptions) -> None:
    """Replay files of one format together, merged by event time, and print the figures."""
    for path in files:
        if not path.is_file():
            raise InputError(f"{path} is not a file")
    named = options.fills is not None
    readers = [_reader(format_, path, exec_names=named) for path in files]
    result = replay(readers, options)
    write_files(result, options)
    head = {"format": format_, "files": [str(path) for path in files]}
    show({**head, **result.summary()}, options)


def _reader(format_: str, path: Path, *, exec_names: bool) -> Reader:
    reader: object
    if format_ == "ndjson":
        from sources.ndjson import NdjsonReader

        reader = NdjsonReader(path)
    elif format_ == "csv":
        from sources.columnar.csvfile import CsvReader

        reader = CsvReader(path, exec_names=exec_names)
    else:
        from sources.columnar.parquet import ParquetReader

        reader = ParquetReader(path, exec_names=exec_names)
    return cast("Reader", reader)
