"""A simulated desk against a real day: the monitor's numbers and the tape's own."""

import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, Literal

import msgspec
import polars as pl

from cli.replay.run import Replayed, ReplayOptions, replay, write_files
from cli.replay.show import grid, show
from cli.replay.tape_figures import add_later_benchmarks, tape_figures
from cli.replay.tape_reader import TapeRunReader
from domain.errors import ConfigurationError, InputError
from domain.keys import key_of
from domain.vocabulary import Topic
from sinks.table_files import json_lines
from sinks.tables import orders_frame
from sources.reader import Cursor
from sources.simulator.desk_file import EXAMPLE_DESK, DeskFile, load_desk
from sources.simulator.tape import trade_tape
from sources.tape import TapeReader, daily_bars

_SHOWN = {
    "order_id": "order",
    "side": "side",
    "cum_qty": "filled",
    "avg_px": "avg px",
    "slippage_bps": "slippage bps",
    "slippage_interval_vwap_bps": "vs vwap bps",
    "slippage_twap_bps": "vs twap bps",
    "participation_rate": "part.",
    "rpm": "rpm",
    "algo": "algo",
    "state": "state",
    "order_qty": "of",
}


def replay_tape(
    folder: Path,
    symbols: Sequence[str],
    day: date,
    desk: Path | None,
    options: ReplayOptions,
    *,
    seed: int,
    fill_at: Literal["touch", "mid"],
) -> None:
    """Trade the desk's orders against the tape, replay both, print parents and figures."""
    started = time.perf_counter()
    orders = _desk_of(desk, symbols, day)
    reader = TapeReader(folder, symbols, day)
    _, first = next(reader.read(Topic.MARKET_DATA, 0, Cursor()))
    run = trade_tape([reader.rows], orders, reader.session.open_ns, seed=seed, fill_at=fill_at)
    traded_s = time.perf_counter() - started
    result = replay([TapeRunReader(run, first.names, first.dead)], options, keep_orders=True)
    closes = _previous_closes(folder, symbols, day)
    result.collected.amend(lambda rows: add_later_benchmarks(rows, run, reader.session, closes))
    write_files(result, options)
    parents = _parents(result)
    tape = {symbol: tape_figures(reader.rows, symbol, reader.session) for symbol in symbols}
    summary = {
        "format": "tape",
        "symbols": list(symbols),
        "date": day.isoformat(),
        "desk": str(desk or EXAMPLE_DESK),
        "seed": seed,
        **result.summary(),
        "tape_vwap": {name: figures["tape_vwap"] for name, figures in tape.items()},
        "tape_vwap_no_opening": {n: f["tape_vwap_no_opening"] for n, f in tape.items()},
        "tape": tape,
        "desk_wall_s": traded_s,
        "parents": parents,
    }
    rows = [[parent[name] for name in _SHOWN] for parent in parents]
    figures = [[name, *found.values()] for name, found in tape.items()]
    columns = ("symbol", "prints", "qty", "tape_vwap", "tape_vwap_no_opening")
    show(
        summary,
        options,
        grid("Tape", columns, figures, digits=7),
        grid("Parent orders", tuple(_SHOWN.values()), rows),
    )


def _desk_of(path: Path | None, symbols: Sequence[str], day: date) -> DeskFile:
    if not symbols:
        raise ConfigurationError("--symbols needs at least one symbol, such as IBM,BAC")
    if path is not None:
        return load_desk(path, day)
    example = load_desk(EXAMPLE_DESK, day)
    parents = tuple(p for p in example.parents if p.symbol in symbols)
    if not parents:
        raise ConfigurationError(
            f"the shipped desk has no order in {', '.join(symbols)}; give one with --desk"
        )
    return msgspec.structs.replace(example, parents=parents)


def _previous_closes(folder: Path, symbols: Sequence[str], day: date) -> dict[int, float]:
    """Close of the last daily bar before the day; a symbol without bars is left out."""
    found: dict[int, float] = {}
    for symbol in symbols:
        try:
            bars = daily_bars(folder, symbol).filter(pl.col("date") < day)
        except InputError:
            continue
        if bars.height:
            found[key_of(symbol)] = float(bars["close"][-1])
    return found


def _parents(result: Replayed) -> list[dict[str, Any]]:
    """The records of orders that have no parent, under their names."""
    rows, venues = result.collected.orders()
    frame = orders_frame(rows, venues, result.collected.names)
    top = frame.filter(pl.col("parent_order_id").is_null())
    return [msgspec.json.decode(line) for line in json_lines(top)]
