"""Where compiled kernels are kept: a folder that changes with their sources."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from domain.errors import ConfigurationError
from runtime import kernels
from runtime.kernels import VARIABLE, kernel_hash, use_kernel_cache


@pytest.fixture(autouse=True)
def fresh(monkeypatch, tmp_path):
    """As in a process that has not imported numba, with a home of its own."""
    monkeypatch.setenv(VARIABLE, "to be restored")
    monkeypatch.delenv(VARIABLE)
    monkeypatch.delitem(sys.modules, "numba", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_the_folder_is_the_users_and_named_by_the_sources(tmp_path):
    path = use_kernel_cache()

    assert path == tmp_path / "cache" / "execmon" / "kernels" / kernel_hash()
    assert path.is_dir()
    assert os.environ[VARIABLE] == str(path)


def test_a_folder_chosen_by_the_operator_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "chosen"))

    assert use_kernel_cache() == tmp_path / "chosen"


def test_it_is_too_late_once_numba_is_imported(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", object())

    with pytest.raises(ConfigurationError, match="call use_kernel_cache first"):
        use_kernel_cache()


def test_a_change_in_any_kernel_source_begins_a_fresh_folder(monkeypatch, tmp_path):
    before = kernel_hash()
    source = tmp_path / "kernel.py"
    source.write_text("a = 1\n")
    files = kernels._sources()
    assert any(path.name == "conditions.py" for path in files)
    monkeypatch.setattr(kernels, "_sources", lambda: [*files, source])
    with_one_more = kernel_hash()
    source.write_text("a = 2\n")

    assert len({before, with_one_more, kernel_hash()}) == 3


def test_a_home_that_cannot_be_written_gives_a_temporary_folder(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))

    path = use_kernel_cache()

    assert path.is_dir()
    assert path.name.startswith("execmon-kernels-")
    path.rmdir()


def test_without_a_home_a_folder_of_the_user_is_used(monkeypatch):
    def no_home():
        raise RuntimeError("no home")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", no_home)

    assert kernels._user_cache().name == f"execmon-cache-{os.getuid()}"


def test_folders_nobody_asked_for_in_two_weeks_are_removed(tmp_path):
    base = tmp_path / "cache" / "execmon" / "kernels"
    for name in ("old", "recent"):
        (base / name).mkdir(parents=True)
    os.utime(base / "old", (0, 0))

    path = use_kernel_cache()

    assert sorted(p.name for p in base.iterdir()) == sorted(["recent", path.name])


def test_numba_in_a_process_of_its_own_writes_there(tmp_path):
    (tmp_path / "small.py").write_text(
        "from numba import njit\n\n@njit(cache=True)\ndef one():\n    return 1\n"
    )
    code = (
        "from runtime.kernels import use_kernel_cache; path = use_kernel_cache();"
        f"import sys; sys.path.append({str(tmp_path)!r}); import small; small.one();"
        "print(len(list(path.rglob('*.nbi'))))"
    )
    env = {k: v for k, v in os.environ.items() if k not in {VARIABLE, "NUMBA_DISABLE_JIT"}}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False
    )

    assert done.stdout.strip() == "1", done.stderr
