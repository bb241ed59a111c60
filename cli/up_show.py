"""A running deployment, for people and programs."""

import time
from pathlib import Path

import msgspec
import typer

from cli.output import print_json
from cli.up_state import DeploymentState, read_state
from domain.errors import ServerError


def show(data_dir: Path, *, as_json: bool) -> None:
    """Print where every unit stands; ends with 1 where one is not ready.

    Raises ServerError where no deployment runs on the folder.
    """
    found = read_state(data_dir)
    if found is None:
        raise ServerError(f"no `execmon up` runs on {data_dir}; start one, or name its --data-dir")
    if as_json:
        print_json(msgspec.to_builtins(found))
    else:
        _print(found)
    if not found.ready:
        raise typer.Exit(1)


def _print(found: DeploymentState) -> None:
    now = time.time()
    typer.echo(f"{'ready' if found.ready else 'not ready'}, process {found.pid}, "
               f"up {now - found.began_s:,.0f} s")  # fmt: skip
    for name, url in found.addresses.items():
        typer.echo(f"  {name:<10} {url}")
    for unit in found.units:
        pids = ",".join(map(str, unit.pids)) or "–"
        line = f"  {unit.name:<10} {unit.state:<9} {now - unit.since_s:>8,.0f} s  {pids:<12}"
        line += f" restarted {unit.restarts}×" if unit.restarts else ""
        typer.echo(f"{line} {unit.words}".rstrip())
