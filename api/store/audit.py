"""The audit: who did or was refused what, written behind the requests and never before them.

Lines wait in memory for the history store; past `ROOM` of them the oldest are dropped, and
counted.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
import structlog
from psycopg import Error
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool

from api.context import Connection

ROOM = 20_000
_BATCH = 500
_EVERY_S = 0.25
_RETRY_S = 1.0
_SAME_S = 1.0
_MOST_CHARACTERS = 500
_INSERT = """
INSERT INTO audit (at, who, action, target, outcome, request_id, detail)
VALUES (%s, %s, %s, %s, %s, %s, %s)
"""
_log = structlog.get_logger("api")


@dataclass(slots=True)
class Line:
    """One thing done or refused."""

    who: str
    action: str
    target: str | None
    outcome: str
    request_id: str | None = None
    detail: dict[str, Any] = field(default_factory=dict[str, Any])
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def is_repeat(self, other: "Line") -> bool:
        """Whether it says the same again within a second."""
        same = (self.who, self.action, self.target, self.outcome) == (
            other.who,
            other.action,
            other.target,
            other.outcome,
        )
        return same and (self.at - other.at).total_seconds() < _SAME_S


class AuditLog:
    """Takes lines at once and writes them later."""

    def __init__(self, pool: AsyncConnectionPool[Connection] | None) -> None:
        self._pool = pool
        self._waiting: deque[Line] = deque()
        self._wake = asyncio.Event()
        self.dropped = 0
        """Lines lost because the history store was away too long."""

    def __len__(self) -> int:
        return len(self._waiting)

    def note(
        self,
        who: str,
        action: str,
        target: str | None,
        outcome: str,
        *,
        request_id: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Take a line; a refusal repeated within a second is counted in the line before."""
        if self._pool is None:
            return
        told = {k: _storable(v) if isinstance(v, str) else v for k, v in (detail or {}).items()}
        where = None if target is None else _storable(target)
        line = Line(_storable(who), _storable(action), where, outcome, request_id, told)
        last = self._waiting[-1] if self._waiting else None
        if last is not None and outcome != "done" and line.is_repeat(last):
            last.detail["times"] = last.detail.get("times", 1) + 1
            return
        if len(self._waiting) >= ROOM:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(line)
        self._wake.set()

    async def run(self) -> None:
        """Write lines as they come, until cancelled; then what is left, if it can be."""
        if self._pool is None:
            return
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                await asyncio.sleep(_EVERY_S)
                while not await self._flushed():
                    await asyncio.sleep(_RETRY_S)
        finally:
            with suppress(Exception):
                await asyncio.wait_for(self._flushed(), _RETRY_S)

    async def _flushed(self) -> bool:
        assert self._pool is not None
        while self._waiting:
            lines = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
            try:
                async with self._pool.connection() as connection, connection.cursor() as cursor:
                    await cursor.executemany(_INSERT, [_values(line) for line in lines])
            except BaseException as error:
                self._waiting.extendleft(reversed(lines))
                if not isinstance(error, Error | OSError):
                    raise
                _log.warning("audit_waits", lines=len(self._waiting), error=str(error))
                return False
        return True


def write_now(connection: psycopg.Connection[Any], line: Line) -> None:
    """Write one line at once, for commands. Raises psycopg.Error."""
    connection.execute(_INSERT, _values(line))


def _storable(text: str) -> str:
    """Text as PostgreSQL takes it, whoever sent it: no NUL, no half characters, not endless."""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()[:_MOST_CHARACTERS]


def _values(line: Line) -> tuple[Any, ...]:
    return (
        line.at,
        line.who,
        line.action,
        line.target,
        line.outcome,
        line.request_id,
        Jsonb(line.detail),
    )
