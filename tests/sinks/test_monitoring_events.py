"""Monitoring events and alerts as they go on the bus, and what is withheld from it."""

import json
import math

import msgspec
import numpy as np
import pytest

from bus.consumer import Consumer
from bus.dead_letters import list_letters
from bus.numbers import Gap
from domain.errors import Refused
from domain.instants import NO_TIME
from domain.keys import partition_of
from domain.published import (
    AlertEvidence,
    AlertMonitoring,
    EventType,
    ExecutionAlertData,
    ExecutionAlertGenerated,
    ExecutionMetricsData,
    ExecutionMonitoringEvent,
    Severity,
)
from domain.reasons import DeadLetterReason
from domain.thresholds import AlertType
from domain.topics import event_id
from domain.vocabulary import EventKind, OrderState, Topic
from sinks.bus_writer import BusWriterSink
from sinks.monitoring_events import alert_id_of, alert_message, event_types


def writer(bus, **options):
    return BusWriterSink(bus, **options).build_part("updates", "00", None)


def poll(bus, topic=Topic.EXECUTION_EVENTS):
    with Consumer(bus, topic) as consumer:
        return consumer.poll(block_ms=0)


def test_each_final_state_is_an_event_that_a_consumer_reads_as_a_record(bus, status_row):
    part = writer(bus, config_version="v1")
    ended = {"state": OrderState.FILLED, "kind": EventKind.ORDER_FILLED}
    part.write_batch([
        status_row("A/1 #ü", events=1),
        status_row("A/1 #ü", provisional=1),
        status_row("A/1 #ü", events=2, t=1.0, closed_ts=status_row(t=1.0).status["ts"][0], **ended),
        status_row("A/1 #ü", events=3, t=2.0, restated=1, **ended),
    ])  # fmt: skip
    part.snapshot()

    taken = poll(bus)

    told = [event.as_(ExecutionMonitoringEvent) for event in taken.events]
    assert [(e.seq, e.event_type) for e in told] == [
        (1, EventType.EXECUTION_PROGRESS),
        (2, EventType.EXECUTION_COMPLETED),
        (3, EventType.EXECUTION_RESTATED),
    ]
    assert told[1].event_id == event_id("A/1 #ü", 2, "EXECUTION_COMPLETED")
    assert told[1].timestamp == "2023-11-14T22:13:21Z"
    assert told[1].status.state == "FILLED"
    assert told[1].status.config_version == "v1"
    assert {event.place[1] for event in taken.events} == {partition_of("A/1 #ü", 4)}


def test_a_route_s_answer_after_the_end_does_not_complete_the_order_again(status_row):
    ts = status_row().status["ts"][0]
    ended = {"state": OrderState.FILLED, "closed_ts": ts}
    kinds = (EventKind.ORDER_FILLED, EventKind.ROUTE_ACKNOWLEDGED, EventKind.MARK)
    rows = np.concatenate([status_row(kind=kind, **ended).status for kind in kinds])

    assert [type_.name for type_ in event_types(rows)] == [
        "EXECUTION_COMPLETED", "EXECUTION_PROGRESS", "EXECUTION_PROGRESS",
    ]  # fmt: skip


def test_the_properties_are_those_of_cloudevents(bus, full_rows):
    part = writer(bus)
    part.write_batch([full_rows("A", events=3)])
    part.snapshot()

    [event] = bus.read_back((Topic.EXECUTION_EVENTS, partition_of("A", 4)), None, 9)
    [update] = bus.read_back((Topic.EXECUTION_UPDATES, partition_of("A", 4)), None, 9)

    lasting = event_id("A", 3, "EXECUTION_PROGRESS")
    assert event.meta == {
        "ce_specversion": "1.0", "ce_id": lasting, "ce_type": "EXECUTION_PROGRESS",
        "ce_source": "execmon/monitor", "ce_subject": "A", "ce_partitionkey": "A",
        "ce_time": "2023-11-14T22:13:20Z",
        "ce_dataschema": "urn:execmon:schema:execution_monitoring_event:1",
    }  # fmt: skip
    ids = [each["event_id"] for each in json.loads(update.body)]
    assert update.meta["ce_id"] == event_id(ids[0], f"{ids[-1]}/4", "execution_updates")
    assert update.meta["ce_dataschema"] == "urn:execmon:schema:execution_updates:1"


