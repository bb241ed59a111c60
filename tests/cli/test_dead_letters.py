"""`execmon dead-letters`: ls, show and replay on a real bus."""

import base64

import pytest

from bus.base import START, Outgoing
from bus.connect import open_bus
from domain.topics import BYTES_TYPE
from domain.vocabulary import Topic
from runtime.servers import EmbeddedServer


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

    ended = execmon("dead-letters", "replay", f"0/{position}", "--bus-url", bus.url, "--json")

    assert ended.json["replay_of"] == f"0/{position}"
    [message] = bus.reader().read({(Topic.ORDERS, 1): START}, 9, 0)[Topic.ORDERS, 1]
    assert message.body == b"{}"
    assert message.position == ended.json["position"]
    again = execmon("dead-letters", "replay", f"0/{position}", "--bus-url", bus.url)
    assert "→ orders partition 1" in again.out


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

    ended = execmon("dead-letters", "replay", f"0/{position}", "--bus-url", bus.url)

    assert ended.code == 3
    assert "came from 'file'" in ended.err
