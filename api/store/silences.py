"""The table of silences: what was told not to be sent, for how long and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from api.context import Connection

_COLUMNS = (
    "silence_id, desk, alert_type, about, symbol, why, created_at, created_by, until, "
    "lifted_at, lifted_by"
)
_INSERT = f"""
INSERT INTO silences (silence_id, desk, alert_type, about, symbol, why, created_by, until)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s) RETURNING {_COLUMNS}
"""
_LIST = f"""
SELECT {_COLUMNS} FROM silences
WHERE (%(desks)s::text[] IS NULL OR desk = '*' OR desk = ANY(%(desks)s))
  AND (%(past)s OR (until > now() AND lifted_at IS NULL))
  AND (created_at, silence_id) < (%(after)s, %(after_id)s)
ORDER BY created_at DESC, silence_id DESC LIMIT %(limit)s
"""
_FIND = f"SELECT {_COLUMNS} FROM silences WHERE silence_id = %s FOR UPDATE"
_LIFT = f"""
UPDATE silences SET lifted_at = clock_timestamp(), lifted_by = %s
WHERE silence_id = %s RETURNING {_COLUMNS}
"""
EVERY_DESK = "*"
LAST = datetime.max.replace(tzinfo=UTC)
LAST_ID = UUID(int=(1 << 128) - 1)


@dataclass(frozen=True, slots=True)
class StoredSilence:
    """One silence as it is stored."""

    silence_id: UUID
    desk: str
    alert_type: str | None
    about: str | None
    symbol: str | None
    why: str
    created_at: datetime
    created_by: str
    until: datetime
    lifted_at: datetime | None
    lifted_by: str | None

    @property
    def is_over(self) -> bool:
        """Whether it has ended by itself or was lifted."""
        return self.lifted_at is not None or self.until <= datetime.now(UTC)


_ROW = class_row(StoredSilence)


async def _rows(connection: Connection, query: Any, values: Any) -> list[StoredSilence]:
    async with connection.cursor(row_factory=_ROW) as cursor:
        await cursor.execute(query, values)
        return await cursor.fetchall()


async def insert(connection: Connection, values: Sequence[Any]) -> StoredSilence:
    """Keep a silence: id, desk, type, about, symbol, why, who made it, its end."""
    [made] = await _rows(connection, _INSERT, values)
    return made


async def page(
    connection: Connection,
    desks: frozenset[str] | None,
    *,
    past: bool,
    limit: int,
    after: tuple[datetime, UUID] = (LAST, LAST_ID),
) -> list[StoredSilence]:
    """Silences of these desks and of all, the newest first; with `past` those over too."""
    values = {
        "desks": None if desks is None else sorted(desks), "past": past, "limit": limit,
        "after": after[0], "after_id": after[1],
    }  # fmt: skip
    return await _rows(connection, _LIST, values)


async def find(connection: Connection, silence_id: UUID) -> StoredSilence | None:
    """One silence, kept from others until the transaction ends."""
    found = await _rows(connection, _FIND, [silence_id])
    return found[0] if found else None


async def lift(connection: Connection, silence_id: UUID, by: str) -> StoredSilence:
    """End a silence now."""
    [lifted] = await _rows(connection, _LIFT, [by, silence_id])
    return lifted
