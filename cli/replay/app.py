"""`execmon replay`: the formats, their options, and what each prints."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domain.errors import ConfigurationError

if TYPE_CHECKING:
    from cli.replay.run import ReplayOptions

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

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


@app.callback()
def replay() -> None:
    """Run files through the monitor's own dataflow, without any server.

    Prints what came of them; --orders and --fills write the records themselves.
    """


@app.command()
def lobster(
    folder: Annotated[Path, typer.Argument(help="Folder with a message and an orderbook file.")],
    symbol: Annotated[str | None, typer.Option(help="Which session, if there are several.")] = None,
    day: Annotated[
        str | None, typer.Option("--date", metavar="YYYY-MM-DD", help="Which session.")
    ] = None,
    orders: Orders = None,
    fills: Fills = None,
    dead_letters: Dead = None,
    alerts: Alerts = None,
    marks: Marks = 0.0,
    reference: Reference = None,
    calendar: Calendar = None,
    workers: Workers = 1,
    as_json: Json = False,
) -> None:
    """A LOBSTER session: every visible order of one symbol and day is monitored.

    The orders are the market's own resting ones, so spreads are those of the passive side.
    """
    from cli.replay.formats import replay_lobster

    options = _options(
        orders, fills, dead_letters, alerts, marks, reference, calendar, workers, as_json=as_json
    )
    replay_lobster(folder, symbol, day_of(day), options)


@app.command()
def tape(
    folder: Annotated[Path, typer.Argument(help="Folder with the day's trade and quote files.")],
    symbols: Annotated[str, typer.Option(metavar="A,B", help="Symbols to read.")],
    day: Annotated[str, typer.Option("--date", metavar="YYYY-MM-DD", help="Day of the tape.")],
    desk: Annotated[
        Path | None,
        typer.Option(help="TOML of the desk's parent orders; the shipped example if absent."),
    ] = None,
    fill_at: Annotated[
        str, typer.Option(help="Where orders that take liquidity trade: touch or mid.")
    ] = "touch",
    seed: Annotated[int, typer.Option(help="Seed of the simulated desk.")] = 0,
    orders: Orders = None,
    fills: Fills = None,
    dead_letters: Dead = None,
    alerts: Alerts = None,
    marks: Marks = MARKS_S,
    reference: Reference = None,
    calendar: Calendar = "XNYS",
    workers: Workers = 1,
    as_json: Json = False,
) -> None:
    """A simulated desk trades against a real US equity tape; its fills join the tape.

    Per parent order also prints the benchmarks that need the whole tape: full-day VWAP,
    close, previous close, PWP and RPM.
    """
    from cli.replay.tape import replay_tape

    options = _options(
        orders, fills, dead_letters, alerts, marks, reference, calendar, workers, as_json=as_json
    )
    if fill_at not in {"touch", "mid"}:
        raise ConfigurationError(f"--fill-at must be touch or mid, was {fill_at!r}")
    chosen = [name.strip() for name in symbols.split(",") if name.strip()]
    replay_tape(
        folder, chosen, needed_day(day), desk, options,
        seed=seed, fill_at="mid" if fill_at == "mid" else "touch",
    )  # fmt: skip


@app.command()
def fix(
    files: Files,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse messages with a wrong checksum or length.")
    ] = False,
    orders: Orders = None,
    fills: Fills = None,
    dead_letters: Dead = None,
    alerts: Alerts = None,
    marks: Marks = MARKS_S,
    reference: Reference = None,
    calendar: Calendar = None,
    workers: Workers = 1,
    as_json: Json = False,
) -> None:
    """FIX logs 4.2 to 5.0: our own quantity and average price of each order.

    Where they differ from the log's tags 14 and 6 the difference is listed and counted.
    """
    from cli.replay.fix import replay_fix

    options = _options(
        orders, fills, dead_letters, alerts, marks, reference, calendar, workers, as_json=as_json
    )
    replay_fix(files, options, strict=strict)


@app.command()
def ndjson(
    files: Files,
    orders: Orders = None,
    fills: Fills = None,
    dead_letters: Dead = None,
    alerts: Alerts = None,
    marks: Marks = MARKS_S,
    reference: Reference = None,
    calendar: Calendar = None,
    workers: Workers = 1,
    as_json: Json = False,
) -> None:
    """One event of the bus on each line, topics mixed or not."""
    _replay_files("ndjson", files, _options(
        orders, fills, dead_letters, alerts, marks, reference, calendar, workers, as_json=as_json
    ))  # fmt: skip


@app.command()
def csv(
    files: Files,
    orders: Orders = None,
    fills: Fills = None,
    dead_letters: Dead = None,
    alerts: Alerts = None,
    marks: Marks = MARKS_S,
    reference: Reference = None,
    calendar: Calendar = None,
    workers: Workers = 1,
    as_json: Json = False,
) -> None:
    """Columns named like the members of the events, with a header line."""
    _replay_files("csv", files, _options(
        orders, fills, dead_letters, alerts, marks, reference, calendar, workers, as_json=as_json
    ))  # fmt: skip


@app.command()
def parquet(
    files: Files,
    orders: Orders = None,
    fills: Fills = None,
    dead_letters: Dead = None,
    alerts: Alerts = None,
    marks: Marks = MARKS_S,
    reference: Reference = None,
    calendar: Calendar = None,
    workers: Workers = 1,
    as_json: Json = False,
) -> None:
    """Columns named like the members of the events; without `type`, quotes and prints."""
    _replay_files("parquet", files, _options(
        orders, fills, dead_letters, alerts, marks, reference, calendar, workers, as_json=as_json
    ))  # fmt: skip


def _replay_files(format_: str, files: list[Path], options: "ReplayOptions") -> None:
    from cli.replay.formats import replay_files

    replay_files(format_, files, options)


def _options(
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
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"--date must be a day such as 2013-10-07, was {text!r}") from None
