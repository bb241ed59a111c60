import socket
import time

import psycopg
import pytest
import redis

from bus.connect import open_bus
from cli import check_up, check_valkey, checks
from cli.check_base import Check
from cli.check_history import check_history, check_port
from cli.check_up import check_data, check_deployment
from cli.check_valkey import check_bus, check_status
from cli.checks import (
    check_disk,
    check_libc,
    check_python,
    check_sample,
    run_checks,
)
from cli.up_state import StateFile
from domain.vocabulary import Topic
from runtime.servers import EmbeddedServer
from runtime.settings import load_settings
from runtime.supervise import Supervisor
from runtime.work_units import Task


def test_this_machine_can_run_the_product(execmon):
    found = execmon("doctor", "--json")

    assert found.json["ok"] is True
    assert found.code == 0
    assert [c["name"] for c in found.json["checks"]] == list(checks.CHECKS)
    assert {c["state"] for c in found.json["checks"]} <= {"ok", "warn"}


def test_a_fault_ends_with_1_and_says_what_to_do(execmon, monkeypatch):
    broken = {"disk": lambda: Check("disk", "fail", "3 MB free", "free some"),
              "python": check_python}  # fmt: skip
    monkeypatch.setattr(checks, "CHECKS", broken)

    shown = execmon("doctor")
    as_json = execmon("doctor", "--json")

    assert shown.code == as_json.code == 1
    assert "fail disk" in shown.out
    assert "→ free some" in shown.out
    assert as_json.json["ok"] is False


def test_a_check_that_breaks_is_a_failed_check(monkeypatch):
    def broken() -> Check:
        raise ValueError("unheard of")

    monkeypatch.setattr(checks, "CHECKS", {"odd": broken})

    [found] = run_checks()

    assert found.state == "fail"
    assert "unheard of" in found.found


@pytest.mark.parametrize(
    ("version", "state"), [((3, 10), "fail"), ((3, 11), "ok"), ((3, 12), "ok"), ((3, 13), "fail")]
)
def test_only_pythons_with_a_stream_engine_will_do(version, state):
    assert check_python(version).state == state


def test_musl_is_refused_with_what_to_use_instead():
    found = check_libc("Linux", "")

    assert found.state == "fail"
    assert "glibc" in found.advice
    assert check_libc("Linux", "glibc").state == "ok"
    assert check_libc("Darwin").state == "ok"


@pytest.mark.parametrize(("free_mb", "state"), [(50, "fail"), (500, "warn"), (5000, "ok")])
def test_a_full_disk_is_noticed(monkeypatch, tmp_path, free_mb, state):
    monkeypatch.setattr(
        checks.shutil,
        "disk_usage",
        lambda _: checks.shutil._ntuple_diskusage(0, 0, free_mb * 10**6),
    )

    assert check_disk(tmp_path).state == state


@pytest.fixture
def server():
    with EmbeddedServer("bus", durable=True) as found:
        yield found


def settings_of(**values):
    return load_settings(values, env={})


def test_a_configured_server_must_answer(tmp_path):
    away = check_bus(settings_of(bus_url=f"unix://{tmp_path}/no.sock"))

    assert away.state == "fail"
    assert "does not answer" in away.found
    assert "EXECMON_BUS_URL" in away.advice
    pulsar = settings_of(bus_url="pulsar://127.0.0.1:1", pulsar_admin_url="http://127.0.0.1:1")
    assert "does not answer" in check_bus(pulsar).found


def test_a_server_that_is_as_it_should_be_is_shown_with_its_version(server):
    found = check_bus(settings_of(bus_url=server.url))

    assert found.state == "ok"
    assert "Valkey 9" in found.found
    assert check_status(settings_of(status_url=server.url)).state == "ok"


@pytest.mark.parametrize(
    ("setting", "value", "state", "words"),
    [
        ("appendonly", "no", "warn", "set appendonly yes"),
        ("appendfsync", "everysec", "warn", "set appendfsync always"),
        ("maxmemory-policy", "allkeys-lru", "fail", "noeviction"),
        ("maxmemory", "1mb", "warn", "raise maxmemory"),
    ],
)
def test_a_bus_that_could_lose_messages_is_said(server, setting, value, state, words):
    redis.Redis.from_url(server.url).config_set(setting, value)

    found = check_bus(settings_of(bus_url=server.url))

    assert found.state == state
    assert words in found.advice


