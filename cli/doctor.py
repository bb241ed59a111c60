"""`execmon doctor`."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import print_json

if TYPE_CHECKING:
    from cli.check_base import Check

app = typer.Typer(rich_markup_mode=None)
_STYLES = {"ok": "green", "warn": "yellow", "fail": "red"}


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check that this machine can run the product. Ends with 1 where something stops it."""
    from cli.checks import run_checks

    found = run_checks()
    failed = any(check.state == "fail" for check in found)
    if as_json:
        checks = [
            {"name": c.name, "state": c.state, "found": c.found, "advice": c.advice} for c in found
        ]
        print_json({"ok": not failed, "checks": checks})
    else:
        _show(found)
    if failed:
        raise typer.Exit(1)


def _show(found: "list[Check]") -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for check in found:
        line = Text(f"{check.state:<5}", style=_STYLES[check.state])
        line.append(f"{check.name:<14} {check.found}", style="default")
        if check.advice:
            line.append(f"\n{'':<20}→ {check.advice}", style="bold")
        console.print(line, soft_wrap=True)
