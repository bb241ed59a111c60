"""`execmon topics` and `doctor` on a Pulsar; what they say without one."""

import json

import pytest

from cli.check_pulsar import check_pulsar
from cli.main import run
from runtime.settings import load_settings
from tests.pulsar_broker import fresh_url, open_pulsar, remove


@pytest.fixture
def address(pulsar_server, monkeypatch):
    """A namespace that is not there yet, as the settings name it."""
    url = fresh_url(pulsar_server)
    monkeypatch.setenv("EXECMON_BUS_URL", url)
    monkeypatch.setenv("EXECMON_PULSAR_ADMIN_URL", pulsar_server.admin_url)
    monkeypatch.setenv("EXECMON_PARTITIONS", "2")
    yield url
    bus = open_pulsar(pulsar_server, url)
    remove(bus)
    bus.close()


def test_topics_are_made_listed_and_found_right(address, capsys):
    assert run(["topics", "check"]) == 1
    assert "run `execmon topics create`" in capsys.readouterr().out
    assert check_pulsar(address, load_settings()).state == "warn"

    assert run(["topics", "create", "--keep-days", "3"]) == 0
    assert "9 topics, kept 3 days" in capsys.readouterr().out
    assert run(["topics", "create"]) == 0
    capsys.readouterr()

    assert run(["topics", "check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"faults": []}
    assert check_pulsar(address, load_settings()).state == "ok"
    assert run(["topics", "ls", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["partitions"]
    assert len(rows) == 18
    assert {row["entries"] for row in rows} == {0}
    assert run(["topics", "ls"]) == 0
    assert "execution-updates" in capsys.readouterr().out


def test_another_number_of_partitions_is_refused(address, capsys, monkeypatch):
    assert run(["topics", "create"]) == 0
    monkeypatch.setenv("EXECMON_PARTITIONS", "4")

    assert run(["topics", "create"]) == 4
    assert "partitions:" in capsys.readouterr().err


def test_a_bus_of_another_kind_is_told_so(capsys):
    assert run(["topics", "ls", "--bus-url", "redis://127.0.0.1:1"]) == 2
    assert "on a Pulsar only" in capsys.readouterr().err


def test_a_pulsar_that_is_away_says_which_setting_may_be_wrong(capsys, monkeypatch):
    monkeypatch.setenv("EXECMON_PULSAR_ADMIN_URL", "http://127.0.0.1:1")

    assert run(["topics", "check", "--bus-url", "pulsar://127.0.0.1:1"]) == 4
    assert "is EXECMON_PULSAR_ADMIN_URL right?" in capsys.readouterr().err
    assert check_pulsar("pulsar://127.0.0.1:1", load_settings()).state == "fail"
    assert check_pulsar("pulsar://127.0.0.1:1/x", load_settings()).state == "fail"
