"""The events of topic `execution-updates`: final rows as JSON, each with a lasting id."""

import zlib
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from domain.records import bar_records, event_records, fill_records, name_of, order_record
from domain.rows import ORDER_METRICS, Rows
from domain.status import bodies_of
from domain.topics import event_id

_encode = msgspec.json.Encoder().encode


def updates_of(rows: Rows, published_ns: int, config_version: str) -> Iterator[bytes]:
    """One JSON event for each final row, the timeline first, the order's record last."""
    names = rows.names
    for bar in bar_records(rows.bars, names):
        lasting = event_id(bar["symbol"], bar["ts"], "bar")
        yield _encode({"kind": "bar", "event_id": lasting, **bar})
    for row, event in zip(rows.timeline, event_records(rows.timeline, names), strict=True):
        yield _event("order_event", _place(row), event)
    for executed in (rows.executed, rows.fills):
        for row, fill in zip(executed, fill_records(executed, names), strict=True):
            yield _event("fill", f"{_place(row)}/{zlib.crc32(row.tobytes()):08x}", fill)
    yield from _statuses(rows, published_ns, config_version)
    for at, row in enumerate(rows.orders):
        known = int(np.isfinite(row[list(ORDER_METRICS)].tolist()).sum())
        record = order_record(row, names, rows.order_venues, at)
        yield _event("order", f"{row['seq']}/{known}", record)


def _statuses(rows: Rows, published_ns: int, config_version: str) -> Iterator[bytes]:
    at = np.flatnonzero((rows.status["numbered"] == 1) & (rows.status["provisional"] == 0))
    if not len(at):
        return
    bodies = bodies_of(rows, at.tolist(), published_ns=published_ns, config_version=config_version)
    status = rows.status[at]
    for key, seq, body in zip(
        status["order"].tolist(), status["seq"].tolist(), bodies, strict=True
    ):
        order_id = name_of(key, rows.names) or ""
        yield _event("status", str(seq), {"order_id": order_id, "status": msgspec.Raw(body)})


def _event(kind: str, state: str, members: dict[str, Any]) -> bytes:
    """An event of an order; `state` tells it from the order's others of this kind."""
    order_id = members["order_id"] or ""
    head = {"kind": kind, "event_id": event_id(order_id, state, kind), "order_id": order_id}
    return _encode({**head, **members})


def _place(row: np.void) -> str:
    return f"{row['source']}:{row['pos']}"
