"""JSON Schema 2020-12 of what travels on the bus, from the types that read and write it."""

import inspect
import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from domain.cloud_events import schema_urn
from domain.events import Clock, MarketMessage, OrderMessage
from domain.published import (
    DataIncidentGenerated,
    ExecutionAlertGenerated,
    ExecutionMonitoringEvent,
    StatusUpdate,
)
from domain.published_rows import (
    BarUpdate,
    EvaluationUpdate,
    FillUpdate,
    OrderEventUpdate,
    OrderUpdate,
)
from domain.reference import ReferenceRecord
from metrics.glossary_columns import column_definitions

DIALECT = "https://json-schema.org/draft/2020-12/schema"
WIDTH = 160
"""Of a line of what is written."""
UPDATES = (
    StatusUpdate, FillUpdate, OrderEventUpdate, OrderUpdate, BarUpdate, EvaluationUpdate,
)  # fmt: skip
PUBLISHED: dict[str, tuple[type[msgspec.Struct], ...]] = {
    "execution_monitoring_event": (ExecutionMonitoringEvent,),
    "execution_alert_generated": (ExecutionAlertGenerated,),
    "data_incident_generated": (DataIncidentGenerated,),
    "execution_updates": UPDATES,
}
"""Schemas of a file each; several types are the kinds of one event."""
TAKEN: dict[str, type[msgspec.Struct]] = {
    "order_event": OrderMessage,
    "market_event": MarketMessage,
    "reference_record": ReferenceRecord,
    "clock": Clock,
}
"""What the monitor reads."""


def published_schema(name: str) -> dict[str, Any]:
    """The schema of one message body that we publish; `execution_updates` is an array."""
    types = PUBLISHED[name]
    refs, parts = components(types, "#/$defs/{name}")
    head = {"$schema": DIALECT, "$id": schema_urn(name), "title": name}
    if len(types) == 1:
        root = parts.pop(types[0].__name__)
        return {**root, **head, "$defs": parts}
    return {**head, "type": "array", "items": {"anyOf": refs}, "$defs": parts}


def components(
    types: tuple[type[msgspec.Struct], ...], template: str
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """References to the types, and every schema that they need, by name."""
    refs, parts = msgspec.json.schema_components(types, ref_template=template)
    definitions = column_definitions()
    for part in parts.values():
        part["description"] = _tidy(part.get("description", "")) or part["title"]
        for name, member in part.get("properties", {}).items():
            if name in definitions and "description" not in member:
                member["description"] = re.sub(r"`", "", definitions[name])
    return list(refs), parts


def _tidy(text: str) -> str:
    return " ".join(inspect.cleandoc(text).split())


def references(value: Any) -> Iterator[str]:
    """Every `$ref` below a value."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for member in value.values():
            yield from references(member)
    elif isinstance(value, list):
        for member in value:
            yield from references(member)


def text_of(document: dict[str, Any]) -> str:
    """As it is checked in: what fits a line is one, so that a change of a member is a line."""
    return _lines(document, 0) + "\n"


def _lines(value: Any, depth: int) -> str:
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or len(flat) + depth <= WIDTH:
        return flat
    if isinstance(value, dict):
        members = [f"{json.dumps(k)}: {_lines(v, depth + 1)}" for k, v in value.items()]
    else:
        members = [_lines(member, depth + 1) for member in value]
    inside = f",\n{' ' * (depth + 1)}".join(members)
    opened, closed = "{}" if isinstance(value, dict) else "[]"
    return f"{opened}\n{' ' * (depth + 1)}{inside}\n{' ' * depth}{closed}"