def test_an_invalid_row_is_a_dead_letter_and_a_gap_and_the_rest_goes_out(bus, full_rows):
    part = writer(bus)
    rows = [full_rows("A", events=n) for n in (1, 2, 3)]
    rows[1].status["slippage_bps"] = math.inf
    rows[1].status["ts"] = NO_TIME
    rows[1].fills["last_px"] = -math.inf
    part.write_batch(rows)
    part.snapshot()

    taken = poll(bus)
    updates = [e.as_(dict) for e in poll(bus, Topic.EXECUTION_UPDATES).events]
    letters = {letter.origin_position: letter for letter in list_letters(bus).letters}

    assert [event.number for event in taken.events] == [1, 3]
    assert taken.gaps == [Gap("A", 2, 2)]
    assert [u["status"]["seq"] for u in updates if u["kind"] == "status"] == [1, 3]
    assert sum(u["kind"] == "order" for u in updates) == 3
    letter = letters["status/A/2"]
    assert (letter.topic, letter.reason) == (
        "execution-updates",
        DeadLetterReason.INVALID_EVENT.name,
    )
    assert letter.words == "A: as_of is missing; infinite: slippage_bps"
    columns = json.loads(letter.message)
    assert (columns["order"], columns["seq"], columns["slippage_bps"]) == ("A", 2, "inf")
    assert letters.keys() == {"status/A/2", "fills/A/-1"}


def test_a_row_without_an_order_is_withheld_too_and_venues_stay_with_their_rows(bus, full_rows):
    part = writer(bus)
    rows = full_rows("A")
    rows.bodies[0] = b'{"made":"by another sink"}'
    other = full_rows("B", venues={"XNAS": 1.0})
    rows.status = np.concatenate([rows.status, other.status])
    rows.status["order"][0] = 0
    rows.status_venues = other.status_venues
    rows.status_venues.start = np.array([0, 0, 1])
    rows.names = {**rows.names, **other.names}
    part.write_batch([rows])
    part.close()

    [event] = poll(bus).events

    assert event.as_(ExecutionMonitoringEvent).status.venue_distribution == {"XNAS": 1.0}
    [letter] = list_letters(bus).letters
    assert letter.words == "a row without a name: order_id is missing"


def alert(**members):
    data = {
        "order_id": "venue:XNAS", "alert_type": AlertType.VENUE_ISSUE, "severity": Severity.HIGH,
        "current_progress": None, "expected_progress": None,
        "recommendation": "Reroute from XNAS",
        "metrics": ExecutionMetricsData(execution_speed=None, cost_efficiency=None),
    }  # fmt: skip
    life = AlertMonitoring(
        alert_id="a1", dedupe_key="US:venue:XNAS:VENUE_ISSUE", seq=1, state="OPEN",
        started_at="2026-11-20T14:30:00Z", order_ids=["A", "B"],
        evidence=AlertEvidence(z=members.pop("z", 3.2)),
    )  # fmt: skip
    return ExecutionAlertGenerated(
        event_id=alert_id_of(life.dedupe_key, life.seq, "VENUE_ISSUE"),
        timestamp="2026-11-20T14:30:00Z",
        execution_alert=ExecutionAlertData(**{**data, **members}),
        monitoring=life,
    )


def test_an_alert_goes_out_as_specified_with_ours_beside_it(bus):
    message = alert_message(alert(), 2)
    bus.append([message, message])

    taken = poll(bus, Topic.EXECUTION_ALERTS)

    [event] = taken.events
    assert taken.repeats == 1
    assert event.as_(ExecutionAlertGenerated) == alert()
    assert list(event.as_(dict)["execution_alert"]) == [
        "order_id", "alert_type", "severity", "current_progress", "expected_progress",
        "recommendation", "metrics",
    ]  # fmt: skip
    assert message.meta["ce_type"] == "execution_alert_generated"
    assert message.meta["ce_id"] == alert().event_id == event.event_id


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"severity": "SEVERE"}, "Invalid enum value 'SEVERE'"),
        ({"order_id": ""}, "length >= 1"),
        ({"recommendation": None}, "Expected `str`, got `null`"),
        ({"current_progress": math.inf}, "execution_alert.current_progress is infinite"),
        ({"z": -math.inf}, "monitoring.evidence.z is infinite"),
    ],
)
def test_an_alert_that_breaks_the_schema_is_refused_in_words(members, words):
    with pytest.raises(Refused, match=words) as refused:
        alert_message(alert(**members), 0)

    assert refused.value.reason is DeadLetterReason.INVALID_EVENT


def test_an_alert_is_valid_by_its_schema():
    import jsonschema_rs

    from deploy.schemas import published_schema

    schema = published_schema("execution_alert_generated")
    body = alert_message(alert(), 0).body

    jsonschema_rs.Draft202012Validator(schema, validate_formats=True).validate(
        msgspec.json.decode(body)
    )
