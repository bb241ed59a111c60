"""Real servers for the tests of the bus."""

from collections.abc import Iterator

import pytest

from bus.connect import open_bus
from bus.redis_streams import RedisBus
from domain.vocabulary import Topic
from runtime.servers import EmbeddedServer


@pytest.fixture(scope="session")
def shared_server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer("bus", durable=False) as server:
        yield server


@pytest.fixture
def own_server() -> Iterator[EmbeddedServer]:
    """A server that the test may kill; what it was told survives."""
    with EmbeddedServer("bus", durable=True) as server:
        yield server


@pytest.fixture
def bus(shared_server: EmbeddedServer) -> Iterator[RedisBus]:
    """An empty bus with two partitions a topic and 16 groups."""
    found = open_bus(shared_server.url)
    assert isinstance(found, RedisBus)
    found._client.flushall()
    found.set_up(dict.fromkeys(Topic, 2), 16)
    yield found
    found.close()
