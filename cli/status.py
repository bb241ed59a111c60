"""`execmon status ORDER`."""

from typing import Annotated, Any

import typer

from cli.output import number, print_json
from domain.errors import InputError

app = typer.Typer(rich_markup_mode=None)
_HEAD = (
    "symbol", "side", "state", "desk", "trader", "client", "broker", "algo", "parent_order_id",
    "order_qty", "cum_qty", "leaves_qty", "avg_px", "limit_px", "bid", "ask", "fills", "seq",
    "provisional", "as_of", "published_at",
)  # fmt: skip


@app.command()
def status(
    order_id: Annotated[str, typer.Argument(metavar="ORDER", help="Id of the order.")],
    url: Annotated[
        str | None, typer.Option("--status-url", help="Status store; as configured if absent.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show what is known of one order now. Ends with 3 where the order is not known."""
    from cli.board import status_of
    from cli.servers import status_store

    with status_store(url) as client:
        found = status_of(client, order_id)
    if found is None:
        raise InputError(
            f"nothing is known of order {order_id!r}: it was never seen, or it closed so long "
            "ago that its status expired; `execmon watch` lists open orders"
        )
    if as_json:
        print_json(found)
    else:
        _show(dict(found))


def _show(found: dict[str, Any]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from domain.rows import STATUS_METRICS

    table = Table(title=str(found["order_id"]), title_justify="left", box=box.SIMPLE_HEAD)
    for name, side in (("", "left"), ("value", "right"), ("why", "left")):
        table.add_column(name, justify="right" if side == "right" else "left")
    for name in _HEAD:
        if found.get(name) is not None:
            table.add_row(name, _text(found[name]), "")
    table.add_section()
    reasons = {**found.get("caveats", {}), **found.get("reasons", {})}
    for name in STATUS_METRICS:
        if name in found:
            table.add_row(name, _text(found[name]), reasons.get(name, ""))
    table.add_section()
    for venue, share in (found.get("venue_distribution") or {}).items():
        table.add_row(f"venue {venue}", f"{100 * share:.1f}%", "")
    for name in ("anomalies", "alerts"):
        if found.get(name):
            table.add_row(name, ", ".join(map(str, found[name])), "")
    Console().print(table)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or isinstance(value, int | float):
        return number(value, 4)
    return str(value)
