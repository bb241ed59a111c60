"""The bus on a real server: order, positions, trimming, refusals."""

import pytest
import redis

from bus.base import START, Outgoing
from bus.connect import open_bus
from bus.publish import Publisher, publish, publish_columns
from domain.errors import BusDown, BusError, Refused
from domain.keys import partition_of
from domain.topics import ARROW_TYPE, BUS_META, stream_key
from domain.vocabulary import Topic

ORDERS0 = (Topic.ORDERS, 0)
QUOTE = {"type": "quote", "symbol": "IBM", "bid": 1.0, "ts_event": "2026-11-20T14:30:00Z"}


def bodies(bus, place=ORDERS0, after=START, count=1000):
    reader = bus.reader()
    found = reader.read({place: after}, count, 0).get(place, [])
    reader.close()
    return [m.body for m in found]


def say(bus, *texts, place=ORDERS0):
    return bus.append([Outgoing(*place, text.encode()) for text in texts])


def test_messages_are_read_in_the_order_they_were_stored(bus):
    say(bus, "a", "b", "c")

    assert bodies(bus) == [b"a", b"b", b"c"]


def test_reading_goes_on_after_a_position_and_not_at_it(bus):
    positions = say(bus, "a", "b", "c")

    assert bodies(bus, after=positions[0]) == [b"b", b"c"]
    assert bodies(bus, after=positions[2]) == []


def test_each_read_takes_at_most_the_count_from_each_partition(bus):
    say(bus, "a", "b", "c")
    say(bus, "x", place=(Topic.ORDERS, 1))

    found = bus.reader().read({ORDERS0: START, (Topic.ORDERS, 1): START}, 2, 0)

    assert {place: len(messages) for place, messages in found.items()} == {
        ORDERS0: 2,
        (Topic.ORDERS, 1): 1,
    }


def test_metadata_and_content_type_come_back_with_the_bytes(bus):
    body = bytes(range(256))
    bus.append([Outgoing(*ORDERS0, body, ARROW_TYPE, {"ce_id": "A/1 #ü"})])

    message = bus.reader().read({ORDERS0: START}, 1, 0)[ORDERS0][0]

    assert message.body == body
    assert message.content_type == ARROW_TYPE
    assert message.meta == {"ce_id": "A/1 #ü"}
    assert message.ts == int(message.position.split("-")[0]) * 1_000_000


def test_the_end_is_the_newest_message_whatever_its_bytes(bus):
    assert bus.end(ORDERS0) == START

    say(bus, "a")
    [last] = bus.append([Outgoing(*ORDERS0, b"\xff\x00")])

    assert bus.end(ORDERS0) == last


def test_lag_counts_the_messages_after_a_position(bus):
    positions = say(bus, *(str(i) for i in range(2_500)))

    assert bus.lag(ORDERS0, START) == 2_500
    assert bus.lag(ORDERS0, positions[9]) == 2_490
    assert bus.lag(ORDERS0, positions[-1]) == 0


def test_trimming_keeps_the_named_message_and_all_after_it(bus):
    positions = say(bus, "a", "b", "c", "d")

    assert bus.trim(ORDERS0, positions[2]) == 2
    assert bodies(bus) == [b"c", b"d"]
    assert bus.end(ORDERS0) == positions[-1]


def test_a_reader_behind_the_trimmed_stretch_is_told_that_messages_are_gone(bus):
    positions = say(bus, "a", "b", "c", "d")
    bus.trim(ORDERS0, positions[2])
    bus.trim(ORDERS0, positions[0])

    bus.check_position(ORDERS0, START)
    bus.check_position(ORDERS0, positions[2])
    with pytest.raises(BusError, match="are gone: the bus was trimmed"):
        bus.check_position(ORDERS0, positions[1])


def test_a_position_past_the_end_means_another_bus(bus):
    position = say(bus, "a")[0]
    bus.check_position(ORDERS0, position)

    with pytest.raises(BusError, match="another bus, or it was emptied"):
        bus.check_position((Topic.ORDERS, 1), position)
    with pytest.raises(BusError, match="expected a position such as"):
        bus.check_position(ORDERS0, "yesterday")


def test_the_number_of_partitions_refuses_to_change(bus):
    with pytest.raises(BusError, match=r"partitions:orders = 2, now 4 is asked"):
        bus.set_up({Topic.ORDERS: 4}, 16)
    with pytest.raises(BusError, match="groups = 16, now 8"):
        bus.set_up({}, 8)
    bus.set_up({Topic.ORDERS: 2}, 16)

    again = open_bus(bus.url)
    assert again.partitions(Topic.ORDERS) == 2
    assert again.groups() == 16


def test_a_refused_layout_leaves_no_trace(bus, shared_server):
    client = redis.Redis.from_url(shared_server.url)
    client.delete(BUS_META)
    bus.set_up({Topic.ROUTES: 3}, 16)

    with pytest.raises(BusError):
        bus.set_up({Topic.ORDERS: 5, Topic.ROUTES: 4}, 16)

    assert client.hget(BUS_META, "partitions:orders") is None


def test_more_partitions_than_groups_are_refused(bus):
    with pytest.raises(BusError, match="1 to 4 partitions"):
        bus.set_up({Topic.ORDERS: 5}, 4)


def test_a_topic_never_set_up_is_named(shared_server):
    redis.Redis.from_url(shared_server.url).flushall()

    with pytest.raises(BusError, match="has no topic orders"):
        open_bus(shared_server.url).partitions(Topic.ORDERS)
    with pytest.raises(BusError, match="never set up"):
        open_bus(shared_server.url).groups()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("pulsar://broker:6650", "not built yet"),
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


