"""The addresses a command talks to, and a client of the status store."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from redis import Redis
from redis.exceptions import AuthenticationError, AuthorizationError, RedisError

from bus.redis_errors import refusal
from domain.errors import ServerError, ServerRefused
from runtime.addresses import Servers, find_servers, needed
from runtime.servers import EMBEDDED
from runtime.setting_types import masked
from runtime.settings import Settings, load_settings

if TYPE_CHECKING:
    from bus.base import Bus

_TIMEOUT_S = 5.0


def servers_of(settings: Settings) -> Servers:
    """Addresses as set; `embedded` ones where they run now. Raises ServerError."""
    if EMBEDDED not in {settings.bus_url, settings.status_url}:
        return Servers(settings.bus_url, settings.status_url)
    found = needed(find_servers(settings.data_dir))
    return Servers(
        found.bus_url if settings.bus_url == EMBEDDED else settings.bus_url,
        found.status_url if settings.status_url == EMBEDDED else settings.status_url,
    )


def bus_address(settings: Settings) -> str:
    """Address of the bus; an embedded one where it runs now. Raises ServerError."""
    if settings.bus_url != EMBEDDED:
        return settings.bus_url
    return needed(find_servers(settings.data_dir)).bus_url


@contextmanager
def message_bus(settings: Settings) -> Generator["Bus"]:
    """The bus, as configured, closed at the end. Raises ServerError and BusError."""
    from bus.connect import open_bus

    bus = open_bus(bus_address(settings), settings)
    try:
        yield bus
    finally:
        bus.close()


@contextmanager
def status_store(url: str | None = None) -> Generator[Any]:
    """A client of the status store at this address, as configured if None.

    Raises ServerError where it does not answer, in the block too.
    """
    settings = load_settings({"status_url": url})
    address = settings.status_url
    if address == EMBEDDED:
        address = needed(find_servers(settings.data_dir)).status_url
    with connected(address) as client:
        yield client


@contextmanager
def connected(address: str) -> Generator[Any]:
    """A client of the store at this address; its errors become ServerError."""
    try:
        client: Any = Redis.from_url(
            address, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S
        )
        try:
            client.ping()
            yield client
        finally:
            client.close()
    except (AuthenticationError, AuthorizationError) as error:
        raise ServerRefused(
            f"the status store {masked(address)} refuses us: {refusal(error)}; "
            "correct EXECMON_STATUS_URL"
        ) from error
    except (RedisError, OSError, ValueError) as error:
        raise ServerError(
            f"the status store {masked(address)} does not answer: {error}; "
            "is `execmon worker` running, and EXECMON_STATUS_URL right?"
        ) from error
