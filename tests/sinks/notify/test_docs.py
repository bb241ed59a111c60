"""docs/notifications.md: its configuration is one, its receiver works as it stands."""

import re
import tomllib
from pathlib import Path

import msgspec

from api.subscription_models import SubscriptionRequest
from domain.channels import ALERT_TYPES
from runtime.settings import load_settings
from sinks.notify.signature import wrong_with

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "notifications.md").read_text()


def block(language):
    [found] = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    return found


def test_the_configuration_on_the_page_is_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    toml = block("toml")
    for name in set(re.findall(r'"/etc/execmon/(.+?)"', toml)):
        (tmp_path / name).write_text("https://a-long-secret.example/x\n")
    path = tmp_path / "there.toml"
    path.write_text(toml.replace("/etc/execmon", str(tmp_path)))

    notify = load_settings({}, {}, path).notify

    assert list(notify.channels) == ["desk", "oncall", "mail", "oms"]
    assert notify.channels["mail"].password == "https://a-long-secret.example/x"
    assert len(notify.routes) == 3
    assert notify.routes[1].quiet.zone.key == "America/New_York"
    assert set(notify.routes[2].types) < set(ALERT_TYPES)
    assert tomllib.loads(toml)["notify"]["link"] == notify.link


def test_the_receiver_on_the_page_knows_what_is_ours():
    found = {}
    exec(compile(block("python"), "notifications.md", "exec"), found)

    assert wrong_with("0123456789abcdef", found["headers"], b'{"kind":"TEST"}', 1789997601) == ""


def test_the_request_on_the_page_is_a_subscription():
    [body] = re.findall(r"-d '(\{.*?\})'", block("sh"), re.DOTALL)

    asked = SubscriptionRequest.model_validate(msgspec.json.decode(body))

    assert asked.name == "oms"
