"""The batch answers as fixtures, and the real data that they are worked out from."""

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).resolve().parent


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"batch_{name}", HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def lobster_batch() -> ModuleType:
    """Per order figures of a LOBSTER session."""
    return _load("lobster_batch")


@pytest.fixture(scope="session")
def tape_batch() -> ModuleType:
    """Benchmarks of an order against a tape."""
    return _load("tape_batch")


def _data(folder: str) -> Path:
    default = HERE.parent.parent.parent / "shared" / "data"
    path = Path(os.environ.get("EXECMON_TEST_DATA", default)) / folder
    if not path.is_dir():
        pytest.skip(f"no real data: {path} is not there (EXECMON_TEST_DATA says where it is)")
    return path


@pytest.fixture(scope="session")
def lobster_folder() -> Path:
    """AMZN, 2012-06-21."""
    return _data("lobster_amzn")


@pytest.fixture(scope="session")
def tape_folder() -> Path:
    """IBM and BAC, 2013-10-07."""
    return _data("equity_tape")


@pytest.fixture(scope="session")
def ndjson_batch() -> ModuleType:
    """Frames of events written as JSON lines."""
    return _load("ndjson_batch")
