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


@contextmanager
def in_words(shown_url: str) -> Generator[None]:
    """Turn redis-py's errors into BusDown or BusError, with the server's own words."""
    try:
        yield
    except redis_errors.RedisError as error:
        words = f"{shown_url}: {error}"
        if is_passing(error):
            raise BusDown(f"the bus does not answer: {words}") from error
        raise BusError(f"the bus refused: {words}") from error
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
