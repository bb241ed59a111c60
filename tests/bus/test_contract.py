"""What every bus does, on real servers: order, positions, layout, outages."""

import time

import pytest

from bus.base import START, Outgoing
from bus.out_topics import make_out_topic
from bus.publish import Publisher, publish, publish_columns
from domain.errors import BusDown, BusError, Refused
from domain.instants import SECOND
from domain.keys import partition_of
from domain.topics import ARROW_TYPE
from domain.vocabulary import Topic
from tests.bus.stored import ORDERS0, QUOTE, bodies, say
from tests.pulsar_broker import again


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
    assert abs(message.ts - time.time_ns()) < 60 * SECOND


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


def test_a_position_past_the_end_means_another_bus(bus):
    position = say(bus, "a")[0]
    bus.check_position(ORDERS0, position)

    with pytest.raises(BusError, match="start anew with an empty recovery_dir"):
        bus.check_position((Topic.ORDERS, 1), position)
    with pytest.raises(BusError, match="expected a position such as"):
        bus.check_position(ORDERS0, "yesterday")


def test_the_number_of_partitions_refuses_to_change(bus):
    with pytest.raises(BusError, match=r"partitions:orders = 2, now 4 is asked"):
        bus.set_up({Topic.ORDERS: 4}, 16)
    with pytest.raises(BusError, match="groups = 16, now 8"):
        bus.set_up({}, 8)
    bus.set_up({Topic.ORDERS: 2}, 16)

    other = again(bus)
    assert other.partitions(Topic.ORDERS) == 2
    assert other.groups() == 16
    other.close()


def test_more_partitions_than_groups_are_refused(bus):
    with pytest.raises(BusError, match="1 to 4 partitions"):
        bus.set_up({Topic.ORDERS: 5}, 4)


def test_a_refused_layout_leaves_no_trace(bare_bus):
    bare_bus.set_up({Topic.ROUTES: 3}, 16)

    with pytest.raises(BusError):
        bare_bus.set_up({Topic.ORDERS: 5, Topic.ROUTES: 4}, 16)

    with pytest.raises(BusError, match="has no topic orders"):
        again(bare_bus).partitions(Topic.ORDERS)


def test_a_topic_never_set_up_is_named(bare_bus):
    with pytest.raises(BusError, match="has no topic orders"):
        bare_bus.partitions(Topic.ORDERS)
    with pytest.raises(BusError, match="never set up"):
        bare_bus.groups()


def test_a_reader_that_has_a_name_reads_the_same_and_acknowledges(bus):
    positions = say(bus, "a", "b", "c")
    reader = bus.reader("desk")

    found = reader.read({ORDERS0: positions[0]}, 10, 0)[ORDERS0]
    reader.acknowledge(ORDERS0, positions[1])
    reader.acknowledge((Topic.ROUTES, 0), positions[1])
    reader.close()

    assert [m.body for m in found] == [b"b", b"c"]
    assert bodies(bus) == [b"a", b"b", b"c"]


def test_nothing_to_append_trim_or_read_is_no_error(bus):
    assert bus.append([]) == []
    assert bus.trim(ORDERS0, START) == 0
    assert bus.reader().read({}, 10, 0) == {}


def test_what_was_acknowledged_survives_kill_9_of_the_server(own_server):
    bus = own_server.open()
    bus.set_up(dict.fromkeys(Topic, 2), 16)
    positions = say(bus, *map(str, range(200)))

    own_server.kill()
    with pytest.raises(BusDown):
        bus.ping()
    own_server.restart()

    assert bodies(bus) == [str(i).encode() for i in range(200)]
    bus.check_position(ORDERS0, positions[-1])
    say(bus, "next")
    assert bodies(bus, after=positions[-1]) == [b"next"]


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
    time.sleep(0.002)
    [elsewhere] = say(bus, "x", place=(Topic.ORDERS, 1))
    assert bus.find(ORDERS0, elsewhere) is None


def test_a_publisher_keeps_its_events_while_the_bus_is_away(own_server):
    bus = own_server.open()
    bus.set_up(dict.fromkeys(Topic, 2), 16)
    publisher = Publisher(bus)
    publisher.add(QUOTE)
    own_server.kill()

    with pytest.raises(BusDown):
        publisher.flush()
    own_server.restart()

    assert publisher.flush() == 1
    assert len(bodies(bus, (Topic.MARKET_DATA, partition_of("IBM", 2)))) == 1


def test_a_topic_of_a_subscription_is_made_once_and_read_like_any_other(bus):
    assert bus.add_topic("out.oms", 3) == 3
    assert bus.add_topic("out.oms", 5) == again(bus).add_topic("out.oms", 1) == 3
    assert again(bus).partitions("out.oms") == 3
    [position] = bus.append([Outgoing("out.oms", 2, b"a", meta={"ce_id": "1"})])
    place = ("out.oms", 2)

    [message] = bus.reader().read({place: START}, 10, 0)[place]
    assert (message.body, message.meta) == (b"a", {"ce_id": "1"})
    assert bus.end(place) == position
    assert bus.lag(place, START) == 1
    assert [one.body for one in bus.read_back(place, None, 5)] == [b"a"]


@pytest.mark.parametrize("name", ["orders", "out.", "execution-alerts", "out.x-partition-0"])
def test_no_subscription_may_have_another_name(bus, name):
    with pytest.raises(BusError, match="a topic must"):
        bus.add_topic(name, 2)


def test_no_topic_is_made_on_a_bus_that_was_never_set_up(bare_bus):
    with pytest.raises(BusError, match="never set up"):
        bare_bus.add_topic("out.oms", 2)


def test_it_has_as_many_partitions_as_what_it_is_fed_from(bare_bus):
    bare_bus.set_up({**dict.fromkeys(Topic, 1), Topic.EXECUTION_EVENTS: 3}, 16)

    assert make_out_topic(bare_bus, "out.a") == 3
