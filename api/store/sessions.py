"""The table of monitoring sessions: one counts for an order, those before it are CLOSED."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, LiteralString
from uuid import UUID, uuid4

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from api.context import Connection
from api.identity.caller import Caller, Scope

_COLUMNS = (
    "session_id, order_id, state, request, created_at, created_by, closed_at, config_version, desks"
)
_CLOSE = """
UPDATE monitoring_sessions SET state = 'CLOSED', closed_at = clock_timestamp()
WHERE order_id = %s AND state <> 'CLOSED'
"""
_INSERT = f"""
INSERT INTO monitoring_sessions
  (session_id, order_id, state, request, created_at, created_by, config_version, desks)
VALUES (%s, %s, %s, %s, clock_timestamp(), %s, %s, %s)
RETURNING {_COLUMNS}
"""
_OF_ORDER = f"""
SELECT {_COLUMNS} FROM monitoring_sessions
WHERE order_id = %s AND (created_at, session_id) < (%s, %s)
ORDER BY created_at DESC, session_id DESC LIMIT %s
"""
_CURRENT = f"SELECT {_COLUMNS} FROM monitoring_sessions WHERE order_id = %s AND state <> 'CLOSED'"
_SEEN = (
    "UPDATE monitoring_sessions SET state = 'ACTIVE' WHERE session_id = %s AND state = 'PENDING'"
)
_OPEN = f"""
SELECT {_COLUMNS} FROM monitoring_sessions
WHERE state <> 'CLOSED' AND created_at > now() - interval '30 days'
ORDER BY created_at DESC LIMIT %s
"""
_CHANGED = f"""
SELECT {_COLUMNS} FROM monitoring_sessions
WHERE created_at > now() - %s * interval '1 second'
   OR closed_at > now() - %s * interval '1 second'
ORDER BY created_at
"""
LAST = datetime.max.replace(tzinfo=UTC)
LAST_ID = UUID(int=(1 << 128) - 1)


@dataclass(frozen=True, slots=True)
class Session:
    """One monitoring session as it is stored."""

    session_id: UUID
    order_id: str
    state: str
    request: dict[str, Any]
    created_at: datetime
    created_by: str
    closed_at: datetime | None
    config_version: str
    desks: Sequence[str] | None
    """Desks its maker may see; None for all. It counts for orders of those alone."""

    def counts_for(self, desk: str | None) -> bool:
        """Whether its maker may decide what is shown of an order of this desk."""
        maker = Caller(
            self.created_by, Scope.OPERATE, None if self.desks is None else frozenset(self.desks)
        )
        return maker.sees(desk)


_ROW = class_row(Session)


async def _rows(
    connection: Connection, query: LiteralString, values: Sequence[Any]
) -> list[Session]:
    async with connection.cursor(row_factory=_ROW) as cursor:
        return await (await cursor.execute(query, values)).fetchall()


async def lock(connection: Connection, order_id: str) -> None:
    """Let nobody else start or stop a session of this order before the transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [order_id])


async def insert(
    connection: Connection,
    caller: Caller,
    order_id: str,
    *,
    is_seen: bool,
    request: dict[str, Any],
    config_version: str,
) -> Session:
    """Replace the order's session by a new one."""
    await connection.execute(_CLOSE, [order_id])
    desks = None if caller.desks is None else sorted(caller.desks)
    state = "ACTIVE" if is_seen else "PENDING"
    values = (uuid4(), order_id, state, Jsonb(request), caller.name, config_version, desks)
    [found] = await _rows(connection, _INSERT, values)
    return found


async def current(connection: Connection, order_id: str) -> Session | None:
    """The session that counts, if there is one."""
    found = await _rows(connection, _CURRENT, [order_id])
    return found[0] if found else None


async def close(connection: Connection, order_id: str) -> Session | None:
    """End the session that counts; gives it as it is now."""
    found = await _rows(connection, _CLOSE + f" RETURNING {_COLUMNS}", [order_id])
    return found[0] if found else None


async def mark_seen(connection: Connection, session: Session) -> Session:
    """A pending session whose order was seen is active."""
    if session.state != "PENDING":
        return session
    await connection.execute(_SEEN, [session.session_id])
    return replace(session, state="ACTIVE")


async def of_order(
    connection: Connection,
    order_id: str,
    limit: int,
    after: tuple[datetime, UUID] = (LAST, LAST_ID),
) -> list[Session]:
    """Sessions of an order, the newest first, after a row of the page before."""
    return await _rows(connection, _OF_ORDER, [order_id, *after, limit])


async def open_ones(connection: Connection, most: int) -> list[Session]:
    """Every session that counts, of the last 30 days."""
    return await _rows(connection, _OPEN, [most])


async def changed(connection: Connection, within_s: float) -> list[Session]:
    """Sessions begun or ended in the last seconds, the oldest first."""
    return await _rows(connection, _CHANGED, [within_s, within_s])
