"""The bus on Redis Streams, on a real server: trimming, refusals."""

import pytest
import redis

from bus.base import START, Outgoing
from bus.connect import open_bus
from domain.errors import BusDown, BusError
from domain.topics import stream_key
from domain.vocabulary import Topic
from tests.bus.stored import ORDERS0, bodies, say


def test_trimming_keeps_the_named_message_and_all_after_it(redis_bus):
    positions = say(redis_bus, "a", "b", "c", "d")

    assert redis_bus.trim(ORDERS0, positions[2]) == 2
    assert bodies(redis_bus) == [b"c", b"d"]
    assert redis_bus.end(ORDERS0) == positions[-1]


def test_a_reader_behind_the_trimmed_stretch_is_told_that_messages_are_gone(redis_bus):
    positions = say(redis_bus, "a", "b", "c", "d")
    redis_bus.trim(ORDERS0, positions[2])
    redis_bus.trim(ORDERS0, positions[0])

    redis_bus.check_position(ORDERS0, START)
    redis_bus.check_position(ORDERS0, positions[2])
    with pytest.raises(BusError, match="are gone: the bus was trimmed"):
        redis_bus.check_position(ORDERS0, positions[1])


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("pulsar://broker:6650/one", "expected pulsar://HOST:PORT"),
        ("http://host", "expected an address such as"),
        ("redis://host:port", "in the address"),
    ],
)
def test_an_address_that_cannot_be_used_says_which_can(url, words):
    with pytest.raises(BusError, match=words):
        open_bus(url).ping()


def test_a_server_that_is_away_is_down_and_the_password_is_not_shown():
    bus = open_bus("redis://desk:secret@127.0.0.1:1/0", timeout_s=0.5)

    with pytest.raises(BusDown) as caught:
        bus.ping()

    assert "secret" not in str(caught.value)
    with pytest.raises(BusDown):
        bus.append([Outgoing(*ORDERS0, b"a")])
    with pytest.raises(BusDown):
        bus.reader().read({ORDERS0: START}, 1, 0)


def test_a_stream_key_of_another_kind_is_a_refusal_and_not_an_outage(redis_bus, shared_server):
    redis.Redis.from_url(shared_server.url).set(stream_key(*ORDERS0), "text")

    with pytest.raises(BusError, match="WRONGTYPE") as caught:
        say(redis_bus, "a")

    assert not isinstance(caught.value, BusDown)


def test_a_wrong_password_is_a_refusal_and_not_an_outage(own_redis):
    bus = open_bus(own_redis.url)
    bus.ping()
    redis.Redis.from_url(own_redis.url).config_set("requirepass", "right")

    with pytest.raises(BusError) as caught:
        open_bus(own_redis.url).ping()

    assert not isinstance(caught.value, BusDown)


def test_a_full_server_is_an_outage_that_passes(own_redis):
    bus = open_bus(own_redis.url)
    bus.set_up(dict.fromkeys(Topic, 1), 16)
    client = redis.Redis.from_url(own_redis.url)
    client.config_set("maxmemory", "1")

    with pytest.raises(BusDown, match="is full"):
        say(bus, "a")
    client.config_set("maxmemory", "0")

    assert say(bus, "a")
