"""One reader of the alerts' feed for all WebSocket clients of this process."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from redis.exceptions import RedisError

from api.live.hub import entries_of
from domain.topics import ALERT_FEED

ROOM = 1_000
"""Changes that may wait for a client before it has to begin anew."""
_COUNT = 500
_BLOCK_MS = 500
_RETRY_S = 0.25
_log = structlog.get_logger("api")


@dataclass(frozen=True, slots=True)
class AlertEntry:
    """One change as the feed holds it."""

    alert_id: str
    desk: str
    seq: int
    body: bytes
    """JSON of the alert after it, and of the step."""


class AlertClient:
    """What waits for one client."""

    def __init__(self, wanted: Callable[[str], bool]) -> None:
        self._wanted = wanted
        self._waiting: deque[AlertEntry] = deque()
        self._floors: dict[str, int] = {}
        self.wake = asyncio.Event()
        self.is_out_of_date = False
        """Whether changes were lost, so that it needs the open ones anew."""

    def offer(self, entry: AlertEntry) -> None:
        """A change has come."""
        if not self._wanted(entry.desk):
            return
        if len(self._waiting) >= ROOM:
            self.lose()
            return
        self._waiting.append(entry)
        self.wake.set()

    def lose(self) -> None:
        """Changes were lost on the way here."""
        self._waiting.clear()
        self.is_out_of_date = True
        self.wake.set()

    def begin(self) -> None:
        """It is given the open ones now: what came before is of no use."""
        self.is_out_of_date = False
        self._waiting.clear()
        self._floors.clear()

    def shown(self, alert_id: str, seq: int) -> None:
        """It has this alert as it was after its step `seq`."""
        self._floors[alert_id] = seq

    def take(self) -> list[AlertEntry]:
        """What is to be sent now, without what it has already."""
        found = list(self._waiting)
        self._waiting.clear()
        self.wake.clear()
        return [entry for entry in found if entry.seq > self._floors.pop(entry.alert_id, 0)]


class AlertFeed:
    """Reads the feed once and hands each change to whoever wants it."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self._clients: set[AlertClient] = set()
        self.is_up = False

    def join(self, client: AlertClient) -> None:
        """Hand this client whatever comes from now on."""
        self._clients.add(client)

    def leave(self, client: AlertClient) -> None:
        """This client has gone."""
        self._clients.discard(client)

    async def run(self) -> None:
        """Read until cancelled, through every absence of the store."""
        at = b"0-0"
        while True:
            try:
                if not self.is_up:
                    at = await self._end()
                    self.is_up = True
                    for client in self._clients:
                        client.lose()
                at = await self._read(at)
            except (RedisError, OSError) as error:
                if self.is_up:
                    _log.warning("alert_feed_lost", error=str(error))
                self.is_up = False
                await asyncio.sleep(_RETRY_S)

    async def _end(self) -> bytes:
        newest = await self._store.xrevrange(ALERT_FEED, count=1)
        return newest[0][0] if newest else b"0-0"

    async def _read(self, at: bytes) -> bytes:
        answer = await self._store.xread({ALERT_FEED: at}, count=_COUNT, block=_BLOCK_MS)
        for position, fields in entries_of(answer):
            entry = AlertEntry(
                fields[b"alert_id"].decode(),
                fields[b"desk"].decode(),
                int(fields[b"seq"]),
                fields[b"body"],
            )
            for client in self._clients:
                client.offer(entry)
            at = position
        return at
