"""How rows are written outside: records of orders, executions and events.

Files, the bus and the terminal share these shapes. Missing is null outside: NaN, `NO_TIME`,
key 0 and a sequence of −1 all become None.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from math import isnan
from typing import Any

import numpy as np

from domain.evaluations import InForce
from domain.instants import NO_TIME, format_rfc3339
from domain.reasons import Reason
from domain.record_fields import (
    BAR_FIELDS,
    EVALUATION_FIELDS,
    EVENT_FIELDS,
    FILL_FIELDS,
    ORDER_FIELDS,
    Field,
    Kind,
)
from domain.rows import BAR_INTERVAL_MS, ORDER_METRICS, STATUS_METRICS, Venues
from domain.vocabulary import Anomaly

WALL_CLOCK_FIELDS = frozenset({"published_at"})
"""Members of what we publish that depend on when it was computed, and on nothing else.

Two runs over one input agree in every other byte.
"""


@lru_cache(maxsize=4096)
def anomaly_names(bits: int) -> tuple[str, ...]:
    """Names of the anomalies that are set."""
    return tuple(member.name for member in Anomaly if bits & member)


_REASON_NAMES = {reason.value: reason.name for reason in Reason}
Names = Mapping[int, str]


def name_of(key: int, names: Names) -> str | None:
    """Text of a key; one whose text is not known shows itself in hexadecimal after `#`."""
    if not key:
        return None
    return names.get(key) or f"#{key:016x}"


@lru_cache(maxsize=1 << 14)
def _time_text(ns: int) -> str | None:
    return None if ns == NO_TIME else format_rfc3339(ns)


def _converter(field: Field) -> Callable[[Any], Any] | None:
    by_kind: dict[Kind, Callable[[Any], Any]] = {
        Kind.TIME: _time_text,
        Kind.CODE: dict(field.words or {}).get,
        Kind.FLAG: bool,
        Kind.WHOLE: lambda n: None if n < 0 else n,
        Kind.ANOMALIES: anomaly_names,
    }
    return by_kind.get(field.kind)


class Shape:
    """Turns rows of one kind into lists of members, `metrics` and NaN left as numbers."""

    def __init__(self, fields: Sequence[Field], metrics: Sequence[str] = ()) -> None:
        self.fields = tuple(fields)
        self.metrics = tuple(metrics)
        self.names = (*(f.name for f in self.fields), *self.metrics)
        self._columns = [*(f.column for f in self.fields), *self.metrics]
        self._side_at = self._columns.index("side_code") if "side_code" in self._columns else None
        self._names_at = [i for i, f in enumerate(self.fields) if f.kind is Kind.NAME]
        self._convert = [
            (i, convert) for i, f in enumerate(self.fields) if (convert := _converter(f))
        ]

    def values(self, rows: np.ndarray, names: Names) -> list[list[Any]]:
        """One list of members a row, in the order of `names`; numbers may be NaN."""
        found = [list(row) for row in rows[self._columns].tolist()]
        if self._side_at is not None:
            for values, sign in zip(found, rows["side"].tolist(), strict=True):
                if not sign:
                    values[self._side_at] = None
        for values in found:
            for i in self._names_at:
                key = values[i]
                values[i] = (names.get(key) or name_of(key, names)) if key else None
            for i, convert in self._convert:
                values[i] = convert(values[i])
        return found


ORDER_SHAPE = Shape(ORDER_FIELDS, ORDER_METRICS)
FILL_SHAPE = Shape(FILL_FIELDS)
EVENT_SHAPE = Shape(EVENT_FIELDS)
BAR_SHAPE = Shape(BAR_FIELDS)
EVALUATION_SHAPE = Shape(EVALUATION_FIELDS)
STATUS_SHAPE = Shape(ORDER_FIELDS, STATUS_METRICS)


def reasons_of(
    codes: np.ndarray, metrics: Sequence[str], values: Sequence[float]
) -> tuple[dict[str, str], dict[str, str]]:
    """(why a metric is null, what to bear in mind of one that is not), by metric name."""
    null: dict[str, str] = {}
    caveats: dict[str, str] = {}
    for i in codes.nonzero()[0].tolist():
        value = values[i]
        (null if isnan(value) else caveats)[metrics[i]] = _REASON_NAMES[int(codes[i])]
    return null, caveats


def venue_shares(venues: Venues, row: int, names: Names) -> dict[str, float]:
    """Share of a row's executed quantity at each venue, by name; the shares sum to 1.

    Empty where nothing was executed or the row came without venues. An execution without a
    venue counts under `-`.
    """
    if row + 1 >= len(venues.start):
        return {}
    parts: dict[str, float] = {}
    for key, qty in venues.of(row):
        name = name_of(key, names) or "-"
        parts[name] = parts.get(name, 0.0) + qty
    total = sum(parts.values())
    return {name: qty / total for name, qty in sorted(parts.items())} if total > 0 else {}


def _nulled(values: list[Any]) -> list[Any]:
    return [None if v.__class__ is float and isnan(v) else v for v in values]


def order_record(row: np.void, names: Names, venues: Venues, at: int = 0) -> dict[str, Any]:
    """The record of an order from one ORDER row, whose venues are those of row `at`.

    Metrics are in the units their names give, costs positive when bad for us; `reasons`
    says why a metric is null, `caveats` what to bear in mind of one that is not.
    """
    return _measured(ORDER_SHAPE, row, names, venues, at)


def status_record(row: np.void, names: Names, venues: Venues, at: int = 0) -> dict[str, Any]:
    """One state of an order from one STATUS row, flat as in `order_record`, for files."""
    return _measured(STATUS_SHAPE, row, names, venues, at)


def _measured(shape: Shape, row: np.void, names: Names, venues: Venues, at: int) -> dict[str, Any]:
    [values] = shape.values(row.reshape(1), names)
    null, caveats = reasons_of(row["reasons"], shape.metrics, values[len(shape.fields) :])
    return {
        **dict(zip(shape.names, _nulled(values), strict=True)),
        "venue_distribution": venue_shares(venues, at, names),
        "reasons": null,
        "caveats": caveats,
    }


def _records(shape: Shape, rows: np.ndarray, names: Names) -> list[dict[str, Any]]:
    found = shape.values(rows, names)
    return [dict(zip(shape.names, _nulled(values), strict=True)) for values in found]


def fill_records(rows: np.ndarray, names: Names) -> list[dict[str, Any]]:
    """The record of each execution from FILL rows: prices in quote currency."""
    return _records(FILL_SHAPE, rows, names)


def event_records(rows: np.ndarray, names: Names) -> list[dict[str, Any]]:
    """The record of each order or route event from EVENT rows."""
    return _records(EVENT_SHAPE, rows, names)


def bar_records(rows: np.ndarray, names: Names) -> list[dict[str, Any]]:
    """The record of each bar from BAR rows: when it begins, and what traded in it."""
    return [{**bar, "interval_ms": BAR_INTERVAL_MS} for bar in _records(BAR_SHAPE, rows, names)]


def evaluation_records(
    rows: np.ndarray, names: Names, thresholds: Sequence[InForce]
) -> list[dict[str, Any]]:
    """The record of each evaluation from EVALUATION rows: what is null is left out.

    `thresholds` are those the rows name; `configured` and `asked` say which were in force.
    """
    found: list[dict[str, Any]] = []
    chosen = rows["thresholds"].tolist()
    for record, which in zip(_records(EVALUATION_SHAPE, rows, names), chosen, strict=True):
        one = {name: value for name, value in record.items() if value is not None}
        if which >= 0:
            one["configured"] = dict(thresholds[which].configured)
            one["asked"] = dict(thresholds[which].asked)
        found.append(one)
    return found
