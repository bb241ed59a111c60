"""Rows as others read them: each member's type, from the tables that also write them."""

from collections.abc import Collection, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from domain.record_fields import (
    BAR_FIELDS,
    EVALUATION_FIELDS,
    EVENT_FIELDS,
    FILL_FIELDS,
    ORDER_FIELDS,
    Field,
    Kind,
)
from domain.rows import ORDER_METRICS
from domain.validate import MAX_ID

OrderId = Annotated[str, Meta(min_length=1, max_length=MAX_ID)]
EventId = Annotated[str, Meta(extra_json_schema={"format": "uuid"})]
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
MaybeTime = Annotated[str | None, Meta(extra_json_schema={"format": "date-time"})]
Count = Annotated[int, Meta(ge=1)]

Member = tuple[str, Any, Any]
"""(name, type, default)"""

_TYPES: dict[Kind, tuple[Any, Any]] = {
    Kind.NAME: (str | None, None),
    Kind.TIME: (MaybeTime, None),
    Kind.FLAG: (bool, False),
    Kind.WHOLE: (int | None, None),
    Kind.NUMBER: (float | None, None),
    Kind.ANOMALIES: (list[str], msgspec.field(default_factory=list)),
}


def _type_of(field: Field) -> tuple[Any, Any]:
    if field.kind is not Kind.CODE:
        return _TYPES[field.kind]
    words = [word for word in (field.words or {}).values() if word is not None]
    return Annotated[str | None, Meta(examples=words)], None


def row_members(
    fields: Sequence[Field], metrics: Sequence[str] = (), but: Collection[str] = ()
) -> list[Member]:
    """The members of a row but some, each with a default: a reader lives without it."""
    members = [(field.name, *_type_of(field)) for field in fields]
    members += [(name, float | None, None) for name in metrics]
    return [member for member in members if member[0] not in but]


def _update(name: str, kind: str, doc: str, *members: Any) -> type[msgspec.Struct]:
    head = [("kind", Literal[kind]), ("event_id", EventId)]  # pyright: ignore
    return msgspec.defstruct(
        name, [*head, *members], module=__name__, kw_only=True, namespace={"__doc__": doc}
    )


def _of_row(
    name: str, kind: str, doc: str, needed: dict[str, Any], fields: Sequence[Field], *more: Member
) -> type[msgspec.Struct]:
    return _update(name, kind, doc, *needed.items(), *row_members(fields, but=needed), *more)


_MEASURED: list[Member] = [
    ("venue_distribution", dict[str, float], msgspec.field(default_factory=dict)),
    ("reasons", dict[str, str], msgspec.field(default_factory=dict)),
    ("caveats", dict[str, str], msgspec.field(default_factory=dict)),
]

FillUpdate = _of_row(
    "FillUpdate", "fill", "An execution as it is known now, with the market it met.",
    {"order_id": OrderId, "status": str, "ts_event": Time}, FILL_FIELDS,
)  # fmt: skip
OrderEventUpdate = _of_row(
    "OrderEventUpdate", "order_event", "An order or route event of the timeline.",
    {"order_id": OrderId, "type": str, "ts_event": Time}, EVENT_FIELDS,
)  # fmt: skip
OrderUpdate = _of_row(
    "OrderUpdate", "order", "The whole record of an order, written again as it is completed.",
    {"order_id": OrderId, "state": str, "as_of": Time, "seq": Count}, ORDER_FIELDS,
    *((name, float | None, None) for name in ORDER_METRICS), *_MEASURED,
)  # fmt: skip
BarUpdate = _of_row(
    "BarUpdate", "bar", "What traded of a symbol from `ts` on, for `interval_ms`.",
    {"symbol": str, "ts": Time, "interval_ms": Count}, BAR_FIELDS,
)  # fmt: skip
EvaluationUpdate = _of_row(
    "EvaluationUpdate", "evaluation",
    "The numbers by which the rules judged an order, where they came near a level.",
    {"order_id": OrderId, "known_at": Time, "part": str}, EVALUATION_FIELDS,
    ("configured", dict[str, float], msgspec.field(default_factory=dict)),
    ("asked", dict[str, float], msgspec.field(default_factory=dict)),
)  # fmt: skip
