"""`execmon reference derive`: a symbol's record from files of past days."""

from datetime import date
from pathlib import Path
from typing import Annotated, Any

import msgspec
import polars as pl
import typer

from analytics.daily_bars import read_daily_bars
from analytics.reference import BETA_DAYS, DAYS, Derivation, Derived, derive_reference
from analytics.session_profile import SessionProfile
from cli.reference_days import add_lobster, add_market_file, add_tape, tape_bars, tape_days
from cli.reference_output import add_to, exit_codes, print_json, print_record
from domain.calendar_table import canonical
from domain.errors import ConfigurationError
from domain.reference import MAX_SLOTS, Split

_FILES = "Files of past days"
_WINDOW = "Which days count"


def derive(
    symbol: Annotated[str, typer.Argument(help="Symbol the record is for.")],
    daily: Annotated[
        Path | None,
        typer.Option(help="Daily bars: CSV (also in a zip) or Parquet.", rich_help_panel=_FILES),
    ] = None,
    price_scale: Annotated[
        float, typer.Option(help="Divide the bars' prices by this.", rich_help_panel=_FILES)
    ] = 1.0,
    index_daily: Annotated[
        Path | None, typer.Option(help="Daily bars of the index, for beta.", rich_help_panel=_FILES)
    ] = None,
    index_symbol: Annotated[
        str | None, typer.Option(help="The index's symbol.", rich_help_panel=_FILES)
    ] = None,
    tape: Annotated[
        Path | None,
        typer.Option(help="Folder of the US tape; its daily bars too.", rich_help_panel=_FILES),
    ] = None,
    day: Annotated[
        list[str] | None,
        typer.Option(help="Day of the tape, YYYY-MM-DD; may be repeated.", rich_help_panel=_FILES),
    ] = None,
    lobster: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of a LOBSTER session; may be repeated.", rich_help_panel=_FILES),
    ] = None,
    market: Annotated[
        list[Path] | None,
        typer.Option(help="NDJSON of market events; may be repeated.", rich_help_panel=_FILES),
    ] = None,
    calendar: Annotated[str, typer.Option(help="Exchange calendar, by MIC.")] = "XNYS",
    effective: Annotated[
        str | None,
        typer.Option(
            help="Day the record takes effect; the session after the data if absent.",
            rich_help_panel=_WINDOW,
        ),
    ] = None,
    days: Annotated[
        int, typer.Option(min=1, help="Daily bars for the volume.", rich_help_panel=_WINDOW)
    ] = DAYS,
    sigma_days: Annotated[
        int | None,
        typer.Option(
            min=2, help="Returns for the volatility; as --days if absent.", rich_help_panel=_WINDOW
        ),
    ] = None,
    beta_days: Annotated[
        int, typer.Option(min=20, help="Returns for beta.", rich_help_panel=_WINDOW)
    ] = BETA_DAYS,
    slots: Annotated[
        int,
        typer.Option(
            min=0, max=MAX_SLOTS, help="Parts of a session; 0: half-hours.", rich_help_panel=_WINDOW
        ),
    ] = 0,
    look_ahead: Annotated[
        bool,
        typer.Option(
            "--look-ahead", help="Allow curves of the day itself.", rich_help_panel=_WINDOW
        ),
    ] = False,
    split: Annotated[
        list[str] | None,
        typer.Option(help="DATE:RATIO, new shares for an old one; may be repeated."),
    ] = None,
    given: Annotated[
        list[str] | None,
        typer.Option("--set", help="MEMBER=VALUE taken as it is, as tick=0.01; may be repeated."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Add the record to this NDJSON file instead of printing it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Derive a symbol's record from past days; nothing of the day of effect is used.

    Daily bars give volume, volatility, the previous close and beta; days of the market give
    the volume and volatility curves and the spread.
    """
    with exit_codes():
        wanted = Derivation(
            symbol,
            canonical(calendar),
            _day(effective),
            adv_days=days,
            sigma_days=sigma_days or max(days, 2),
            beta_days=beta_days,
            index_symbol=index_symbol,
            splits=[_split(text) for text in split or ()],
            look_ahead=look_ahead,
        )
        profile = SessionProfile(wanted.calendar, slots)
        chosen = [_needed_day(text) for text in day or ()]
        if tape is not None:
            before = None if look_ahead else wanted.effective
            add_tape(profile, tape, symbol, chosen or tape_days(tape, symbol, before), _tell)
        elif chosen:
            raise ConfigurationError("--day chooses days of the tape: say --tape FOLDER too")
        for folder in lobster or ():
            add_lobster(profile, folder, symbol, _tell)
        for path in market or ():
            add_market_file(profile, path, symbol, _tell)
        derived = derive_reference(
            wanted,
            bars=_bars(daily, tape, symbol, price_scale),
            index_bars=read_daily_bars(index_daily, price_scale=price_scale)
            if index_daily
            else None,
            profile=profile if profile.days or profile.left_out else None,
            given=dict(_member(text) for text in given or ()),
        )
        _hand_over(derived, out, as_json=as_json)


def _bars(
    daily: Path | None, tape: Path | None, symbol: str, price_scale: float
) -> pl.DataFrame | None:
    if daily is not None:
        return read_daily_bars(daily, price_scale=price_scale)
    return tape_bars(tape, symbol) if tape is not None else None


def _hand_over(derived: Derived, out: Path | None, *, as_json: bool) -> None:
    for note in derived.notes:
        _tell(f"note: {note}")
    if out is not None:
        add_to(out, [derived.record])
        _tell(f"added {derived.record.key} to {out}")
    if as_json:
        print_json(derived.record)
    elif out is None:
        print_record(derived.record)


def _tell(line: str) -> None:
    typer.echo(line, err=True)


def _day(text: str | None) -> date | None:
    return None if text is None else _needed_day(text)


def _needed_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"expected a day such as 2026-11-20, got {text!r}") from None


def _split(text: str) -> Split:
    day, _, ratio = text.rpartition(":")
    try:
        return Split(_needed_day(day).isoformat(), float(ratio))
    except (ValueError, ConfigurationError):
        raise ConfigurationError(
            f"a split is DATE:RATIO, such as 2014-06-09:7, got {text!r}"
        ) from None


def _member(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ConfigurationError(f"--set takes MEMBER=VALUE, such as tick=0.01, got {text!r}")
    try:
        return name, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return name, value
