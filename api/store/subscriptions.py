"""The table of subscriptions; how far each has come stands beside it, written by who runs them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, LiteralString, cast
from uuid import UUID, uuid4

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from api.context import Connection
from api.identity.caller import Caller

_COLUMNS = (
    "s.subscription_id, s.name, s.state, s.event_types, s.desk, s.desks, s.min_severity, "
    "s.destination, s.start, s.generation, s.created_at, s.created_by, s.changed_at, "
    "p.positions, p.delivered, p.last_delivered_at, p.failing_since, p.words"
)
_FROM = """
FROM subscriptions s LEFT JOIN subscription_progress p
  ON p.subscription_id = s.subscription_id AND p.generation = s.generation
"""
# Whoever sees all the desks that a subscription tells of may see the subscription.
_SEEN = """
s.state <> 'DELETED' AND (%(desks)s::text[] IS NULL
  OR coalesce(ARRAY[s.desk] <@ %(desks)s::text[] AND s.desk IS NOT NULL, false)
  OR (s.desk IS NULL AND s.desks <@ %(desks)s::text[]))
"""
_LIST = f"""
SELECT {_COLUMNS} {_FROM}
WHERE {_SEEN} AND (s.created_at, s.subscription_id) < (%(at)s, %(id)s)
ORDER BY s.created_at DESC, s.subscription_id DESC LIMIT %(limit)s
"""
_FIND = f"SELECT {_COLUMNS} {_FROM} WHERE {_SEEN} AND s.subscription_id = %(id)s"
_INSERT = """
INSERT INTO subscriptions (subscription_id, name, state, event_types, desk, desks, min_severity,
  destination, secret, start, created_at, created_by)
VALUES (%(id)s, %(name)s, %(state)s, %(event_types)s, %(desk)s, %(desks)s, %(min_severity)s,
  %(destination)s, %(secret)s, %(start)s, clock_timestamp(), %(by)s)
"""
_LOCK_TOPIC = "SELECT pg_advisory_xact_lock(hashtextextended('topic ' || %s, 0))"
_TAKEN = """
SELECT EXISTS (SELECT 1 FROM subscriptions WHERE destination->>'topic' = %s
  AND state <> 'DELETED' AND subscription_id IS DISTINCT FROM %s)
"""
_JSON = frozenset({"destination", "start"})
_CHANGEABLE = (
    "name", "state", "event_types", "min_severity", "destination", "secret", "start",
)  # fmt: skip
LAST = datetime.max.replace(tzinfo=UTC)
LAST_ID = UUID(int=(1 << 128) - 1)


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """One subscription with its progress, as stored; the secret stays in the table."""

    subscription_id: UUID
    name: str
    state: str
    event_types: Sequence[str]
    desk: str | None
    desks: Sequence[str] | None
    min_severity: str
    destination: dict[str, Any]
    start: dict[str, Any]
    generation: int
    created_at: datetime
    created_by: str
    changed_at: datetime
    positions: dict[str, dict[str, str]] | None
    delivered: int | None
    last_delivered_at: datetime | None
    failing_since: datetime | None
    words: str | None


_ROW = class_row(SubscriptionRow)


async def _rows(
    connection: Connection, query: str, values: Mapping[str, Any]
) -> list[SubscriptionRow]:
    async with connection.cursor(row_factory=_ROW) as cursor:
        return await (await cursor.execute(cast(LiteralString, query), values)).fetchall()


async def seen_by(
    connection: Connection,
    caller: Caller,
    limit: int,
    after: tuple[datetime, UUID] = (LAST, LAST_ID),
) -> list[SubscriptionRow]:
    """Those that a caller may see, the newest first, after a row of the page before."""
    values = {"desks": _desks(caller), "at": after[0], "id": after[1], "limit": limit}
    return await _rows(connection, _LIST, values)


async def find(connection: Connection, caller: Caller, id_: UUID) -> SubscriptionRow | None:
    """One that the caller may see."""
    found = await _rows(connection, _FIND, {"desks": _desks(caller), "id": id_})
    return found[0] if found else None


async def insert(connection: Connection, caller: Caller, values: Mapping[str, Any]) -> UUID:
    """A new one; gives its id."""
    id_ = uuid4()
    told = {"id": id_, "by": caller.name, "desks": _desks(caller), **_stored(values)}
    await connection.execute(_INSERT, told)
    return id_


async def change(connection: Connection, id_: UUID, values: Mapping[str, Any]) -> None:
    """Give these columns other values; a new start begins a new generation."""
    names = [name for name in _CHANGEABLE if name in values]
    sets = [f"{name} = %({name})s" for name in names]
    if "start" in values:
        sets.append("generation = generation + 1")
    sets.append("changed_at = clock_timestamp()")
    query = f"UPDATE subscriptions SET {', '.join(sets)} WHERE subscription_id = %(id)s"
    await connection.execute(cast(LiteralString, query), {"id": id_, **_stored(values)})


async def lock(connection: Connection, id_: UUID) -> None:
    """Let nobody else change this one before the transaction ends."""
    await connection.execute(
        "SELECT 1 FROM subscriptions WHERE subscription_id = %s FOR UPDATE", [id_]
    )


async def is_taken(connection: Connection, topic: str, but: UUID | None) -> bool:
    """Whether a living subscription other than `but` writes to the topic.

    Nobody else can ask the same before the transaction ends.
    """
    await connection.execute(_LOCK_TOPIC, [topic])
    row = await (await connection.execute(_TAKEN, [topic, but])).fetchone()
    return bool(row and row[0])


def _stored(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: Jsonb(value) if name in _JSON else value for name, value in values.items()}


def _desks(caller: Caller) -> list[str] | None:
    return None if caller.desks is None else sorted(caller.desks)
