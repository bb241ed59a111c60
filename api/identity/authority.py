"""Who sends a request, whichever way they say it; and when nobody needs to."""

import asyncio
import ipaddress
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import structlog
from psycopg import Error
from starlette.requests import HTTPConnection

from api.config import LOOPBACK, ApiConfig
from api.context import Connection, Context, why_away
from api.identity.caller import LOCAL, Caller
from api.identity.keys import PREFIX, KeyRing, unauthenticated
from api.identity.limits import Buckets
from api.identity.tickets import redeem
from api.identity.tokens import TokenCheck
from api.problems import Problem, unavailable
from api.store import keys
from domain.errors import ConfigurationError

_NOTE_USED_S = 30.0
_WRONG_PER_S, _WRONG_AT_ONCE = 5.0, 50.0
_log = structlog.get_logger("api")


class Authority:
    """Checks keys, tokens and tickets; keeps the keys fresh beside the requests."""

    def __init__(self, config: ApiConfig) -> None:
        self.config = config
        self.ring = KeyRing()
        self.tokens = TokenCheck(config.token) if config.token.jwks else None
        self._wrong = Buckets(_WRONG_PER_S, _WRONG_AT_ONCE)
        if not config.history_url:
            self.ring.replace(())

    @property
    def is_open(self) -> bool:
        """Whether whoever is on this machine may do everything: no key was ever made."""
        return (
            self.config.is_loopback
            and self.tokens is None
            and self.ring.is_loaded
            and not len(self.ring)
        )

    async def caller(self, connection: HTTPConnection, store: Any) -> Caller:
        """Who sent this. Raises Problem 401, 429 after many wrong tries, 503."""
        told = _credentials(connection)
        if told:
            try:
                return await self._checked(told)
            except Problem as problem:
                raise self._slowed(connection, problem) from None
        ticket = connection.query_params.get("ticket") if _is_stream(connection) else None
        if ticket:
            try:
                return await redeem(store, ticket)
            except Problem as problem:
                raise self._slowed(connection, problem) from None
        if self.is_open:
            _must_be_local(connection)
            return LOCAL
        if not self.ring.is_loaded and self.tokens is None:
            raise _keys_unread()
        raise unauthenticated(
            "say who you are: `Authorization: Bearer KEY`, or `X-Api-Key: KEY`; "
            "`execmon keys create` makes a key"
        )

    async def _checked(self, told: str) -> Caller:
        if told.startswith(PREFIX):
            if not self.ring.is_loaded:
                raise _keys_unread()
            return self.ring.caller(told)
        if self.tokens is None:
            raise unauthenticated("this is not an API key: those begin with execmon_")
        return await self.tokens.caller(told)

    def _slowed(self, connection: HTTPConnection, problem: Problem) -> Problem:
        """The problem, or 429 where this address was wrong too often."""
        address = connection.client.host if connection.client else ""
        if problem.status != 401 or not self._wrong.take(address):
            return problem
        return Problem(
            429,
            "too-many-requests",
            f"too many wrong keys from {address}",
            headers={"Retry-After": "1"},
        )

    async def refresh(self, connection: Connection) -> None:
        """Read the keys as they are now."""
        self.ring.replace(await keys.read(connection))

    async def run(self, context: Context) -> None:
        """Keep the keys fresh until cancelled, so that a revoked one ends within seconds."""
        if context.pool is None:
            return
        noted = asyncio.get_running_loop().time()
        # Before the first request they were asked for already, and what was wrong was said.
        was_down = not self.ring.is_loaded
        while True:
            try:
                async with context.pool.connection() as connection:
                    await self.refresh(connection)
                    now = asyncio.get_running_loop().time()
                    if self.ring.used and now - noted >= _NOTE_USED_S:
                        noted, used = now, sorted(self.ring.used)
                        self.ring.used.clear()
                        await keys.note_used(connection, used)
                was_down = False
            except (Error, OSError) as error:
                if not was_down:
                    _log.warning("keys_from_memory", error=await why_away(context, error))
                was_down = True
            await asyncio.sleep(self.config.key_refresh_s)


async def prepare(authority: Authority, context: Context) -> None:
    """Read the keys before the first request, if they can be read now.

    Raises ConfigurationError where anybody on a network could do anything.
    """
    if context.pool is not None:
        try:
            async with context.pool.connection() as connection:
                await authority.refresh(connection)
        except (Error, OSError) as error:
            _log.warning("keys_unread", error=await why_away(context, error))
    if authority.config.is_loopback or authority.tokens is not None:
        return
    if context.pool is None or (authority.ring.is_loaded and not len(authority.ring)):
        raise ConfigurationError(
            f"refuses to start unauthenticated on {authority.config.host}: make a key with "
            "`execmon keys create`, name an identity provider with EXECMON_API_JWT_JWKS, "
            "or listen on 127.0.0.1"
        )


def _keys_unread() -> Problem:
    return unavailable(
        "history store", "the API keys could not be read yet: the history store does not answer"
    )


def _credentials(connection: HTTPConnection) -> str:
    headers = connection.headers
    key = headers.get("x-api-key", "").strip()
    scheme, _, told = headers.get("authorization", "").partition(" ")
    told = told.strip()
    if scheme and scheme.lower() != "bearer":
        raise unauthenticated(f"expected `Authorization: Bearer …`, not {scheme[:20]!r}")
    if key and told and key != told:
        raise unauthenticated("Authorization and X-Api-Key name two callers; send one of them")
    if scheme and not told:
        raise unauthenticated("expected a key or a token after `Authorization: Bearer`")
    return key or told


def _is_stream(connection: HTTPConnection) -> bool:
    return connection.scope["type"] == "websocket"


def _must_be_local(connection: HTTPConnection) -> None:
    """Refuse a web page elsewhere that made its visitor's browser ask here.

    Its name would point to this machine (DNS rebinding), so the `Host` gives it away.
    """
    host = connection.headers.get("host", "")
    if not _is_local(host):
        raise Problem(
            403, "host", f"without keys this answers to localhost alone, not to the name {host!r}"
        )


@lru_cache(maxsize=64)
def _is_local(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname or ""
    if name in LOOPBACK:
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
