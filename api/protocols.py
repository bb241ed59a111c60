"""How the server speaks HTTP and WebSockets: limits, patience, and frames made beforehand."""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from api.config import LimitConfig

FRAMED = "framed"
"""Member of a `websocket.send` with whole frames, to be written as they are."""
_FAREWELL_S = 1.0

_FULL_BODY = (
    b'{"type":"urn:execmon:problem:too-many-connections","title":"Service Unavailable",'
    b'"status":503,"detail":"too many connections are open; try again later","instance":"/"}'
)
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n"
    b"retry-after: 5\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(_FULL_BODY)
) + _FULL_BODY


class _Patience:
    """A timer that lets a connection go when the other side does nothing for too long."""

    __slots__ = ("_loop", "_timer", "_transport")

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport) -> None:
        self._loop = loop
        self._transport = transport
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, seconds: float) -> None:
        self.end()
        self._timer = self._loop.call_later(seconds, self._transport.abort)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _ReaderAwaited(asyncio.Protocol):
    """A connection that is let go when its client reads nothing for too long."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    write_timeout_s: float
    _reader: _Patience | None = None

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reader = self._reader or _Patience(self.loop, self.transport)
        self._reader.begin(self.write_timeout_s)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._reader is not None:
            self._reader.end()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._reader is not None:
            self._reader.end()
        super().connection_lost(exc)


def http_protocol(limits: LimitConfig) -> type[HttpToolsProtocol]:
    """uvicorn's HTTP with our limits."""

    class Protocol(_ReaderAwaited, HttpToolsProtocol):
        """HTTP with a limit on connections, on waiting for a head and on a reader's sleep."""

        write_timeout_s = limits.write_timeout_s
        _head: _Patience | None = None
        _is_turned_away = False

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            transport = cast(asyncio.Transport, transport)
            if len(self.connections) >= limits.max_connections:
                self._is_turned_away = True
                self.transport = transport
                transport.write(_FULL)
                transport.close()
                return
            super().connection_made(transport)
            self._head = _Patience(self.loop, transport)
            self._head.begin(limits.header_timeout_s)

        def data_received(self, data: bytes) -> None:
            if not self._is_turned_away:
                super().data_received(data)

        def on_message_begin(self) -> None:
            super().on_message_begin()
            if self._head is not None:
                self._head.begin(limits.header_timeout_s)

        def on_headers_complete(self) -> None:
            if self._head is not None:
                self._head.end()
            super().on_headers_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            if self._is_turned_away:
                return
            if self._head is not None:
                self._head.end()
            super().connection_lost(exc)

    return Protocol


def socket_protocol(limits: LimitConfig) -> type[WebSocketsSansIOProtocol]:
    """uvicorn's WebSockets with our limits."""

    class Protocol(_ReaderAwaited, WebSocketsSansIOProtocol):
        """WebSockets that let go of a client that reads nothing for too long.

        One update goes to many clients: its frame is made once, and written here.
        """

        write_timeout_s = limits.write_timeout_s

        async def send(self, message: Any) -> None:
            frames = cast(Mapping[str, Any], message).get(FRAMED)
            if frames is None:
                await super().send(message)
                return
            if not self.writable.is_set():
                await self.writable.wait()
            if self.disconnected or self.close_sent:
                raise ClientDisconnected
            self.transport.write(frames)

        def shutdown(self) -> None:
            super().shutdown()
            # Whoever reads slowly does not read the farewell either.
            self.loop.call_later(_FAREWELL_S, self.transport.abort)

    return Protocol
