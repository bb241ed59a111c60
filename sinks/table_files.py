"""Frames of `sinks.tables` as NDJSON, CSV or Parquet, chosen by the file's suffix.

Files appear whole or not at all: they are written under another name and then renamed.
Times are RFC 3339 text with nine digits in NDJSON and CSV, timestamps in Parquet. In NDJSON
`reasons` and `venue_distribution` are objects that hold only what is said; in CSV the same
objects are JSON text and a list of anomalies is joined by `|`.
"""

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl

from domain.errors import ConfigurationError, InputError

_JSON = msgspec.json.Encoder()
SUFFIXES = (".ndjson", ".jsonl", ".csv", ".parquet")


def check_suffix(path: Path) -> None:
    """Raise ConfigurationError unless the suffix says how to write and the folder is there."""
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigurationError(
            f"{path} must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}: "
            "the suffix says how the file is written"
        )
    if not path.absolute().parent.is_dir():
        raise ConfigurationError(f"the folder of {path} does not exist; make it first")
    if path.is_dir():
        raise ConfigurationError(f"{path} is a folder; name a file")


def write_table(frame: pl.DataFrame, path: Path) -> None:
    """Write the frame. Raises ConfigurationError for a suffix, InputError if it cannot be done."""
    check_suffix(path)
    write = {".parquet": _parquet, ".csv": _csv}.get(path.suffix.lower(), _ndjson)
    write_whole(path, lambda fresh: write(frame, fresh))


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a file beside `path` and put it in place when it is complete."""
    fresh = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        write(fresh)
        fresh.replace(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        fresh.unlink(missing_ok=True)


def _parquet(frame: pl.DataFrame, path: Path) -> None:
    frame.write_parquet(path, compression="zstd")
    _sync(path)


def _csv(frame: pl.DataFrame, path: Path) -> None:
    flat = _with_texts(frame)
    lists = [n for n, t in frame.schema.items() if t == pl.List(pl.String)]
    flat = flat.with_columns(
        *(pl.col(n).list.join("|") for n in lists),
        *(pl.Series(n, texts, pl.String) for n, texts in _objects(frame).items()),
    )
    flat.select(frame.columns).write_csv(path)
    _sync(path)


def _ndjson(frame: pl.DataFrame, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for line in json_lines(frame):
            file.write(line + "\n")
    _sync(path)


def json_lines(frame: pl.DataFrame) -> Iterator[str]:
    """One JSON object for each row, as in an NDJSON file."""
    objects = list(_objects(frame).items())
    for i, line in enumerate(_with_texts(frame).write_ndjson().splitlines()):
        more = "".join(f',"{name}":{texts[i]}' for name, texts in objects)
        yield f"{line[:-1]}{more}}}"


def _with_texts(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame without its objects, times as RFC 3339 text."""
    times = [n for n, t in frame.schema.items() if isinstance(t, pl.Datetime)]
    return frame.drop(*_RENDER, strict=False).with_columns(
        pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%S.%9fZ") for name in times
    )


def _objects(frame: pl.DataFrame) -> dict[str, list[str]]:
    """JSON text of the columns that hold objects, for each row."""
    return {name: _RENDER[name](frame[name]) for name in _RENDER if name in frame.columns}


def _venues(column: pl.Series) -> list[str]:
    return [_text({s["venue"]: s["share"] for s in shares or ()}) for shares in column.to_list()]


def _reasons(column: pl.Series) -> list[str]:
    metrics = column.struct.unnest()
    words = metrics.dtypes[0]
    assert isinstance(words, pl.Enum)
    codes = metrics.select(pl.all().to_physical().fill_null(_NOTHING)).to_numpy()
    # Thousands of orders share a few patterns of missing metrics.
    distinct, at = np.unique(codes, axis=0, return_inverse=True)
    texts = words.categories.to_list()
    patterns = [
        _text({metrics.columns[k]: texts[c] for k, c in enumerate(row) if c != _NOTHING})
        for row in distinct.tolist()
    ]
    return [patterns[i] for i in at.ravel().tolist()]


_NOTHING = 255
_RENDER: dict[str, Callable[[pl.Series], list[str]]] = {
    "venue_distribution": _venues,
    "reasons": _reasons,
    "caveats": _reasons,
}


def _text(value: dict[str, Any]) -> str:
    return _JSON.encode(value).decode()


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
