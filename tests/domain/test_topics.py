"""Which partition a message belongs to, and names other processes rely on."""

import uuid

import pytest

from domain import topics
from domain.errors import Refused
from domain.events import OrderMessage
from domain.keys import group_of, partition_of
from domain.topics import (
    event_id,
    key_name,
    open_orders_key,
    partition_for,
    stream_key,
    wrong_out_topic,
)
from domain.vocabulary import Topic


@pytest.mark.parametrize(
    ("topic", "message", "key"),
    [
        (Topic.ORDERS, {"order_id": "C", "parent_order_id": "P", "root_order_id": "R"}, "R"),
        (Topic.ROUTES, {"order_id": "C", "parent_order_id": "P"}, "P"),
        (Topic.ORDERS, {"order_id": "C", "parent_order_id": None}, "C"),
        (Topic.ORDERS, OrderMessage(type="order_filled", ts_event="", order_id="C"), "C"),
        (Topic.MARKET_DATA, {"symbol": "IBM"}, "IBM"),
        (Topic.REFERENCE, {"scope": "venue:XNAS"}, "venue:XNAS"),
        (Topic.CONTROL, {}, ""),
        (Topic.EXECUTION_UPDATES, {"root_order_id": "R", "order_id": "C"}, "R"),
        (Topic.DEAD_LETTER, {"topic": "orders"}, "orders"),
    ],
)
def test_a_message_goes_by_its_root_order_symbol_or_scope(topic, message, key):
    assert key_name(topic, message) == key


def test_a_family_of_orders_shares_a_partition_and_a_symbol_its_group():
    child = {"order_id": "C", "root_order_id": "R"}
    parent = {"order_id": "R"}

    assert partition_for(Topic.ORDERS, child, 4) == partition_for(Topic.ORDERS, parent, 4)
    assert partition_for(Topic.MARKET_DATA, {"symbol": "IBM"}, 4) == group_of("IBM") % 4
    assert partition_of("IBM", 4) == group_of("IBM") % 4


@pytest.mark.parametrize("message", [{}, {"order_id": ""}, {"order_id": 5}])
def test_a_message_without_its_key_is_refused(message):
    with pytest.raises(Refused, match="needs root_order_id or parent_order_id or order_id"):
        key_name(Topic.ORDERS, message)


def test_an_event_id_is_a_uuid_of_order_sequence_and_type():
    assert event_id("A", 5, "status") == event_id("A", 5, "status")
    assert uuid.UUID(event_id("A", 5, "status")).version == 5
    assert len({event_id("A", 5, "status"), event_id("A", 5, "fill"), event_id("A", 6, "status"),
                event_id("A5", "", "status")}) == 4  # fmt: skip


def test_names_that_other_processes_read_do_not_change():
    assert stream_key(Topic.MARKET_DATA, 3) == "execmon:market-data:3"
    assert topics.status_key("A/1 #ü") == "execution:status:A/1 #ü"
    assert topics.updates_channel("A") == "execution:updates:A"
    assert (open_orders_key(), open_orders_key("US")) == ("execution:open", "execution:open:US")
    assert (topics.FEED, topics.BUS_META) == ("execution:feed", "execmon:meta")
    assert event_id("A", 1, "status") == "9d6ad44e-431a-5ebb-847c-9e03be868d7e"


@pytest.mark.parametrize("name", ["out.a", "out.oms.us-cash_2", "out." + "a" * 60])
def test_a_subscriptions_topic_may_have_such_a_name(name):
    assert wrong_out_topic(name) == ""


@pytest.mark.parametrize(
    "name",
    ["", "out", "out.", "oms", "out.A", "out.a:0", "out.a/b", "out.-a", "out.a.", "OUT.a",
     "out.a b", "out.a\n", "out.\u0661", "out." + "a" * 61, "out.a-partition-3", *Topic],
)  # fmt: skip
def test_any_other_name_is_refused_in_words(name):
    assert wrong_out_topic(name).startswith("a topic must")