def test_a_status_store_that_drops_statuses_is_said(server):
    redis.Redis.from_url(server.url).config_set("maxmemory-policy", "volatile-ttl")

    assert check_status(settings_of(status_url=server.url)).state == "fail"


def test_a_wrong_password_is_said(server):
    redis.Redis.from_url(server.url).config_set("requirepass", "right")
    path = server.url.removeprefix("unix://")

    found = check_bus(settings_of(bus_url=f"unix://:wrong@{path}"))

    assert found.state == "fail"
    assert "refused us" in found.found
    assert "wrong" not in found.found.replace("WRONGPASS", "")


def test_a_bus_of_another_layout_is_said(server):
    bus = open_bus(server.url)
    bus.set_up(dict.fromkeys(Topic, 2), 2)
    bus.close()

    found = check_bus(settings_of(bus_url=server.url))

    assert found.state == "fail"
    assert "2 groups, the settings say 16" in found.found


@pytest.mark.parametrize(("ahead_s", "state"), [(0.0, None), (0.5, "warn"), (-3.0, "fail")])
def test_a_server_whose_clock_differs_is_said(ahead_s, state):
    class Client:
        def time(self):
            now = time.time() + ahead_s
            return int(now), int(now % 1 * 1e6)

    found = check_valkey._skew(Check("bus", "ok", "it"), Client(), settings_of())

    assert (found and found.state) == state


@pytest.mark.parametrize(("free_mb", "state"), [(50, "fail"), (5_000, "warn"), (50_000, "ok")])
def test_the_data_folder_needs_room(monkeypatch, tmp_path, free_mb, state):
    monkeypatch.setattr(
        check_up.shutil, "disk_usage",
        lambda _: check_up.shutil._ntuple_diskusage(0, 0, free_mb * 10**6),
    )  # fmt: skip

    assert check_data(settings_of(data_dir=str(tmp_path / "new"))).state == state


def address_of(conninfo):
    part = psycopg.conninfo.conninfo_to_dict(conninfo)
    return f"postgresql://{part['user']}@/{part['dbname']}?host={part['host']}"


def test_a_history_store_is_shown_with_its_schema(history_url):
    ready = check_history(settings_of(history_url=address_of(history_url)))

    assert ready.state == "ok"
    assert "PostgreSQL 18" in ready.found
    assert "no TimescaleDB" in ready.found


def test_a_history_store_without_tables_is_told_how_to_get_them(empty_history_url):
    found = check_history(settings_of(history_url=address_of(empty_history_url)))

    assert found.state == "warn"
    assert "execmon db migrate" in found.advice


def test_a_history_store_that_is_away_is_said(tmp_path):
    found = check_history(settings_of(history_url=f"postgresql:///?host={tmp_path}"))

    assert found.state == "fail"
    assert "EXECMON_HISTORY_URL" in found.advice
    assert check_history(settings_of(history_dir=str(tmp_path))).state == "ok"


def test_a_port_that_somebody_else_has_is_said(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        given = check_port(settings_of(api_port=port, data_dir=str(tmp_path)))
    free = check_port(settings_of(api_port=port, data_dir=str(tmp_path)))

    assert given.state == "fail"
    assert free.state == "ok"


def test_a_deployment_that_is_not_well_is_said_in_its_own_words(tmp_path):
    settings = settings_of(data_dir=str(tmp_path))
    assert check_deployment(settings).found == f"none runs on {tmp_path}"

    file = StateFile(tmp_path)
    file.note(Supervisor([Task("topics", lambda: None)]))

    found = check_deployment(settings)
    assert found.state == "warn"
    assert "topics is waiting" in found.found
    file.remove()
    assert check_deployment(settings).state == "ok"


def test_sample_data_is_optional_but_a_wrong_path_to_it_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("EXECMON_TEST_DATA", str(tmp_path / "gone"))
    assert check_sample().state == "warn"
    monkeypatch.setenv("EXECMON_TEST_DATA", str(tmp_path))
    assert check_sample().state == "ok"
