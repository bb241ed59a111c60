"""API keys: `execmon_ID_SECRET`, of which only a hash of the secret is stored.

A secret has 256 random bits, so one round of SHA-256 is enough: there is nothing to guess.
"""

import hmac
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from api.identity.caller import Caller, scope_of
from api.problems import Problem

PREFIX = "execmon_"
_ID_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
_ID_LENGTH = 12


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key as it is stored."""

    key_id: str
    name: str
    hash: bytes
    scopes: Sequence[str]
    desks: Sequence[str] | None
    created_at: datetime | None = None
    created_by: str = ""
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    def ended(self, now: datetime) -> str:
        """Why the key opens nothing any more, or nothing."""
        if self.revoked_at is not None:
            return f"was revoked on {self.revoked_at:%Y-%m-%d}"
        if self.expires_at is not None and self.expires_at <= now:
            return f"expired on {self.expires_at:%Y-%m-%d}"
        return ""


def new_key() -> tuple[str, str, bytes]:
    """(id, the whole key to hand out once, hash to store)."""
    key_id = "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))
    secret = secrets.token_urlsafe(32)
    return key_id, f"{PREFIX}{key_id}_{secret}", hash_of(secret)


def hash_of(secret: str) -> bytes:
    """What is stored of a secret."""
    return sha256(secret.encode()).digest()


def unauthenticated(detail: str) -> Problem:
    """A 401 that says why."""
    return Problem(
        401, "unauthenticated", detail, headers={"WWW-Authenticate": 'Bearer realm="execmon"'}
    )


class KeyRing:
    """Every key in memory, so that a history store that is down locks nobody out."""

    def __init__(self) -> None:
        self._keys: dict[str, tuple[KeyRow, Caller]] = {}
        self.is_loaded = False
        """Whether the keys were read at least once."""
        self.used: set[str] = set()
        """Ids of keys used since somebody last took note of it."""

    def replace(self, rows: Iterable[KeyRow]) -> None:
        """Take the keys as they are stored now."""
        self._keys = {
            row.key_id: (
                row,
                Caller(
                    row.name,
                    scope_of(row.scopes),
                    None if row.desks is None else frozenset(row.desks),
                    "key",
                ),
            )
            for row in rows
        }
        self.is_loaded = True

    def __len__(self) -> int:
        """Keys there are, those included that open nothing any more."""
        return len(self._keys)

    def caller(self, key: str) -> Caller:
        """Whose key it is. Raises Problem 401."""
        key_id, _, secret = key.removeprefix(PREFIX).partition("_")
        row, caller = self._keys.get(key_id, (None, None))
        if row is None or caller is None or not hmac.compare_digest(row.hash, hash_of(secret)):
            raise unauthenticated("this API key is not known; `execmon keys create` makes one")
        ended = row.ended(datetime.now(UTC))
        if ended:
            raise unauthenticated(f"the API key {row.key_id} of {row.name} {ended}")
        self.used.add(key_id)
        return caller
