"""One WebSocket from its hello to its end.

hello, then either what the client missed or snapshots, then each update as it comes, and a
heartbeat at least every few seconds with the age of the data.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from starlette.websockets import WebSocket

from api.identity.caller import NO_DESK
from api.live.client import StreamClient
from api.live.entry import Entry, Rank, frame, framed, note, rank_of
from api.problems import Problem, unavailable
from api.protocols import FRAMED
from api.service import Service
from api.status import Found, newest, shown
from api.tasks import end
from domain.status import with_alerts
from domain.topics import FEED, open_orders_key, status_key

_PAGE = 100
_CATCH_UP_S = 5.0
_NOWHERE = "0-0"
_AT_ONCE = 16
"""Updates in one write: as many as can be waiting before a slow reader is noticed."""


class StreamSession:
    """Sends one client its updates; `desk` names the desk it asked for, if any."""

    def __init__(
        self,
        socket: WebSocket,
        service: Service,
        client: StreamClient,
        *,
        desk: str = "",
        last_seq: int | None = None,
        position: str = "",
    ) -> None:
        self._socket = socket
        self._service = service
        self._hub = service.hub
        self._client = client
        self._desk = desk
        self._last_seq = last_seq
        self._from = _rank("position", position) if position else None
        self._seq: int | None = last_seq
        self._held: Entry | None = None

    async def run(self) -> None:
        """Stream until the client goes."""
        await self._caught_up()
        self._hub.join(self._client)
        tasks = {asyncio.create_task(self._gone()), asyncio.create_task(self._send())}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hub.leave(self._client)
            await end(tasks)
        for task in done:
            task.result()

    async def _caught_up(self) -> None:
        try:
            await asyncio.wait_for(self._hub.caught_up.wait(), _CATCH_UP_S)
        except TimeoutError:
            raise unavailable(
                "status store", "the status store does not answer; try again"
            ) from None

    async def _gone(self) -> None:
        while (await self._socket.receive())["type"] != "websocket.disconnect":
            pass

    async def _send(self) -> None:
        missed = self._missed()
        asked = self._from is not None or self._last_seq is not None
        await self._tell(
            note(
                "hello",
                order_id=self._client.order_id,
                seq=self._last_seq,
                position="{}-{}".format(*self._hub.memory.end),
                resumed=missed is not None,
                snapshot_required=asked and missed is None,
                heartbeat_s=self._service.config.heartbeat_s,
            )
        )
        if missed is None:
            await self._snapshots("resync" if asked else "snapshot")
        else:
            self._client.replay(missed)
        while True:
            if self._client.is_out_of_date:
                self._client.drop_waiting()
                await self._snapshots("resync")
            await self._updates()
            if self._client.take_beat():
                await self._beat()
            await self._client.wake.wait()

    def _missed(self) -> list[Entry] | None:
        """What the client missed since it left; None where that is not known any more."""
        memory = self._hub.memory
        if self._from is not None:
            return memory.after(self._from)
        if self._last_seq is not None and self._client.order_id is not None:
            return memory.of_order_after(self._client.order_id, self._last_seq)
        return None

    async def _tell(self, text: bytes) -> None:
        await self._put(framed(text))

    async def _put(self, frames: bytes) -> None:
        await self._socket.send({"type": "websocket.send", FRAMED: frames})

    # Updates

    async def _updates(self) -> None:
        telemetry = self._service.telemetry
        while found := self._client.take():
            if not self._is_live(found[-1][0]):
                self._held = found[-1][0]
                continue
            for at in range(0, len(found), _AT_ONCE):
                some = found[at : at + _AT_ONCE]
                await self._put(b"".join([entry.delta(skipped) for entry, skipped in some]))
                for entry, _ in some:
                    self._sent(entry)
            telemetry.skipped.inc(sum(skipped for _, skipped in found))
            telemetry.sent.inc(len(found))

    def _is_live(self, entry: Entry) -> bool:
        if self._client.order_id is None:
            return True
        session = self._service.sessions.of(entry.order_id, entry.desk)
        return session is None or bool(session.request.get("real_time_updates", True))

    def _sent(self, entry: Entry) -> None:
        if entry.seq is not None:
            self._seq = entry.seq

    async def _beat(self) -> None:
        """A heartbeat; before it, where each update is not wanted, the newest state."""
        held, self._held = self._held, None
        if held is not None:
            await self._tell(frame("snapshot", held))
            self._sent(held)
        await self._tell(
            note(
                "heartbeat",
                order_id=self._client.order_id,
                seq=self._seq if self._client.order_id is not None else None,
                position="{}-{}".format(*self._hub.memory.end),
                data_age_ms=self._hub.data_age_ms(),
                is_stale=self._hub.is_stale(),
                store_is_up=self._hub.is_up,
                open_orders=self._hub.open_orders,
            )
        )

    # Snapshots

    async def _snapshots(self, kind: str) -> None:
        """The newest status of each order it follows, and no update twice after them."""
        if self._client.order_id is not None:
            await self._snapshot(kind, self._client.order_id)
        else:
            async for ids in self._open_orders():
                for entry in await self._statuses(ids):
                    if self._client.wanted(entry):
                        await self._tell(frame(kind, entry))
        await self._beat()

    async def _snapshot(self, kind: str, order_id: str) -> None:
        found = await self._statuses([order_id])
        if not found:
            old = await newest(self._service, order_id)
            found = [_entry(old, order_id, _NOWHERE)]
        for entry in found:
            if self._client.wanted(entry):
                await self._tell(frame(kind, entry))
                self._sent(entry)

    async def _open_orders(self) -> AsyncGenerator[Sequence[str]]:
        store, caller = self._service.context.status, self._client.caller
        desks = [self._desk] if self._desk else None if caller.desks is None else caller.desks
        keys = [open_orders_key()]
        if desks is not None and NO_DESK not in desks:
            keys = [open_orders_key(desk) for desk in sorted(desks)]
        for key in keys:
            ids = [raw.decode() for raw in await store.zrange(key, 0, -1, desc=True)]
            for at in range(0, len(ids), _PAGE):
                yield ids[at : at + _PAGE]

    async def _statuses(self, ids: Sequence[str]) -> list[Entry]:
        """Statuses as they stood at one position of the feed; it was read with them."""
        async with self._service.context.status.pipeline(transaction=True) as pipe:
            pipe.xrevrange(FEED, count=1)
            for order_id in ids:
                pipe.hmget(status_key(order_id), "body", "alerts")
            last, *bodies = await pipe.execute()
        position = last[0][0].decode() if last else _NOWHERE
        found: list[Entry] = []
        floors: Mapping[str, Rank] = dict.fromkeys(ids, rank_of(position))
        for order_id, (body, alerts) in zip(ids, bodies, strict=True):
            if body is not None:
                whole = with_alerts(body, alerts) if alerts else body
                found.append(_entry(shown(self._service, order_id, whole), order_id, position))
        self._client.raise_floors(floors)
        return found


def _entry(found: Found, order_id: str, position: str) -> Entry:
    return Entry(position, order_id, found.desk, found.head.seq, found.body)


def _rank(name: str, text: Any) -> Rank:
    try:
        return rank_of(text)
    except ValueError:
        raise Problem(
            422, "invalid", f"{name} must be one that a frame gave, was {text!r}"
        ) from None
