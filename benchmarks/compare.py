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
    ours: pl.DataFrame, theirs: pl.DataFrame, key: tuple[str, ...], tolerance: float = TOLERANCE
) -> list[Difference]:
    """Columns that differ beyond the tolerance, over rows matched by key.

    A value near zero is compared with 1, an amount in currency (`…_ccy`) with a basis point
    of `order_qty` × `arrival_mid`: costs are differences of notionals and round like them.
    Raises ValueError where the two do not have the same rows or columns; names are compared
    as text, NaN counts as missing.
    """
    missing = set(ours.columns) ^ set(theirs.columns)
    if missing:
        raise ValueError(f"columns on one side only: {', '.join(sorted(missing))}")
    ours, theirs = (_by_key(frame, key) for frame in (ours, theirs))
    if not ours.select(key).equals(theirs.select(key)):
        only = ours.join(theirs, on=key, how="anti"), theirs.join(ours, on=key, how="anti")
        first = [frame.select(key).rows()[:1] for frame in only]
        raise ValueError(
            f"rows by {key}: {len(ours)} against {len(theirs)}, on one side only "
            f"{len(only[0])} and {len(only[1])}, the first: {first}"
        )
    rest = [name for name in ours.columns if name not in key]
    found = (_difference(ours, theirs, name, key, tolerance) for name in rest)
    return [difference for difference in found if difference]


def _by_key(frame: pl.DataFrame, key: tuple[str, ...]) -> pl.DataFrame:
    names = [name for name, dtype in frame.schema.items() if isinstance(dtype, _NAMES)]
    numbers = [c for c in frame.columns if c not in names and c not in key]
    return frame.with_columns(
        *(pl.col(name).cast(pl.String) for name in names),
        *(pl.col(name).cast(pl.Float64).fill_nan(None) for name in numbers),
        *(pl.col(name).cast(pl.Int64) for name in key if name not in names),
    ).sort(key)


def _floor(frame: pl.DataFrame, name: str) -> np.ndarray:
    ones = np.ones(len(frame))
    if not name.endswith("_ccy") or not {"order_qty", "arrival_mid"} <= set(frame.columns):
        return ones
    notional = frame["order_qty"].to_numpy() * frame["arrival_mid"].to_numpy()
    return np.fmax(ones, 1e-4 * np.abs(notional))


def _difference(
    ours: pl.DataFrame, theirs: pl.DataFrame, name: str, key: tuple[str, ...], tolerance: float
) -> Difference | None:
    if ours[name].dtype == pl.String:
        unequal = (ours[name] != theirs[name]).fill_null(value=False).to_numpy()
        gap = unequal.astype(np.float64)
    else:
        a, b = ours[name].to_numpy(), theirs[name].to_numpy()
        gap = np.abs(a - b) / np.maximum.reduce([np.abs(a), np.abs(b), _floor(theirs, name)])
        gap = np.where(a == b, 0.0, np.nan_to_num(gap))
    one_sided = (ours[name].is_null() != theirs[name].is_null()).to_numpy()
    worst = int(np.argmax(np.where(one_sided, np.inf, gap))) if len(gap) else 0
    if not one_sided.any() and not (len(gap) and gap[worst] > tolerance):
        return None
    at = ", ".join(f"{k} {ours[k][worst]}" for k in key)
    example = f"{at}: {ours[name][worst]} against {theirs[name][worst]}"
    return Difference(name, int(one_sided.sum()), float(gap.max()), example)
