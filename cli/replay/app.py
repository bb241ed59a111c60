"""`execmon replay`: the formats, their options, and what each prints."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.replay.options import (
    MARKS_S,
    Alerts,
    Calendar,
    Dead,
    Files,
    Fills,
    Json,
    Marks,
    Orders,
    Reference,
    Workers,
    day_of,
    needed_day,
    options_of,
)
from domain.errors import ConfigurationError

if TYPE_CHECKING:
    from cli.replay.run import ReplayOptions

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


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

    options = options_of(
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

    options = options_of(
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

    options = options_of(
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
    _replay_files("ndjson", files, options_of(
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
    _replay_files("csv", files, options_of(
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
    _replay_files("parquet", files, options_of(
        orders, fills, dead_letters, alerts, marks, reference, calendar, workers, as_json=as_json
    ))  # fmt: skip


def _replay_files(format_: str, files: list[Path], options: "ReplayOptions") -> None:
    from cli.replay.formats import replay_files

    replay_files(format_, files, options)
