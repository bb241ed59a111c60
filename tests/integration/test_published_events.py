"""Every event the real pipeline publishes is valid, numbered without a gap, and lasting."""

import itertools
import json
import os
from collections import Counter
from pathlib import Path

import jsonschema_rs
import msgspec
import pytest

from deploy.schemas import published_schema
from domain.cloud_events import schema_urn
from domain.instants import SECOND
from domain.keys import partition_of
from domain.published import EventType, ExecutionMonitoringEvent
from domain.records import WALL_CLOCK_FIELDS
from domain.topics import event_id
from domain.vocabulary import CLOSED_STATES, Topic
from operators.market.logic import MarketSettings
from operators.orders.group import OrderSettings
from sinks.bus_writer import BusWriterSink
from sources.files import FileSource
from sources.lobster import LobsterReader
from sources.ndjson import NdjsonReader
from sources.simulator.presets import demo_spec
from sources.simulator.script import Simulation, encode_line
from sources.simulator.spec import FaultSpec

ROOT = Path(__file__).resolve().parents[2]
MESSAGES = 20_000
CLOSED = {state.name for state in CLOSED_STATES}
TROUBLE = tuple(
    FaultSpec(kind=kind, rate=0.05, delay_ms=400.0)
    for kind in ("duplicated", "reordered", "late_fills", "garbage")
)


class KeptBus:
    """A bus that only keeps what it is given."""

    url = "kept:"

    def __init__(self):
        self.messages = []

    def partitions(self, topic):
        return 4

    def groups(self):
        return 16

    def append(self, messages):
        self.messages += messages
        return [""] * len(messages)

    def of(self, topic):
        return [message for message in self.messages if message.topic is topic]


def validator(name):
    return jsonschema_rs.Draft202012Validator(published_schema(name), validate_formats=True)


def published(reader, mark_s, row_s):
    """What the flow puts on the bus for everything in the file."""
    from bytewax.testing import TestingSink, run_main

    from dataflows.graph import monitor_graph

    bus = KeptBus()
    source = FileSource(reader)
    marks = {"mark_interval_ns": mark_s * SECOND}
    flow = monitor_graph(
        source, source.inputs, MarketSettings(source.inputs, bars=True, **marks),
        OrderSettings(mark_row_interval_ns=row_s * SECOND, **marks),
        {"updates": BusWriterSink(bus)}, TestingSink([]),
    )  # fmt: skip
    run_main(flow)
    return bus


@pytest.fixture(scope="module")
def desk_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("desk") / "desk.ndjson"
    spec = msgspec.structs.replace(demo_spec(), faults=TROUBLE)
    messages = itertools.islice(Simulation(spec, 3).messages(), MESSAGES)
    path.write_bytes(b"".join(encode_line(topic, message) for topic, message in messages))
    return path


@pytest.fixture(scope="module")
def desk(desk_file):
    return published(NdjsonReader(desk_file), 5, 60)


@pytest.fixture(scope="module")
def session():
    data = Path(os.environ.get("EXECMON_TEST_DATA", ROOT.parent / "shared" / "data"))
    folder = data / "lobster_amzn"
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is not there (EXECMON_TEST_DATA says where it is)")
    return published(LobsterReader(folder), 86_400, 86_400)


def assert_valid_events(bus, least):
    check, newest, said = validator("execution_monitoring_event"), Counter(), Counter()
    members = published_schema("execution_monitoring_event")["$defs"]["ExecutionStatus"]
    for message in bus.of(Topic.EXECUTION_EVENTS):
        event, meta = json.loads(message.body), message.meta
        check.validate(event)
        typed = msgspec.json.decode(message.body, type=ExecutionMonitoringEvent)
        order, seq, status = event["order_id"], event["seq"], event["status"]
        assert seq == newest[order] + 1 == status["seq"] == typed.status.seq
        newest[order] = seq
        assert status.keys() == members["properties"].keys()
        assert event["event_id"] == meta["ce_id"] == event_id(order, seq, event["event_type"])
        assert (meta["ce_subject"], meta["ce_time"]) == (order, event["timestamp"])
        assert meta["ce_dataschema"] == schema_urn("execution_monitoring_event")
        assert partition_of(meta["ce_partitionkey"], 4) == message.partition
        said[typed.event_type] += 1
        if typed.event_type is EventType.EXECUTION_COMPLETED:
            assert status["state"] in CLOSED
    assert sum(said.values()) >= least
    return said


def assert_valid_updates(bus, kinds, every=1):
    check, said = validator("execution_updates"), Counter()
    for message in bus.of(Topic.EXECUTION_UPDATES)[::every]:
        events = json.loads(message.body)
        check.validate(events)
        said.update(event["kind"] for event in events)
    assert kinds <= said.keys()
    ids = Counter(m.meta["ce_id"] for m in bus.of(Topic.EXECUTION_UPDATES))
    assert max(ids.values()) == 1
    return said


def test_every_event_of_a_troubled_desk_is_valid_and_numbered(desk):
    said = assert_valid_events(desk, 2_000)

    assert {EventType.EXECUTION_PROGRESS, EventType.EXECUTION_COMPLETED,
            EventType.EXECUTION_RESTATED} == said.keys()  # fmt: skip
    updates = assert_valid_updates(desk, {"status", "fill", "order_event", "order", "bar"})
    assert updates["status"] == sum(said.values())
    assert desk.of(Topic.DEAD_LETTER) == []


def test_every_event_of_a_nasdaq_session_is_valid_and_each_order_completes_once(session):
    said = assert_valid_events(session, 50_000)
    assert_valid_updates(session, {"status", "fill", "order_event", "order"}, every=5)

    closed = {
        event["order_id"]
        for message in session.of(Topic.EXECUTION_EVENTS)
        if (event := json.loads(message.body))["status"]["state"] in CLOSED
    }
    assert said[EventType.EXECUTION_COMPLETED] == len(closed)
    assert session.of(Topic.DEAD_LETTER) == []


def test_a_second_run_publishes_the_same_events_under_the_same_ids(desk, desk_file):
    again = published(NdjsonReader(desk_file), 5, 60)

    def told(bus):
        found = {}
        for message in bus.of(Topic.EXECUTION_EVENTS):
            event = json.loads(message.body)
            for name in WALL_CLOCK_FIELDS:
                event["status"].pop(name)
            found[message.meta["ce_id"]] = event
        return found

    assert told(again) == told(desk)
    assert len(told(desk)) == len(desk.of(Topic.EXECUTION_EVENTS))
