"""A Pulsar broker for the tests: one of our own, or the one that the environment names."""

import os
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

from bus.base import Bus
from bus.connect import open_bus
from bus.pulsar.bus import PulsarBus
from runtime.pulsar_jars import what_is_missing
from runtime.pulsar_server import PulsarServer

URL = "EXECMON_TEST_PULSAR_URL"
ADMIN_URL = "EXECMON_TEST_PULSAR_ADMIN_URL"
NEEDED = "EXECMON_TEST_NEEDS_PULSAR"
"""Set: a machine without a broker fails these tests instead of skipping them."""


@dataclass(frozen=True)
class Entry:
    """The settings of a Pulsar bus."""

    pulsar_admin_url: str = ""
    pulsar_token: str = ""
    pulsar_token_file: Path | None = None
    pulsar_tls_ca: Path | None = None


@dataclass(frozen=True)
class GivenBroker:
    """A broker that is not ours to start or to kill."""

    url: str
    admin_url: str


def missing() -> None:
    """Skip, or fail where the tests are needed, unless a broker can run here."""
    words = what_is_missing()
    if words is None:
        return
    if os.environ.get(NEEDED):
        pytest.fail(f"{NEEDED} is set, and {words}")
    pytest.skip(f"no Pulsar: {words}; {URL} can name one")


def brokers():
    """The session's broker."""
    if os.environ.get(URL):
        yield GivenBroker(os.environ[URL], os.environ.get(ADMIN_URL, ""))
        return
    missing()
    with PulsarServer() as server:
        yield server


def fresh_url(server: PulsarServer | GivenBroker) -> str:
    """Address of a namespace that is not there yet, of a broker that can make topics.

    One that an earlier test killed may lose its bookie some time after it came back.
    """
    if isinstance(server, PulsarServer):
        server.ensure_healthy()
    return f"{server.url}/public/t{uuid.uuid4().hex[:12]}"


def open_pulsar(server: PulsarServer | GivenBroker, url: str, timeout_s: float = 5.0) -> PulsarBus:
    found = open_bus(url, Entry(server.admin_url), timeout_s=timeout_s)
    assert isinstance(found, PulsarBus)
    return found


def again(bus: Bus) -> Bus:
    """The same bus over connections of its own."""
    if isinstance(bus, PulsarBus):
        return open_bus(bus.url, Entry(bus.access.admin_url))
    return open_bus(bus.url)


def remove(bus: PulsarBus) -> None:
    """Remove a test's namespace with all that is in it."""
    path = f"{bus.admin.namespace_path}?force=true"
    for _ in range(3):
        try:
            bus.admin.ask("DELETE", path)
        except Exception:
            time.sleep(0.2)
        else:
            return


class OwnPulsar:
    """A namespace of a broker that the test may kill."""

    def __init__(self, server: PulsarServer) -> None:
        self.server = server
        self.url = fresh_url(server)

    def open(self) -> PulsarBus:
        return open_pulsar(self.server, self.url, timeout_s=3.0)

    def kill(self) -> None:
        self.server.kill()

    def restart(self) -> None:
        self.server.restart()
