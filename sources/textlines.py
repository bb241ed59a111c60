"""Lines of comma-separated numbers as columns, with the line number of each row kept."""

from collections.abc import Sequence
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import polars as pl

from domain.instants import SECOND

NEW_YORK = ZoneInfo("America/New_York")
LINE = "line"
EXCESS = "excess"


def lines_of(raw: bytes) -> list[str]:
    """Lines of a text file, undecodable bytes replaced; a final line end adds none."""
    lines = raw.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return lines


def columns_of(lines: Sequence[str], names: Sequence[str]) -> pl.DataFrame:
    """One row for each line that is not blank, every field as text, null where it lacks.

    `line` is its number from 1; `excess` the field after the last one named, null where
    the line has no more.
    """
    text = pl.Series(LINE, lines, dtype=pl.String)
    fields = pl.col(LINE).str.split_exact(",", len(names))
    frame = text.to_frame().select(
        pl.int_range(1, pl.len() + 1).alias("number"),
        fields.struct.rename_fields([*names, EXCESS]).struct.unnest(),
        pl.col(LINE).str.strip_chars().ne("").alias("filled"),
    )
    return frame.filter("filled").drop("filled").rename({"number": LINE})


def integer(name: str) -> pl.Expr:
    """The column as 64-bit integers, null where it is not one."""
    return pl.col(name).cast(pl.Int64, strict=False)


def decimal_ns(name: str) -> pl.Expr:
    """Seconds with up to nine decimals as whole nanoseconds, exactly; null where not such."""
    found = pl.col(name).str.extract_groups(r"^(\d{1,6})(?:\.(\d{0,9}))?$")
    whole = found.struct.field("1").cast(pl.Int64, strict=False)
    digits = found.struct.field("2").fill_null("").str.pad_end(9, "0")
    return (whole * SECOND + digits.cast(pl.Int64, strict=False)).alias(name)


def midnight_ns(day: date, zone: ZoneInfo = NEW_YORK) -> int:
    """UNIX ns from which a trading day's time of day counts.

    It is noon less twelve hours, so that clocks changed in the night move no trade.
    """
    return int(datetime.combine(day, time(12), zone).timestamp() - 12 * 3600) * SECOND
