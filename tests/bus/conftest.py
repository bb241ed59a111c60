"""Real servers for the tests of the bus."""

from collections.abc import Iterator

import pytest

from bus.base import Bus
from bus.connect import open_bus
from bus.redis_streams import RedisBus
from domain.vocabulary import Topic
from runtime.pulsar_server import PulsarServer
from runtime.servers import EmbeddedServer
from tests.pulsar_broker import OwnPulsar, fresh_url, open_pulsar, remove

KINDS = ("redis", "pulsar")


@pytest.fixture(scope="session")
def shared_server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer("bus", durable=False) as server:
        yield server


class OwnRedis(EmbeddedServer):
    """A server that the test may kill; what it was told survives."""

    def open(self) -> Bus:
        return open_bus(self.url)


@pytest.fixture(params=KINDS)
def own_server(request) -> Iterator[OwnRedis | OwnPulsar]:
    """A server that the test may kill; what it was told survives."""
    if request.param == "redis":
        with OwnRedis("bus", durable=True) as server:
            yield server
        return
    yield _own_pulsar(request.getfixturevalue("pulsar_server"))


@pytest.fixture
def own_pulsar(pulsar_server) -> OwnPulsar:
    """A namespace of a broker that the test may kill."""
    return _own_pulsar(pulsar_server)


def _own_pulsar(broker) -> OwnPulsar:
    if not isinstance(broker, PulsarServer):
        pytest.skip("the Pulsar that is given is not ours to kill")
    return OwnPulsar(broker)


@pytest.fixture
def own_redis() -> Iterator[OwnRedis]:
    with OwnRedis("bus", durable=True) as server:
        yield server


@pytest.fixture
def bare_redis(shared_server: EmbeddedServer) -> Iterator[RedisBus]:
    """An empty bus that was never set up."""
    found = open_bus(shared_server.url)
    assert isinstance(found, RedisBus)
    found._client.flushall()
    yield found
    found.close()


@pytest.fixture
def bare_pulsar(pulsar_server):
    """A namespace that is not there yet."""
    found = open_pulsar(pulsar_server, fresh_url(pulsar_server))
    yield found
    remove(found)
    found.close()


@pytest.fixture
def redis_bus(bare_redis: RedisBus) -> RedisBus:
    """An empty bus with two partitions a topic and 16 groups."""
    bare_redis.set_up(dict.fromkeys(Topic, 2), 16)
    return bare_redis


@pytest.fixture
def pulsar_bus(bare_pulsar):
    """An empty bus with two partitions a topic and 16 groups."""
    bare_pulsar.set_up(dict.fromkeys(Topic, 2), 16)
    return bare_pulsar


@pytest.fixture(params=KINDS)
def bare_bus(request) -> Bus:
    """An empty bus of each kind that was never set up."""
    return request.getfixturevalue(f"bare_{request.param}")


@pytest.fixture(params=KINDS)
def bus(request) -> Bus:
    """An empty bus of each kind with two partitions a topic and 16 groups."""
    return request.getfixturevalue(f"{request.param}_bus")
