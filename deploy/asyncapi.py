"""The AsyncAPI 3 document of the bus: its topics, their messages, who sends and who reads."""

from typing import Any

from deploy.schemas import PUBLISHED, TAKEN, components
from domain.cloud_events import SOURCE, schema_urn
from domain.published import EVENTS_VERSION
from domain.topics import BYTES_TYPE, JSON_TYPE
from domain.vocabulary import MARKET_EVENT_TYPES, ORDER_EVENT_TYPES, ROUTE_EVENT_TYPES, Topic

_TOPICS: dict[Topic, tuple[str, tuple[str, ...]]] = {
    Topic.ORDERS: ("Life and executions of orders, keyed by root order.", ("order", "clock")),
    Topic.ROUTES: ("What was sent to venues, keyed by root order.", ("route", "clock")),
    Topic.MARKET_DATA: ("Quotes, prints, auctions, halts, keyed by symbol.", ("market", "clock")),
    Topic.REFERENCE: ("What is known of symbols and scopes.", ("reference", "clock")),
    Topic.CONTROL: ("What users asked of the monitor.", ("control", "clock")),
    Topic.EXECUTION_UPDATES: ("Final rows for the history, keyed by root order.", ("updates",)),
    Topic.EXECUTION_EVENTS: ("Final states of orders, keyed by root order.", ("monitoring",)),
    Topic.EXECUTION_ALERTS: ("Alerts, keyed by order or scope.", ("alert", "incident")),
    Topic.DEAD_LETTER: ("Messages that could not be taken, as they came.", ("dead_letter",)),
}
_PUBLISHED_BY_US = (
    Topic.EXECUTION_UPDATES, Topic.EXECUTION_EVENTS, Topic.EXECUTION_ALERTS, Topic.DEAD_LETTER,
)  # fmt: skip
_SCHEMAS = "#/components/schemas/{name}"


def asyncapi_document() -> dict[str, Any]:
    """The whole document."""
    types = (*(t for some in PUBLISHED.values() for t in some), *TAKEN.values())
    refs, schemas = components(types, _SCHEMAS)
    by_type = {type_.__name__: ref for type_, ref in zip(types, refs, strict=True)}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Execution Monitor",
            "version": f"{EVENTS_VERSION}.0.0",
            "description": (
                "What travels on the bus. Delivery is at least once and in order within a "
                "partition; `event_id` and the numbers of an order say what came before. Members "
                "and words may be added within a version: ignore those you do not know."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": JSON_TYPE,
        "channels": {str(topic): _channel(topic) for topic in _TOPICS},
        "operations": {_operation_name(topic): _operation(topic) for topic in _TOPICS},
        "components": {
            "schemas": {**schemas, "ControlEvent": _CONTROL},
            "messages": _messages(by_type),
            "messageTraits": {"cloudEvent": {"headers": _cloud_event_headers()}},
        },
    }


def _channel(topic: Topic) -> dict[str, Any]:
    words, messages = _TOPICS[topic]
    refs = {name: {"$ref": f"#/components/messages/{name}"} for name in messages}
    return {"address": str(topic), "description": words, "messages": refs}


def _operation_name(topic: Topic) -> str:
    return f"{'publish' if topic in _PUBLISHED_BY_US else 'read'}-{topic}"


def _operation(topic: Topic) -> dict[str, Any]:
    return {
        "action": "send" if topic in _PUBLISHED_BY_US else "receive",
        "channel": {"$ref": f"#/channels/{topic}"},
        "messages": [{"$ref": f"#/channels/{topic}/messages/{n}"} for n in _TOPICS[topic][1]],
    }


def _messages(by_type: dict[str, Any]) -> dict[str, Any]:
    one = {
        "order": (by_type["OrderMessage"], sorted(ORDER_EVENT_TYPES)),
        "route": (by_type["OrderMessage"], sorted(ROUTE_EVENT_TYPES)),
        "market": (by_type["MarketMessage"], sorted(MARKET_EVENT_TYPES)),
        "reference": (by_type["ReferenceRecord"], ["reference"]),
        "control": ({"$ref": "#/components/schemas/ControlEvent"}, []),
        "clock": (by_type["Clock"], ["clock"]),
    }
    taken = {name: _taken(name, ref, types) for name, (ref, types) in one.items()}
    updates = [by_type[type_.__name__] for type_ in PUBLISHED["execution_updates"]]
    return {
        **taken,
        "updates": _published(
            "execution_updates", {"type": "array", "items": {"anyOf": updates}},
            "Final rows, told apart by `kind`.",
        ),
        "monitoring": _published(
            "execution_monitoring_event", by_type["ExecutionMonitoringEvent"],
            "A final state of an order.",
        ),
        "alert": _published(
            "execution_alert_generated", by_type["ExecutionAlertGenerated"],
            "An alert, or a change in its life.",
        ),
        "incident": _published(
            "data_incident_generated", by_type["DataIncidentGenerated"],
            "A feed fell silent, or a change in the life of that page.",
        ),
        "dead_letter": {
            "name": "dead_letter",
            "summary": "The bytes as they came; the properties say from where and why.",
            "contentType": BYTES_TYPE,
            "headers": _text_members(
                "ce_specversion", "ce_id", "ce_type", "ce_source", "topic", "partition",
                "position", "reason", "words",
            ),
        },
    }  # fmt: skip


def _taken(name: str, ref: dict[str, Any], types: list[str]) -> dict[str, Any]:
    """A message of ours to read: one event, or an array of them."""
    words = f"Of type {', '.join(types)}." if types else "Named by its `type`."
    payload = {"anyOf": [ref, {"type": "array", "items": ref}]}
    return {"name": name, "summary": words, "contentType": JSON_TYPE, "payload": payload}


def _published(name: str, payload: dict[str, Any], words: str) -> dict[str, Any]:
    return {
        "name": name,
        "title": name,
        "summary": words,
        "contentType": JSON_TYPE,
        "traits": [{"$ref": "#/components/messageTraits/cloudEvent"}],
        "payload": payload,
        "x-schema": schema_urn(name),
    }


def _text_members(*names: str) -> dict[str, Any]:
    members = {name: {"type": "string"} for name in names}
    return {"type": "object", "required": list(names), "properties": members}


def _cloud_event_headers() -> dict[str, Any]:
    headers = _text_members("ce_specversion", "ce_id", "ce_type", "ce_source", "ce_dataschema")
    headers["properties"] |= {
        "ce_specversion": {"const": "1.0"},
        "ce_source": {"const": SOURCE},
        "ce_subject": {"type": "string", "description": "The order or scope it is about."},
        "ce_time": {"type": "string", "format": "date-time"},
        "ce_partitionkey": {"type": "string", "description": "What chose the partition."},
    }
    return headers


_CONTROL: dict[str, Any] = {
    "title": "ControlEvent",
    "description": "What a user asked, with who it was; more members by type.",
    "type": "object",
    "required": ["type", "ts_event"],
    "properties": {
        "type": {"type": "string"},
        "ts_event": {"type": "string", "format": "date-time"},
        "by": {"type": "string"},
        "order_id": {"type": "string"},
        "root_order_id": {"type": "string"},
        "scope": {"type": "string"},
    },
}
