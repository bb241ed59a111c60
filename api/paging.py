"""Pages by an opaque cursor: the keys of the last row given, never an offset.

Rows that arrive meanwhile therefore neither repeat a row nor hide one.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import msgspec
from fastapi import Query
from starlette.requests import Request

from api.problems import Problem

MOST_ROWS = 1_000
Limit = Annotated[int, Query(ge=1, le=MOST_ROWS, description="Most rows of a page.")]
Cursor = Annotated[
    str | None,
    Query(max_length=1_000, description="Where the page before ended, as its `next` said."),
]


def cursor_of(keys: Sequence[Any]) -> str:
    """The cursor after a row with these sort keys."""
    return urlsafe_b64encode(msgspec.json.encode(list(keys))).decode().rstrip("=")


def keys_of(cursor: str, shape: type[Any]) -> Any:
    """The sort keys in a cursor; `shape` is what they must be, such as `tuple[int, str]`.

    Raises Problem 422 for a text that no page gave.
    """
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        return msgspec.json.decode(raw, type=shape)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise Problem(
            422, "invalid", "cursor must be the `next` of a page before; leave it out to begin"
        ) from None


def next_link(request: Request, cursor: str | None) -> dict[str, str]:
    """The `Link` header to the next page, nothing on the last one."""
    if cursor is None:
        return {}
    asked = [(n, v) for n, v in request.query_params.multi_items() if n != "cursor"]
    query = urlencode([*asked, ("cursor", cursor)])
    return {"Link": f'<{quote(request.scope["path"])}?{query}>; rel="next"'}


IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key with the same request gives the same answer for a day.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
}
"""For the `openapi_extra` of a route that honours it."""
