"""The events of topic `execution-updates`: final rows as JSON, each with a lasting id."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import numpy as np

from domain.records import (
    Names,
    bar_records,
    evaluation_records,
    event_records,
    fill_records,
    name_of,
    order_record,
)
from domain.rows import ORDER_METRICS, Rows
from domain.status import bodies_of
from domain.topics import event_id

_encode = msgspec.json.Encoder().encode


class Update(NamedTuple):
    """One event, ready to go out."""

    event_id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Statuses:
    """The final statuses of a step that took a number, and each as JSON."""

    rows: np.ndarray
    bodies: list[bytes]

    def each(self, names: Names) -> Iterator[tuple[str, int, bytes]]:
        """(order id, number, JSON) of each."""
        keys, numbers = self.rows["order"].tolist(), self.rows["seq"].tolist()
        for key, number, body in zip(keys, numbers, self.bodies, strict=True):
            yield name_of(key, names) or "", number, body


def updates_of(rows: Rows, published_ns: int, config_version: str) -> Iterator[bytes]:
    """One JSON event for each final row, the timeline first, the order's record last."""
    statuses = final_statuses(rows, published_ns, config_version)
    return (update.body for update in identified_updates(rows, statuses))


def identified_updates(rows: Rows, statuses: Statuses) -> Iterator[Update]:
    """The same, each with its id; `statuses` are those of the rows."""
    names = rows.names
    for bar in bar_records(rows.bars, names):
        lasting = event_id(bar["symbol"], bar["ts"], "bar")
        yield Update(lasting, _encode({"kind": "bar", "event_id": lasting, **bar}))
    evaluations = evaluation_records(rows.evaluations, names, rows.thresholds)
    for row, evaluation in zip(rows.evaluations, evaluations, strict=True):
        yield _event("evaluation", f"{row['known']}/{row['seq']}/{row['part']}", evaluation)
    for row, event in zip(rows.timeline, event_records(rows.timeline, names), strict=True):
        yield _event("order_event", _place(row), event)
    for executed in (rows.executed, rows.fills):
        for row, fill in zip(executed, fill_records(executed, names), strict=True):
            yield _event("fill", f"{_place(row)}/{zlib.crc32(row.tobytes()):08x}", fill)
    for order_id, seq, body in statuses.each(names):
        yield _event("status", str(seq), {"order_id": order_id, "status": msgspec.Raw(body)})
    for at, row in enumerate(rows.orders):
        known = int(np.isfinite(row[list(ORDER_METRICS)].tolist()).sum())
        record = order_record(row, names, rows.order_venues, at)
        yield _event("order", f"{row['seq']}/{known}", record)


def is_final(status: np.ndarray) -> np.ndarray:
    """Which STATUS rows go to the bus."""
    return (status["numbered"] == 1) & (status["provisional"] == 0)


def final_statuses(rows: Rows, published_ns: int, config_version: str) -> Statuses:
    """The statuses that go to the bus, each encoded once for all that carry it."""
    at = np.flatnonzero(is_final(rows.status))
    # Choosing rows copies them, field by field.
    status = rows.status if len(at) == len(rows.status) else rows.status[at]
    bodies = bodies_of(rows, at.tolist(), published_ns=published_ns, config_version=config_version)
    return Statuses(status, bodies)


def _event(kind: str, state: str, members: dict[str, Any]) -> Update:
    """An event of an order; `state` tells it from the order's others of this kind."""
    order_id = members["order_id"] or ""
    lasting = event_id(order_id, state, kind)
    head = {"kind": kind, "event_id": lasting, "order_id": order_id}
    return Update(lasting, _encode({**head, **members}))


def _place(row: np.void) -> str:
    return f"{row['source']}:{row['pos']}"
