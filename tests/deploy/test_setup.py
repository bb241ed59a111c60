"""What the set-up says on machines that it cannot set up, and that it takes one that it can."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("sh", "cat", "rm", "chmod", "dirname")
PYTHON_3_13 = """#!/bin/sh
case "$*" in
  --version) echo "Python 3.13.1" ;;
  *version_info*) exit 1 ;;
esac
"""
ON_MUSL = """#!/bin/sh
case "$*" in
  --version) echo "Python 3.12.9" ;;
esac
"""
"""The set-up asks `"musl" not in …`: leaving with 0 means yes, it is musl."""
WITHOUT_VENV = """#!/bin/sh
case "$*" in
  --version) echo "Python 3.12.9" ;;
  *version_info*) ;;
  *) exit 1 ;;
esac
"""


@pytest.fixture
def machine(tmp_path):
    """A PATH with a shell, a few tools and the given Pythons, and nothing else."""

    def build(**pythons: str) -> dict[str, str]:
        for tool in TOOLS:
            (tmp_path / tool).symlink_to(shutil.which(tool) or tool)
        for name, script in pythons.items():
            program = tmp_path / name.replace("_", ".")
            program.write_text(script)
            program.chmod(0o755)
        return {"PATH": str(tmp_path)}

    return build


def found_python(path: dict[str, str]) -> str:
    return subprocess.run(
        ["sh", "deploy/find-python.sh"], cwd=ROOT, env=path, capture_output=True, text=True,
        check=True,
    ).stdout.strip()  # fmt: skip


def set_up(path: dict[str, str], venv: Path) -> tuple[int, str]:
    """As the Makefile calls it: with what was found, if anything."""
    done = subprocess.run(
        ["sh", "deploy/setup.sh", str(venv)], cwd=ROOT, capture_output=True, text=True,
        env={**path, "PYTHON": found_python(path)}, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


def test_python_3_13_is_refused_with_what_to_do(machine, tmp_path):
    path = machine(python3=PYTHON_3_13)

    code, words = set_up(path, tmp_path / "venv")

    assert code == 1
    assert words.count("\n") == 1
    assert "this machine has Python 3.13.1" in words
    assert "Install python3.12" in words
    assert not (tmp_path / "venv").exists()


def test_a_machine_without_python_is_told_so(machine, tmp_path):
    code, words = set_up(machine(), tmp_path / "venv")

    assert code == 1
    assert "this machine has no python3" in words


def test_python_3_12_is_taken_where_the_default_is_3_13(machine, tmp_path):
    path = machine(python3=PYTHON_3_13, python3_12=ON_MUSL)

    assert found_python(path) == str(tmp_path / "python3.12")


def test_a_musl_system_is_refused_with_what_to_do(machine, tmp_path):
    code, words = set_up(machine(python3_12=ON_MUSL), tmp_path / "venv")

    assert code == 1
    assert "musl" in words
    assert "Debian slim" in words
    assert not (tmp_path / "venv").exists()


def test_a_python_that_makes_no_environments_names_the_package_to_install(machine, tmp_path):
    code, words = set_up(machine(python3_12=WITHOUT_VENV), tmp_path / "venv")

    assert code == 1
    assert "install python3-venv" in words


def test_a_half_made_environment_is_made_anew(tmp_path):
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)

    # Ended before the packages are installed: no index is asked.
    done = subprocess.run(
        ["sh", "deploy/setup.sh", str(venv)], cwd=ROOT, capture_output=True, text=True,
        env={"PATH": "/usr/bin:/bin", "PYTHON": sys.executable, "PIP_NO_INDEX": "1"}, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert "could not install uv" in done.stderr
    assert subprocess.run([venv / "bin/python", "-m", "pip", "--version"], check=False,
                          capture_output=True).returncode == 0  # fmt: skip
