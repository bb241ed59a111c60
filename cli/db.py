"""`execmon db`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import print_json

if TYPE_CHECKING:
    from runtime.settings import Settings
    from sinks.history.migrate import Schema
    from sinks.history.storage import StorageSettings

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
_Url = Annotated[
    str | None, typer.Option("--history-url", help="History store; as configured if absent.")
]
_Folder = Annotated[
    Path | None,
    typer.Option("--history-dir", help="Data of an embedded store; as configured if absent."),
]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.callback()
def db() -> None:
    """Schema of the history store: PostgreSQL 15 or newer, with TimescaleDB or without."""


@app.command()
def migrate(history_url: _Url = None, history_dir: _Folder = None, as_json: _Json = False) -> None:
    """Bring the schema to this program's version; once there, this changes nothing."""
    from runtime.history_server import open_history
    from sinks.history.migrate import migrate as bring

    settings = _settings(history_url, history_dir)
    with open_history(settings.history_url, settings.history_dir) as url:
        _show(bring(url, storage_settings(settings)), as_json=as_json)


@app.command()
def status(history_url: _Url = None, history_dir: _Folder = None, as_json: _Json = False) -> None:
    """Show the schema's version, the steps to come and how the tables are stored."""
    from runtime.history_server import open_history
    from sinks.history.migrate import status as look

    settings = _settings(history_url, history_dir)
    with open_history(settings.history_url, settings.history_dir) as url:
        _show(look(url), as_json=as_json)


def storage_settings(settings: "Settings") -> "StorageSettings":
    """The storage's part of the settings."""
    from sinks.history.storage import StorageSettings

    return StorageSettings(
        chunk_s=settings.history_chunk_s,
        columnstore_after_s=settings.history_compress_s,
        keep_s=settings.history_keep_s,
    )


def _settings(history_url: str | None, history_dir: Path | None) -> "Settings":
    from runtime.settings import load_settings

    folder = None if history_dir is None else str(history_dir)
    return load_settings({"history_url": history_url, "history_dir": folder})


def _show(schema: "Schema", *, as_json: bool) -> None:
    storage = schema.storage
    found: dict[str, Any] = {
        "version": schema.version,
        "newest": schema.newest,
        "applied": list(schema.applied),
        "pending": list(schema.pending),
        "timescaledb": storage.timescaledb,
        "hypertables": list(storage.hypertables),
        "columnstore": list(storage.columnstore),
        "retention": list(storage.retention),
        "aggregates": list(storage.aggregates),
        "notices": list(storage.notices),
    }
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        if name == "notices":
            continue
        text = ", ".join(map(str, value)) if isinstance(value, list) else value
        typer.echo(f"{name:<12} {'–' if text in {None, ''} else text}")
    for notice in storage.notices:
        typer.echo(f"note: {notice}", err=True)
