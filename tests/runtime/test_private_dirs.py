"""A private folder goes, whoever still writes into it."""

import subprocess
import sys

from runtime.private_dirs import remove_private_dir

_WRITER = """
import pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
print("ready", flush=True)
until = time.monotonic() + 0.5
while time.monotonic() < until:
    folder.mkdir(exist_ok=True)
    (folder / str(time.monotonic_ns())).touch()
"""


def test_a_folder_that_is_still_written_into_is_removed(tmp_path):
    folder = tmp_path / "private"
    folder.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(folder / "data")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        (folder / "data").mkdir(exist_ok=True)
        remove_private_dir(folder)

    assert not folder.exists()


def test_a_folder_that_is_gone_already_is_no_matter(tmp_path):
    remove_private_dir(tmp_path / "none")
