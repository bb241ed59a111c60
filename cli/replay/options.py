"""Options that the replay commands share, and what they ask for."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.days import day_given

if TYPE_CHECKING:
    from cli.replay.run import ReplayOptions

_RESULTS = "Results"
_HOW = "How"
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Orders = Annotated[
    Path | None,
    typer.Option(
        help="Write each order's final record: .ndjson, .csv or .parquet.",
        rich_help_panel=_RESULTS,
    ),
]
Fills = Annotated[
    Path | None,
    typer.Option(
        help="Write each fill with its stamps: .ndjson, .csv or .parquet.",
        rich_help_panel=_RESULTS,
    ),
]
Dead = Annotated[
    Path | None,
    typer.Option("--dead-letters", help="Write what was refused, as NDJSON.",
                 rich_help_panel=_RESULTS),
]  # fmt: skip
Alerts = Annotated[
    Path | None,
    typer.Option(
        help="Judge the orders by the rules and write every change of an alert, as NDJSON.",
        rich_help_panel=_RESULTS,
    ),
]
Marks = Annotated[
    float,
    typer.Option(
        help="Seconds of event time between marks of open orders; 0 for none.",
        rich_help_panel=_HOW,
    ),
]
Reference = Annotated[
    Path | None,
    typer.Option(help="Reference records, as `execmon reference load` takes.",
                 rich_help_panel=_HOW),
]  # fmt: skip
Calendar = Annotated[
    str | None,
    typer.Option(
        help="Exchange calendar of symbols whose reference data names none, by MIC.",
        rich_help_panel=_HOW,
    ),
]
Workers = Annotated[int, typer.Option(help="Worker threads.", rich_help_panel=_HOW)]
Files = Annotated[list[Path], typer.Argument(help="One or more files.")]
MARKS_S = 60.0


def options_of(
    orders: Path | None,
    fills: Path | None,
    dead_letters: Path | None,
    alerts: Path | None,
    marks: float,
    reference: Path | None,
    calendar: str | None,
    workers: int,
    *,
    as_json: bool,
) -> "ReplayOptions":
    """What is asked for. Raises ConfigurationError where it cannot be done."""
    from cli.replay.run import ReplayOptions

    options = ReplayOptions(
        orders=orders,
        fills=fills,
        dead_letters=dead_letters,
        alerts=alerts,
        marks_s=marks,
        reference=reference,
        calendar=calendar,
        workers=workers,
        as_json=as_json,
    )
    options.check()
    return options


def day_of(text: str | None) -> date | None:
    """The day, or None where none was given. Raises ConfigurationError."""
    return None if text is None else needed_day(text)


def needed_day(text: str) -> date:
    """The day. Raises ConfigurationError."""
    return day_given("--date", text, "2013-10-07")
