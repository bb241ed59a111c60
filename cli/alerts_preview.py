"""`execmon alerts preview`: thresholds tried on stored days before anybody saves them."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.days import day_given
from cli.history_store import ask_history
from cli.output import print_json
from domain.alerts import ORDER_ALERTS
from domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from domain.thresholds import Configured

_MOST_SHOWN = 20
_TITLES = {
    "missed_true": "closed as true, and missed",
    "only_proposed": "only with the proposed thresholds",
    "only_before": "not with the proposed thresholds",
}


def preview(
    from_: Annotated[str, typer.Option("--from", metavar="DAY", help="First day, UTC.")],
    to: Annotated[
        str | None,
        typer.Option(metavar="DAY", help="Not included; the day after --from if absent."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=NUMBER",
            help="A threshold as if every order's session had set it; several.",
        ),
    ] = None,
    configured: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WORDS",
            help='Thresholds as configured, such as "desk=EU HIGH_COST=3"; several.',
        ),
    ] = None,
    desk: Annotated[
        str | None, typer.Option(help="Only this desk's; `-` for orders without one.")
    ] = None,
    type_: Annotated[
        str | None, typer.Option("--type", help=f"One of {', '.join(sorted(ORDER_ALERTS))}.")
    ] = None,
    history_url: Annotated[
        str | None, typer.Option(help="History store; as configured if absent.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:  # fmt: skip
    """Show how many alerts thresholds would have raised, and which true ones they miss."""
    from analytics.alert_preview import MOST_DAYS, Proposal
    from analytics.alert_preview import preview as tried

    since = day_given("--from", from_)
    until = since + timedelta(days=1) if to is None else day_given("--to", to)
    if not 1 <= (until - since).days <= MOST_DAYS:
        raise ConfigurationError(f"--from and --to must be 1 to {MOST_DAYS} days apart")
    if type_ is not None and type_.upper() not in ORDER_ALERTS:
        raise ConfigurationError(
            f"--type must be one of {', '.join(sorted(ORDER_ALERTS))}, was {type_!r}: other "
            "alerts are not about one order"
        )
    proposal = Proposal(
        since=since, until=until, asked=_asked(set_ or []),
        configured=_configured(configured or []), desk=desk,
        alert_type=None if type_ is None else type_.upper(),
    )  # fmt: skip
    found = ask_history(history_url, lambda connection: tried(connection, proposal, None))
    if as_json:
        print_json(found)
    else:
        _print(found)


def _asked(words: "Sequence[str]") -> dict[str, float]:
    found: dict[str, float] = {}
    for one in _entries("--set", words):
        if one.desk or one.asset_class or one.symbol:
            raise ConfigurationError("--set takes KEY=NUMBER; --configured takes whose they are")
        found.update(one.thresholds)
    return found


def _configured(words: "Sequence[str]") -> "list[Configured]":
    return _entries("--configured", words)


def _entries(option: str, words: "Sequence[str]") -> "list[Configured]":
    from domain.thresholds import Configured
    from runtime.threshold_types import read_thresholds

    try:
        return [Configured(*entry) for one in words for entry in read_thresholds(one)]
    except ValueError as error:
        raise ConfigurationError(f"{option}: {error}") from None


def _print(found: dict[str, Any]) -> None:
    from rich.console import Console

    console = Console()
    console.print(_counts(found["counts"]))
    for name, title in _TITLES.items():
        alerts = found[name]
        for one in alerts[:_MOST_SHOWN]:
            closed = f"  {one['close_reason']}" if one["close_reason"] else ""
            typer.echo(
                f"{title}: {one['severity']} {one['type']} {one['scope']} from "
                f"{one['started_at']}{closed}  {one['alert_id']}"
            )
        if len(alerts) > _MOST_SHOWN:
            typer.echo(f"{title}: {len(alerts) - _MOST_SHOWN} more; --json has them")
    for words in found["notes"]:
        typer.echo(f"note: {words}")


def _counts(counts: "Sequence[dict[str, Any]]") -> "Table":
    from rich import box
    from rich.table import Table

    caption = None if counts else "no alert of an order, neither before nor as proposed"
    table = Table(box=box.SIMPLE_HEAD, caption=caption)
    table.caption_justify = "left"
    for name in ("day", "desk", "type", "severity", "before", "proposed"):
        is_number = name in {"before", "proposed"}
        table.add_column(name, justify="right" if is_number else "left", no_wrap=True)
    for one in counts:
        table.add_row(*(str(value) for value in one.values()))
    return table
