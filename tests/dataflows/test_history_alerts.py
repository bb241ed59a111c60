"""The history dataflow reads updates and alerts, each from a position of its own."""

import psycopg
import pytest
from bytewax.testing import run_main

from bus.base import Outgoing
from bus.connect import open_bus
from bus.dead_letters import list_letters
from dataflows.history import history_graph, layout
from domain.alerts import Change
from domain.vocabulary import Topic
from runtime.servers import EmbeddedServer
from runtime.settings import load_settings
from sinks.alert_events import change_message
from sinks.bus_writer import DeadLetterSink
from sinks.history.sink import TOPICS, HistorySink
from sources.bus_messages import MessageSource
from tests.alert_data import raised, then


@pytest.fixture
def bus():
    with EmbeddedServer("bus", durable=False) as server:
        found = open_bus(server.url)
        found.set_up(dict.fromkeys(Topic, 2), 16)
        yield found
        found.close()


def test_alerts_updates_and_what_cannot_be_read_each_find_their_place(bus, history_url):
    first = raised("AL1", "A")
    messages = [change_message(c, 2, 2, 16) for c in (first, then(first, Change.RESOLVED))]
    bar = b'{"kind":"bar","symbol":"IBM","ts":"2026-11-20T14:31:00Z","trades":1}'
    bus.append([
        *messages, Outgoing(Topic.EXECUTION_UPDATES, 0, bar),
        Outgoing(Topic.EXECUTION_ALERTS, 1, b"gibberish"),
    ])  # fmt: skip

    source = MessageSource(bus, *TOPICS, stop_at_end=True)
    run_main(history_graph(source, HistorySink(history_url, bus, 2), DeadLetterSink(bus)))

    with psycopg.connect(history_url) as connection:
        assert connection.execute("SELECT alert_id, state FROM alerts").fetchall() == [
            ("AL1", "RESOLVED")
        ]
        assert connection.execute("SELECT count(*) FROM market_bars").fetchone() == (1,)
    [letter] = list_letters(bus, topic=Topic.EXECUTION_ALERTS).letters
    assert letter.message == b"gibberish"


def test_its_snapshots_are_bound_to_the_partitions_of_both_topics():
    assert layout(load_settings({}, env={}))["partitions"].keys() == {
        "execution-updates", "execution-alerts",
    }  # fmt: skip
