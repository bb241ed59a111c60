"""Answers kept for a repeated `Idempotency-Key`: the same answer, the work done once.

The answer is stored in the transaction of the work itself. A second request that comes
meanwhile waits for the first: the key's row is locked by it.
"""

from collections.abc import Awaitable, Callable
from hashlib import sha256

from psycopg.types.json import Jsonb
from starlette.requests import Request
from starlette.responses import Response

from api.context import Connection
from api.identity.caller import Caller
from api.problems import Problem

HEADER = "Idempotency-Key"
_MOST_CHARACTERS = 200
_CLAIM = """
INSERT INTO idempotency (who, key, request_hash) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING
RETURNING key
"""
_KNOWN = "SELECT request_hash, status, headers, body FROM idempotency WHERE who = %s AND key = %s"
_KEEP = "UPDATE idempotency SET status = %s, headers = %s, body = %s WHERE who = %s AND key = %s"
FORGET = "DELETE FROM idempotency WHERE created_at < now() - interval '1 day'"


async def once(
    connection: Connection,
    request: Request,
    caller: Caller,
    work: Callable[[], Awaitable[Response]],
) -> Response:
    """Do the work on this connection, unless the request's key says that it was done.

    Raises Problem 422 where the key came with another request before.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return await work()
    if not 0 < len(key) <= _MOST_CHARACTERS or not key.isprintable():
        raise Problem(422, "invalid", f"{HEADER} must have 1–{_MOST_CHARACTERS} characters")
    who = f"{caller.how}:{caller.name}"
    told = f"{request.method} {request.url.path}?{request.url.query}\0".encode()
    asked = sha256(told + await request.body()).digest()
    cursor = await connection.execute(_CLAIM, [who, key, asked])
    if await cursor.fetchone() is None:
        return await _kept(connection, who, key, asked)
    answer = await work()
    kept = {name: answer.headers[name] for name in ("location", "etag") if name in answer.headers}
    body = bytes(answer.body)
    await connection.execute(_KEEP, [answer.status_code, Jsonb(kept), body, who, key])
    return answer


async def _kept(connection: Connection, who: str, key: str, asked: bytes) -> Response:
    row = await (await connection.execute(_KNOWN, [who, key])).fetchone()
    if row is None or row[1] is None:
        raise Problem(
            409,
            "in-progress",
            f"the request with this {HEADER} is still being answered",
            headers={"Retry-After": "1"},
        )
    hashed, status, headers, body = row
    if bytes(hashed) != asked:
        raise Problem(422, "key-reused", f"this {HEADER} came with another request before")
    told = {**headers, "Idempotent-Replayed": "true"}
    return Response(bytes(body), status, headers=told, media_type="application/json")
