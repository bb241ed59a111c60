"""Kernels of this state of the sources, and history stores for whoever needs one.

Examples have no time limit: a busy machine is not a defect.
"""

import os
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import psycopg
import pytest
from hypothesis import settings

from runtime.kernels import use_kernel_cache

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

if "numba" not in sys.modules:
    # Compiled kernels are kept per state of the sources, as the command does, so none is stale.
    use_kernel_cache()

TIMESCALE = "EXECMON_TEST_TIMESCALE_URL"
ON_TIMESCALE = "EXECMON_TEST_ON_TIMESCALE"
"""Set: every test of the history store runs on that TimescaleDB."""


@dataclass(frozen=True)
class Given:
    """A server that is not ours to start."""

    url: str


@pytest.fixture(scope="session")
def history_server():
    """An embedded PostgreSQL of this test process, or the TimescaleDB that is given."""
    from runtime.history_server import EmbeddedPostgres

    if os.environ.get(ON_TIMESCALE):
        yield Given(os.environ[TIMESCALE])
        return
    with EmbeddedPostgres() as server:
        yield server


@pytest.fixture(scope="session")
def pulsar_server():
    """A Pulsar broker of this test process, or the one that is given."""
    from tests.pulsar_broker import brokers

    yield from brokers()


@pytest.fixture
def without_timescale() -> None:
    """For what is true of plain PostgreSQL alone."""
    if os.environ.get(ON_TIMESCALE):
        pytest.skip("this is about a server without TimescaleDB")


def _own_database(server_url: str) -> Iterator[str]:
    name = f"t{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield urlsplit(server_url)._replace(path=f"/{name}").geturl()
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_history_url(history_server) -> Iterator[str]:
    """Address of an empty database of the test's own, on plain PostgreSQL."""
    yield from _own_database(history_server.url)


@pytest.fixture
def empty_timescale_url() -> Iterator[str]:
    """The same on the TimescaleDB that the environment names."""
    url = os.environ.get(TIMESCALE)
    if not url:
        pytest.skip(f"no TimescaleDB: {TIMESCALE} names none")
    yield from _own_database(url)


@pytest.fixture
def history_url(empty_history_url) -> str:
    """Address of an empty, migrated history store on plain PostgreSQL."""
    from sinks.history.migrate import migrate

    migrate(empty_history_url)
    return empty_history_url


@pytest.fixture(params=["postgresql", "timescaledb"])
def any_history_url(request) -> str:
    """Address of an empty, migrated history store of each kind."""
    from sinks.history.migrate import migrate

    kind = "empty_history_url" if request.param == "postgresql" else "empty_timescale_url"
    url = request.getfixturevalue(kind)
    migrate(url)
    return url
