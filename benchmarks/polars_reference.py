"""Reference records in Polars: the day's usual shape at each row, and the numbers of a symbol."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

_SECOND = 10**9
_DAY_NS = 86_400 * _SECOND


@dataclass(frozen=True, slots=True)
class Session:
    """The day's trading time, which the reference curves cut into equal parts."""

    open_ns: int
    seconds: float = 23_400.0


def read_reference(path: Path) -> pl.DataFrame:
    """Symbol, adv_qty, sigma_daily_bps, spread_bps, tick and both curves of each record."""
    keep = ("symbol", "adv_qty", "sigma_daily_bps", "spread_bps", "tick", "volume_curve",
            "volatility_curve")  # fmt: skip
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return pl.DataFrame([{name: record.get(name) for name in keep} for record in records])


def _fraction(ts: pl.Series, session: Session) -> np.ndarray:
    """Share of the session that has passed at each time, NaN for none."""
    # The difference is taken as integers: a missing time would make floats of all of them.
    since = (ts - session.open_ns).cast(pl.Float64).to_numpy()
    return since % _DAY_NS / (session.seconds * _SECOND)


def _share_done(record: dict[str, Any] | None, session: Session, ts: pl.Series) -> pl.Series:
    """Share of the session's volume that is usually done by each time."""
    curve = (record or {}).get("volume_curve") or []
    if not curve:
        return pl.Series([None] * len(ts), dtype=pl.Float64)
    edges = np.concatenate([[0.0], np.cumsum(curve)])
    edges[-1] = 1.0
    at = _fraction(ts, session)
    return pl.Series(np.interp(at, np.linspace(0.0, 1.0, len(edges)), edges), nan_to_null=True)


def curves(rows: pl.DataFrame, record: dict[str, Any] | None, session: Session) -> list[pl.Series]:
    """`share_done` at each row and `sigma` there, bps per square root of a second."""
    done = _share_done(record, session, rows["ts_event"]).alias("share_done")
    record = record or {}
    daily, curve = record.get("sigma_daily_bps"), record.get("volatility_curve") or [1.0]
    if daily is None:
        return [done, pl.Series("sigma", [None] * len(rows), dtype=pl.Float64)]
    at = _fraction(rows["ts_event"], session)
    part = np.minimum((at * len(curve)).astype(np.int64), len(curve) - 1)
    return [done, pl.Series("sigma", (np.array(curve) * daily / session.seconds**0.5)[part])]


def with_reference(
    orders: pl.DataFrame, known: dict[str, dict[str, Any]], session: Session
) -> pl.DataFrame:
    """Orders with their symbol's numbers and the volume usually done by their start and end."""
    names = ("adv_qty", "sigma_daily_bps", "spread_bps", "tick")
    parts: list[pl.DataFrame] = []
    for key, part in orders.partition_by("symbol", as_dict=True, maintain_order=True).items():
        record = known.get(str(key[0]), {})
        parts.append(
            part.with_columns(
                _share_done(record, session, part["start"]).alias("share_start"),
                _share_done(record, session, part["end"]).alias("share_end"),
                *(pl.lit(record.get(name), pl.Float64).alias(name) for name in names),
            )
        )
    return pl.concat(parts)
