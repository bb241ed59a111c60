"""Redis's errors in the words of the bus: what passes by itself, and what does not."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from redis import Redis
from redis import exceptions as redis_errors
from redis.backoff import NoBackoff
from redis.retry import Retry

from domain.errors import BusDown, BusError

_PASSES = (
    redis_errors.BusyLoadingError,
    redis_errors.ReadOnlyError,
    redis_errors.TryAgainError,
    redis_errors.OutOfMemoryError,
    redis_errors.MasterDownError,
)
_REFUSED = (
    redis_errors.AuthenticationError,
    redis_errors.AuthorizationError,
)


def is_passing(error: Exception) -> bool:
    """Whether the same call may succeed later without anybody doing anything to us."""
    if isinstance(error, _REFUSED):
        return False
    if isinstance(error, (*_PASSES, redis_errors.ConnectionError, redis_errors.TimeoutError)):
        return True
    return isinstance(error, redis_errors.ResponseError) and str(error).startswith(
        ("LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "OOM", "MISCONF", "READONLY")
    )


_STATES = (
    ("OOM", "is full (raise its maxmemory, or free some)"),
    ("command not allowed when used memory", "is full (raise its maxmemory, or free some)"),
    ("MISCONF", "cannot write to its disk (free room there)"),
    ("LOADING", "is still reading its log"),
    ("READONLY", "is a replica and takes no writes"),
)


def what_is_wrong(error: Exception) -> str:
    """Why a server does not do its work now, as the rest of a sentence about it."""
    text = str(error)
    for sign, words in _STATES:
        if sign in text:
            return words
    return "does not answer"


def refusal(error: Exception) -> str:
    """The server's own words, or better ones where they lead nowhere."""
    text = str(error)
    if "HELLO must be called" in text or "NOAUTH" in text:
        return "it wants a password; put it into the address, redis://USER:PASSWORD@HOST"
    return text


@contextmanager
def in_words(shown_url: str) -> Generator[None]:
    """Turn redis-py's errors into BusDown or BusError, with the server's own words."""
    try:
        yield
    except redis_errors.RedisError as error:
        if is_passing(error):
            raise BusDown(f"the bus {what_is_wrong(error)}: {shown_url}: {error}") from error
        raise BusError(f"the bus refused: {shown_url}: {refusal(error)}") from error
    except OSError as error:
        raise BusDown(f"the bus does not answer: {shown_url}: {error}") from error


def connect(url: str, timeout_s: float, **more: Any) -> Redis:
    """A client that fails at once instead of trying again behind our back.

    Raises BusError for an address that cannot be read.
    """
    try:
        return Redis.from_url(
            url,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=0,
            **more,
        )
    except ValueError as error:
        raise BusError(f"{error}, in the address {url!r}") from error
