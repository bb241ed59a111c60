"""The outermost layer: ids, limits of bodies, security headers, counting, and the last catch."""

import asyncio
import re
import time
from contextlib import suppress
from secrets import token_hex
from typing import Any

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.config import LimitConfig
from api.problems import Problem, as_problem, problem_response
from api.telemetry import Telemetry

_ID = re.compile(rb"[A-Za-z0-9._:-]{1,100}")
_SAFE = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_NOWHERE = "(none)"
_CUT_SHORT = frozenset({408, 413})
"""Answers before the whole body was read: nothing can follow them on their connection."""
_LINGER_S = 1.0
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Gate:
    """ASGI middleware around everything; requests only, WebSockets pass."""

    def __init__(self, app: ASGIApp, limits: LimitConfig, telemetry: Telemetry) -> None:
        self._app = app
        self._limits = limits
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        call = _Call(scope, receive, send, self._limits)
        try:
            await call.run(self._app)
        finally:
            self._count(scope, call.status, time.perf_counter() - began)

    def _count(self, scope: Scope, status: int, took_s: float) -> None:
        route = getattr(scope.get("route"), "path", _NOWHERE)
        method = scope["method"] if scope["method"] in _METHODS else _NOWHERE
        self._telemetry.answered(method, route, status, took_s)


class _Call:
    """One request on its way in and its answer on its way out."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, limits: LimitConfig) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._limits = limits
        self._taken = 0
        self._is_read = False
        self.status = 0
        headers: dict[bytes, bytes] = dict(scope["headers"])
        self._length = _length(headers.get(b"content-length"))
        told = headers.get(b"x-request-id", b"")
        self._id = told if _ID.fullmatch(told) else token_hex(12).encode()
        scope.setdefault("state", {})["request_id"] = self._id.decode()

    async def run(self, app: ASGIApp) -> None:
        if self._length > self._limits.max_body_bytes:
            await self._refuse(self._too_large())
            return
        try:
            await app(self._scope, self._read, self._answer)
        except Exception as error:
            if self.status:
                raise
            await self._refuse(as_problem(error))

    async def _refuse(self, problem: Problem) -> None:
        await problem_response(self._scope, problem)(self._scope, self._read, self._answer)

    async def _read(self) -> Message:
        if self._is_read:
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), self._limits.body_timeout_s)
        except TimeoutError:
            self._is_read = True
            raise HTTPException(
                408, f"the body did not arrive within {self._limits.body_timeout_s:g} s"
            ) from None
        if message["type"] == "http.request":
            self._taken += len(message.get("body", b""))
            self._is_read = not message.get("more_body", False)
            if self._taken > self._limits.max_body_bytes:
                raise HTTPException(413, self._too_large().detail)
        return message

    def _too_large(self) -> Problem:
        return Problem(
            413,
            "body-too-large",
            f"a body may have at most {self._limits.max_body_bytes:,} bytes",
        )

    async def _answer(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers: list[tuple[bytes, bytes]] = list(message.get("headers", ()))
            names = {name for name, _ in headers}
            headers += (pair for pair in _SAFE if pair[0] not in names)
            if _POLICY[0] not in names:
                headers.append(_POLICY)
            headers.append((b"x-request-id", self._id))
            if self.status in _CUT_SHORT:
                headers.append((b"connection", b"close"))
            message = {**message, "headers": headers}
        elif self.status in _CUT_SHORT and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._let_arrive()
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    async def _let_arrive(self) -> None:
        """Take in what is still being sent, unread.

        A connection closed over bytes that nobody took is reset, and a reset overtakes the
        answer: a client in the midst of sending would never learn why it was cut off.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_S):
                while (await self._receive()).get("more_body", False):
                    pass


def _length(told: bytes | None) -> int:
    try:
        return int(told or 0)
    except ValueError:
        return 0


def request_id(scope: Any) -> str | None:
    """The id of this request, as its answer names it."""
    return scope.get("state", {}).get("request_id")
