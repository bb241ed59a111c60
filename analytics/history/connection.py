"""How queries reach PostgreSQL: bound parameters, rows as dicts, times as UNIX ns."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString, TypeAlias, cast

from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg.sql import SQL, Composable, Composed

Connection: TypeAlias = AsyncConnection[Any]
Row: TypeAlias = dict[str, Any]
Desks: TypeAlias = frozenset[str] | None
"""Desks whose orders may be seen, `-` for orders without one; None for all."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ENTITLED = SQL(
    "(%(desks)s::text[] IS NULL OR o.desk = ANY(%(desks)s)"
    " OR (o.desk IS NULL AND '-' = ANY(%(desks)s)))"
)
"""Condition on `orders AS o`."""


def desk_list(desks: Desks) -> list[str] | None:
    """Parameter `desks` of ENTITLED."""
    return None if desks is None else sorted(desks)


def timestamp_of(ns: int) -> datetime:
    """The instant cut to the microsecond, as the timestamp columns hold it."""
    return _EPOCH + timedelta(microseconds=ns // 1000)


def fragment(text: str) -> SQL:
    """A part of a statement that the code makes of its own names, never of a caller's."""
    return SQL(cast(LiteralString, text))


def all_of(conditions: Sequence[Composable]) -> Composed:
    """Conditions that must all hold."""
    return _AND.join(conditions)


def list_of(parts: Sequence[Composable]) -> Composed:
    """Parts with commas between."""
    return _COMMA.join(parts)


_AND = SQL(" AND ")
_COMMA = SQL(", ")


async def fetch_all(
    connection: Connection, query: SQL | Composed, values: Mapping[str, Any]
) -> list[Row]:
    """Every row of the answer."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query, values)
        return await cursor.fetchall()


async def fetch_one(
    connection: Connection, query: SQL | Composed, values: Mapping[str, Any]
) -> Row | None:
    """The first row of the answer, None where there is none."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query, values)
        return await cursor.fetchone()
