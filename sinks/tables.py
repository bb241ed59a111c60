"""Rows of the order stage as Polars frames: names for keys, nulls for what is missing.

Columns are those of `domain.records`. Ids and names are text, codes their words, times UTC
with ns, anomalies a list of names. `reasons` is a struct with, for every metric, why it is
null, and null where it is not; `caveats` another, of what to bear in mind of one that is
not null. `venue_distribution` lists each venue's share of the executed quantity.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl

from domain.instants import NO_TIME
from domain.reasons import Reason
from domain.records import (
    FILL_FIELDS,
    ORDER_FIELDS,
    Field,
    Kind,
    Names,
    anomaly_names,
    name_of,
    venue_shares,
)
from domain.rows import ORDER_METRICS, STATUS_METRICS, Venues

REASONS = pl.Enum([reason.name for reason in Reason])
SHARES = pl.List(pl.Struct({"venue": pl.String, "share": pl.Float64}))


def orders_frame(rows: np.ndarray, venues: Venues, names: Names) -> pl.DataFrame:
    """One line for each ORDER row, with every metric of `ORDER_METRICS`."""
    return _measured(rows, venues, names, ORDER_METRICS)


def status_frame(rows: np.ndarray, venues: Venues, names: Names) -> pl.DataFrame:
    """One line for each STATUS row, with every metric of `STATUS_METRICS`."""
    return _measured(rows, venues, names, STATUS_METRICS)


def fills_frame(rows: np.ndarray, names: Names) -> pl.DataFrame:
    """One line for each FILL row: the execution, the market it met, the mids around it."""
    return pl.DataFrame([_column(field, rows, names) for field in FILL_FIELDS])


def _measured(
    rows: np.ndarray, venues: Venues, names: Names, metrics: Sequence[str]
) -> pl.DataFrame:
    columns = [_column(field, rows, names) for field in ORDER_FIELDS]
    columns += [_number(name, rows[name]) for name in metrics]
    columns.append(_shares(len(rows), venues, names))
    columns.append(_why(rows, metrics, "reasons", of_null=True))
    columns.append(_why(rows, metrics, "caveats", of_null=False))
    return pl.DataFrame(columns)


def _column(field: Field, rows: np.ndarray, names: Names) -> pl.Series:
    name, values = field.name, rows[field.column]
    if field.kind is Kind.NAME:
        return _texts(name, values, lambda key: name_of(key, names))
    if field.kind is Kind.CODE:
        return _words(field, rows)
    return _PLAIN[field.kind](name, values)


def _words(field: Field, rows: np.ndarray) -> pl.Series:
    words: Mapping[int, str | None] = field.words or {}
    texts = _texts(field.name, rows[field.column], words.get)
    if field.column == "side_code":
        return texts.set(pl.Series(rows["side"] == 0), None)
    return texts


def _texts(name: str, codes: np.ndarray, text_of: Callable[[int], str | None]) -> pl.Series:
    distinct, at = np.unique(codes, return_inverse=True)
    return _spread(pl.Series(name, [text_of(c) for c in distinct.tolist()], pl.String), at)


def _spread(distinct: pl.Series, at: np.ndarray) -> pl.Series:
    return distinct.gather(at.astype(np.uint32))


def _time(name: str, ns: np.ndarray) -> pl.Series:
    instants = pl.Series(name, ns, pl.Int64)
    known = instants.set(instants == NO_TIME, None).cast(pl.Datetime("ns"))
    return known.dt.replace_time_zone("UTC")


def _number(name: str, values: np.ndarray) -> pl.Series:
    return pl.Series(name, np.ascontiguousarray(values), nan_to_null=True)


def _whole(name: str, values: np.ndarray) -> pl.Series:
    numbers = pl.Series(name, values).cast(pl.Int64)
    return numbers.set(numbers < 0, None)


def _flag(name: str, values: np.ndarray) -> pl.Series:
    return pl.Series(name, values != 0)


def _anomalies(name: str, bits: np.ndarray) -> pl.Series:
    distinct, at = np.unique(bits, return_inverse=True)
    lists = [list(anomaly_names(mask)) for mask in distinct.tolist()]
    return _spread(pl.Series(name, lists, pl.List(pl.String)), at)


_PLAIN: dict[Kind, Callable[[str, np.ndarray], pl.Series]] = {
    Kind.TIME: _time,
    Kind.FLAG: _flag,
    Kind.WHOLE: _whole,
    Kind.NUMBER: _number,
    Kind.ANOMALIES: _anomalies,
}


def _shares(count: int, venues: Venues, names: Names) -> pl.Series:
    """Share of the executed quantity by venue; empty where nothing was executed."""
    found = [
        [{"venue": v, "share": s} for v, s in venue_shares(venues, i, names).items()]
        for i in range(count)
    ]
    return pl.Series("venue_distribution", found, SHARES)


def _why(rows: np.ndarray, metrics: Sequence[str], name: str, *, of_null: bool) -> pl.Series:
    codes = rows["reasons"]
    columns: list[pl.Series] = []
    for k, metric in enumerate(metrics):
        code = codes[:, k].astype(np.uint8)
        silent = np.isnan(rows[metric]) != of_null
        if not of_null:
            silent |= code == Reason.NONE
        columns.append(pl.Series(metric, code).set(pl.Series(silent), None).cat.to(REASONS))
    return pl.DataFrame(columns).to_struct(name)
