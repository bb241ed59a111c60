"""The buses that the replay is tried on."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import pytest

from bus.base import Bus, Outgoing
from domain.errors import BusDown
from runtime.pulsar_server import PulsarServer
from runtime.servers import EmbeddedServer
from tests.faults.conftest import OUTAGE_S
from tests.pulsar_broker import OwnPulsar, remove

TIMEOUT_S = 30.0
"""The harness waits for a busy server rather than publish anything twice."""


class BusServer(Protocol):
    """A server with a bus of its own that a test may take away and bring back."""

    @property
    def url(self) -> str: ...
    @property
    def pid(self) -> int: ...
    def kill(self) -> None: ...
    def restart(self) -> None: ...
    def __enter__(self) -> Any: ...
    def __exit__(self, *_: object) -> None: ...


class PulsarNamespace(OwnPulsar):
    """A namespace of the session's broker, which is well again when the test has gone."""

    @property
    def pid(self) -> int:
        return self.server.pid

    def __enter__(self) -> "PulsarNamespace":
        return self

    def __exit__(self, *_: object) -> None:
        self.server.ensure_healthy()
        bus = self.open()
        remove(bus)
        bus.close()


def _redis(request: Any) -> Callable[[], BusServer]:
    return lambda: EmbeddedServer("bus", durable=True)


def _pulsar(request: Any) -> Callable[[], BusServer]:
    broker = request.getfixturevalue("pulsar_server")
    if not isinstance(broker, PulsarServer):
        pytest.skip("the Pulsar that is given is not ours to kill")
    return lambda: PulsarNamespace(broker)


BUSES = {"redis": _redis, "pulsar": _pulsar} if OUTAGE_S >= 30 else {"redis": _redis}
"""Each gives a way to make a bus; both are tried by `make faults`."""


def settings_of(server: BusServer) -> dict[str, str]:
    """The settings that a bus needs beside its address."""
    if isinstance(server, PulsarNamespace):
        return {"pulsar_admin_url": server.server.admin_url}
    return {}


class Patient:
    """A bus that goes on appending the same messages until they are stored, each once."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    def append(self, messages: Sequence[Outgoing]) -> list[str]:
        return _until_up(lambda: self._bus.append(messages))

    def tick(self, *arguments: Any) -> bool:
        """A clock message may be stored twice; the second moves nothing."""
        return _until_up(lambda: self._bus.tick(*arguments))


def _until_up(call: Callable[[], Any]) -> Any:
    while True:
        try:
            return call()
        except BusDown:
            time.sleep(0.05)
