import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bus.base import START
from bus.clock import ClockWriter
from bus.connect import open_bus
from cli.worker import FLOW, command, environment
from domain.vocabulary import INPUT_TOPICS, Topic
from runtime.addresses import Servers
from runtime.servers import EmbeddedServer
from runtime.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]


def test_the_engine_runs_the_monitor_with_the_settings_epoch(tmp_path):
    settings = load_settings({"epoch_s": 2.0, "recovery_dir": str(tmp_path)}, env={})

    argv = command(settings, workers=2, more=["-i", "0", "-a", "a:1;b:2"])

    assert argv[:4] == [sys.executable, "-m", "bytewax.run", FLOW]
    for pair in (["-s", "2"], ["-w", "2"], ["-r", str(tmp_path)], ["-i", "0"], ["-a", "a:1;b:2"]):
        at = argv.index(pair[0])
        assert argv[at : at + 2] == pair


def test_a_worker_without_a_recovery_folder_keeps_no_snapshots():
    assert "-r" not in command(load_settings({}, env={}))


def test_the_worker_is_told_the_addresses_that_were_found(tmp_path):
    settings = load_settings({"recovery_dir": str(tmp_path)}, env={})

    env = environment(settings, Servers("unix:///b", "unix:///s"), EXECMON_LOG_FORMAT="json")

    assert env["EXECMON_BUS_URL"] == "unix:///b"
    assert env["EXECMON_STATUS_URL"] == "unix:///s"
    assert env["EXECMON_RECOVERY_DIR"] == str(tmp_path)
    assert env["EXECMON_LOG_FORMAT"] == "json"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--process-id", "0"], "go together"),
        (["--addresses", "a:1"], "go together"),
        (["--process-id", "2", "--addresses", "a:1;b:2"], "must be below the 2 addresses"),
        (["--bus-url", "ftp://bus"], "expected embedded or one of"),
        (["--workers", "99"], "--workers"),
    ],
)
def test_a_wrong_cluster_is_refused_in_words(execmon, arguments, words):
    refused = execmon("worker", *arguments)

    assert refused.code == 2
    assert words in refused.err


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_worker_that_is_stopped_ends_quietly_and_can_start_again(tmp_path, signum, code):
    with (
        EmbeddedServer("bus", durable=True) as bus,
        EmbeddedServer("status", durable=False) as status,
    ):
        for _ in range(2):
            process = subprocess.Popen(
                [sys.executable, "-m", "cli.main", "worker", "--bus-url", bus.url, "--status-url",
                 status.url, "--recovery-dir", str(tmp_path / "recovery")],
                cwd=ROOT, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
            assert process.stderr is not None
            for line in process.stderr:
                if "ready" in line:
                    break
            time.sleep(0.5)
            process.send_signal(signum)
            _, err = process.communicate(timeout=60)

            assert process.returncode == code
            assert "Traceback" not in err


def test_a_worker_says_which_server_is_missing(execmon_process, tmp_path):
    refused = execmon_process(
        "worker", "--bus-url", f"unix://{tmp_path}/no.sock", "--status-url", f"unix://{tmp_path}/no"
    )

    assert refused.code == 4
    assert refused.err.splitlines()[-1].startswith("execmon: the bus does not answer")


@pytest.fixture(scope="module")
def bus_url():
    with EmbeddedServer("bus", durable=True) as server:
        yield server.url


def test_the_clock_moves_every_partition_of_the_inputs(execmon, bus_url):
    done = execmon("clock", "--bus-url", bus_url, "--seconds", "0.8")

    assert done.code == 0
    assert "ready" in done.err
    assert "interval_ms=250" in done.err
    bus = open_bus(bus_url)
    for topic in INPUT_TOPICS:
        for partition in range(bus.partitions(topic)):
            assert bus.lag((topic, partition), START) >= 3
    assert bus.lag((Topic.DEAD_LETTER, 0), START) == 0
    bus.close()


def test_a_second_clock_is_refused(execmon, bus_url):
    bus = open_bus(bus_url)
    stop = threading.Event()
    with ClockWriter(bus) as writer:
        thread = threading.Thread(target=writer.run, args=(stop,))
        thread.start()
        refused = execmon("clock", "--bus-url", bus_url, "--seconds", "1")
        stop.set()
        thread.join()
    bus.close()

    assert refused.code == 4
    assert "a clock writer is already running" in refused.err


def test_a_bus_that_is_away_ends_the_clock_with_4(execmon, tmp_path):
    refused = execmon("clock", "--bus-url", f"unix://{tmp_path}/no.sock", "--seconds", "1")

    assert refused.code == 4
    assert "does not answer" in refused.err
