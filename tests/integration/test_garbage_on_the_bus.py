"""A thousand spoilt messages among ten thousand good ones, on a real bus."""

from typing import Any

import msgspec
from bytewax.testing import run_main

from bus.base import START, Bus
from bus.connect import open_bus
from bus.dead_letters import Letter, list_letters
from dataflows.graph import monitor_graph
from domain.instants import MILLISECOND, parse_rfc3339
from domain.records import WALL_CLOCK_FIELDS
from domain.topics import JSON_TYPE, partition_for, stream_key
from domain.vocabulary import Topic
from domain.wire import topic_of
from operators.market.logic import MarketSettings
from operators.orders.group import OrderSettings
from runtime.servers import EmbeddedServer
from sinks.bus_writer import BusWriterSink, DeadLetterSink
from sources.bus_source import BusSource
from tests import garbage

PARTITIONS, GROUPS = 4, 16
Place = tuple[str, int, str]
"""Topic, partition, position."""


def publish(bus: Any, good: list[garbage.Record], spoilt: list[garbage.Line]) -> list[Place]:
    """Store each message within a millisecond of its time; gives the places of the spoilt.

    These lie on the partition of the message before them.
    """
    messages, where = garbage.merged(list(good), [(line.behind, line.raw) for line in spoilt])
    newest, place = 0, (Topic.ORDERS, 0)
    places: list[tuple[Topic, int]] = []
    with bus._client.pipeline(transaction=False) as pipe:
        for message in messages:
            raw = message
            if isinstance(message, dict):
                topic, raw = topic_of(message["type"]), garbage.as_json(message)
                place = topic, partition_for(topic, message, PARTITIONS, GROUPS)
                newest = max(newest, parse_rfc3339(message["ts_event"]) // MILLISECOND + 1)
            places.append(place)
            fields = {"content-type": JSON_TYPE, "body": raw}
            pipe.xadd(stream_key(*place), fields, id=f"{newest}-*")
        stored = [position.decode() for position in pipe.execute()]
    return [(str(places[i][0]), places[i][1], stored[i]) for i in where]


def final_rows(bus: Bus) -> dict[str, list[bytes]]:
    """Every update by its order, without wall clocks and the events' numbers in the input."""
    found: dict[str, list[bytes]] = {}
    for partition in range(PARTITIONS):
        place, position = (Topic.EXECUTION_UPDATES, partition), START
        while batch := bus.reader().read({place: position}, 1_000, 0).get(place):
            position = batch[-1].position
            for message in batch:
                for event in msgspec.json.decode(message.body):
                    plain = msgspec.json.encode(_timeless(event), order="deterministic")
                    found.setdefault(event["order_id"], []).append(plain)
    return {order: sorted(updates) for order, updates in found.items()}


def _timeless(event: dict[str, Any]) -> dict[str, Any]:
    left_out = {*WALL_CLOCK_FIELDS, "pos", "event_id"}
    return {
        name: _timeless(value) if isinstance(value, dict) else value
        for name, value in event.items()
        if name not in left_out
    }


def run(good: list[garbage.Record], spoilt: list[garbage.Line]) -> Any:
    """(final rows by order, dead letters by place, places of the spoilt) of the real flow."""
    with EmbeddedServer("bus", durable=False) as server:
        bus = open_bus(server.url)
        bus.set_up(dict.fromkeys(Topic, PARTITIONS), GROUPS)
        places = publish(bus, good, spoilt)
        source = BusSource(bus, stop_at_end=True)
        run_main(
            monitor_graph(
                source, source.inputs, MarketSettings(source.inputs), OrderSettings(),
                {"updates": BusWriterSink(bus)}, DeadLetterSink(bus),
            )
        )  # fmt: skip
        letters = list_letters(bus, limit=10 * garbage.BAD).letters
        dead = {(x.topic, x.origin_partition, x.origin_position): x for x in letters}
        assert len(dead) == len(letters)
        rows = final_rows(bus)
        bus.close()
    return rows, dead, places


def check_letter(letter: Letter, line: garbage.Line) -> None:
    assert not line.reasons or letter.reason in line.reasons, (line, letter)
    assert letter.message == line.raw
    assert letter.words


def test_spoilt_messages_on_the_bus_change_no_good_order():
    good = garbage.good_records()
    spoilt = garbage.spoilt_json(good, seed=5)

    clean, none, _ = run(good, [])
    dirty, dead, places = run(good, spoilt)

    assert none == {}
    told = dict(zip(places, spoilt, strict=True))
    assert len(told) == garbage.BAD
    assert not dead.keys() - told.keys(), "a good message was refused"
    assert not [line for place, line in told.items() if line.reasons and place not in dead]
    for place, letter in dead.items():
        check_letter(letter, told[place])
    assert 0 < len(told) - len(dead) < sum(not line.reasons for line in spoilt)
    assert len(clean) > 500
    assert {order: rows for order, rows in dirty.items() if order in clean} == clean
