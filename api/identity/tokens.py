"""Bearer tokens (JWT) of an identity provider, checked against its published keys (JWKS)."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import jwt
import structlog

from api.config import LOOPBACK, TokenConfig
from api.identity.caller import Caller, scope_of
from api.identity.keys import unauthenticated
from api.problems import unavailable
from domain.errors import ConfigurationError

ALGORITHMS = ("RS256", "ES256", "EdDSA")
_REFRESH_S = 300.0
_HURRY_S = 5.0
"""Least time between two readings for the sake of a key not known."""
_MOST_CHECKED = 4_096
_MOST_BYTES = 1 << 20
_log = structlog.get_logger("api")


class TokenCheck:
    """Turns a token into a caller; remembers those it checked until they expire."""

    def __init__(self, config: TokenConfig) -> None:
        self._config = config
        self._keys: list[jwt.PyJWK] = []
        self._read_at = -_REFRESH_S
        self._lock = asyncio.Lock()
        self._checked: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()
        self._is_url = "://" in config.jwks
        if self._is_url:
            parts = urlsplit(config.jwks)
            if parts.scheme != "https" and parts.hostname not in LOOPBACK:
                raise ConfigurationError(
                    f"api_jwt_jwks must be a file or an https address, was {config.jwks}"
                )
        else:
            self._keys = _parsed(_file(config.jwks))
        if not config.issuer or not config.audience:
            raise ConfigurationError(
                "api_jwt_jwks needs api_jwt_issuer and api_jwt_audience beside it: "
                "without them tokens made for others would be taken"
            )

    async def caller(self, token: str) -> Caller:
        """Whose token it is. Raises Problem 401, or 503 where the keys cannot be had."""
        mark = sha256(token.encode()).digest()
        known = self._checked.get(mark)
        if known and known[1] > time.time():
            return known[0]
        claims = self._claims(token, await self._key_of(token))
        caller = self._caller_of(claims)
        self._checked[mark] = (caller, float(claims["exp"]) + self._config.leeway_s)
        if len(self._checked) > _MOST_CHECKED:
            self._checked.popitem(last=False)
        return caller

    async def _key_of(self, token: str) -> jwt.PyJWK:
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError as error:
            raise unauthenticated("the bearer token is neither an API key nor a JWT") from error
        if header.get("alg") not in ALGORITHMS:
            raise unauthenticated(f"the token must be signed with {' or '.join(ALGORITHMS)}")
        found = self._matching(header)
        waited = time.monotonic() - self._read_at
        if waited >= _REFRESH_S or (found is None and waited >= _HURRY_S):
            await self._refresh()
            found = self._matching(header)
        if found is None:
            if not self._keys:
                raise unavailable("identity provider", "the keys of the issuer cannot be had now")
            raise unauthenticated("no key of the issuer fits this token")
        return found

    def _matching(self, header: Mapping[str, Any]) -> jwt.PyJWK | None:
        fitting = [key for key in self._keys if key.algorithm_name == header["alg"]]
        kid = header.get("kid")
        if kid is None:
            return fitting[0] if len(fitting) == 1 else None
        return next((key for key in fitting if key.key_id == kid), None)

    async def _refresh(self) -> None:
        async with self._lock:
            if time.monotonic() - self._read_at < _HURRY_S:
                return
            self._read_at = time.monotonic()
            try:
                raw = await self._fetched() if self._is_url else _file(self._config.jwks)
                self._keys = _parsed(raw)
                self._checked.clear()
            except (httpx.HTTPError, ConfigurationError) as error:
                _log.warning("jwks_unreadable", jwks=self._config.jwks, error=str(error))

    async def _fetched(self) -> bytes:
        async with httpx.AsyncClient(timeout=5.0) as client:
            answer = await client.get(self._config.jwks)
            answer.raise_for_status()
            return answer.content[:_MOST_BYTES]

    def _claims(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=self._config.audience,
                issuer=self._config.issuer,
                leeway=self._config.leeway_s,
                options={"require": ["exp", "iss", "aud", self._config.name_claim]},
            )
        except jwt.ExpiredSignatureError as error:
            raise unauthenticated("the token has expired") from error
        except jwt.InvalidTokenError as error:
            raise unauthenticated(f"the token is not valid: {error}") from error

    def _caller_of(self, claims: Mapping[str, Any]) -> Caller:
        config = self._config
        desks = _words(claims.get(config.desks_claim))
        return Caller(
            _name(claims[config.name_claim]),
            scope_of(word.rpartition(":")[2] for word in _words(claims.get(config.scopes_claim))),
            None if "*" in desks else frozenset(desks),
            "token",
        )


def _name(claim: object) -> str:
    """A name that can be stored, whatever the issuer allows."""
    return str(claim).replace("\0", "\ufffd").encode(errors="replace").decode()[:200]


def _words(claim: object) -> list[str]:
    """A claim's words, from a list or from a text with spaces between them."""
    if isinstance(claim, str):
        return claim.split()
    if isinstance(claim, list):
        return [str(word) for word in cast(list[object], claim)]
    return []


def _file(path: str) -> bytes:
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read api_jwt_jwks {path}: {error.strerror}") from error


def _parsed(raw: bytes) -> list[jwt.PyJWK]:
    try:
        keys = jwt.PyJWKSet.from_json(raw.decode()).keys
    except (jwt.PyJWTError, ValueError, AttributeError) as error:
        raise ConfigurationError(f"api_jwt_jwks is not a set of public keys: {error}") from error
    return [key for key in keys if key.algorithm_name in ALGORITHMS]
