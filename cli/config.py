"""`execmon config`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.output import print_json

_WIDE = 200
app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def config() -> None:
    """Settings: command line over EXECMON_… variables over a TOML file over defaults."""


@app.command()
def show(
    file: Annotated[
        Path | None, typer.Option("--config", help="TOML file, instead of EXECMON_CONFIG's.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show every setting, its value and where that came from; passwords are hidden."""
    from runtime.settings import load_settings

    rows = load_settings(config=file).rows()
    if as_json:
        print_json({name: {"value": value, "origin": origin} for name, value, origin in rows})
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for column in ("setting", "value", "from"):
        table.add_column(column, overflow="fold")
    for name, value, origin in rows:
        table.add_row(name, value or "–", origin)
    # Whoever reads a file or a pipe looks for whole values.
    Console(width=None if sys.stdout.isatty() else _WIDE).print(table)
