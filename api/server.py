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

from api.config import ApiConfig
from api.protocols import http_protocol, socket_protocol
from domain.errors import ConfigurationError

_SPARE_FILES = 200
_DRAIN_S = 10
_BACKLOG = 2_048
_SEND_BUFFER = 128 << 10
_MOST_MESSAGE = 4_096
_PING_S = 20.0


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
                http=http_protocol(limits),
                ws=socket_protocol(limits),
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
