"""One replay, what it gives undisturbed, and stages to disturb it on."""

import copy
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from runtime.history_server import EmbeddedPostgres
from runtime.servers import EmbeddedServer
from tests.faults.replay.buses import BUSES, BusServer
from tests.faults.replay.outcome import Outcome
from tests.faults.replay.rig import Stage
from tests.faults.replay.script import Said, replay

MESSAGES = 4_000


@pytest.fixture(scope="session")
def said() -> list[Said]:
    """The replay."""
    return replay(MESSAGES)


@pytest.fixture(scope="session", params=BUSES)
def new_bus(request: Any) -> Callable[[], BusServer]:
    """Makes an empty bus."""
    return BUSES[request.param](request)


@pytest.fixture(scope="session")
def store() -> Iterator[EmbeddedPostgres]:
    """A history store that tests may kill, with a database for each run."""
    with EmbeddedPostgres() as server:
        yield server


def opened(
    stack: ExitStack,
    new_bus: Callable[[], BusServer],
    store: EmbeddedPostgres,
    folder: Path,
    **more: Any,
) -> Stage:
    """A stage with servers of its own."""
    bus = stack.enter_context(new_bus())
    status = stack.enter_context(EmbeddedServer("status", durable=False))
    folder.mkdir(exist_ok=True)
    return Stage(bus, status, store, folder, stack, **more)


@pytest.fixture(scope="session")
def clean_run(
    said: list[Said],
    new_bus: Callable[[], BusServer],
    store: EmbeddedPostgres,
    tmp_path_factory: pytest.TempPathFactory,
) -> Outcome:
    """What one process leaves that nobody disturbs."""
    with ExitStack() as stack:
        return opened(stack, new_bus, store, tmp_path_factory.mktemp("clean")).run(said)


@pytest.fixture
def undisturbed(clean_run: Outcome) -> Outcome:
    """The same, to be changed at will."""
    return copy.deepcopy(clean_run)


@pytest.fixture
def stage(
    new_bus: Callable[[], BusServer], store: EmbeddedPostgres, tmp_path: Path
) -> Iterator[Callable[..., Stage]]:
    """Makes a stage."""
    with ExitStack() as stack:
        yield lambda folder=tmp_path / "run", **more: opened(stack, new_bus, store, folder, **more)
