"""Serving the application: sockets, patience with slow clients, a polite no to too many."""

import asyncio
import resource
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

import uvicorn
import uvloop
from fastapi import FastAPI
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from api.config import ApiConfig, LimitConfig
from domain.errors import ConfigurationError

_FULL_BODY = (
    b'{"type":"urn:execmon:problem:too-many-connections","title":"Service Unavailable",'
    b'"status":503,"detail":"too many connections are open; try again later","instance":"/"}'
)
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n"
    b"retry-after: 5\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(_FULL_BODY)
) + _FULL_BODY
_SPARE_FILES = 200
_DRAIN_S = 10
_FAREWELL_S = 1.0
_BACKLOG = 2_048
_SEND_BUFFER = 128 << 10
_MOST_MESSAGE = 4_096
_PING_S = 20.0


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


def _http_protocol(limits: LimitConfig) -> type[HttpToolsProtocol]:
    class Protocol(HttpToolsProtocol):
        """HTTP with a limit on connections, on waiting for a head and on a reader's sleep."""

        _head: _Patience | None = None
        _reader: _Patience | None = None
        _is_turned_away = False

        def connection_made(self, transport: asyncio.Transport) -> None:
            if len(self.connections) >= limits.max_connections:
                self._is_turned_away = True
                self.transport = transport
                transport.write(_FULL)
                transport.close()
                return
            super().connection_made(transport)
            self._head = _Patience(self.loop, transport)
            self._reader = _Patience(self.loop, transport)
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

        def pause_writing(self) -> None:
            super().pause_writing()
            if self._reader is not None:
                self._reader.begin(limits.write_timeout_s)

        def resume_writing(self) -> None:
            super().resume_writing()
            if self._reader is not None:
                self._reader.end()

        def connection_lost(self, exc: Exception | None) -> None:
            if self._is_turned_away:
                return
            for patience in (self._head, self._reader):
                if patience is not None:
                    patience.end()
            super().connection_lost(exc)

    return Protocol


def _socket_protocol(limits: LimitConfig) -> type[WebSocketsSansIOProtocol]:
    class Protocol(WebSocketsSansIOProtocol):
        """WebSockets that let go of a client that reads nothing for too long."""

        _reader: _Patience | None = None

        def pause_writing(self) -> None:
            super().pause_writing()
            self._reader = self._reader or _Patience(self.loop, self.transport)
            self._reader.begin(limits.write_timeout_s)

        def resume_writing(self) -> None:
            super().resume_writing()
            if self._reader is not None:
                self._reader.end()

        def connection_lost(self, exc: Exception | None) -> None:
            if self._reader is not None:
                self._reader.end()
            super().connection_lost(exc)

        def shutdown(self) -> None:
            super().shutdown()
            # Whoever reads slowly does not read the farewell either.
            self.loop.call_later(_FAREWELL_S, self.transport.abort)

    return Protocol


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes a free one. Raises ConfigurationError in words."""
    try:
        [(family, _, _, _, address), *_] = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        found = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise ConfigurationError(f"api_host {host!r} is no address: {error.strerror}") from error
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Else the kernel keeps megabytes for each client that does not read.
    found.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
    try:
        found.bind(address)
        found.listen(_BACKLOG)
    except OSError as error:
        found.close()
        raise ConfigurationError(
            f"cannot listen on {host} port {port}: {error.strerror}; "
            "choose another with --port or EXECMON_API_PORT (0 takes a free one)"
        ) from error
    found.setblocking(False)
    return found


def address_of(listener: socket.socket) -> str:
    """Where browsers and programs find what listens there."""
    host, port = listener.getsockname()[:2]
    shown = "127.0.0.1" if host == "0.0.0.0" else "::1" if host == "::" else host
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def _allow_files(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class ApiServer(uvicorn.Server):
    """One process of the API on the running event loop."""

    def __init__(self, app: ASGIApp, config: ApiConfig, ready: Callable[[], None]) -> None:
        limits = config.limits
        _allow_files(limits.max_connections + _SPARE_FILES)
        super().__init__(
            uvicorn.Config(
                app,
                http=_http_protocol(limits),
                ws=_socket_protocol(limits),
                ws_max_size=_MOST_MESSAGE,
                ws_per_message_deflate=False,
                ws_ping_interval=_PING_S,
                ws_ping_timeout=_PING_S,
                lifespan="off",
                log_config=None,
                # At INFO it would write each WebSocket's address, its ticket included.
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=int(limits.idle_timeout_s),
                timeout_graceful_shutdown=_DRAIN_S,
                backlog=_BACKLOG,
            )
        )
        self._ready = ready
        self.ended_by: int | None = None
        """The signal that ended it."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell whoever waits."""
        await super().startup(sockets)
        self._ready()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """End on SIGTERM or Ctrl-C without passing the signal on: cleaning up comes first."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with suppress(ValueError, RuntimeError):
                loop.add_signal_handler(number, self._end, number)
        yield

    def _end(self, number: int) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True
        self.ended_by = number


def serve(
    app: FastAPI, config: ApiConfig, listener: socket.socket, *, ready: Callable[[], None]
) -> int | None:
    """Serve until SIGTERM or Ctrl-C, then answer what was asked and end.

    Gives the signal that ended it; raises what the application's start raised.
    """

    async def run() -> int | None:
        async with app.router.lifespan_context(app):
            server = ApiServer(app, config, ready)
            await server.serve(sockets=[listener])
            return server.ended_by

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())
