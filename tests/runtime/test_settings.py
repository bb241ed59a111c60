"""Settings: which layer wins, where each value came from, and what a typing error says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ConfigurationError
from runtime.setting_types import masked
from runtime.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def load(overrides=None, env=None, toml=None, tmp_path=None):
    if toml is not None:
        path = tmp_path / "settings.toml"
        path.write_text(toml)
        env = {**(env or {}), "EXECMON_CONFIG": str(path)}
    return load_settings(overrides, env or {})


def test_without_any_layer_the_defaults_hold():
    settings = load()

    assert settings.bus_url == settings.status_url == "embedded"
    assert (settings.groups, settings.epoch_s, settings.linger_ms) == (16, 5.0, 2.0)
    assert settings.partitions["orders"] == 4
    assert settings.quote_age_limits["EQUITY"] == 900.0
    assert settings.quote_age_limits["FX"] == 60.0
    assert {origin for _, _, origin in settings.rows()} == {"default"}


def test_each_layer_wins_over_the_one_below(tmp_path):
    toml = "groups = 8\nepoch_s = 1\nlinger_ms = 3\n"
    settings = load(
        {"groups": 2, "epoch_s": None}, {"EXECMON_GROUPS": "4", "EXECMON_EPOCH_S": "2"},
        toml, tmp_path,
    )  # fmt: skip

    assert (settings.groups, settings.origin("groups")) == (2, "command line")
    assert (settings.epoch_s, settings.origin("epoch_s")) == (2.0, "variable EXECMON_EPOCH_S")
    assert settings.linger_ms == 3.0
    assert settings.origin("linger_ms").startswith("file ")
    assert settings.origin("max_wait_ms") == "default"


def test_the_file_in_the_current_folder_is_read(tmp_path):
    (tmp_path / "execmon.toml").write_text("groups = 8\n")

    assert load().groups == 8


def test_settings_cannot_change_afterwards():
    settings = load()

    with pytest.raises(Exception, match="frozen"):
        settings.groups = 3
    with pytest.raises(TypeError):
        settings.partitions["orders"] = 3


def test_tables_fill_up_from_the_defaults(tmp_path):
    settings = load(
        None, {"EXECMON_QUOTE_AGE_LIMITS": "FX=30, EQUITY=5.5"},
        "[partitions]\norders = 2\n", tmp_path,
    )  # fmt: skip

    assert settings.partitions["orders"] == 2
    assert settings.partitions["market-data"] == 4
    assert settings.quote_age_limits["FX"] == 30.0
    assert settings.quote_age_limits["EQUITY"] == 5.5
    assert settings.quote_age_limits["CRYPTO"] == 900.0


def test_one_number_stands_for_every_topic():
    for partitions in (load(None, {"EXECMON_PARTITIONS": "2"}), load({"partitions": 2})):
        assert set(partitions.partitions.values()) == {2}


def test_fewer_groups_mean_fewer_partitions_unless_they_were_asked_for():
    assert set(load({"groups": 2}).partitions.values()) == {2}
    with pytest.raises(ConfigurationError, match="more than the 2 groups"):
        load({"groups": 2, "partitions": "orders=3"})


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"EXECMON_GROUPS": "x"}, r"groups: must be a valid integer.*'x' \(variable EXECMON_GR"),
        ({"EXECMON_GROUPS": "17"}, "less than or equal to 16"),
        ({"EXECMON_EPOCH_S": "0"}, "epoch_s: must be greater than 0"),
        ({"EXECMON_EPOCH_S": "nan"}, "epoch_s: must be a finite number"),
        ({"EXECMON_BUS_URL": "http://x"}, r"bus_url: expected embedded or one of redis://…"),
        ({"EXECMON_STATUS_URL": "pulsar://x"}, "status_url: expected embedded"),
        ({"EXECMON_LOG_LEVEL": "LOUD"}, "log_level: must be 'DEBUG', 'INFO'"),
        ({"EXECMON_PARTITIONS": "ordes=2"}, "no such name: ordes; there are orders"),
        ({"EXECMON_PARTITIONS": "orders=0"}, "partitions: orders must be greater than"),
        ({"EXECMON_PARTITIONS": "orders=many"}, "expected NAME=NUMBER"),
        ({"EXECMON_REPORTING_CURRENCY": "euro"}, "reporting_currency: "),
        ({"EXECMON_MARK_ROW_INTERVAL_S": "7"}, "must be a multiple of mark_interval_s"),
    ],
)
def test_a_wrong_value_is_named_with_where_it_was_said(env, words):
    with pytest.raises(ConfigurationError, match=words):
        load(None, env)


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ('groups = "8"\n', "groups: must be a valid integer, was '8'"),
        ("groups = true\n", "groups: must be a valid integer"),
        ("partitions = [1]\n", "partitions: must be a table of names and numbers"),
        ("groups = \n", "is not a TOML file"),
        ("group = 8\n", r"no setting is called group \(in .*did you mean groups\?"),
    ],
)
def test_a_file_has_the_right_types_and_names(tmp_path, toml, words):
    with pytest.raises(ConfigurationError, match=words):
        load(None, None, toml, tmp_path)


def test_a_file_that_was_named_must_be_there(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot read the settings in"):
        load_settings(None, {}, tmp_path / "none.toml")


def test_an_unknown_variable_stops_the_start_and_names_the_nearest():
    with pytest.raises(ConfigurationError, match="did you mean linger_ms"):
        load(None, {"EXECMON_LINGER": "1"})
    with pytest.raises(ConfigurationError, match="there are bus_url, status_url"):
        load(None, {"EXECMON_ZZZZZ": "1"})
    with pytest.raises(ConfigurationError, match="on the command line"):
        load({"grups": 1})


def test_variables_of_others_and_of_the_tests_are_left_alone():
    load(None, {"PATH": "x", "EXECMON_TEST_DATA": "y", "EXECMON_CONFIG": ""})


def test_every_value_is_shown_with_its_origin_and_no_password(tmp_path):
    settings = load(
        {"bus_url": "redis://desk:secret@host:6379/0", "data_dir": str(tmp_path)},
        {"EXECMON_STATUS_URL": "rediss://:hidden@host"},
    )
    shown = {name: (value, origin) for name, value, origin in settings.rows()}

    assert set(shown) == set(Settings.model_fields)
    assert shown["bus_url"] == ("redis://desk:***@host:6379/0", "command line")
    assert shown["status_url"] == ("rediss://:***@host", "variable EXECMON_STATUS_URL")
    assert shown["data_dir"][0] == str(tmp_path)
    assert shown["recovery_dir"] == ("", "default")
    assert "orders=4" in shown["partitions"][0]
    assert settings.bus_url.endswith("secret@host:6379/0")
    for text in (repr(settings), str(settings)):
        assert "secret" not in text
        assert "hidden" not in text


def test_a_password_is_not_told_by_a_refusal_either():
    with pytest.raises(ConfigurationError) as caught:
        load(None, {"EXECMON_BUS_URL": "http://desk:secret@host"})

    assert "secret" not in str(caught.value)


@given(st.text(alphabet=st.characters(categories=["L", "N"]), min_size=1))
def test_a_masked_address_holds_no_password(password):
    shown = masked(f"redis://u:{password}@h:1/0")

    assert shown == "redis://u:***@h:1/0"
    assert masked(password) == password
    assert masked("unix:///tmp/x.sock") == "unix:///tmp/x.sock"


def test_a_token_is_never_shown():
    settings = load(env={"EXECMON_PULSAR_TOKEN": "abc.def"})

    assert settings.pulsar_token == "abc.def"
    assert {name: value for name, value, _ in settings.rows()}["pulsar_token"] == "***"
    assert "abc.def" not in repr(settings)


def test_a_token_comes_from_one_place(tmp_path):
    with pytest.raises(ConfigurationError, match="both give a token"):
        load({"pulsar_token": "a", "pulsar_token_file": str(tmp_path / "token")})


def test_the_address_of_an_admin_interface_is_one_of_the_web():
    with pytest.raises(ConfigurationError, match="expected an address such as http://HOST:8080"):
        load({"pulsar_admin_url": "pulsar://broker"})


SLACK = '{"channels":{"desk":{"kind":"slack","url":"https://hooks.example/T/SECRET"}}'


def test_channels_and_routes_come_from_the_file_or_as_json(tmp_path):
    toml = """
