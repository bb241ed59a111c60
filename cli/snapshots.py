"""`execmon recovery`: what the snapshots hold, and the room that they no longer need."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.output import number, print_json
from domain.errors import ConfigurationError

app = typer.Typer(
    help="Snapshots of a deployment: show them, give back the room they do not need.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_Folder = Annotated[
    Path | None,
    typer.Option("--recovery-dir", help="Folder of snapshots; as configured if absent."),
]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def show(recovery_dir: _Folder = None, as_json: _Json = False) -> None:
    """Show each flow's snapshots: since when, of how many processes, how large by step."""
    from cli.recovery_store import read_store

    found = [read_store(folder) for folder in _stores(recovery_dir)]
    if as_json:
        print_json({"stores": [_record(store) for store in found]})
        return
    for store in found:
        typer.echo(f"{store.folder}")
        typer.echo(f"  flow        {store.flow or 'not recorded: never run by this program'}")
        typer.echo(f"  goes on at  epoch {store.resume_epoch}, last written {store.written or '–'}")
        typer.echo(f"  processes   {store.workers or '–'}, starts {store.starts}")
        typer.echo(
            f"  on disk     {number(store.bytes)} bytes in {store.parts} files, "
            f"{number(store.unused)} unused"
        )
        for step in store.steps:
            typer.echo(
                f"  {step.step:<26}{number(step.states):>6} states  {number(step.bytes):>14} bytes"
            )


@app.command()
def gc(recovery_dir: _Folder = None, as_json: _Json = False) -> None:
    """Drop what no restart will read and give its room back. Needs the flows to be stopped.

    Ends with 4 where a flow still runs on the folder; a stopped deployment loses nothing.
    """
    from cli.recovery_store import collect, read_store

    found: list[dict[str, Any]] = []
    for folder in _stores(recovery_dir):
        before = read_store(folder)
        dropped = collect(folder)
        after = read_store(folder)
        found.append(
            {"folder": str(folder), "dropped": dropped, "bytes_before": before.bytes,
             "bytes": after.bytes}
        )  # fmt: skip
    if as_json:
        print_json({"stores": found})
        return
    for one in found:
        typer.echo(
            f"{one['folder']}: {number(one['dropped'])} old records dropped, "
            f"{number(one['bytes_before'])} → {number(one['bytes'])} bytes"
        )


def _record(store: Any) -> dict[str, Any]:
    return {**asdict(store), "folder": str(store.folder)}


def _stores(given: Path | None) -> list[Path]:
    """The worker's store and those below it. Raises ConfigurationError where there is none."""
    from cli.deployment import data_folder
    from runtime.settings import load_settings

    settings = load_settings({"recovery_dir": None if given is None else str(given)})
    folder = settings.recovery_dir or data_folder(settings) / "recovery"
    found = [f for f in (folder, folder / "history") if any(f.glob("part-*.sqlite3"))]
    if not found:
        raise ConfigurationError(
            f"no snapshots are in {folder}; name their folder with --recovery-dir"
        )
    return found
