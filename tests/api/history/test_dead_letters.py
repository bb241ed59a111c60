"""Dead letters over HTTP: listed, shown, put back, each once."""

import base64

import psycopg
import pytest

from api.dead_letter_models import DeadLetter, DeadLetterRow, Replayed
from api.history.models import Page
from bus.base import START, Outgoing
from domain.topics import BYTES_TYPE
from domain.vocabulary import Topic

LETTERS = "/api/v1/dead-letters"


@pytest.fixture
def refuse(letters_bus):
    """Writes a dead letter as the monitor does; gives its path."""

    def make(n, topic="orders", reason="UNREADABLE", body=None):
        meta = {"topic": topic, "partition": "1", "position": f"{n}-0", "reason": reason,
                "words": f"word {n} – ü"}  # fmt: skip
        raw = f"message {n}".encode() if body is None else body
        [at] = letters_bus.append([Outgoing(Topic.DEAD_LETTER, 0, raw, BYTES_TYPE, meta)])
        return f"{LETTERS}/0/{at}"

    return make


def words(answer):
    assert answer.status_code == 200, answer.text
    return [row.words for row in Page[DeadLetterRow].model_validate_json(answer.content).items]


def test_dead_letters_are_listed_newest_first_in_pages(api, refuse):
    for n in range(5):
        refuse(n)

    found, path = [], f"{LETTERS}?limit=2"
    while path:
        answer = api.get(path)
        found += words(answer)
        link = answer.headers.get("link")
        path = link and link.split(">")[0].lstrip("<")

    assert found == [f"word {n} – ü" for n in (4, 3, 2, 1, 0)]


def test_they_are_chosen_by_topic_and_reason(api, refuse):
    refuse(1)
    refuse(2, reason="BAD_ID")

    assert words(api.get(LETTERS, params={"reason": "BAD_ID"})) == ["word 2 – ü"]
    assert len(words(api.get(LETTERS, params={"topic": "orders"}))) == 2
    assert words(api.get(LETTERS, params={"topic": "control"})) == []
    assert api.get(LETTERS, params={"topic": "gossip"}).status_code == 422
    assert api.get(LETTERS, params={"cursor": "e30"}).status_code == 422


def test_one_is_shown_with_its_bytes_and_as_text_where_it_is_text(api, refuse):
    for body, text in ((b'{"type": "\xc3\xbc"}', '{"type": "ü"}'), (b"\xff\x00", None)):
        answer = api.get(refuse(1, body=body))

        found = DeadLetter.model_validate_json(answer.content)
        assert (found.message, base64.b64decode(found.message_base64)) == (text, body)
        assert (found.topic, found.origin_partition, found.origin_position) == ("orders", 1, "1-0")


def test_what_is_not_there_is_a_404_and_what_is_no_place_a_422(api, refuse):
    refuse(1)

    assert api.get(f"{LETTERS}/0/1-0").status_code == 404
    assert api.get(f"{LETTERS}/7/1-0").status_code == 404
    for wrong in ("0/yesterday", "x/1-0", "0/99999999999999999999-0"):
        assert api.get(f"{LETTERS}/{wrong}").status_code == 422


def test_a_replay_puts_the_bytes_back_and_says_who_did_it(api, refuse, letters_bus):
    path = refuse(1, body=b'{"type":"order_accepted"}')

    answer = api.post(f"{path}/replay")

    assert answer.status_code == 202
    told = Replayed.model_validate_json(answer.content)
    [message] = letters_bus.reader().read({(Topic.ORDERS, 1): START}, 9, 0)[Topic.ORDERS, 1]
    assert (message.position, message.body) == (told.position, b'{"type":"order_accepted"}')
    assert message.meta["replayed_by"] == "local"


def test_a_replay_with_the_same_key_is_done_once(api, refuse, letters_bus):
    path = refuse(1)
    key = {"Idempotency-Key": f"again {path}"}

    first, second = (api.post(f"{path}/replay", headers=key) for _ in range(2))

    assert first.json() == second.json()
    assert second.headers["idempotent-replayed"] == "true"
    assert letters_bus.lag((Topic.ORDERS, 1), START) == 1
    api.post(f"{path}/replay")
    assert letters_bus.lag((Topic.ORDERS, 1), START) == 2


def test_what_did_not_come_from_the_bus_cannot_be_put_back(api, refuse):
    answer = api.post(f"{refuse(1, topic='file')}/replay")

    assert (answer.status_code, answer.json()["type"]) == (
        409,
        "urn:execmon:problem:not-replayable",
    )


def test_a_replay_needs_the_scope_and_every_desk(keyed, refuse, letters_bus):
    path = refuse(1)

    assert keyed.post("reader", f"{path}/replay").status_code == 403
    for who in ("us", "eu"):
        assert keyed.get(who, LETTERS).status_code == 403
        assert keyed.get(who, path).status_code == 403
    assert keyed.post("us", f"{path}/replay").status_code == 403
    assert letters_bus.lag((Topic.ORDERS, 1), START) == 0
    assert words(keyed.get("reader", LETTERS)) == ["word 1 – ü"]
    assert keyed.post("everyone", f"{path}/replay").status_code == 202


def test_a_replay_is_in_the_audit(keyed, refuse, eventually):
    path = refuse(1)
    keyed.post("everyone", f"{path}/replay")
    target = path.removeprefix(f"{LETTERS}/")

    def line():
        with psycopg.connect(keyed.history_url) as connection:
            return connection.execute(
                "SELECT who, outcome FROM audit WHERE target = %s", [target]
            ).fetchone()

    assert eventually(line) == ("everyone", "done")
