"""Batches of columns from the bus: an Arrow IPC stream into the JSON events it stands for."""

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from domain.errors import Refused
from domain.instants import format_rfc3339
from domain.reasons import DeadLetterReason

_TIMES = ("ts_event", "ts_received", "decision_ts", "algo_params.start", "algo_params.end")
_encode = msgspec.json.Encoder().encode


def split_arrow(body: bytes) -> list[bytes]:
    """One JSON event for each row; columns are named like the events' members.

    Times are RFC 3339 text, UNIX ns integers or Arrow timestamps (UTC where they have no
    zone). Members of `algo_params` are a struct column or columns `algo_params.NAME`; nulls
    and NaN are absent. Raises Refused for bytes that are no such stream.
    """
    try:
        with pa.ipc.open_stream(body) as stream:
            table = stream.read_all()
        table.validate(full=True)
        return [_encode(event) for event in _events(table)]
    except (pa.ArrowException, ValueError, OverflowError, TypeError, OSError) as error:
        raise Refused(DeadLetterReason.UNREADABLE, f"not an Arrow stream: {error}") from error


def _events(table: Any) -> list[dict[str, Any]]:
    columns = {name: _values(name, table.column(name)) for name in table.column_names}
    events: list[dict[str, Any]] = []
    for row in zip(*columns.values(), strict=True):
        event: dict[str, Any] = {}
        for name, value in zip(columns, row, strict=True):
            if value is None:
                continue
            outer, dot, inner = name.partition(".")
            if dot:
                event.setdefault(outer, {})[inner] = value
            else:
                event[name] = value
        events.append(event)
    return events


def _values(name: str, column: Any) -> list[Any]:
    if pa.types.is_timestamp(column.type):
        ns = column.cast(pa.timestamp("ns", tz=column.type.tz)).cast(pa.int64())
        return [None if v is None else format_rfc3339(v) for v in ns.to_pylist()]
    values = column.to_pylist()
    if name in _TIMES and pa.types.is_integer(column.type):
        return [None if v is None else format_rfc3339(v) for v in values]
    if pa.types.is_floating(column.type):
        return [None if v is None or np.isnan(v) else v for v in values]
    return values
