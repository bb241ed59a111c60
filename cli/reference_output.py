"""What the reference commands print: a record as a table, and errors as exit codes."""

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from domain.errors import ConfigurationError, ExecmonError, InputError
from domain.reference import ReferenceRecord
from domain.reference_check import to_wire
from domain.reference_files import Loaded, Problem, read_records
from domain.wire import encode

_BLOCKS = "▁▂▃▄▅▆▇█"
_UNITS = {
    "adv_qty": "a day",
    "sigma_daily_bps": "bps a day",
    "spread_bps": "bps of the mid",
    "volume_curve": "shares of the session",
    "volatility_curve": "of the session's own",
}
_HIDDEN = {"type", "topic"}
MOST_PROBLEMS = 20


@contextmanager
def exit_codes() -> Generator[None]:
    """Turn an error raised on purpose into its words on stderr and its exit code."""
    try:
        yield
    except ExecmonError as error:
        sys.stderr.write(f"execmon: {error}\n")
        raise typer.Exit(error.exit_code) from error


def load_file(path: Path) -> Loaded:
    """The records of a reference file. Raises InputError where it cannot be read."""
    try:
        body = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        return read_records(body, path.suffix)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def tell_problems(path: Path, problems: list[Problem]) -> None:
    """List refused records on stderr, the first twenty in words."""
    for problem in problems[:MOST_PROBLEMS]:
        sys.stderr.write(f"{path}: {problem.where}: {problem.words}\n")
    if len(problems) > MOST_PROBLEMS:
        sys.stderr.write(f"{path}: and {len(problems) - MOST_PROBLEMS} more\n")


def add_to(path: Path, records: Sequence[ReferenceRecord]) -> None:
    """Add records to a file of NDJSON. Raises ConfigurationError where it cannot be written."""
    try:
        with path.open("a") as file:
            file.writelines(encode_any(record) + "\n" for record in records)
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror or error}") from error


def print_json(value: object) -> None:
    """One JSON object on stdout."""
    sys.stdout.write(encode_any(value) + "\n")


def encode_any(value: object) -> str:
    """Compact JSON of plain values and records."""
    plain = to_wire(value) if isinstance(value, ReferenceRecord) else value
    return encode(plain).decode()  # pyright: ignore[reportArgumentType]


def print_record(record: ReferenceRecord) -> None:
    """The record as a table on stdout, curves as bars."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value in to_wire(record).items():
        if name not in _HIDDEN:
            table.add_row(name, _text(value), _UNITS.get(name, ""))
    Console().print(table)


def _text(value: object) -> str:
    if isinstance(value, list) and value and all(isinstance(v, float) for v in value):
        return sparkline([float(v) for v in value])
    if isinstance(value, float):
        return f"{value:,.10g}"
    return value if isinstance(value, str) else encode_any(value)


def sparkline(values: list[float]) -> str:
    """Bars of the values, the highest full: `▂▁▁█`, then the least and the greatest."""
    top = max(values) or 1.0
    bars = "".join(_BLOCKS[min(int(v / top * len(_BLOCKS)), len(_BLOCKS) - 1)] for v in values)
    return f"{bars}  {min(values):.4g} – {max(values):.4g}"
