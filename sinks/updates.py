"""The events of topic `execution-updates`: final rows as JSON, each with a lasting id."""

import zlib
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from domain.records import Names, bar_record, event_record, fill_record, name_of, order_record
from domain.rows import ORDER_METRICS, Rows
from domain.status import status_bodies
from domain.topics import event_id

_encode = msgspec.json.Encoder().encode


def updates_of(rows: Rows, published_ns: int, config_version: str) -> Iterator[bytes]:
    """One JSON event for each final row, the timeline first, the order's record last."""
    yield from _bars(rows)
    for row in rows.timeline:
        yield _event("order_event", _order_id(row, rows.names), _place(row),
                     event_record(row, rows.names))  # fmt: skip
    for row in (*rows.executed, *rows.fills):
        state = f"{_place(row)}/{zlib.crc32(row.tobytes()):08x}"
        yield _event("fill", _order_id(row, rows.names), state, fill_record(row, rows.names))
    yield from _statuses(rows, published_ns, config_version)
    for at, row in enumerate(rows.orders):
        known = int(np.isfinite(row[list(ORDER_METRICS)].tolist()).sum())
        yield _event("order", _order_id(row, rows.names), f"{row['seq']}/{known}",
                     order_record(row, rows.names, rows.order_venues, at))  # fmt: skip


def _statuses(rows: Rows, published_ns: int, config_version: str) -> Iterator[bytes]:
    at = np.flatnonzero((rows.status["numbered"] == 1) & (rows.status["provisional"] == 0))
    if not len(at):
        return
    status = rows.status[at]
    bodies = status_bodies(
        status,
        rows.names,
        rows.status_venues,
        at=at.tolist(),
        published_ns=published_ns,
        config_version=config_version,
    )
    for row, body in zip(status, bodies, strict=True):
        yield _event("status", _order_id(row, rows.names), str(row["seq"]),
                     {"status": msgspec.Raw(body)})  # fmt: skip


def _bars(rows: Rows) -> Iterator[bytes]:
    for row in rows.bars:
        record = bar_record(row, rows.names)
        lasting = event_id(record["symbol"], record["ts"], "bar")
        yield _encode({"kind": "bar", "event_id": lasting, **record})


def _event(kind: str, order_id: str, seq: str, members: dict[str, Any]) -> bytes:
    head = {"kind": kind, "event_id": event_id(order_id, seq, kind), "order_id": order_id}
    return _encode({**head, **members})


def _order_id(row: np.void, names: Names) -> str:
    return name_of(int(row["order"]), names) or ""


def _place(row: np.void) -> str:
    return f"{row['source']}:{row['pos']}"
