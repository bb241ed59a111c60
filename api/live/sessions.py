"""The sessions that count, in memory, so that no status waits for the history store."""

import asyncio
from collections.abc import Iterable

import structlog
from psycopg import Error

from api.context import Context
from api.store import sessions as table
from api.store.sessions import Session

MOST = 200_000
_EVERY_S = 2.0
_OVERLAP_S = 30.0
_log = structlog.get_logger("api")


class SessionBook:
    """Order id → the session that counts. Other processes' sessions come within 2 s."""

    def __init__(self) -> None:
        self._open: dict[str, Session] = {}
        self.is_loaded = False

    def __len__(self) -> int:
        return len(self._open)

    def take(self, sessions: Iterable[Session]) -> None:
        """Learn of sessions, the oldest first."""
        for session in sessions:
            known = self._open.get(session.order_id)
            if session.state != "CLOSED":
                if known is None or known.created_at <= session.created_at:
                    self._open[session.order_id] = session
            elif known is not None and known.session_id == session.session_id:
                del self._open[session.order_id]

    def of(self, order_id: str, desk: str | None) -> Session | None:
        """The session that decides what is shown of this order."""
        found = self._open.get(order_id)
        return found if found is not None and found.counts_for(desk) else None

    def chosen(self, order_id: str, desk: str | None) -> frozenset[str] | None:
        """The metrics to show; None for all five."""
        session = self._open.get(order_id)
        if session is None or not session.request.get("monitoring_metrics"):
            return None
        return (
            frozenset(session.request["monitoring_metrics"]) if session.counts_for(desk) else None
        )

    async def run(self, context: Context) -> None:
        """Keep up with the table until cancelled."""
        if context.pool is None:
            return
        read_at = 0.0
        clock = asyncio.get_running_loop().time
        while True:
            now = clock()
            try:
                async with context.pool.connection() as connection:
                    if not self.is_loaded:
                        self.take(reversed(await table.open_ones(connection, MOST)))
                    else:
                        within_s = now - read_at + _OVERLAP_S
                        self.take(await table.changed(connection, within_s))
                self.is_loaded, read_at = True, now
            except (Error, OSError) as error:
                _log.debug("sessions_from_memory", error=str(error))
            await asyncio.sleep(_EVERY_S)
