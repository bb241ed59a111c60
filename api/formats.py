"""Rows as JSON, NDJSON, CSV or Arrow, as the caller's `Accept` says."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api import etag, paging
from api.problems import Problem

JSON = "application/json"
NDJSON = "application/x-ndjson"
CSV = "text/csv"
ARROW = "application/vnd.apache.arrow.stream"
OFFERED = (JSON, NDJSON, CSV, ARROW)
Row = Mapping[str, Any]


def chosen(accept: str | None, offered: Sequence[str] = OFFERED) -> str:
    """The media type to answer with, the first offered where all are equal.

    Raises Problem 406 where none will do.
    """
    best, best_weight = "", 0.0
    for media in offered:
        weight = max((w for asked, w in _asked(accept) if _fits(asked, media)), default=0.0)
        if weight > best_weight:
            best, best_weight = media, weight
    if not best:
        raise Problem(406, "not-acceptable", f"this can be given as {', '.join(offered)}")
    return best


def _asked(accept: str | None) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    for part in (accept or "*/*").split(","):
        media, *parameters = (text.strip().lower() for text in part.split(";"))
        weight = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                try:
                    weight = min(max(float(value), 0.0), 1.0)
                except ValueError:
                    weight = 0.0
        found.append((media, weight))
    return found


def _fits(asked: str, media: str) -> bool:
    return asked in {media, "*/*", media.partition("/")[0] + "/*"}


def rows_response(
    request: Request,
    rows: Sequence[Row],
    *,
    next_cursor: str | None = None,
    columns: Sequence[str] | None = None,
    more: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A page of rows in the form asked for.

    JSON is `{"items": […], "next": …}` with the members of `more` beside; the other forms
    are rows alone, the cursor in `Link` as always.
    """
    media = chosen(request.headers.get("accept"))
    told = {**(headers or {}), **paging.next_link(request, next_cursor), "Vary": "Accept"}
    if media == JSON:
        body = msgspec.json.encode({"items": rows, "next": next_cursor, **(more or {})})
    else:
        body = _WRITERS[media](rows, columns or _columns_of(rows))
    return etag.answer(request, body, media_type=media, headers=told)


def _columns_of(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _ndjson(rows: Sequence[Row], columns: Sequence[str]) -> bytes:
    del columns
    return msgspec.json.Encoder().encode_lines(rows)


def _csv(rows: Sequence[Row], columns: Sequence[str]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in columns])
    return out.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, Mapping | list | tuple | msgspec.Raw):
        return msgspec.json.encode(value).decode()
    if isinstance(value, bool):
        return "true" if value else "false"
    return value


def _arrow(rows: Sequence[Row], columns: Sequence[str]) -> bytes:
    import pyarrow as pa

    table = pa.table({name: _array(pa, [row.get(name) for row in rows]) for name in columns})
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue().to_pybytes()


def _array(pa: Any, values: list[Any]) -> Any:
    """A column; objects and lists travel as JSON text, as in CSV."""
    if any(isinstance(v, Mapping | list | tuple | msgspec.Raw) for v in values):
        values = [None if v is None else msgspec.json.encode(v).decode() for v in values]
    return pa.array(values)


_WRITERS = {NDJSON: _ndjson, CSV: _csv, ARROW: _arrow}
