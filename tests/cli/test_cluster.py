"""A process of a cluster ends where the flow stands still, and waits where a server is away."""

import subprocess
import sys
from pathlib import Path

import pytest

from cli.cluster import watched
from domain.errors import PeerLost
from sources.pulse import Pulse

ROOT = Path(__file__).resolve().parents[2]
STANDING = """
import sys, time
from pathlib import Path
from cli import cluster
from sources.pulse import Pulse
cluster.SILENCE_S = 1.0
cluster._FRESH_S = 2.0
folder, waits = Path(sys.argv[1]), sys.argv[2] == "waits"
pulse = Pulse()
pulse.beat()
with cluster.watched(pulse, lambda: waits, folder, 0):
    time.sleep(5)
"""


def standing(folder, word):
    return subprocess.run(
        [sys.executable, "-c", STANDING, str(folder), word],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_flow_that_stands_still_ends_its_process(tmp_path):
    done = standing(tmp_path, "-")

    assert done.returncode == PeerLost.exit_code == 8
    assert "is cut off or stuck, so that all of them have to start again" in done.stderr


def test_a_process_that_waits_for_a_server_is_left_alone(tmp_path):
    assert standing(tmp_path, "waits").returncode == 0
    assert (tmp_path / "waits-0").exists()


def test_a_process_is_left_alone_while_another_waits_for_a_server(tmp_path):
    note = tmp_path / "waits-2"
    code = f"""
import threading, time
from pathlib import Path
def keep():
    while True:
        Path({str(note)!r}).touch()
        time.sleep(0.2)
threading.Thread(target=keep, daemon=True).start()
{STANDING}"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), "-"], cwd=ROOT, timeout=60, check=False
    )

    assert done.returncode == 0


def test_an_engine_that_loses_another_process_says_so(tmp_path):
    class PanicException(BaseException):
        pass

    with (
        pytest.raises(PeerLost, match=r"another process .* gone \(Send thread panic\)"),
        watched(Pulse(), lambda: False, tmp_path, 1),
    ):
        raise PanicException("Send thread panic")


def test_other_errors_stay_what_they_are(tmp_path):
    with pytest.raises(ValueError, match="mine"), watched(Pulse(), lambda: False, tmp_path, 1):
        raise ValueError("mine")
