"""Reference records in files, by suffix: JSON, NDJSON, CSV, TOML, Parquet.

Members and columns are those of `ReferenceRecord`. In CSV a list is written as numbers with
spaces between (`0.1 0.2 0.7`), splits as `2014-06-09:7`, and nested members as JSON; an empty
cell is absent. In TOML each record is a `[[reference]]` table. `type` may be left out in any.
Unlike on the bus, a member nobody knows is refused: in a file it is a slip of the pen.
"""

import csv
import difflib
import io
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, cast

import msgspec

from domain.errors import InputError, Refused
from domain.reasons import DeadLetterReason
from domain.reference import ReferenceRecord
from domain.reference_check import record_of

_MEMBERS = frozenset(ReferenceRecord.__struct_fields__)
_NUMBERS = frozenset(
    ("adv_qty", "sigma_daily_bps", "beta", "spread_bps", "tick", "lot", "prev_close", "rate")
)
_NUMBER_LISTS = ("volume_curve", "volatility_curve")
_JSON_CELLS = ("baselines", "finding", "coefficients", "standard_errors", "ranges")


@dataclass(frozen=True, slots=True)
class Problem:
    """A record that was refused: where it stands in the file, and why."""

    where: str
    words: str


@dataclass(slots=True)
class Loaded:
    """What a file holds: the records that can be used and what is wrong with the others."""

    records: list[ReferenceRecord] = field(default_factory=list[ReferenceRecord])
    problems: list[Problem] = field(default_factory=list[Problem])


def read_records(body: bytes, suffix: str) -> Loaded:
    """The records of a file's bytes. Raises InputError where the file as a whole is unreadable."""
    read = _READERS.get(suffix.lower())
    if read is None:
        raise InputError(
            f"reference files end in {', '.join(sorted(_READERS))}; this one ends in "
            f"{suffix or 'nothing'}"
        )
    loaded = Loaded()
    for where, members in read(body):
        try:
            loaded.records.append(_record(members, from_text=suffix.lower() == ".csv"))
        except Refused as refused:
            loaded.problems.append(Problem(where, refused.words))
    return loaded


def _record(members: object, *, from_text: bool) -> ReferenceRecord:
    if isinstance(members, Refused):
        raise members
    if not isinstance(members, dict):
        raise Refused(
            DeadLetterReason.WRONG_TYPE, f"a record is an object with members, was {members!r:.60}"
        )
    given = cast("dict[str, Any]", members)
    for name in given:
        if name not in _MEMBERS:
            near = difflib.get_close_matches(name, _MEMBERS, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise Refused(DeadLetterReason.WRONG_TYPE, f"no member is called {name!r}{hint}")
    return record_of(given, from_text=from_text)


def _json(body: bytes) -> Iterator[tuple[str, object]]:
    whole = _decoded(lambda: msgspec.json.decode(body), "JSON")
    records = cast("list[object]", whole) if isinstance(whole, list) else [whole]
    return ((f"record {n}", record) for n, record in enumerate(records, 1))


def _ndjson(body: bytes) -> Iterator[tuple[str, object]]:
    for number, line in enumerate(body.splitlines(), 1):
        if not line.strip():
            continue
        try:
            yield f"line {number}", msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            reason = DeadLetterReason.UNREADABLE
            yield f"line {number}", Refused(reason, f"not a JSON object: {error}")


def _toml(body: bytes) -> Iterator[tuple[str, object]]:
    whole = _decoded(lambda: tomllib.loads(body.decode()), "TOML")
    records = whole.get("reference")
    if not isinstance(records, list) or len(whole) > 1:
        raise InputError("a TOML reference file holds [[reference]] tables and nothing else")
    for n, record in enumerate(cast("list[object]", records), 1):
        yield f"record {n}", _texts(record)


def _texts(value: object) -> object:
    """The value with TOML's and Parquet's own dates as text."""
    if isinstance(value, dict):
        return {k: _texts(v) for k, v in cast("dict[str, object]", value).items()}
    if isinstance(value, list):
        return [_texts(v) for v in cast("list[object]", value)]
    if isinstance(value, datetime):
        return value.isoformat() + ("" if value.tzinfo else "Z")
    return value.isoformat() if isinstance(value, date) else value


def _csv(body: bytes) -> Iterator[tuple[str, object]]:
    text = _decoded(lambda: body.decode("utf-8-sig"), "UTF-8 text")
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        header = [name.strip() for name in next(reader, [])]
        if not {"symbol", "scope"} & set(header):
            raise InputError("the first line of a CSV reference file names its columns; "
                             "one of them is symbol or scope")  # fmt: skip
        for cells in reader:
            if cells:
                yield f"line {reader.line_num}", _cells(header, cells)
    except csv.Error as error:
        raise InputError(f"not a CSV file: line {reader.line_num}: {error}") from error


def _cells(header: list[str], cells: list[str]) -> object:
    if len(cells) != len(header):
        return Refused(
            DeadLetterReason.UNREADABLE,
            f"has {len(cells)} cells, the first line names {len(header)} columns",
        )
    members: dict[str, Any] = {}
    for name, cell in zip(header, cells, strict=True):
        if cell.strip():
            try:
                members[name] = _cell(name, cell.strip())
            except (ValueError, msgspec.DecodeError) as error:
                return Refused(DeadLetterReason.WRONG_TYPE, f"{name}: {error}")
    return members


def _cell(name: str, cell: str) -> object:
    if name in _JSON_CELLS or cell.startswith("["):
        return msgspec.json.decode(cell)
    if name in _NUMBERS:
        return _number(cell)
    if name in _NUMBER_LISTS:
        return [_number(number) for number in cell.replace(";", " ").split()]
    if name == "splits":
        days = (text.rpartition(":") for text in cell.replace(";", " ").split())
        return [{"date": day, "ratio": _number(ratio)} for day, _, ratio in days]
    return cell


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"expected a number, got {text!r}") from None


def _parquet(body: bytes) -> Iterator[tuple[str, object]]:
    import polars as pl

    try:
        frame = pl.read_parquet(io.BytesIO(body))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"not a Parquet file: {error}") from error
    for n, row in enumerate(frame.iter_rows(named=True), 1):
        yield f"row {n}", _texts(_without_nulls(row))


def _without_nulls(value: object) -> object:
    """Struct columns hold every member of every row, mostly null: absent, as elsewhere."""
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return {k: _without_nulls(v) for k, v in members.items() if v is not None}
    if isinstance(value, list):
        return [_without_nulls(v) for v in cast("list[object]", value)]
    return value


def _decoded(decode: Callable[[], Any], kind: str) -> Any:
    try:
        return decode()
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise InputError(f"not {kind}: {error}") from error


_READERS: dict[str, Callable[[bytes], Iterable[tuple[str, object]]]] = {
    ".json": _json,
    ".ndjson": _ndjson,
    ".jsonl": _ndjson,
    ".toml": _toml,
    ".csv": _csv,
    ".parquet": _parquet,
}
