"""The bus's disk is full: it stops rather than forget, says why, and goes on with room."""

import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from bus.base import START, Outgoing
from bus.connect import open_bus
from domain.errors import BusDown
from domain.vocabulary import Topic
from runtime.servers import EmbeddedServer

MB = 1_000_000
PLACE = (Topic.ORDERS, 0)


@pytest.fixture
def small_disk():
    """A file system of 4 MB; only root can make one."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root can make a small file system")
    folder = Path(tempfile.mkdtemp(prefix="xm", dir="/tmp"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    if mounted.returncode:
        folder.rmdir()
        pytest.skip(f"no small file system here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
    folder.rmdir()


def test_every_message_that_was_taken_survives_a_full_disk(small_disk):
    with EmbeddedServer("bus", durable=True, data_dir=small_disk) as server:
        bus = open_bus(server.url)
        bus.set_up(dict.fromkeys(Topic, 1), 16)
        filler = small_disk / "filler"
        filler.write_bytes(bytes(2 * MB))
        taken = 0
        with suppress(BusDown):
            while taken < 1_000:
                bus.append([Outgoing(*PLACE, bytes(10_000))])
                taken += 1
        assert "AOF write error" in server.last_words()
        assert f"no room is left on the disk of {small_disk}/bus" in server.last_words()

        filler.unlink()
        server.restart()

        assert 50 < taken < 1_000
        assert bus.lag(PLACE, START) == taken
        bus.append([Outgoing(*PLACE, b"{}")])
        bus.close()
