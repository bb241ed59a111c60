"""Everything one API process keeps beside the requests, started and ended together."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

import structlog
from psycopg import Error
from redis.exceptions import RedisError

from api.config import ApiConfig
from api.context import Context, StatusKnownAt, open_context
from api.control import tell
from api.identity.authority import Authority, prepare
from api.identity.limits import RateLimit
from api.live.alert_feed import AlertFeed
from api.live.hub import Hub
from api.live.pipelined import PipelinedReads
from api.live.sessions import SessionBook
from api.problems import Problem
from api.store.audit import AuditLog
from api.store.idempotency import FORGET
from api.tasks import end
from api.telemetry import Telemetry
from domain.errors import BusError
from domain.events import REPUBLISH

REPUBLISH_MARK = "execmon:api:republish"
"""Stands in a status store that was asked about; an emptied one lacks it."""
_LOOK_S = 1.0
_SWEEP_S = 3_600.0
_log = structlog.get_logger("api")


@dataclass(slots=True)
class Service:
    """What routes use."""

    context: Context
    reader: PipelinedReads
    """Reads single statuses."""
    authority: Authority
    audit: AuditLog
    sessions: SessionBook
    hub: Hub
    alerts: AlertFeed
    telemetry: Telemetry
    reads: RateLimit
    writes: RateLimit
    streams: int = 0
    """Open WebSockets."""

    @property
    def config(self) -> ApiConfig:
        """What the API was told at its start."""
        return self.context.config


@asynccontextmanager
async def open_service(
    config: ApiConfig, telemetry: Telemetry, status_known_at: StatusKnownAt | None = None
) -> AsyncGenerator[Service]:
    """Clients, identity and the feed's reader. Raises ConfigurationError."""
    authority = Authority(config)
    async with open_context(config) as context:
        context.status_known_at = status_known_at
        await prepare(authority, context)
        sessions = SessionBook()
        service = Service(
            context,
            PipelinedReads(context.status),
            authority,
            AuditLog(context.pool),
            sessions,
            Hub(context.status, sessions, config),
            AlertFeed(context.status),
            telemetry,
            RateLimit(context.status, "reads", config.limits.reads_per_s),
            RateLimit(context.status, "writes", config.limits.writes_per_s),
        )
        work: tuple[Callable[[], Awaitable[None]], ...] = (
            service.reader.run,
            service.hub.run,
            service.hub.beat,
            service.alerts.run,
            service.audit.run,
            partial(authority.run, context),
            partial(sessions.run, context),
            partial(_ask_again, context),
            partial(_sweep, context),
        )
        tasks = [asyncio.create_task(_kept_up(part)) for part in work]
        try:
            yield service
        finally:
            await end(tasks)


async def _kept_up(work: Callable[[], Awaitable[None]]) -> None:
    try:
        await work()
    except Exception:
        # Whatever ends here stays ended; the log says so, and /readyz by its age.
        _log.exception("background_work_ended")
        raise


async def _ask_again(context: Context) -> None:
    """Ask the pipeline for its statuses, once, whenever the status store is found empty."""
    if context.bus is None:
        return
    while True:
        with suppress(RedisError, BusError, Problem, OSError):
            await _ask_if_empty(context)
        await asyncio.sleep(_LOOK_S)


async def _ask_if_empty(context: Context) -> None:
    store = context.status
    # The pipeline may have written again by now: orders that rest have no status all the same.
    if not await store.set(REPUBLISH_MARK, str(time.time_ns()), nx=True):
        return
    try:
        await tell(context, REPUBLISH, "api", {})
    except BaseException:
        with suppress(RedisError, OSError):
            await store.delete(REPUBLISH_MARK)
        raise
    _log.info("status_republish_requested")


async def _sweep(context: Context) -> None:
    """Forget idempotency keys after a day."""
    if context.pool is None:
        return
    while True:
        with suppress(Error, OSError):
            async with context.pool.connection() as connection:
                await connection.execute(FORGET)
        await asyncio.sleep(_SWEEP_S)
