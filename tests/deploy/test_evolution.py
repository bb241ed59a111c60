"""Producers and consumers of different versions understand each other.

`published_v1.json` holds the schemas as they were first published, without their words. It is
never made anew: what is added later must leave every promise in it standing. An event of another
type is added to it once, as it was first published.
"""

import copy
import json
from pathlib import Path

import jsonschema_rs
import msgspec
import pytest

from deploy.schemas import PUBLISHED, published_schema
from domain.columns import blank
from domain.keys import key_of
from domain.published import ExecutionAlertGenerated, ExecutionMonitoringEvent, ExecutionStatus
from domain.reasons import Reason
from domain.rows import STATUS, Rows
from domain.vocabulary import EventKind, OrderState
from sinks.monitoring_events import monitoring_events
from sinks.updates import final_statuses

FIRST = json.loads((Path(__file__).parent / "published_v1.json").read_text(encoding="utf-8"))


def resolved(schema, whole):
    while "$ref" in schema:
        schema = whole["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    return schema


def breaks(old, new, wholes, at=""):
    """Why a reader made for `old` could fail on what is valid by `new`, or find less in it."""
    old, new = resolved(old, wholes[0]), resolved(new, wholes[1])
    if "anyOf" in old or "anyOf" in new:
        was, now = old.get("anyOf", [old]), new.get("anyOf", [new])
        for one in now:
            if all(list(breaks(each, one, wholes, at)) for each in was):
                yield f"{at}: has a new form"
        return
    if "type" in old and old["type"] != new.get("type"):
        yield f"{at}: was {old['type']}, is {new.get('type')}"
    if "enum" in old and not set(new.get("enum", ("anything",))) <= set(old["enum"]):
        yield f"{at}: has words it had not"
    for bound in ("minimum", "minLength", "maxLength", "format"):
        if bound in old and old[bound] != new.get(bound):
            yield f"{at}: {bound} changed"
    for part in ("items", "additionalProperties"):
        if isinstance(old.get(part), dict):
            yield from breaks(old[part], new.get(part, {}), wholes, f"{at}[]")
    yield from (
        f"{at}.{name}: need not be there any more"
        for name in set(old.get("required", ())) - set(new.get("required", ()))
    )
    yield from (
        f"{at}.{name}: an older producer does not send it"
        for name in set(new.get("required", ())) - set(old.get("required", ()))
    )
    for name, member in old.get("properties", {}).items():
        if name not in new.get("properties", {}):
            yield f"{at}.{name}: is gone"
        else:
            yield from breaks(member, new["properties"][name], wholes, f"{at}.{name}")


def broken(old, new):
    return list(breaks(old, new, (old, new)))


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_published_today_keeps_every_promise_of_the_first_version(name):
    assert broken(FIRST[name], published_schema(name)) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s["properties"].pop("timestamp"), "is gone"),
        (lambda s: s["properties"]["seq"].update(type="string"), "was integer"),
        (lambda s: s["properties"]["seq"].update(minimum=0), "minimum changed"),
        (lambda s: s["$defs"]["EventType"]["enum"].append("EXECUTION_LOST"), "has words"),
        (lambda s: s["required"].remove("seq"), "need not be there"),
        (lambda s: s["required"].append("desk"), "older producer"),
        (lambda s: s["$defs"]["ExecutionStatus"]["properties"].update(fee={"type": "string"}),
         "new form"),
        (lambda s: s["properties"].update(timestamp={"anyOf": [{"type": "null"}]}), "new form"),
    ],
)  # fmt: skip
def test_a_change_that_would_break_a_reader_is_noticed(change, said):
    schema = copy.deepcopy(FIRST["execution_monitoring_event"])
    change(schema)

    assert any(said in words for words in broken(FIRST["execution_monitoring_event"], schema))


def test_an_addition_is_none():
    schema = copy.deepcopy(FIRST["execution_monitoring_event"])
    schema["properties"]["desk"] = {"type": "string"}
    schema["$defs"]["ExecutionStatus"]["properties"]["skew_bps"] = {"type": "number"}

    assert broken(FIRST["execution_monitoring_event"], schema) == []


def event(**members):
    row = blank(STATUS, 1)
    for name, value in {"order": key_of("A"), "ts": 10**18, "known": 10**18, "seq": 3,
                        "numbered": 1, "kind": EventKind.ORDER_FILLED,
                        "state": OrderState.FILLED}.items():  # fmt: skip
        row[name] = value
    row["reasons"] = Reason.NO_FILL
    rows = Rows(status=row, names={key_of("A"): "A"})
    [message] = monitoring_events(final_statuses(rows, 10**18, "v1"), rows.names, "A", 0)
    return {**json.loads(message.body), **members}


def test_an_old_consumer_understands_a_newer_producer():
    newer = event(desk="US", skew={"bps": 3})
    newer["status"] |= {"skew_bps": 1.5, "state": "HELD_BY_BROKER", "cause": "order_held"}
    newer["status"]["reasons"]["slippage_bps"] = "NO_CURVE"

    read = msgspec.json.decode(msgspec.json.encode(newer), type=ExecutionMonitoringEvent)

    jsonschema_rs.Draft202012Validator(
        FIRST["execution_monitoring_event"], validate_formats=True
    ).validate(newer)
    assert (read.seq, read.status.state, read.status.cause) == (3, "HELD_BY_BROKER", "order_held")


class Newer(ExecutionMonitoringEvent, kw_only=True):
    """What a later version may make of the event."""

    desk: str | None = None
    confidence: float = 1.0


def test_a_newer_consumer_understands_an_old_producer():
    old = event()
    least = FIRST["execution_monitoring_event"]["$defs"]["ExecutionStatus"]["required"]
    old["status"] = {name: old["status"][name] for name in least}

    read = msgspec.json.decode(msgspec.json.encode(old), type=Newer)

    assert (read.order_id, read.desk, read.confidence) == ("A", None, 1.0)
    assert (read.status.slippage_bps, read.status.venue_distribution) == (None, {})


def test_an_alert_of_the_specification_alone_is_enough():
    data = {"order_id": "A", "alert_type": "HIGH_COST", "severity": "HIGH", "current_progress": 0.5,
            "expected_progress": None, "recommendation": "", "metrics":
            {"execution_speed": None, "cost_efficiency": 0.1}}  # fmt: skip
    body = msgspec.json.encode({"event_id": "x", "timestamp": "t", "execution_alert": data})

    assert msgspec.json.decode(body, type=ExecutionAlertGenerated).monitoring is None


def test_only_a_few_members_of_a_status_are_required_so_columns_can_be_added():
    required = {field.name for field in msgspec.structs.fields(ExecutionStatus) if field.required}

    assert required == set(FIRST["execution_monitoring_event"]["$defs"]["ExecutionStatus"]
                           ["required"])  # fmt: skip
