"""Opening a bus by its address."""

from urllib.parse import urlsplit

from bus.base import Bus
from bus.redis_streams import RedisBus
from domain.errors import BusError

_REDIS = frozenset({"redis", "rediss", "unix"})


def open_bus(url: str, *, timeout_s: float = 5.0) -> Bus:
    """The bus behind `redis://`, `rediss://` or `unix://`; connects when first used.

    Raises BusError for an address of another kind.
    """
    scheme = urlsplit(url).scheme
    if scheme in _REDIS:
        return RedisBus(url, timeout_s=timeout_s)
    if scheme.startswith("pulsar"):
        raise BusError(
            "a Pulsar bus is not built yet; use redis://HOST:PORT, unix://PATH or `embedded`"
        )
    raise BusError(f"expected an address such as redis://HOST:PORT or unix://PATH, got {url!r}")
