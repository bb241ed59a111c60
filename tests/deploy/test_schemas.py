"""The schemas of what travels on the bus: current, well formed, and the specification's."""

import json
import os
from pathlib import Path

import jsonschema_rs
import pytest

from deploy import make_schemas
from deploy.schemas import DIALECT, PUBLISHED, UPDATES, references
from domain.cloud_events import schema_urn
from domain.topics import partition_for
from domain.vocabulary import Topic

ASYNCAPI = "EXECMON_TEST_ASYNCAPI_SCHEMA"
"""A file with the JSON schema of AsyncAPI 3.0.0 itself, of one's own getting."""
EXAMPLE = {
    "event_id": "5a1f9e0e-2f5c-5d0e-8a52-0d9d2b1c7e11",
    "timestamp": "2025-06-21T10:00:00.000Z",
    "execution_alert": {
        "order_id": "order_20250621_001",
        "alert_type": "SLOW_EXECUTION",
        "severity": "MEDIUM",
        "current_progress": 0.45,
        "expected_progress": 0.70,
        "recommendation": "Consider increasing participation rate",
        "metrics": {"execution_speed": 0.65, "cost_efficiency": 0.82},
    },
}
"""The specification's, with an id that is a UUID."""


def on_disk(name):
    return json.loads((make_schemas.FOLDER / name).read_text(encoding="utf-8"))


def validator(name):
    return jsonschema_rs.Draft202012Validator(on_disk(f"{name}.json"), validate_formats=True)


def at(document, ref):
    assert ref.startswith("#/")
    for step in ref[2:].split("/"):
        document = document[step]
    return document


def test_the_schemas_on_disk_are_what_the_types_say(capsys, tmp_path):
    assert make_schemas.main(["--check"]) == 0
    assert make_schemas.main([], tmp_path) == 0
    assert make_schemas.main(["--check"], tmp_path) == 0
    (tmp_path / "asyncapi.json").write_text("{}")
    (tmp_path / "gone.json").write_text("{}")
    (tmp_path / "execution_updates.json").unlink()

    assert make_schemas.main(["--check"], tmp_path) == 1
    told = capsys.readouterr().err
    assert all(name in told for name in ("asyncapi.json", "gone.json", "execution_updates.json"))


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_schema_is_one_of_draft_2020_12_and_says_which_it_is(name):
    schema = on_disk(f"{name}.json")

    jsonschema_rs.meta.validate(schema)
    assert (schema["$schema"], schema["$id"]) == (DIALECT, schema_urn(name))
    assert all(at(schema, ref)["description"] for ref in references(schema))


def test_the_specified_events_keep_their_names_and_members():
    alert, event = on_disk("execution_alert_generated.json"), on_disk(
        "execution_monitoring_event.json"
    )  # fmt: skip
    data = alert["$defs"]["ExecutionAlertData"]

    assert [*alert["properties"]] == ["event_id", "timestamp", "execution_alert", "monitoring"]
    assert alert["required"] == ["event_id", "timestamp", "execution_alert"]
    assert [*data["properties"]] == data["required"] == [*EXAMPLE["execution_alert"]]
    assert [*alert["$defs"]["ExecutionMetricsData"]["properties"]] == [
        "execution_speed", "cost_efficiency",
    ]  # fmt: skip
    assert event["required"] == ["event_id", "timestamp", "event_type", "order_id", "seq", "status"]
    assert [*event["$defs"]["ExecutionStatus"]["properties"]][:6] == [
        "order_id", "execution_progress", "current_metrics", "alerts", "performance_score",
        "last_updated",
    ]  # fmt: skip


def test_the_specification_s_example_is_valid_and_spoilt_ones_are_not():
    check = validator("execution_alert_generated")
    wrong = (
        {**EXAMPLE, "event_id": "uuid"},
        {**EXAMPLE, "timestamp": "yesterday"},
        {**EXAMPLE, "execution_alert": {**EXAMPLE["execution_alert"], "severity": "SEVERE"}},
        {**EXAMPLE, "execution_alert": {**EXAMPLE["execution_alert"], "order_id": ""}},
        {"event_id": EXAMPLE["event_id"], "timestamp": EXAMPLE["timestamp"]},
    )

    assert check.is_valid(EXAMPLE)
    assert [check.is_valid(each) for each in wrong] == [False] * len(wrong)


def test_asyncapi_s_references_lead_somewhere_and_every_topic_has_its_channel():
    document = on_disk("asyncapi.json")
    refs = list(references(document))

    assert document["asyncapi"] == "3.0.0"
    assert refs
    assert all(isinstance(at(document, ref), dict) for ref in refs)
    assert {c["address"] for c in document["channels"].values()} == {str(t) for t in Topic}
    for operation in document["operations"].values():
        channel = at(document, operation["channel"]["$ref"])
        assert operation["action"] in {"send", "receive"}
        # A message of an operation is one of its own channel's.
        assert [m["$ref"] for m in operation["messages"]] == [
            f"{operation['channel']['$ref']}/messages/{name}" for name in channel["messages"]
        ]
    addressed = [operation["channel"]["$ref"] for operation in document["operations"].values()]
    assert len(set(addressed)) == len(document["channels"])


def test_asyncapi_s_payloads_are_the_schemas_and_take_what_is_sent():
    document = on_disk("asyncapi.json")
    schemas = document["components"]["schemas"]
    for name, message in document["components"]["messages"].items():
        for part in ("payload", "headers"):
            whole = {**message.get(part, {}), "components": {"schemas": schemas}}
            jsonschema_rs.meta.validate({"$schema": DIALECT, **message.get(part, {})})
            jsonschema_rs.Draft202012Validator(whole)
        assert message["name"], name
    for types in PUBLISHED.values():
        for type_ in types:
            [own] = [n for n, ts in PUBLISHED.items() if type_ in ts]
            on_its_own = on_disk(f"{own}.json")
            part = on_its_own.get("$defs", {}).get(type_.__name__, on_its_own)
            assert schemas[type_.__name__]["properties"].keys() == part["properties"].keys()
    quote = {"type": "quote", "symbol": "IBM", "bid": 1.0, "ask": 2.0,
             "ts_event": "2026-11-20T14:30:00Z"}  # fmt: skip
    payload = document["components"]["messages"]["market"]["payload"]
    check = jsonschema_rs.Draft202012Validator({**payload, "components": {"schemas": schemas}})
    assert check.is_valid(quote)
    assert check.is_valid([quote, quote])
    assert not check.is_valid({**quote, "bid": "one"})
    assert partition_for(Topic.MARKET_DATA, quote, 4) in range(4)


def test_asyncapi_s_document_is_valid_by_asyncapi_s_own_schema():
    named = os.environ.get(ASYNCAPI)
    if not named:
        pytest.skip(f"no schema of AsyncAPI: {ASYNCAPI} names none")
    schema = json.loads(Path(named).read_text(encoding="utf-8"))

    jsonschema_rs.Draft7Validator(schema).validate(on_disk("asyncapi.json"))


def test_updates_are_told_apart_by_their_kind():
    schema = on_disk("execution_updates.json")
    kinds = [schema["$defs"][t.__name__]["properties"]["kind"]["enum"] for t in UPDATES]

    assert kinds == [["status"], ["fill"], ["order_event"], ["order"], ["bar"], ["evaluation"]]
