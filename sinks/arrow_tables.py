"""Rows as Arrow tables, built from whole columns: what streams into Parquet and Arrow files.

Columns are those of `domain.records`; missing is null. Names and codes are dictionaries,
times UTC nanoseconds, anomalies lists of names. `venue_distribution` lists venue and share.
`reasons` is a struct that says for each metric why it is null; `caveats` another, of what to
bear in mind of a metric that is not.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from domain.reasons import Reason
from domain.records import Field, Kind, Names, anomaly_names, name_of
from domain.rows import Venues

_REASONS = pa.array([reason.name for reason in Reason])
_REASON_AT = np.zeros(256, np.int8)
_REASON_AT[[int(reason) for reason in Reason]] = np.arange(len(Reason))
_TIME = pa.timestamp("ns", tz="UTC")
_SHARE = pa.struct([("venue", pa.string()), ("share", pa.float64())])


def to_table(
    rows: np.ndarray,
    fields: Sequence[Field],
    metrics: Sequence[str],
    names: Names,
    venues: Venues | None = None,
) -> Any:
    """A pyarrow Table of these rows.

    `metrics` are number columns after the fields, followed by their reasons; `venues` has an
    entry for each row, or none at all. Without `venues` there is no such column.
    """
    columns: dict[str, Any] = {f.name: _column(rows, f, names) for f in fields}
    for name in metrics:
        columns[name] = _numbers(rows[name])
    if venues is not None:
        columns["venue_distribution"] = _shares(len(rows), venues, names)
    if metrics:
        columns |= _why(rows, metrics)
    return pa.table(columns)


def _column(rows: np.ndarray, field: Field, names: Names) -> Any:
    values = rows[field.column]
    texts: dict[Kind, Callable[[Any], str | None]] = {
        Kind.NAME: lambda key: name_of(key, names),
        Kind.CODE: dict(field.words or {}).get,
    }
    if field.column == "side_code":
        values = np.where(rows["side"] == 0, 255, values)
    if field.kind in texts:
        return _by_value(values, texts[field.kind])
    if field.kind is Kind.ANOMALIES:
        return _anomalies(values)
    if field.kind is Kind.TIME:
        return pa.array(np.ascontiguousarray(values).view("M8[ns]")).cast(_TIME)
    if field.kind is Kind.FLAG:
        return pa.array(values != 0)
    if field.kind is Kind.WHOLE:
        whole = values.astype(np.int64)
        return pa.array(whole, mask=whole < 0)
    return _numbers(values)


def _numbers(values: np.ndarray) -> Any:
    return pa.array(np.ascontiguousarray(values, np.float64), from_pandas=True)


def _by_value(values: np.ndarray, text: Callable[[Any], str | None]) -> Any:
    found, at = np.unique(values, return_inverse=True)
    words = [text(value) for value in found.tolist()]
    is_null = np.array([word is None for word in words], bool)
    indices = pa.array(at.astype(np.int32), mask=is_null[at])
    return pa.DictionaryArray.from_arrays(indices, pa.array([w or "" for w in words], pa.string()))


def _anomalies(bits: np.ndarray) -> Any:
    found, at = np.unique(bits, return_inverse=True)
    words = pa.array([anomaly_names(value) for value in found.tolist()], pa.list_(pa.string()))
    return words.take(pa.array(at.astype(np.int32)))


def _why(rows: np.ndarray, metrics: Sequence[str]) -> dict[str, Any]:
    codes = np.ascontiguousarray(_REASON_AT[rows["reasons"]].T)
    of_null: list[Any] = []
    of_known: list[Any] = []
    for name, code in zip(metrics, codes, strict=True):
        is_known = ~np.isnan(rows[name])
        silent = code == 0
        of_null.append(_reason(code, is_known))
        of_known.append(_reason(code, ~is_known | silent))
    names = list(metrics)
    return {
        "reasons": pa.StructArray.from_arrays(of_null, names),
        "caveats": pa.StructArray.from_arrays(of_known, names),
    }


def _reason(codes: np.ndarray, absent: np.ndarray) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=absent), _REASONS)


def _shares(rows: int, venues: Venues, names: Names) -> Any:
    """Shares of each row; an empty list where nothing was executed."""
    if len(venues.start) != rows + 1:
        return pa.array([[]] * rows, pa.list_(_SHARE))
    start = venues.start.astype(np.int64)
    total = np.add.reduceat(np.append(venues.qty, 0.0), start[:-1]) if rows else np.empty(0)
    each = np.repeat(total, np.diff(start))
    traded = each > 0
    lengths = np.diff(np.concatenate([[0], np.cumsum(traded)])[start])
    words = [name_of(key, names) or "-" for key in venues.key[traded].tolist()]
    shares = pa.StructArray.from_arrays(
        [pa.array(words, pa.string()), pa.array(venues.qty[traded] / each[traded])],
        fields=list(_SHARE),
    )
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), shares)
