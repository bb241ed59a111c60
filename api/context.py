"""What a running API holds: its clients, opened at the start and closed at the end."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from psycopg import AsyncConnection, Error
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from api.config import ApiConfig
from api.problems import unavailable
from bus.base import Bus
from bus.connect import open_bus

Connection = AsyncConnection[Any]
_TIMEOUT_S = 2.0
_POOL_SIZE = 8


class StatusKnownAt(Protocol):
    """Answers from history: a status as it was known at `known_ns` (None: the last one)."""

    async def __call__(
        self, connection: Connection, order_id: str, known_ns: int | None, /
    ) -> bytes | None:
        """The body as it was published, or None where nothing was known."""
        ...


@dataclass(slots=True)
class Context:
    """Clients of the servers behind the API."""

    config: ApiConfig
    status: Any
    """redis-py's asyncio client of the status store; answers are bytes."""
    pool: AsyncConnectionPool[Connection] | None
    bus: Bus | None
    status_known_at: StatusKnownAt | None = None

    @asynccontextmanager
    async def history(self) -> AsyncGenerator[Connection]:
        """A connection to the history store, in a transaction. Raises Problem 503."""
        if self.pool is None:
            raise unavailable(
                "history store", "no history store is configured; set EXECMON_HISTORY_URL"
            )
        async with self.pool.connection() as connection:
            yield connection


def _bus(config: ApiConfig) -> Bus:
    return open_bus(config.bus_url, config.bus_access, timeout_s=_TIMEOUT_S)


@asynccontextmanager
async def open_context(config: ApiConfig) -> AsyncGenerator[Context]:
    """Clients that connect when they are used, so a server that is away stops nothing else."""
    status: Any = Redis.from_url(
        config.status_url,
        socket_timeout=_TIMEOUT_S,
        socket_connect_timeout=_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
    )
    pool = _pool(config.history_url) if config.history_url else None
    bus = _bus(config) if config.bus_url else None
    try:
        if pool is not None:
            await pool.open(wait=False)
        yield Context(config, status, pool, bus)
    finally:
        if pool is not None:
            await pool.close(timeout=_TIMEOUT_S)
        await status.aclose()
        if bus is not None:
            bus.close()


async def why_away(context: Context, error: Exception) -> str:
    """What keeps the history store from us, on one line: the pool says only how long it waited."""
    if isinstance(error, PoolTimeout):
        try:
            await (
                await AsyncConnection.connect(context.config.history_url, connect_timeout=2)
            ).close()
        except (Error, OSError) as found:
            error = found
    return " ".join(str(error).split())


def _pool(url: str) -> AsyncConnectionPool[Connection]:
    return AsyncConnectionPool(
        url,
        min_size=1,
        max_size=_POOL_SIZE,
        open=False,
        timeout=_TIMEOUT_S,
        max_waiting=200,
        reconnect_timeout=10.0,
        kwargs={"connect_timeout": 5, "application_name": "execmon-api"},
        check=AsyncConnectionPool.check_connection,
    )
