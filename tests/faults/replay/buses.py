"""The buses that the replay is tried on."""

from collections.abc import Callable
from typing import Any, Protocol

from runtime.servers import EmbeddedServer


class BusServer(Protocol):
    """A server with a bus that a test may take away and bring back."""

    @property
    def url(self) -> str: ...
    @property
    def pid(self) -> int: ...
    def kill(self) -> None: ...
    def restart(self) -> None: ...
    def __enter__(self) -> Any: ...
    def __exit__(self, *_: object) -> None: ...


BUSES: dict[str, Callable[[], BusServer]] = {
    "redis": lambda: EmbeddedServer("bus", durable=True),
}
