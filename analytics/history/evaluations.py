"""Evaluations that were kept, and the alerts that were raised when they were made."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from psycopg.sql import SQL

from analytics.history.connection import (
    Connection,
    Desks,
    Row,
    desk_list,
    fetch_all,
    fetch_one,
    fragment,
    timestamp_of,
)
from domain.evaluations import EVALUATION, InForce
from domain.keys import key_of
from domain.record_fields import EVALUATION_FIELDS, Field, Kind

AT_ONCE = 20_000
"""Evaluations judged together, at least; an order's are never parted."""


@dataclass(frozen=True, slots=True)
class Span:
    """Whose evaluations, and of which time in ns; `until` is not included."""

    since: int
    until: int
    desks: Desks = None
    desk: str | None = None

    def values(self) -> dict[str, Any]:
        """Parameters of the queries."""
        return {
            "since": timestamp_of(self.since), "until": timestamp_of(self.until),
            "since_ns": self.since, "until_ns": self.until, "desks": desk_list(self.desks),
            "desk": self.desk,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Evaluations:
    """Whole orders' evaluations: EVALUATION rows, what was in force, and texts of keys.

    Column `thresholds` of a row names its place in `in_force`.
    """

    rows: np.ndarray
    in_force: Sequence[InForce]
    names: Mapping[int, str]


_SEEN = (
    "(%(desks)s::text[] IS NULL OR coalesce({0}.desk, '-') = ANY(%(desks)s)) "
    "AND (%(desk)s::text IS NULL OR coalesce({0}.desk, '-') = %(desk)s)"
)
_ORDERS = (
    "SELECT DISTINCT w.order_id FROM alert_evaluations AS w "
    f"WHERE w.known_at >= %(since)s AND w.known_at < %(until)s AND {_SEEN.format('w')}"
)
_FROM = f"FROM alert_evaluations AS e WHERE e.order_id IN ({_ORDERS}) AND {_SEEN.format('e')}"
_STORED = [field for field in EVALUATION_FIELDS if field.name != "known_at"]
_COUNT = fragment(f"SELECT count(*) AS n {_FROM}")
_ROWS = fragment(
    "SELECT e.known_ns, e.configured::text, e.asked::text, "
    + ", ".join(f"e.{field.name}" for field in _STORED)
    + f" {_FROM} ORDER BY e.order_id, e.known_ns, e.seq, "
    "array_position(ARRAY['BEGINS', 'KEPT', 'ENDS', 'SHORT'], e.part)"
)
_FIRST = SQL("SELECT known_at FROM alert_evaluations ORDER BY known_at LIMIT 1")
_RAISED = fragment(
    'SELECT a.alert_id, a.desk, a.scope, a."type", a.symbol, coalesce((SELECT t.severity '
    "FROM alert_transitions AS t WHERE t.alert_id = a.alert_id ORDER BY t.seq LIMIT 1), "
    "a.severity) AS severity, a.started_ns, a.ended_ns, a.close_reason, a.closed_by "
    "FROM alerts AS a WHERE a.started_ns >= %(since_ns)s AND a.started_ns < %(until_ns)s "
    f'AND a."type" = ANY(%(types)s) AND {_SEEN.format("a")} ORDER BY a.started_ns, a.alert_id'
)


async def count_evaluations(connection: Connection, span: Span) -> int:
    """How many there are of orders that were evaluated in the time, whenever they were made."""
    row = await fetch_one(connection, _COUNT, span.values())
    return 0 if row is None else int(row["n"])


async def first_evaluation(connection: Connection) -> int | None:
    """When the oldest one that is stored was made, UNIX ns; None where none is."""
    row = await fetch_one(connection, _FIRST, {})
    return None if row is None else round(row["known_at"].timestamp() * 1e6) * 1_000


async def raised_alerts(connection: Connection, span: Span, types: Sequence[str]) -> list[Row]:
    """Alerts of these types that began in the time, each with its first published severity."""
    return await fetch_all(connection, _RAISED, {**span.values(), "types": list(types)})


async def read_evaluations(connection: Connection, span: Span) -> AsyncIterator[Evaluations]:
    """The same as `count_evaluations` counts, some orders at a time, each in order of time."""
    # A cursor is planned for its first rows unless told that all are wanted.
    await connection.execute("SET LOCAL cursor_tuple_fraction = 1")
    async with connection.cursor(name="evaluations", binary=True) as cursor:
        cursor.itersize = AT_ONCE
        await cursor.execute(_ROWS, span.values())
        waiting: list[tuple[Any, ...]] = []
        async for row in cursor:
            if len(waiting) >= AT_ONCE and row[_ORDER_AT] != waiting[-1][_ORDER_AT]:
                yield await asyncio.to_thread(_evaluations, waiting)
                waiting = []
            waiting.append(row)
        if waiting:
            yield await asyncio.to_thread(_evaluations, waiting)


_HEAD = 3
_ORDER_AT = _HEAD + next(i for i, field in enumerate(_STORED) if field.name == "order_id")
_thresholds = msgspec.json.Decoder(dict[str, float]).decode


def _evaluations(stored: Sequence[tuple[Any, ...]]) -> Evaluations:
    rows = np.zeros(len(stored), EVALUATION)
    columns = list(zip(*stored, strict=True))
    names: dict[int, str] = {}
    rows["known"] = columns[0]
    for field, values in zip(_STORED, columns[_HEAD:], strict=True):
        rows[field.column] = _column(field, values, names)
    places: dict[tuple[str | None, str | None], int] = {}
    pairs = zip(columns[1], columns[2], strict=True)
    rows["thresholds"] = [places.setdefault(pair, len(places)) for pair in pairs]
    in_force = [InForce(_thresholds(one or "{}"), _thresholds(two or "{}")) for one, two in places]
    return Evaluations(rows, in_force, names)


def _column(field: Field, values: Sequence[Any], names: dict[int, str]) -> Any:
    if field.kind is Kind.NUMBER:
        return np.array(values, np.float64)
    if field.kind is Kind.NAME:
        keys = {text: key_of(text) for text in set(values) if text}
        names.update({key: text for text, key in keys.items()})
        return [keys.get(text, 0) for text in values]
    if field.kind is Kind.CODE:
        codes = {word: code for code, word in (field.words or {}).items()}
        return [codes.get(word, 0) for word in values]
    return [0 if value is None else value for value in values]
