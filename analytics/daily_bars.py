"""Daily bars from files, and what a desk reads from them: volume, volatility, beta."""

import io
import math
import zipfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl

from domain.errors import InputError
from domain.reference import Split

COLUMNS = ("date", "open", "high", "low", "close", "volume")
"""Columns of a file without a first line of names; dates YYYY-MM-DD or YYYYMMDD, a time of
day after them is ignored."""

_SPLIT_RATIOS = (1.5, 2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 50)
_NEAR_SPLIT = 0.03
BPS = 1e4


def read_daily_bars(path: Path, *, price_scale: float = 1.0) -> pl.DataFrame:
    """Bars of a CSV file (also the only one in a zip) or a Parquet file, in order of date.

    Prices are divided by `price_scale` (10,000 where the file has whole hundredths of a cent).
    Columns date, close and volume are needed, others kept. Raises
    InputError saying which row is wrong.
    """
    try:
        body = path.read_bytes()
        if path.suffix == ".parquet":
            raw = pl.read_parquet(io.BytesIO(body))
        else:
            raw = _read_csv(_only_member(body) if path.suffix == ".zip" else body)
    except (OSError, pl.exceptions.PolarsError, zipfile.BadZipFile) as error:
        raise InputError(f"daily bars {path}: {error}") from error
    return _checked(raw, path.name, price_scale)


def _only_member(body: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        names = archive.namelist()
        if len(names) != 1:
            raise zipfile.BadZipFile(f"expected one file inside, found {len(names)}")
        return archive.read(names[0])


def _read_csv(body: bytes) -> pl.DataFrame:
    first = body.partition(b"\n")[0].decode("utf-8-sig", "replace").lower()
    named = "close" in first
    frame = pl.read_csv(body, has_header=named, infer_schema=False)
    if named:
        return frame.rename(lambda name: name.strip().lower().removeprefix("\ufeff"))
    if frame.width < len(COLUMNS):
        raise pl.exceptions.ShapeError(
            f"without a line of names the columns are {', '.join(COLUMNS)}; found {frame.width}"
        )
    return frame.select(
        pl.col(given).alias(name) for given, name in zip(frame.columns, COLUMNS, strict=False)
    )


def _checked(raw: pl.DataFrame, name: str, price_scale: float) -> pl.DataFrame:
    missing = {"date", "close", "volume"} - set(raw.columns)
    if missing:
        raise InputError(f"daily bars {name} lack {', '.join(sorted(missing))}")
    prices = [c for c in ("open", "high", "low", "close") if c in raw.columns]
    bars = raw.select(
        _day(raw.schema["date"]),
        *(pl.col(c).cast(pl.Float64, strict=False) for c in prices),
        pl.col("volume").cast(pl.Float64, strict=False),
    ).with_row_index("row", offset=1)
    usable = (
        pl.col("date").is_not_null()
        & pl.col("close").is_finite()
        & (pl.col("close") > 0)
        & pl.col("volume").is_finite()
        & (pl.col("volume") >= 0)
    )
    bad = bars.filter(~usable.fill_null(value=False))
    if len(bad):
        row = bad.row(0, named=True)
        raise InputError(
            f"daily bars {name}, row {row['row']}: a bar needs a date, a positive close and a "
            f"volume, has {row['date']}, {row['close']}, {row['volume']}"
        )
    # numpy divides; polars multiplies by the reciprocal, and 184.1 comes out as 184.10000000000002.
    bars = bars.with_columns(pl.Series(c, bars[c].to_numpy() / price_scale) for c in prices)
    bars = bars.drop("row").sort("date")
    twice = bars.filter(pl.col("date").is_duplicated())
    if len(twice):
        raise InputError(f"daily bars {name} hold {twice['date'][0]} twice")
    return bars


def _day(dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.Date:
        return pl.col("date")
    if isinstance(dtype, pl.Datetime):
        return pl.col("date").dt.date()
    digits = pl.col("date").cast(pl.String).str.strip_chars().str.replace_all("-", "").str.head(8)
    return digits.str.to_date("%Y%m%d", strict=False)


def adjusted(bars: pl.DataFrame, splits: Sequence[Split], until: date) -> pl.DataFrame:
    """The bars counted in the shares of day `until`: prices down and volume up by each split."""
    prices = [c for c in ("open", "high", "low", "close") if c in bars.columns]
    for split in splits:
        day = date.fromisoformat(split.date[:10])
        if day <= until:
            ratio = pl.when(pl.col("date") < day).then(split.ratio).otherwise(1.0)
            bars = bars.with_columns(*(pl.col(c) / ratio for c in prices), pl.col("volume") * ratio)
    return bars


def suspected_splits(bars: pl.DataFrame) -> list[Split]:
    """Days whose close is a split's fraction (or multiple) of the day before's, to 3 %."""
    days, closes = bars["date"].to_list(), bars["close"].to_list()
    return [
        Split(day.isoformat(), ratio)
        for day, before, close in zip(days[1:], closes, closes[1:], strict=False)
        for size in _SPLIT_RATIOS
        for ratio in (size, 1 / size)
        if abs(before / close / ratio - 1) < _NEAR_SPLIT
    ]


def average_volume(bars: pl.DataFrame, days: int) -> float | None:
    """Mean volume of the last `days` bars; None without a bar."""
    mean = bars["volume"].tail(days).mean()
    return float(mean) if isinstance(mean, float) and mean > 0 else None


def close_to_close_bps(bars: pl.DataFrame, days: int) -> float | None:
    """Standard deviation of the last `days` log returns of closes, bps of a day.

    None with fewer than two returns or where the price stood still.
    """
    sd = bars["close"].tail(days + 1).log().diff().drop_nulls().std()
    return float(sd) * BPS if isinstance(sd, float) and sd > 0 else None


def beta(bars: pl.DataFrame, index: pl.DataFrame, days: int) -> float | None:
    """Slope of the stock's daily log return on the index's, over the last `days` common days.

    None with fewer than 20 common returns or an index that stood still.
    """
    both = bars.select("date", "close").join(
        index.select("date", index_close="close"), on="date", how="inner"
    )
    returns = both.sort("date").tail(days + 1).select(
        stock=pl.col("close").log().diff(), index=pl.col("index_close").log().diff()
    ).drop_nulls()  # fmt: skip
    if len(returns) < 20:
        return None
    slope = returns.select(pl.cov("stock", "index") / pl.col("index").var()).item()
    return slope if math.isfinite(slope) else None
