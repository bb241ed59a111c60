import pytest


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch, tmp_path):
    import os

    for name in os.environ:
        if name.startswith("EXECMON_") and name != "EXECMON_TEST_DATA":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_each_setting_says_where_it_came_from(execmon, monkeypatch, tmp_path):
    (tmp_path / "execmon.toml").write_text("epoch_s = 7.0\n")
    monkeypatch.setenv("EXECMON_GROUPS", "8")

    found = execmon("config", "show", "--json").json

    assert found["epoch_s"] == {"value": "7", "origin": "file execmon.toml"}
    assert found["groups"] == {"value": "8", "origin": "variable EXECMON_GROUPS"}
    assert found["linger_ms"] == {"value": "2", "origin": "default"}


def test_a_password_is_not_shown(execmon, monkeypatch):
    monkeypatch.setenv("EXECMON_BUS_URL", "redis://desk:secret@bus:6379/0")

    for shown in (execmon("config", "show"), execmon("config", "show", "--json")):
        assert "secret" not in shown.out
        assert "redis://desk:***@bus:6379/0" in shown.out.replace("\n", "")


def test_an_unknown_variable_stops_with_the_nearest_name(execmon, monkeypatch):
    monkeypatch.setenv("EXECMON_BUSURL", "redis://bus")

    refused = execmon("config", "show")

    assert refused.code == 2
    assert "did you mean bus_url?" in refused.err


def test_another_file_can_be_named(execmon, tmp_path):
    path = tmp_path / "other.toml"
    path.write_text("epoch_s = 9.0\n")

    found = execmon("config", "show", "--config", path, "--json").json

    assert found["epoch_s"]["value"] == "9"
    assert execmon("config", "show", "--config", tmp_path / "no.toml").code == 2
