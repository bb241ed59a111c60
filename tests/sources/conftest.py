import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of the real data, which is not part of the repository."""
    folder = Path(os.environ.get("EXECMON_TEST_DATA", "../shared/data")).resolve()
    if not folder.is_dir():
        pytest.skip(f"no real data: EXECMON_TEST_DATA names no folder ({folder})")
    return folder
