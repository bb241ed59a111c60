"""A store of history with the orders of two desks in it, written by the real sink."""

from collections.abc import Iterator

import pytest

from domain.rows import Rows
from runtime.history_server import EmbeddedPostgres
from tests import history_data as data
from tests.history_store import fresh_database


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres() as server:
        yield server


@pytest.fixture(scope="session")
def example_rows(tmp_path_factory: pytest.TempPathFactory) -> list[Rows]:
    return data.monitored(data.example_events(), tmp_path_factory.mktemp("example"))


@pytest.fixture(scope="session")
def history_url(postgres: EmbeddedPostgres, example_rows: list[Rows]) -> str:
    """Orders that ended; nobody writes to it."""
    url = fresh_database(postgres.url, "example")
    data.store_history(example_rows, url)
    return url


@pytest.fixture(scope="session")
def working_url(postgres: EmbeddedPostgres, example_rows: list[Rows]) -> str:
    """The same orders while they work: no record is written yet."""
    url = fresh_database(postgres.url, "working")
    data.store_history(data.without_records(example_rows), url)
    return url


@pytest.fixture
def empty_url(postgres: EmbeddedPostgres) -> str:
    """A store of the test's own."""
    return fresh_database(postgres.url, "own")
