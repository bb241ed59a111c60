"""`execmon reference usual`: records of venues and algorithms from stored days."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli.days import day_given
from cli.reference_bus import publish_records, reference_bus
from cli.reference_output import add_to, exit_codes, print_json
from cli.usual_daily import Stored, publish_daily
from domain.errors import ConfigurationError, InputError
from domain.reference_check import to_wire

if TYPE_CHECKING:
    from domain.reference import ReferenceRecord


def usual(
    until: Annotated[
        str | None,
        typer.Option(metavar="DAY", help="First day left out, UTC; today if absent."),
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, help="Stored days before it; as configured if absent.")
    ] = None,
    calendar: Annotated[
        str | None, typer.Option(help="Exchange calendar of the venues; as configured if absent.")
    ] = None,
    publish: Annotated[
        bool, typer.Option("--publish", help="Put the records on the bus at once.")
    ] = False,
    daily: Annotated[
        bool,
        typer.Option("--daily", help="Publish now and after each UTC midnight, until stopped."),
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Add the records to this NDJSON file.")] = None,
    bus: Annotated[
        str | None, typer.Option(help="Address of the bus; as configured if absent.", metavar="URL")
    ] = None,
    history_url: Annotated[
        str | None, typer.Option(help="History store; as configured if absent.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Derive what is usual at venues and of algorithms at brokers, and what speaks against them.

    `execmon up` does it daily; without it, run this once a day with --publish. The records take
    effect with the day that is left out.
    """
    with exit_codes():
        from runtime.settings import load_settings

        settings = load_settings({"usual_days": days, "usual_calendar": calendar})
        stored = Stored(history_url, settings.usual_days, settings.usual_calendar)
        if not stored.days:
            raise ConfigurationError("usual_days is 0: say with --days how many days to read")
        if daily:
            if until is not None or out is not None or as_json:
                raise ConfigurationError("--daily publishes; it takes no --until, --out or --json")
            publish_daily(settings, stored, bus)
            return
        day = datetime.now(UTC).date() if until is None else day_given("--until", until)
        records = stored.records(day)
        if not records:
            raise InputError(
                f"the history store holds no route with an outcome and no finished order of an "
                f"algorithm before {day}"
            )
        if out is not None:
            add_to(out, records)
        published = 0
        if publish:
            with reference_bus(bus, set_up=True) as opened:
                *_, published = publish_records(opened, records)
        if as_json:
            found = [to_wire(record) for record in records]
            print_json({"records": found, "published": published})
        else:
            _print(records)
            typer.echo(f"{len(records)} records from {day} on, {published} published")


def _print(records: "list[ReferenceRecord]") -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading, side in (
        ("subject", "left"), ("days", "right"), ("n", "right"), ("failed", "right"),
        ("ack p99", "right"), ("z", "right"), ("sd", "right"), ("against it", "left"),
    ):  # fmt: skip
        table.add_column(heading, justify="right" if side == "right" else "left")
    for record in records:
        rate, ack, z = (record.baselines.get(name) for name in ("reject_rate", "ack_ms", "z_cost"))
        first = rate or ack or z
        finding = record.finding
        table.add_row(
            record.key, str(record.days), f"{first.n:,}" if first else "",
            f"{rate.mean:.2%}" if rate and rate.mean is not None else "",
            f"{ack.p99:,.1f} ms" if ack and ack.p99 is not None else "",
            f"{z.mean:.2f}" if z and z.mean is not None else "",
            f"{z.sd:.2f}" if z and z.sd is not None else "",
            f"{finding.severity}: {finding.words}" if finding else "",
        )  # fmt: skip
    Console().print(table)
