"""Whether two ways of computing the status give the same rows."""

from dataclasses import dataclass

import numpy as np
import polars as pl

TOLERANCE = 1e-9
"""Largest difference, relative to the value, or to its floor where the value is smaller."""
_NAMES = (pl.String, pl.Enum, pl.Categorical)


@dataclass(frozen=True, slots=True)
class Difference:
    """Where one column differs: rows with a value on one side only, and the largest gap."""

    column: str
    nulls: int
    largest: float
    example: str

    def __str__(self) -> str:
        return (
            f"{self.column}: {self.nulls} rows have a value on one side only, "
            f"largest relative difference {self.largest:.3g} ({self.example})"
        )


def differences(
    ours: pl.LazyFrame, theirs: pl.LazyFrame, key: tuple[str, ...], tolerance: float = TOLERANCE
) -> list[Difference]:
    """Columns that differ beyond the tolerance, over rows matched by key.

    A value near zero is compared with 1, an amount in currency (`…_ccy`) with a basis point
    of `order_qty` × `arrival_mid`: costs are differences of notionals and round like them.
    Names are compared as text, NaN counts as missing. Columns are read one at a time, so the
    whole need not fit in memory. Raises ValueError where the two do not have the same rows or
    columns.
    """
    columns = ours.collect_schema().names()
    missing = set(columns) ^ set(theirs.collect_schema().names())
    if missing:
        raise ValueError(f"columns on one side only: {', '.join(sorted(missing))}")
    keys, places = _matched(ours, theirs, key)
    floor = _notional_bp(theirs, places[1])
    found: list[Difference | None] = []
    for name in columns:
        if name in key:
            continue
        a, b = (
            _column(frame, name).gather(place)
            for frame, place in zip((ours, theirs), places, strict=True)
        )
        least = floor if floor is not None and name.endswith("_ccy") else np.ones(len(a))
        found.append(_difference(a, b, least, keys, tolerance))
    return [difference for difference in found if difference]


def _matched(
    ours: pl.LazyFrame, theirs: pl.LazyFrame, key: tuple[str, ...]
) -> tuple[pl.DataFrame, tuple[pl.Series, pl.Series]]:
    """The keys in order, and the place of each in both."""
    sides: list[pl.DataFrame] = []
    for frame in (ours, theirs):
        named = pl.DataFrame([_column(frame, name) for name in key])
        plain = named.with_columns(pl.col(pl.Float64).cast(pl.Int64))
        sides.append(plain.with_row_index("place").sort(key))
    one, other = (side.drop("place") for side in sides)
    if not one.equals(other):
        only = one.join(other, on=key, how="anti"), other.join(one, on=key, how="anti")
        first = [frame.rows()[:1] for frame in only]
        raise ValueError(
            f"rows by {key}: {len(one)} against {len(other)}, on one side only "
            f"{len(only[0])} and {len(only[1])}, the first: {first}"
        )
    return one, (sides[0]["place"], sides[1]["place"])


def _column(frame: pl.LazyFrame, name: str) -> pl.Series:
    values = frame.select(name).collect()[name]
    if isinstance(values.dtype, _NAMES):
        return values.cast(pl.String)
    return values.cast(pl.Float64 if values.dtype != pl.Int64 else pl.Int64)


def _notional_bp(frame: pl.LazyFrame, place: pl.Series) -> np.ndarray | None:
    if not {"order_qty", "arrival_mid"} <= set(frame.collect_schema().names()):
        return None
    qty, mid = (_column(frame, n).gather(place).to_numpy() for n in ("order_qty", "arrival_mid"))
    return np.fmax(1.0, 1e-4 * np.abs(qty * mid))


def _difference(
    ours: pl.Series, theirs: pl.Series, floor: np.ndarray, keys: pl.DataFrame, tolerance: float
) -> Difference | None:
    if ours.dtype == pl.String:
        gap = (ours != theirs).fill_null(value=False).to_numpy().astype(np.float64)
    else:
        ours, theirs = (values.cast(pl.Float64).fill_nan(None) for values in (ours, theirs))
        a, b = ours.to_numpy(), theirs.to_numpy()
        gap = np.abs(a - b) / np.maximum.reduce([np.abs(a), np.abs(b), floor])
        gap = np.where(a == b, 0.0, np.nan_to_num(gap))
    one_sided = (ours.is_null() != theirs.is_null()).to_numpy()
    worst = int(np.argmax(np.where(one_sided, np.inf, gap))) if len(gap) else 0
    if not one_sided.any() and not (len(gap) and gap[worst] > tolerance):
        return None
    at = ", ".join(f"{name} {keys[name][worst]}" for name in keys.columns)
    example = f"{at}: {ours[worst]} against {theirs[worst]}"
    return Difference(ours.name, int(one_sided.sum()), float(gap.max()), example)