def test_a_stream_key_of_another_kind_is_a_refusal_and_not_an_outage(bus, shared_server):
    redis.Redis.from_url(shared_server.url).set(stream_key(*ORDERS0), "text")

    with pytest.raises(BusError, match="WRONGTYPE") as caught:
        say(bus, "a")

    assert not isinstance(caught.value, BusDown)


def test_what_was_acknowledged_survives_kill_9_of_the_server(own_server):
    bus = open_bus(own_server.url)
    bus.set_up(dict.fromkeys(Topic, 2), 16)
    positions = say(bus, *map(str, range(200)))

    own_server.kill()
    with pytest.raises(BusDown):
        bus.ping()
    own_server.restart()

    assert bodies(bus) == [str(i).encode() for i in range(200)]
    bus.check_position(ORDERS0, positions[-1])
    assert say(bus, "next")[0] > positions[-1]


# Publishing


def test_an_event_goes_to_the_partition_of_its_root_order_or_symbol(bus):
    child = {"type": "order_accepted", "order_id": "C", "parent_order_id": "P", "symbol": "IBM"}

    assert publish(bus, [QUOTE, child, {**child, "root_order_id": "R/1 #ü"}]) == 3

    assert len(bodies(bus, (Topic.MARKET_DATA, partition_of("IBM", 2)))) == 1
    for root in ("P", "R/1 #ü"):
        assert bodies(bus, (Topic.ORDERS, partition_of(root, 2)))


def test_an_event_without_its_key_or_of_unknown_type_is_refused(bus):
    with pytest.raises(Refused, match="topic orders needs root_order_id or"):
        publish(bus, [{"type": "order_accepted", "symbol": "IBM"}])
    with pytest.raises(Refused, match="type must be one of"):
        publish(bus, [{"type": "guess"}])


def test_batched_events_travel_as_one_array_in_order(bus):
    publisher = Publisher(bus, batch=2)
    for seq in range(3):
        publisher.add({**QUOTE, "seq": seq})

    assert publisher.flush() == 3
    first, second = bodies(bus, (Topic.MARKET_DATA, partition_of("IBM", 2)))
    assert first.startswith(b"[{")
    assert first.endswith(b"}]")
    assert second.startswith(b"{")
    assert publisher.sent == 3
    assert len(publisher) == 0


def test_a_publisher_keeps_its_events_while_the_bus_is_away(own_server):
    bus = open_bus(own_server.url)
    bus.set_up(dict.fromkeys(Topic, 2), 16)
    publisher = Publisher(bus)
    publisher.add(QUOTE)
    own_server.kill()

    with pytest.raises(BusDown):
        publisher.flush()
    own_server.restart()

    assert publisher.flush() == 1
    assert len(bodies(bus, (Topic.MARKET_DATA, partition_of("IBM", 2)))) == 1


def test_a_wrong_password_is_a_refusal_and_not_an_outage(own_server):
    bus = open_bus(own_server.url)
    bus.ping()
    redis.Redis.from_url(own_server.url).config_set("requirepass", "right")

    with pytest.raises(BusError) as caught:
        open_bus(own_server.url).ping()

    assert not isinstance(caught.value, BusDown)


def test_a_full_server_is_an_outage_that_passes(own_server):
    bus = open_bus(own_server.url)
    bus.set_up(dict.fromkeys(Topic, 1), 16)
    client = redis.Redis.from_url(own_server.url)
    client.config_set("maxmemory", "1")

    with pytest.raises(BusDown, match="is full"):
        say(bus, "a")
    client.config_set("maxmemory", "0")

    assert say(bus, "a")


def test_nothing_to_append_trim_or_read_is_no_error(bus):
    assert bus.append([]) == []
    assert bus.trim(ORDERS0, START) == 0
    assert bus.reader().read({}, 10, 0) == {}


def test_columns_of_one_partition_travel_as_one_message(bus):
    publish_columns(bus, Topic.ORDERS, 1, b"ARROW")
    publisher = Publisher(bus)
    publisher.add_raw(Topic.ORDERS, 0, b"not json")
    publisher.flush()

    [message] = bus.reader().read({(Topic.ORDERS, 1): START}, 9, 0)[Topic.ORDERS, 1]
    assert (message.body, message.content_type) == (b"ARROW", ARROW_TYPE)
    assert bodies(bus) == [b"not json"]


def test_reading_back_begins_with_the_newest_or_before_a_position(bus):
    positions = say(bus, "a", "b", "c")

    assert [m.body for m in bus.read_back(ORDERS0, None, 2)] == [b"c", b"b"]
    assert [m.body for m in bus.read_back(ORDERS0, positions[1], 9)] == [b"a"]
    assert bus.read_back(ORDERS0, positions[0], 9) == []
    assert bus.read_back((Topic.ROUTES, 0), None, 9) == []


def test_a_message_is_found_by_its_position(bus):
    [position] = bus.append([Outgoing(*ORDERS0, b"\xff", ARROW_TYPE, {"ce_id": "1"})])

    found = bus.find(ORDERS0, position)

    assert found is not None
    assert (found.position, found.body, found.content_type) == (position, b"\xff", ARROW_TYPE)
    assert found.meta == {"ce_id": "1"}
    assert bus.find(ORDERS0, "5-0") is None
