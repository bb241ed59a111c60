"""`execmon notify` as it is run: killed at its worst moments, the history store away."""

import os
import signal
import subprocess
import sys
import time

import pytest

from bus.connect import open_bus
from domain.vocabulary import Topic
from runtime.servers import EmbeddedServer
from runtime.settings import load_settings
from tests.alert_messages import alert_event, publish_alerts
from tests.notify_process import ROOT, Notify
from tests.receivers import Answer, HttpReceiver, MailReceiver


@pytest.fixture(scope="module")
def bus():
    with EmbeddedServer("bus", durable=True) as server:
        found = open_bus(server.url)
        settings = load_settings({}, env={})
        found.set_up({Topic(n): count for n, count in settings.partitions.items()}, 16)
        yield found
        found.close()


@pytest.fixture
def http():
    with HttpReceiver() as found:
        yield found


@pytest.fixture
def run(bus, tmp_path):
    started = []

    def make(notify, **env):
        started.append(Notify(bus, tmp_path, notify, **env))
        return started[-1]

    yield make
    for one in started:
        one.kill()


def hook(http, **more):
    channel = {"kind": "webhook", "url": http.url, "secret": "s" * 16, **more}
    return {"channels": {"hook": channel}, "routes": [{"channels": ["hook"]}], "max_age_s": 600}


def ours(http, order):
    """What came of one test's order: the bus keeps the alerts of the tests before."""
    return [one for one in list(http.received) if one.json["source"] == order]


def test_a_page_in_doubt_after_kill_9_is_repeated_once_with_its_key(bus, run, http):
    http.always = Answer(hang=True)
    found = run(hook(http, timeout_s=60.0))
    publish_alerts(bus, alert_event("DOUBT", at=time.time_ns()))
    found.wait(lambda: ours(http, "DOUBT"))
    # The page is out, and no answer came: between the intent and its confirmation.
    found.kill()
    assert "SENDING" in found.states()
    http.always = None
    found.start()
    found.wait(lambda: len(ours(http, "DOUBT")) == 2)
    found.wait(lambda: set(found.states()) == {"DELIVERED"})
    found.kill()
    found.start()
    publish_alerts(bus, alert_event("AFTER", at=time.time_ns()))
    found.wait(lambda: ours(http, "AFTER"))

    first, second = ours(http, "DOUBT")
    assert first.key == second.key
    assert (first.json["repeat"], second.json["repeat"]) == (False, True)
    assert len(ours(http, "AFTER")) == 1


def test_kills_at_any_moment_lose_nothing_and_repeat_at_most_once_each(bus, run, http):
    found = run(hook(http))
    kills = 6
    for round_ in range(kills):
        publish_alerts(bus, *(
            alert_event(f"K{round_}-{n}", at=time.time_ns()) for n in range(40)
        ))  # fmt: skip
        found.wait(lambda: any(one.json["source"].startswith(f"K{round_}-")  # noqa: B023
                               for one in list(http.received)))  # fmt: skip
        found.kill()
        found.start()
    wanted = {f"K{r}-{n}" for r in range(kills) for n in range(40)}
    found.wait(lambda: wanted <= {one.json["source"] for one in list(http.received)})
    found.wait(lambda: not {"WAITING", "SENDING"} & set(found.states()))

    pages = [one for one in http.received if one.json["source"] in wanted]
    first = {one.key for one in pages if not one.json["repeat"]}
    repeats = [one.key for one in pages if one.json["repeat"]]
    assert len([one for one in pages if not one.json["repeat"]]) == len(first)
    # One page at a time is under way: each kill leaves one in doubt at most.
    assert len(repeats) <= kills
    assert len(repeats) == len(set(repeats))
    assert len({one.key for one in pages}) == len(wanted)


def test_mail_goes_out_and_is_tried_again_while_the_history_store_is_away(bus, run):
    with MailReceiver() as mail:
        port = mail.port
    found = run({
        "channels": {"mail": {"kind": "smtp", "host": "127.0.0.1", "port": port, "to": ["a@b"],
                              "security": "none", "sender": "c@d"}},
        "routes": [{"channels": ["mail"], "desks": ["MAIL"]}],
    })  # fmt: skip
    publish_alerts(bus, alert_event("M", at=time.time_ns(), desk="MAIL"))
    found.wait(lambda: [r for r in found.rows() if r["attempts"]])
    with MailReceiver(port) as mail:
        found.wait(lambda: mail.mails)
        found.wait(lambda: found.states() == ["DELIVERED"])

    assert len(mail.mails) == 1
    found.wait(lambda: "mirror_waits" in found.log.read_text())
    assert found.rows()[0]["is_mirrored"] == 0


def test_it_ends_in_time_and_only_one_sends_from_a_folder(bus, run, http):
    found = run(hook(http))
    found.wait(lambda: "ready" in found.log.read_text())
    second = subprocess.run(
        [sys.executable, "-m", "cli.main", "notify"], cwd=ROOT, env=found.env, text=True,
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    os.kill(found.process.pid, signal.SIGTERM)

    assert found.process.wait(30) == 143
    assert second.returncode == 4
    assert "another process sends from" in second.stderr
    assert "Traceback" not in found.log.read_text()