[notify]
link = "https://execmon.example"
[notify.channels.desk]
kind = "slack"
url = "https://hooks.example/T/SECRET"
[[notify.routes]]
channels = ["desk"]
min_severity = "HIGH"
quiet = "22:00-07:00 Europe/London"
"""
    from_file = load(None, None, toml, tmp_path)
    from_variable = load(None, {"EXECMON_NOTIFY": SLACK + ',"routes":[{"channels":["desk"]}]}'})

    assert from_file.notify.channels == from_variable.notify.channels
    assert from_file.notify.routes[0].min_severity == "HIGH"
    assert load({"notify": from_file.notify}).notify is from_file.notify
    assert not load(None, {"EXECMON_NOTIFY": ""}).notify.channels


def test_secrets_of_channels_may_stand_in_files_and_are_never_shown(tmp_path):
    (tmp_path / "key").write_text("SECRET\n")
    settings = load(None, {"EXECMON_NOTIFY": (
        '{"channels":{"duty":{"kind":"pagerduty","routing_key_file":"%s"}}}' % (tmp_path / "key")
    )})  # fmt: skip

    assert settings.notify.channels["duty"].routing_key == "SECRET"
    shown = {name: value for name, value, _ in settings.rows()}
    assert shown["notify"] == "duty=pagerduty(https://events.pagerduty.com); 0 routes"
    assert "SECRET" not in repr(settings)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SLACK, "notify: expected a JSON object with channels and routes"),
        ("[1]", "notify: expected a table with channels and routes"),
        (SLACK + ',"routes":[{"channels":["dsk"]}]}', "no channel is called dsk; there are desk"),
        ('{"channels":{"d":{"kind":"slack","url":"SECRET"}}}', "channel d: url must be an address"),
        ('{"channels":{"d":"SECRET"}}', "channel d: kind must be one of"),
        (
            '{"channels":{"d":{"kind":"slack","url":"http://SECRET","url_file":"x"}}}',
            "channel d: url and url_file both give it; drop one",
        ),
        (
            '{"channels":{"d":{"kind":"slack","url_file":"/none/such"}}}',
            "channel d: url_file cannot be read",
        ),
    ],
)
def test_a_wrong_channel_or_route_is_named_without_its_secrets(text, words):
    with pytest.raises(ConfigurationError, match=r".") as refused:
        load(None, {"EXECMON_NOTIFY": text})

    assert words in str(refused.value)
    assert "SECRET" not in str(refused.value)


def test_hosts_of_subscriptions_are_names():
    assert load(None, {"EXECMON_SUBSCRIPTION_HOSTS": "a.example, *.b"}).subscription_hosts == (
        "a.example",
        "*.b",
    )
