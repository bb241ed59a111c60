"""Benchmarks of one order against a whole tape, worked out by Polars alone.

The answer that a run over a tape is held against: it reads the day's files itself and shares
no code with the product. Frames in order of time: quotes (`ts`, `bid`, `ask`; null where a side
is empty) and prints (`ts`, `price`, `size`, `eligible`, `opening`, `closing`, `own`). Times
UNIX ns, prices in quote currency, costs in bps, positive when bad for us. None where a value
does not exist.
"""

import io
import zipfile
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

OPENING, CLOSING, EXTENDED = 0x40, 0x80, 0x2000
# Derivatively priced, average price, prior reference; form T trades after hours.
AWAY = 0x200 | 0x10_0000 | 0x200_0000
FORM_T = 0x400
_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Tape:
    """A symbol's day and the session it belongs to, closing time excluded."""

    quotes: pl.DataFrame
    prints: pl.DataFrame
    open_ns: int
    close_ns: int


def read_tape(folder: Path, symbol: str, day: date) -> Tape:
    """The tape of one symbol and day, from its zipped trade and quote files."""
    noon = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo("America/New_York"))
    midnight = int(noon.timestamp()) * 10**9
    opens, closes = midnight + 34_200_000 * _MS, midnight + 57_600_000 * _MS
    stem = f"{symbol.lower()}_{day:%Y%m%d}"
    trades = _read(folder / f"{stem}_trade.zip", ["ms", "price", "size", "venue", "flags", "bad"])
    flags = pl.col("flags").str.to_integer(base=16)
    ts = midnight + pl.col("ms") * _MS
    auction = (flags & (OPENING | CLOSING)) != 0
    in_session = (ts >= opens) & (ts < closes)
    prints = trades.select(
        "venue",
        ts=ts,
        price=pl.col("price") / 10_000,
        size=pl.col("size").cast(pl.Float64),
        opening=(flags & OPENING) != 0,
        closing=(flags & CLOSING) != 0,
        eligible=(in_session | auction)
        & ((flags & (AWAY | EXTENDED | FORM_T)) == 0)
        & (pl.col("bad") == 0),
        own=pl.lit(False),
    )
    names = ["ms", "bid", "bid_size", "ask", "ask_size", "venue", "condition", "bad"]
    quotes = (
        _read(folder / f"{stem}_quote.zip", names)
        .filter(pl.col("bad") == 0)
        .select(
            ts.alias("ts"),
            *(
                pl.when(pl.col(side) > 0).then(pl.col(side) / 10_000).forward_fill().alias(side)
                for side in ("bid", "ask")
            ),
        )
    )
    return Tape(quotes, prints, opens, closes)


def _read(path: Path, names: list[str]) -> pl.DataFrame:
    with zipfile.ZipFile(path) as archive:
        raw = archive.read(archive.namelist()[0])
    return pl.read_csv(
        io.BytesIO(raw),
        has_header=False,
        new_columns=names,
        schema_overrides={"flags": pl.String} if "flags" in names else None,
    )


def with_own(tape: Tape, fills: pl.DataFrame) -> Tape:
    """The tape with the desk's own executions (ts, qty, price) printed on it."""
    own = fills.select(
        "price",
        "ts",
        size="qty",
        opening=pl.lit(False),
        closing=pl.lit(False),
        eligible=pl.lit(True),
        own=pl.lit(True),
    )
    prints = pl.concat([tape.prints.drop("venue", strict=False), own], how="diagonal")
    return replace(tape, prints=prints.sort("ts", maintain_order=True))


def vwap(prints: pl.DataFrame) -> float | None:
    """Volume-weighted price of the prints given."""
    volume = prints["size"].sum()
    return (prints["price"] * prints["size"]).sum() / volume if volume > 0 else None


