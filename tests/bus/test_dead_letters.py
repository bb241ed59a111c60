"""Dead letters on a real bus: pages, filters, one by one, replayed."""

import pytest

from bus.base import START, Outgoing
from bus.dead_letters import LetterPlace, find_letter, list_letters, replay_letter
from domain.errors import BusError, InputError
from domain.instants import parse_rfc3339
from domain.keys import partition_of
from domain.reasons import DeadLetterReason
from domain.topics import ARROW_TYPE, BYTES_TYPE, JSON_TYPE
from domain.vocabulary import Topic


def refuse(bus, n, *, topic="orders", reason="UNREADABLE", body=None):
    """A dead letter as the monitor writes it."""
    meta = {"topic": topic, "partition": "1", "position": f"{n}-0", "reason": reason,
            "words": f"word {n}", "ce_time": "2026-11-20T14:30:00Z"}  # fmt: skip
    partition = partition_of(topic, 2, 16)
    raw = f"message {n}".encode() if body is None else body
    return bus.append([Outgoing(Topic.DEAD_LETTER, partition, raw, BYTES_TYPE, meta)])[0]


def pages(bus, **how):
    found, after = [], None
    while True:
        page = list_letters(bus, after=after, **how)
        found.append([letter.words for letter in page.letters])
        if page.more is None:
            return found
        after = page.more


def test_a_dead_letter_says_where_it_came_from_and_why(bus):
    position = refuse(bus, 7, reason="BAD_ID")

    [letter] = list_letters(bus).letters

    assert (letter.partition, letter.position) == (partition_of("orders", 2, 16), position)
    assert (letter.topic, letter.origin_partition, letter.origin_position) == ("orders", 1, "7-0")
    assert (letter.reason, letter.words, letter.message) == ("BAD_ID", "word 7", b"message 7")
    assert letter.ts == "2026-11-20T14:30:00Z"
    assert find_letter(bus, letter.partition, position) == letter


def test_pages_hold_each_dead_letter_once_newest_first_while_others_arrive(bus):
    topics = ["orders", "routes"]
    assert len({partition_of(topic, 2, 16) for topic in topics}) == 2
    for n in range(501):
        refuse(bus, n, topic=topics[n % 2])

    first = list_letters(bus, limit=200)
    refuse(bus, 900, topic="orders")
    second = list_letters(bus, limit=200, after=first.more)
    refuse(bus, 901, topic="routes")
    third = list_letters(bus, limit=200, after=second.more)

    words = [letter.words for page in (first, second, third) for letter in page.letters]
    assert third.more is None
    assert set(words) - {"word 900", "word 901"} == {f"word {n}" for n in range(501)}
    assert len(words) == len(set(words))
    letters = [letter for page in (first, second, third) for letter in page.letters]
    stamps = [parse_rfc3339(letter.refused_at) for letter in letters]
    assert stamps == sorted(stamps, reverse=True)


def test_filters_choose_by_topic_and_reason(bus):
    refuse(bus, 1)
    refuse(bus, 2, topic="routes", reason="BAD_ID")
    refuse(bus, 3, topic="routes")

    assert pages(bus, topic=Topic.ROUTES) == [["word 3", "word 2"]]
    assert pages(bus, reason=DeadLetterReason.UNREADABLE) == [["word 3", "word 1"]]
    assert pages(bus, topic=Topic.ROUTES, reason=DeadLetterReason.BAD_ID) == [["word 2"]]
    assert pages(bus, topic=Topic.CONTROL) == [[]]


def test_a_page_ends_after_so_many_messages_even_with_none_found(bus):
    for n in range(5):
        refuse(bus, n, reason="BAD_ID" if n == 0 else "UNREADABLE")

    assert pages(bus, reason=DeadLetterReason.BAD_ID, most_read=2) == [[], [], ["word 0"]]


def test_an_empty_bus_has_an_empty_page(bus):
    assert pages(bus) == [[]]
    assert list_letters(bus, after=LetterPlace(0, {})).letters == []


def test_a_position_that_is_none_is_refused_and_an_unknown_one_not_found(bus):
    position = refuse(bus, 1)
    here = partition_of("orders", 2, 16)

    assert find_letter(bus, 1 - here, position) is None
    assert find_letter(bus, 9, position) is None
    for wrong in ("-", "+", "x", "1-2-3", "(5"):
        with pytest.raises(BusError, match="expected a position"):
            find_letter(bus, 0, wrong)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b'{"type":"x"}', JSON_TYPE), (b"\xff\x00", JSON_TYPE), (b"\xff\xff\xff\xff\x10", ARROW_TYPE)],
)
def test_a_replay_puts_the_same_bytes_back_where_they_came_from(bus, body, content_type):
    position = refuse(bus, 1, body=body)
    [letter] = list_letters(bus).letters

    stored = replay_letter(bus, letter, by="desk tool")

    [message] = bus.reader().read({(Topic.ORDERS, 1): START}, 10, 0)[Topic.ORDERS, 1]
    assert (message.position, message.body, message.content_type) == (stored, body, content_type)
    assert message.meta == {
        "replay_of": f"{letter.partition}/{position}", "replayed_by": "desk tool",
    }  # fmt: skip


def test_what_did_not_come_from_the_bus_cannot_be_replayed(bus):
    refuse(bus, 1, topic="file")
    [letter] = list_letters(bus).letters

    with pytest.raises(InputError, match="came from 'file'"):
        replay_letter(bus, letter, by="me")


def test_an_event_of_ours_that_was_withheld_is_not_put_back(bus):
    refuse(bus, 1, topic="execution-updates", reason="INVALID_EVENT")
    [letter] = list_letters(bus, reason=DeadLetterReason.INVALID_EVENT).letters

    with pytest.raises(InputError, match="event of ours that was withheld"):
        replay_letter(bus, letter, by="me")
