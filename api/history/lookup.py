"""One order for a caller: its newest status and its record, or the 404 of one that is not there."""

from typing import Any

import msgspec
from redis.exceptions import RedisError
from starlette.requests import HTTPConnection

from analytics.history.orders import find_order
from analytics.history.statuses import newest_status, order_record, status_known_at
from api.context import Connection, Context
from api.deps import must_see
from api.identity.caller import Caller
from api.problems import Problem, not_found
from domain.topics import status_key

_decode = msgspec.json.Decoder().decode


async def absent(
    request: HTTPConnection, connection: Connection, caller: Caller, order_id: str
) -> Problem:
    """The 404; raised with its line in the audit where the order is another desk's."""
    if caller.desks is not None:
        hidden = await find_order(connection, order_id, desks=None)
        if hidden is not None:
            must_see(request, caller, order_id, hidden["desk"])
    return not_found(order_id)


async def only_live(
    request: HTTPConnection,
    context: Context,
    connection: Connection,
    caller: Caller,
    order_id: str,
) -> dict[str, Any]:
    """The live status of an order that history does not have yet. Raises the 404."""
    body = await _live(request, context, caller, order_id)
    if body is None:
        raise await absent(request, connection, caller, order_id)
    return _decode(body)


async def status_and_record(
    request: HTTPConnection,
    context: Context,
    connection: Connection,
    caller: Caller,
    order_id: str,
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The status that `GET …/status` shows, decoded, and the order's record. Raises the 404.

    The live status, and where there is none (any more) the newest of history.
    """
    body = await _live(request, context, caller, order_id)
    if body is None:
        body = await newest_status(connection, order_id, desks=caller.desks)
    if body is None:
        raise await absent(request, connection, caller, order_id)
    record = await order_record(connection, order_id, desks=caller.desks)
    return _decode(body), record


async def _live(
    request: HTTPConnection, context: Context, caller: Caller, order_id: str
) -> bytes | None:
    try:
        body, desk = await context.status.hmget(status_key(order_id), ["body", "desk"])
    except (RedisError, OSError):
        return None
    if body is not None:
        must_see(request, caller, order_id, (desk or b"").decode() or None)
    return body


async def status_from_history(
    connection: Connection, order_id: str, known_ns: int | None
) -> bytes | None:
    """`StatusKnownAt` of the live endpoints, which look at the desk themselves."""
    if known_ns is None:
        return await newest_status(connection, order_id, desks=None)
    return await status_known_at(connection, order_id, known_ns, desks=None)
