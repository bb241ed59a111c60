"""Opening a bus by its address."""

from urllib.parse import urlsplit

from bus.base import Bus
from bus.pulsar.access import PulsarSettings
from bus.redis_streams import RedisBus
from domain.errors import BusError

_REDIS = frozenset({"redis", "rediss", "unix"})
_PULSAR = frozenset({"pulsar", "pulsar+ssl"})


def open_bus(url: str, settings: PulsarSettings | None = None, *, timeout_s: float = 5.0) -> Bus:
    """The bus behind `redis://`, `rediss://`, `unix://`, `pulsar://` or `pulsar+ssl://`.

    It connects when first used; `settings` say how a Pulsar lets us in. Raises BusError for
    an address of another kind.
    """
    scheme = urlsplit(url).scheme
    if scheme in _REDIS:
        return RedisBus(url, timeout_s=timeout_s)
    if scheme in _PULSAR:
        from bus.pulsar.bus import PulsarBus

        return PulsarBus(url, settings, timeout_s=timeout_s)
    raise BusError(
        f"expected an address such as redis://HOST:PORT, unix://PATH or pulsar://HOST:PORT, "
        f"got {url!r}"
    )
