"""One reader of the status feed for all WebSocket clients of this process."""

import asyncio
import time
from typing import Any, cast

import structlog
from redis.exceptions import RedisError

from api.config import ApiConfig
from api.live.client import StreamClient
from api.live.entry import ORIGIN, Entry, Rank, entry_of, rank_of
from api.live.memory import FeedMemory
from api.live.sessions import SessionBook
from api.selection import with_metrics
from domain.instants import MILLISECOND
from domain.topics import FEED, OPEN_ORDERS

_COUNT = 500
_BLOCK_MS = 500
_RETRY_S = 0.25
_PARTS = 20
"""Clients are reminded of heartbeats in so many groups, not all at once."""
_log = structlog.get_logger("api")


class Hub:
    """Reads the feed once and hands each update to whoever wants it."""

    def __init__(self, store: Any, sessions: SessionBook, config: ApiConfig) -> None:
        self._store = store
        self._sessions = sessions
        self._config = config
        self._of_order: dict[str, set[StreamClient]] = {}
        self._of_many: set[StreamClient] = set()
        self.memory = FeedMemory(config.feed_memory_bytes)
        self.caught_up = asyncio.Event()
        """Set once what the feed held at the start was read."""
        self.is_up = False
        self.open_orders = 0
        self._open_read_at = -1e9

    # What is known

    def data_age_ms(self) -> int | None:
        """Time since the newest update; None where there was none yet."""
        newest = self.memory.newest
        if newest is None:
            return None
        return max(0, (time.time_ns() - newest.ts) // MILLISECOND)

    def is_stale(self) -> bool:
        """Whether orders are open and yet nothing was heard of them for too long."""
        age_ms = self.data_age_ms()
        if not self.open_orders:
            return False
        return age_ms is None or age_ms > self._config.stale_after_s * 1000

    @property
    def clients(self) -> int:
        """Clients that listen."""
        return len(self._of_many) + sum(map(len, self._of_order.values()))

    # Clients

    def join(self, client: StreamClient) -> None:
        """Hand this client whatever comes from now on."""
        if client.order_id is None:
            self._of_many.add(client)
        else:
            self._of_order.setdefault(client.order_id, set()).add(client)

    def leave(self, client: StreamClient) -> None:
        """This client has gone."""
        self._of_many.discard(client)
        if client.order_id is not None:
            group = self._of_order.get(client.order_id)
            if group is not None:
                group.discard(client)
                if not group:
                    del self._of_order[client.order_id]

    def _everyone(self) -> list[StreamClient]:
        return [*self._of_many, *(c for group in self._of_order.values() for c in group)]

    async def beat(self) -> None:
        """Remind every client in turn of its heartbeat, until cancelled."""
        while True:
            for part in range(_PARTS):
                await asyncio.sleep(self._config.heartbeat_s / _PARTS)
                for i, client in enumerate(self._everyone()):
                    if i % _PARTS == part:
                        client.beat()

    # The feed

    async def run(self) -> None:
        """Read until cancelled, through every absence of the store."""
        at: Rank | None = None
        is_said = False
        while True:
            try:
                if not self.is_up:
                    at = await self._begin(at)
                    self.is_up, is_said = True, False
                at = await self._read(at or ORIGIN)
                await self._count_open()
            except (RedisError, OSError) as error:
                if not is_said:
                    _log.warning("feed_lost", error=str(error))
                self.is_up, is_said = False, True
                await asyncio.sleep(_RETRY_S)

    async def _begin(self, at: Rank | None) -> Rank:
        """Where to read on: after `at` if nothing in between is gone, else with a gap."""
        info = await self._stream()
        first = info["first"]
        if at is None:
            if info["added"] > info["length"] and first is not None:
                self.memory.lose(_before(first))
            return ORIGIN
        if first is None or first > at:
            self._lose(at)
        return at

    def _lose(self, at: Rank) -> None:
        """Updates after this position may have gone unread."""
        self.memory.lose(at)
        for client in self._everyone():
            client.lose()

    async def _stream(self) -> dict[str, Any]:
        if not await self._store.exists(FEED):
            return {"first": None, "added": 0, "length": 0}
        info = cast(dict[Any, Any], await self._store.xinfo_stream(FEED))
        found = {(k.decode() if isinstance(k, bytes) else k): v for k, v in info.items()}
        first = found.get("first-entry")
        return {
            "first": rank_of(first[0].decode()) if first else None,
            "added": int(found.get("entries-added", found["length"])),
            "length": int(found["length"]),
        }

    async def _read(self, at: Rank) -> Rank:
        position = f"{at[0]}-{at[1]}"
        answer = await self._store.xread({FEED: position}, count=_COUNT, block=_BLOCK_MS)
        entries = entries_of(answer)
        if len(entries) < _COUNT:
            self.caught_up.set()
        elif at != ORIGIN:
            first = (await self._stream())["first"]
            if first is None or first > at:
                self._lose(_before(first or at))
        for raw_position, fields in entries:
            self._hand_out(self._shown(entry_of(raw_position, fields)))
        if entries:
            at = self.memory.end
        if len(entries) == _COUNT:
            # Let clients send between two full readings.
            await asyncio.sleep(0)
        return at

    def _shown(self, entry: Entry) -> Entry:
        chosen = self._sessions.chosen(entry.order_id, entry.desk)
        if chosen is not None:
            entry.body = with_metrics(entry.body, chosen)
        return entry

    def _hand_out(self, entry: Entry) -> None:
        self.memory.append(entry)
        for client in self._of_order.get(entry.order_id, ()):
            client.offer(entry)
        for client in self._of_many:
            client.offer(entry)

    async def _count_open(self) -> None:
        now = time.monotonic()
        if now - self._open_read_at >= 1.0:
            self._open_read_at = now
            self.open_orders = int(await self._store.zcard(OPEN_ORDERS))


def _before(rank: Rank) -> Rank:
    """The greatest position that comes before this one."""
    return (rank[0], rank[1] - 1) if rank[1] else (rank[0] - 1, (1 << 64) - 1)


def entries_of(answer: Any) -> list[Any]:
    """The (position, fields) pairs of what reading one stream gave."""
    if not answer:
        return []
    pairs = answer.items() if isinstance(answer, dict) else answer
    for _, found in pairs:
        # redis-py nests the entries once more under RESP3.
        return found[0] if found and isinstance(found[0], list) else found
    return []