def tape_figures(tape: Tape) -> dict[str, float | None]:
    """VWAP of every print of the session by its time, with and without the opening print."""
    inside = tape.prints.filter(pl.col("ts").is_between(tape.open_ns, tape.close_ns, closed="left"))
    return {
        "tape_prints": len(inside),
        "tape_volume": inside["size"].sum(),
        "tape_vwap": vwap(inside),
        "tape_vwap_no_opening": vwap(inside.filter(~pl.col("opening"))),
        "day_vwap": vwap(tape.prints.filter("eligible")),
    }


def twap(tape: Tape, start: int, end: int) -> float | None:
    """∫ mid dt / T over [start, end] within the session, crossed or one-sided time left out."""
    start, end = max(start, tape.open_ns), min(end, tape.close_ns)
    steps = tape.quotes.select(
        begin=pl.col("ts").clip(start, end),
        until=pl.col("ts").shift(-1).fill_null(end).clip(start, end),
        mid=pl.when(pl.col("bid") <= pl.col("ask")).then((pl.col("bid") + pl.col("ask")) / 2),
    ).filter(pl.col("mid").is_not_null())
    lasted = (steps["until"] - steps["begin"]).cast(pl.Float64)
    if not lasted.sum() > 0:
        return None
    # Summed as the distance from one price, so that a long day rounds no more than a short one.
    near = steps["mid"][0]
    return near + ((steps["mid"] - near) * lasted).sum() / lasted.sum()


def pwp(prints: pl.DataFrame, needed_qty: float) -> float | None:
    """VWAP of the first prints that make up a quantity, the last taken in part."""
    before = prints["size"].cum_sum() - prints["size"]
    if prints["size"].sum() < needed_qty:
        return None
    taken = (needed_qty - before).clip(0.0).to_frame("left")
    sizes = taken.select(pl.min_horizontal("left", prints["size"])).to_series()
    return (prints["price"] * sizes).sum() / needed_qty


def rpm(prints: pl.DataFrame, avg_px: float, side: int) -> float | None:
    """Share of volume at worse prices than ours, plus half of that at an equal price."""
    volume = prints["size"].sum()
    if not volume > 0:
        return None
    ahead = side * (prints["price"] - avg_px)
    worse = prints.filter(ahead > 0)["size"].sum()
    equal = prints.filter(ahead == 0)["size"].sum()
    return (worse + equal / 2) / volume


def order_benchmarks(
    tape: Tape, fills: pl.DataFrame, arrival: int, side: int
) -> dict[str, float | None]:
    """What the tape says of an order: `fills` has ts, qty and price, in order of time.

    The window runs from arrival to the last fill, prints of both instants included. Only own
    prints on the tape leave `vwap_ex_own`, and PWP counts every eligible print from arrival.
    """
    q = fills["qty"].sum()
    average = (fills["qty"] * fills["price"]).sum() / q
    end = int(fills["ts"].max())  # pyright: ignore[reportArgumentType]
    eligible = tape.prints.filter("eligible")
    since = eligible.filter(pl.col("ts") >= arrival)
    window = since.filter(pl.col("ts") <= end)
    others = window.filter(~pl.col("own"))
    volume = window["size"].sum()
    own = window.filter("own")["size"].sum()
    found: dict[str, float | None] = {
        "avg_px": average,
        "interval_vwap": vwap(window),
        "vwap_ex_own": vwap(others),
        "participation_rate": q / volume if volume > 0 else None,
        "participation_ex_own_rate": q / (volume - own) if volume > own else None,
        "own_matched_qty": own,
        "twap": twap(tape, arrival, end),
        "pwp_10": pwp(since, q / 0.10),
        "pwp_20": pwp(since, q / 0.20),
        "rpm": rpm(window, average, side),
        "day_vwap": vwap(eligible),
    }
    for name in ("interval_vwap", "vwap_ex_own", "twap", "pwp_10", "pwp_20", "day_vwap"):
        price = found[name]
        cost = side * (average - price) / price * 1e4 if price is not None and price > 0 else None
        found[f"slippage_{name}_bps"] = cost
    return found
