"""`execmon reference`: load records onto the bus, look at them, derive them from past days."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn

from cli.reference_bus import publish_records, read_book, reference_bus
from cli.reference_derive import derive
from cli.reference_output import exit_codes, load_file, print_json, print_record, tell_problems
from cli.reference_usual import usual
from domain.errors import InputError
from domain.instants import format_rfc3339
from domain.reference import ReferenceRecord, effective_ns
from domain.reference_book import ReferenceBook

app = typer.Typer(
    name="reference",
    help="What is known before the day: volumes, volatilities, curves, calendars, rates.",
    no_args_is_help=True,
)
app.command()(derive)
app.command()(usual)

_BUS = typer.Option(help="Address of the bus; as configured if absent.", metavar="URL")
_JSON = typer.Option("--json", help="Print one JSON object.")


@app.command()
def load(
    file: Annotated[Path, typer.Argument(help="JSON, NDJSON, CSV, TOML or Parquet.")],
    bus: Annotated[str | None, _BUS] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Publish the good records of a file with bad ones.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Only say whether the file is right.")
    ] = False,
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """Check a file of reference records and publish them on the bus.

    Nothing is published while a record is wrong, unless --skip-bad. Ends with 0, or with 3
    where a record was refused and 4 where the bus could not be reached.
    """
    with exit_codes():
        loaded = load_file(file)
        if not loaded.records and not loaded.problems:
            raise InputError(f"{file} holds no record")
        tell_problems(file, loaded.problems)
        publishing = not check and (skip_bad or not loaded.problems)
        published = _publish(loaded.records, bus) if publishing else 0
        problems = [{"where": p.where, "words": p.words} for p in loaded.problems]
        if as_json:
            print_json(
                {
                    "file": str(file),
                    "records": len(loaded.records),
                    "published": published,
                    "problems": problems,
                }
            )
        else:
            typer.echo(f"{len(loaded.records)} records are right, {published} published")
        if problems:
            hint = (
                "" if skip_bad or check else "; correct them, or publish the rest with --skip-bad"
            )
            raise InputError(f"{file}: {len(problems)} records were refused{hint}")


def _publish(records: list[ReferenceRecord], url: str | None) -> int:
    columns = (*Progress.get_default_columns(), MofNCompleteColumn(), TextColumn("records"))
    console = Console(stderr=True)
    published = 0
    with (
        reference_bus(url, set_up=True) as bus,
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar,
    ):
        task = bar.add_task("Publishing", total=len(records))
        for published in publish_records(bus, records):
            bar.update(task, completed=published)
    return published


@app.command()
def show(
    symbol: Annotated[str, typer.Argument(help="Symbol, or scope such as venue:XNAS.")],
    at: Annotated[
        str | None, typer.Option(help="A day or RFC 3339 time; now if absent.", metavar="TIME")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="Read this file instead of the bus.")] = None,
    bus: Annotated[str | None, _BUS] = None,
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """Show the newest record of a symbol or scope that is in effect."""
    with exit_codes():
        now = _instant(at)
        book = _book_of(file) if file else read_book(bus)
        record = book.symbol(symbol, now) or book.scope(symbol, now)
        if record is None:
            raise InputError(_not_found(symbol, now, book, file))
        if as_json:
            print_json(record)
        else:
            print_record(record)


def _instant(text: str | None) -> int:
    if text is None:
        return time.time_ns()
    try:
        return effective_ns(text)
    except ValueError as error:
        raise InputError(f"--at: {error}") from error


def _book_of(file: Path) -> ReferenceBook:
    loaded = load_file(file)
    tell_problems(file, loaded.problems)
    return ReferenceBook(loaded.records)


def _not_found(key: str, now: int, book: ReferenceBook, file: Path | None) -> str:
    where = str(file) if file else "the bus"
    later = [r.effective_from for r in book if r.key == key and r.effective_from]
    if later:
        return f"{where} holds records of {key}, the first from {min(later)}; ask --at a later time"
    return (
        f"{where} holds no record of {key} in effect at {format_rfc3339(now)}; "
        "publish one with execmon reference load FILE"
    )
