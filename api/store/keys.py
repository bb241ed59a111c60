"""The table of API keys: read by the API, written by `execmon keys`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from api.context import Connection as AsyncConnection
from api.identity.keys import KeyRow, new_key

_COLUMNS = (
    "key_id, name, hash, scopes, desks, created_at, created_by, expires_at, revoked_at, "
    "last_used_at"
)
_ALL = f"SELECT {_COLUMNS} FROM api_keys ORDER BY created_at, key_id"
_INSERT = """
INSERT INTO api_keys (key_id, name, hash, scopes, desks, created_by, expires_at)
VALUES (%s, %s, %s, %s, %s, %s, %s)
"""
_REVOKE = """
UPDATE api_keys SET revoked_at = now(), revoked_by = %s
WHERE (key_id = %s OR name = %s) AND revoked_at IS NULL
RETURNING key_id
"""
_USED = "UPDATE api_keys SET last_used_at = now() WHERE key_id = ANY(%s)"


async def read(connection: AsyncConnection) -> list[KeyRow]:
    """Every key there is."""
    async with connection.cursor(row_factory=class_row(KeyRow)) as cursor:
        return await (await cursor.execute(_ALL)).fetchall()


async def note_used(connection: AsyncConnection, key_ids: Sequence[str]) -> None:
    """Remember that these keys were used now."""
    await connection.execute(_USED, [list(key_ids)])


def read_now(connection: Connection[Any]) -> list[KeyRow]:
    """Every key there is, for a command."""
    with connection.cursor(row_factory=class_row(KeyRow)) as cursor:
        return cursor.execute(_ALL).fetchall()


def create(
    connection: Connection[Any],
    name: str,
    scopes: Sequence[str],
    desks: Sequence[str] | None,
    *,
    by: str,
    expires_at: datetime | None = None,
) -> tuple[str, str]:
    """(id, the key itself, which is shown this once)."""
    key_id, key, hashed = new_key()
    told = None if desks is None else list(desks)
    connection.execute(_INSERT, (key_id, name, hashed, list(scopes), told, by, expires_at))
    return key_id, key


def revoke(connection: Connection[Any], which: str, *, by: str) -> list[str]:
    """End a key by its id, or every key of a name; gives the ids that it ended."""
    return [row[0] for row in connection.execute(_REVOKE, (by, which, which)).fetchall()]
