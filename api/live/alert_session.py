"""One WebSocket of alerts: hello, the open ones, each change as it comes, heartbeats."""

import asyncio
from typing import Any

import msgspec
from starlette.websockets import WebSocket

from analytics.history.alerts import AlertFilter, AlertPlace
from api.alerts.live import open_alerts
from api.identity.caller import Caller, Scope
from api.live.alert_feed import AlertClient, AlertEntry
from api.live.entry import framed
from api.protocols import FRAMED
from api.service import Service
from api.tasks import end

_PAGE = 200
_encode = msgspec.json.Encoder().encode


class AlertSession:
    """Sends one client the alerts it may see, of one desk where it asked for one."""

    def __init__(self, socket: WebSocket, service: Service, caller: Caller, desk: str) -> None:
        self._socket = socket
        self._service = service
        self._caller = caller
        self._desk = desk
        self._client = AlertClient(self._is_wanted)

    def _is_wanted(self, desk: str) -> bool:
        return self._caller.sees(desk) and self._desk in {"", desk}

    async def run(self) -> None:
        """Stream until the client goes."""
        feed = self._service.alerts
        feed.join(self._client)
        tasks = {asyncio.create_task(self._gone()), asyncio.create_task(self._send())}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            feed.leave(self._client)
            await end(tasks)
        for task in done:
            task.result()

    async def _gone(self) -> None:
        while (await self._socket.receive())["type"] != "websocket.disconnect":
            pass

    async def _send(self) -> None:
        every_s = self._service.config.heartbeat_s
        await self._tell(
            "hello",
            heartbeat_s=every_s,
            desk=self._desk or None,
            may_operate=self._caller.may(Scope.OPERATE),
        )
        await self._snapshots()
        while True:
            if self._client.is_out_of_date:
                await self._tell("resync")
                await self._snapshots()
            if changes := self._client.take():
                await self._put(b"".join(map(_change, changes)))
                continue
            try:
                async with asyncio.timeout(every_s):
                    await self._client.wake.wait()
            except TimeoutError:
                await self._beat()

    async def _beat(self) -> None:
        await self._tell("heartbeat", store_is_up=self._service.alerts.is_up)

    async def _snapshots(self) -> None:
        """Every open alert it may see, and none of them again as a change that it contains."""
        self._client.begin()
        chosen = AlertFilter(desk=self._desk or None)
        after: AlertPlace | None = None
        while True:
            part = await open_alerts(
                self._service.context.status, chosen, self._caller, limit=_PAGE, after=after
            )
            await self._put(b"".join(map(_snapshot, part.records)))
            for record in part.records:
                self._client.shown(record["alert_id"], record["seq"])
            after = part.end
            if after is None:
                break
        await self._beat()

    async def _tell(self, kind: str, **more: Any) -> None:
        members = {"kind": kind, "alert_id": None, "seq": None, **more}
        await self._put(framed(_encode({**members, "alert": None, "transition": None})))

    async def _put(self, frames: bytes) -> None:
        if frames:
            await self._socket.send({"type": "websocket.send", FRAMED: frames})


def _snapshot(record: dict[str, Any]) -> bytes:
    body = _encode({"alert": record, "transition": None})
    return _frame("snapshot", record["alert_id"], record["seq"], body)


def _change(entry: AlertEntry) -> bytes:
    return _frame("change", entry.alert_id, entry.seq, entry.body)


def _frame(kind: str, alert_id: str, seq: int, body: bytes) -> bytes:
    head = _encode({"kind": kind, "alert_id": alert_id, "seq": seq})
    return framed(head[:-1] + b"," + body[1:])
