"""`execmon dead-letters`: ls, show and replay on a real bus."""

import base64
import getpass

import psycopg
import pytest

from bus.base import START, Outgoing
from bus.connect import open_bus
from domain.topics import BYTES_TYPE
from domain.vocabulary import Topic
from runtime.servers import EmbeddedServer

NOWHERE = "postgresql:///x?host=/nowhere"


@pytest.fixture
def bus():
    with EmbeddedServer("bus", durable=False) as server:
        found = open_bus(server.url)
        found.set_up(dict.fromkeys(Topic, 2), 16)
        yield found
        found.close()


def refuse(bus, n, *, body=None, topic="orders", reason="UNREADABLE"):
    meta = {"topic": topic, "partition": "1", "position": f"{n}-0", "reason": reason,
            "words": f"[word] {n}"}  # fmt: skip
    raw = f"message {n}".encode() if body is None else body
    return bus.append([Outgoing(Topic.DEAD_LETTER, 0, raw, BYTES_TYPE, meta)])[0]


def test_refused_messages_are_listed_newest_first(execmon, bus):
    positions = [refuse(bus, n) for n in range(3)]

    ended = execmon("dead-letters", "ls", "--bus-url", bus.url, "--json")

    found = ended.json["dead_letters"]
    assert [letter["position"] for letter in found] == positions[::-1]
    assert found[0]["message"] == "message 2"
    table = execmon("dead-letters", "ls", "--bus-url", bus.url)
    assert table.code == 0
    assert "UNREADABLE" in table.out


def test_a_list_can_be_cut_and_filtered(execmon, bus):
    for n in range(5):
        refuse(bus, n, reason="BAD_ID" if n < 2 else "UNREADABLE")

    def words(*options):
        ended = execmon("dead-letters", "ls", "--bus-url", bus.url, "--json", *options)
        return [letter["words"][-1] for letter in ended.json["dead_letters"]]

    assert words("--limit", 2) == ["4", "3"]
    assert words("--reason", "bad_id") == ["1", "0"]
    assert words("--topic", "orders", "--limit", 1) == ["4"]
    assert words("--topic", "control") == []


def test_one_is_shown_whole(execmon, bus):
    position = refuse(bus, 1, body=b"\xff\x00")

    ended = execmon("dead-letters", "show", f"0/{position}", "--bus-url", bus.url, "--json")

    assert base64.b64decode(ended.json["message_base64"]) == b"\xff\x00"
    shown = execmon("dead-letters", "show", f"0/{position}", "--bus-url", bus.url)
    assert "[word] 1" in shown.out


def test_a_message_is_put_back_where_it_came_from(execmon, bus):
    position = refuse(bus, 1, body=b"{}")

    ended = execmon("dead-letters", "replay", f"0/{position}", "--bus-url", bus.url, "--json",
                    "--history-url", NOWHERE)  # fmt: skip

    assert ended.json["replay_of"] == f"0/{position}"
    [message] = bus.reader().read({(Topic.ORDERS, 1): START}, 9, 0)[Topic.ORDERS, 1]
    assert message.body == b"{}"
    assert message.position == ended.json["position"]
    assert message.meta["replayed_by"] == getpass.getuser()
    again = execmon("dead-letters", "replay", f"0/{position}", "--bus-url", bus.url,
                    "--history-url", NOWHERE)  # fmt: skip
    assert "→ orders partition 1" in again.out


def audit_of(url):
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT who, action, target, outcome, detail FROM audit ORDER BY id"
        ).fetchall()


def test_who_put_a_message_back_and_with_what_outcome_is_in_the_audit(execmon, bus, history_url):
    good, bad = refuse(bus, 1, body=b"{}"), refuse(bus, 2, topic="file")
    options = ("--bus-url", bus.url, "--history-url", history_url, "--json")

    done = execmon("dead-letters", "replay", f"0/{good}", *options)
    refused = execmon("dead-letters", "replay", f"0/{bad}", *options)

    assert (done.code, refused.code) == (0, 3)
    assert done.json["audited"] is True
    action, who = "execmon dead-letters replay", getpass.getuser()
    assert audit_of(history_url) == [
        (who, action, f"0/{good}", "done", {"stored": done.json["position"]}),
        (who, action, f"0/{bad}", "refused", {"why": refused.err.strip()[len("execmon: ") :]}),
    ]


@pytest.mark.parametrize("kind", ["away", "empty", "none"])
def test_without_an_audit_a_message_is_put_back_all_the_same_and_that_is_said(
    execmon, bus, empty_history_url, tmp_path, monkeypatch, kind
):
    monkeypatch.setenv("EXECMON_HISTORY_DIR", str(tmp_path))
    url = {"away": NOWHERE, "empty": empty_history_url, "none": "embedded"}[kind]
    why = {"away": "does not take it", "empty": "run `execmon db migrate`",
           "none": f"no history store runs on {tmp_path}"}[kind]  # fmt: skip
    position = refuse(bus, 1, body=b"{}")

    ended = execmon("dead-letters", "replay", f"0/{position}", "--bus-url", bus.url,
                    "--history-url", url, "--json")  # fmt: skip

    assert ended.code == 0
    assert ended.json["audited"] is False
    [said] = ended.err.splitlines()
    assert said.startswith("execmon: not in the audit: ")
    assert why in said
    assert bus.lag((Topic.ORDERS, 1), START) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("show", "0/1-0"), 3, "there is no dead letter 0/1-0"),
        (("show", "yesterday"), 2, "expected PARTITION/POSITION"),
        (("replay", "0/now"), 4, "expected a position"),
        (("ls", "--topic", "gossip"), 2, "--topic must be one of orders"),
        (("ls", "--reason", "luck"), 2, "--reason must be one of UNREADABLE"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(execmon, bus, arguments, code, words):
    ended = execmon("dead-letters", *arguments, "--bus-url", bus.url)

    assert ended.code == code
    assert words in ended.err


def test_what_did_not_come_from_the_bus_is_not_put_back(execmon, bus):
    position = refuse(bus, 1, topic="file")

    ended = execmon("dead-letters", "replay", f"0/{position}", "--bus-url", bus.url,
                    "--history-url", NOWHERE)  # fmt: skip

    assert ended.code == 3
    assert "came from 'file'" in ended.err
