"""`execmon watch`."""

import time
from typing import Annotated, Any

import typer

from cli.output import print_json
from domain.errors import ConfigurationError

app = typer.Typer(rich_markup_mode=None)
REFRESH_S = 0.5


@app.command()
def watch(
    desk: Annotated[str, typer.Option(help="Only this desk's orders.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Most orders shown.")] = 30,
    children: Annotated[
        bool, typer.Option("--children", help="Child orders too, not only their parents.")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="Show once and end.")] = False,
    seconds: Annotated[
        float | None, typer.Option(help="End after this many seconds; by Ctrl-C if absent.")
    ] = None,
    url: Annotated[
        str | None, typer.Option("--status-url", help="Status store; as configured if absent.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object a refresh instead of a table.")
    ] = False,
) -> None:
    """Live table of open orders, those that need attention first, updated twice a second.

    Attention is the notional left times its expected cost, plus the cost so far. Bars show
    what is filled and, as ┊, what the schedule expects; * marks a provisional status.
    """
    if seconds is not None and seconds < 0:
        raise ConfigurationError(f"--seconds must be 0 or more, was {seconds:g}")
    from cli.servers import status_store

    with status_store(url) as client:
        until = time.monotonic() + seconds if seconds is not None else None
        show = _print_json if as_json else _print_table
        if once:
            show(_read(client, desk, limit, children=children))
        elif as_json:
            for found in _refreshed(client, desk, limit, until, children=children):
                _print_json(found)
        else:
            _live(client, desk, limit, until, children=children)


def _read(client: Any, desk: str, limit: int, *, children: bool) -> list[Any]:
    from cli.board import open_orders

    return open_orders(client, desk=desk, limit=limit, children=children)


def _refreshed(client: Any, desk: str, limit: int, until: float | None, *, children: bool) -> Any:
    while True:
        yield _read(client, desk, limit, children=children)
        if until is not None and time.monotonic() + REFRESH_S > until:
            return
        time.sleep(REFRESH_S)


def _live(client: Any, desk: str, limit: int, until: float | None, *, children: bool) -> None:
    from rich.console import Console
    from rich.live import Live

    from cli.board import board

    console = Console()
    with Live(console=console, auto_refresh=False, transient=False) as live:
        for found in _refreshed(client, desk, limit, until, children=children):
            live.update(board(found, width=console.width), refresh=True)


def _print_json(found: list[Any]) -> None:
    from domain.instants import format_rfc3339

    print_json({"at": format_rfc3339(time.time_ns()), "orders": found})


def _print_table(found: list[Any]) -> None:
    from rich.console import Console

    from cli.board import board

    console = Console()
    console.print(board(found, width=console.width))
