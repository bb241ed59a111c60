import pytest
import redis

from cli import checks
from cli.checks import (
    Check,
    check_addresses,
    check_disk,
    check_libc,
    check_python,
    check_sample,
    run_checks,
)
from runtime.servers import EmbeddedServer
from runtime.settings import load_settings


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


def test_a_configured_server_must_answer(tmp_path):
    away = load_settings({"bus_url": f"unix://{tmp_path}/no.sock"}, env={})
    pulsar = load_settings({"bus_url": "pulsar://bus:6650"}, env={})

    assert check_addresses(away).state == "fail"
    assert "not built yet" in check_addresses(pulsar).found
    assert check_addresses(load_settings({}, env={})).state == "ok"
    with EmbeddedServer("status", durable=False) as server:
        there = load_settings({"status_url": server.url}, env={})
        assert check_addresses(there).state == "ok"
        assert redis.Redis.from_url(server.url).ping()


def test_sample_data_is_optional_but_a_wrong_path_to_it_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("EXECMON_TEST_DATA", str(tmp_path / "gone"))
    assert check_sample().state == "warn"
    monkeypatch.setenv("EXECMON_TEST_DATA", str(tmp_path))
    assert check_sample().state == "ok"
