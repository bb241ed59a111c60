"""Subscriptions of other services to alerts and monitoring events."""

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import etag, paging
from api.context import Connection, Context
from api.deps import HistoryConnection, Operator, Reader, TheContext, note
from api.history.models import Page
from api.identity.caller import Caller
from api.problems import Problem, responses
from api.store import subscriptions as table
from api.store.idempotency import once
from api.store.subscriptions import SubscriptionRow
from api.subscription_checks import (
    begin,
    claim,
    destination_columns,
    place_of,
    places_of,
    widened,
)
from api.subscription_models import Subscription, SubscriptionChange, SubscriptionRequest
from bus.base import START, Bus
from domain.errors import BusError
from domain.instants import format_rfc3339
from domain.subscriptions import topics_of

PREFIX = "/api/v1/subscriptions"
router = APIRouter(prefix=PREFIX, tags=["subscriptions"])


@router.post(
    "",
    status_code=201,
    response_model=Subscription,
    responses=responses(409),
    openapi_extra={"parameters": [paging.IDEMPOTENCY_KEY]},
)
async def post_subscription(
    request: Request, asked: SubscriptionRequest, caller: Operator, context: TheContext
) -> Response:
    """Have events sent to another service or a topic, in stored order, each at least once.

    Without a `start` it begins with what comes now. A service is sent signed requests of
    several events, a topic one message for each; the event's own id tells a repeat.
    """
    if asked.desk is not None and not caller.sees(asked.desk):
        raise Problem(403, "desk", f"{caller.name} may not see desk {asked.desk!r}")
    types = [str(one) for one in asked.event_types]
    values = {
        "name": asked.name,
        "state": "ACTIVE",
        "event_types": types,
        "desk": asked.desk,
        "min_severity": asked.min_severity,
        **await destination_columns(context, asked.destination),
        "start": await begin(context, types, asked.start),
    }
    made: list[UUID] = []
    async with context.history() as connection:

        async def work() -> Response:
            await claim(connection, asked.destination)
            id_ = await table.insert(connection, caller, values)
            made.append(id_)
            return await _answer(context, connection, caller, id_, 201)

        answer = await once(connection, request, caller, work)
    for id_ in made:
        note(request, caller.name, "done", target=str(id_), **place_of(asked.destination))
    return answer


@router.get("", response_model=Page[Subscription], responses=responses())
async def get_subscriptions(
    request: Request,
    caller: Reader,
    context: TheContext,
    connection: HistoryConnection,
    limit: paging.Limit = 100,
    cursor: paging.Cursor = None,
) -> Response:
    """Subscriptions with their lag, the newest first; those of desks the caller may see."""
    after = paging.keys_of(cursor, tuple[datetime, UUID]) if cursor else (table.LAST, table.LAST_ID)
    found = await table.seen_by(connection, caller, limit + 1, after)
    page = found[:limit]
    more = None
    if len(found) > limit:
        more = paging.cursor_of([page[-1].created_at.isoformat(), str(page[-1].subscription_id)])
    items = await asyncio.to_thread(lambda: [_shown(context, row) for row in page])
    body = msgspec.json.encode({"items": items, "next": more})
    return etag.answer(request, body, headers=paging.next_link(request, more))


@router.get("/{subscription_id}", response_model=Subscription, responses=responses(404))
async def get_subscription(
    request: Request,
    subscription_id: UUID,
    caller: Reader,
    context: TheContext,
    connection: HistoryConnection,
) -> Response:
    """One subscription: where it sends, how far it has come, why it fails where it does."""
    row = await _found(connection, caller, subscription_id)
    shown = await asyncio.to_thread(_shown, context, row)
    return etag.answer(request, msgspec.json.encode(shown))


@router.patch("/{subscription_id}", response_model=Subscription, responses=responses(404, 409))
async def patch_subscription(
    request: Request,
    subscription_id: UUID,
    asked: SubscriptionChange,
    caller: Operator,
    context: TheContext,
) -> Response:
    """Pause it, resume it, or change what, where to and from where on it sends.

    A paused one keeps its place and goes on there. A new `start` reads again from there, or
    leaves out what lies before.
    """
    async with context.history() as connection:
        await table.lock(connection, subscription_id)
        row = await _found(connection, caller, subscription_id)
        values: dict[str, Any] = {
            name: getattr(asked, name)
            for name in ("name", "state", "min_severity")
            if getattr(asked, name) is not None
        }
        types = list(row.event_types)
        if asked.event_types is not None:
            types = values["event_types"] = [str(one) for one in asked.event_types]
        if asked.destination is not None:
            await claim(connection, asked.destination, subscription_id)
            values |= await destination_columns(context, asked.destination)
        if asked.start is not None:
            values["start"] = await begin(context, types, asked.start)
        elif set(topics_of(types)) - set(topics_of(list(row.event_types))):
            values["start"] = await widened(context, row, types)
        await table.change(connection, subscription_id, values)
        answer = await _answer(context, connection, caller, subscription_id, 200)
    told = sorted(values.keys() - {"secret"})
    note(request, caller.name, "done", target=str(subscription_id), changed=told)
    return answer


@router.delete("/{subscription_id}", status_code=204, responses=responses(404))
async def delete_subscription(
    request: Request, subscription_id: UUID, caller: Operator, context: TheContext
) -> Response:
    """End a subscription for good; a request that is under way still arrives."""
    async with context.history() as connection:
        await table.lock(connection, subscription_id)
        await _found(connection, caller, subscription_id)
        await table.change(connection, subscription_id, {"state": "DELETED", "secret": None})
    note(request, caller.name, "done", target=str(subscription_id))
    return Response(status_code=204)


async def _found(connection: Connection, caller: Caller, id_: UUID) -> SubscriptionRow:
    row = await table.find(connection, caller, id_)
    if row is None:
        raise Problem(404, "no-subscription", f"there is no subscription {id_}")
    return row


async def _answer(
    context: Context, connection: Connection, caller: Caller, id_: UUID, status: int
) -> Response:
    row = await _found(connection, caller, id_)
    shown = await asyncio.to_thread(_shown, context, row)
    headers = {"Location": f"{PREFIX}/{id_}"} if status == 201 else None
    return Response(
        msgspec.json.encode(shown), status, headers=headers, media_type="application/json"
    )


def _shown(context: Context, row: SubscriptionRow) -> dict[str, Any]:
    begun: dict[str, dict[str, str]] = row.start.get("positions", {})
    positions = row.positions or begun
    return {
        "subscription_id": row.subscription_id,
        "name": row.name,
        "state": row.state,
        "event_types": row.event_types,
        "desk": row.desk,
        "min_severity": row.min_severity,
        "destination": row.destination,
        "start": _start(row.start),
        "created_at": row.created_at,
        "created_by": row.created_by,
        "changed_at": row.changed_at,
        "positions": positions,
        "lag": _lag(context.bus, list(row.event_types), positions),
        "delivered": row.delivered or 0,
        "last_delivered_at": row.last_delivered_at,
        "failing_since": row.failing_since,
        "problem": row.words or None,
    }


def _start(kept: dict[str, Any]) -> dict[str, Any]:
    if "since_ns" in kept:
        return {"since": format_rfc3339(kept["since_ns"])}
    return kept or {"at": "earliest"}


def _lag(
    bus: Bus | None, event_types: list[str], positions: dict[str, dict[str, str]]
) -> int | None:
    if bus is None:
        return None
    try:
        return sum(
            bus.lag((topic, partition), positions.get(topic, {}).get(str(partition), START))
            for topic, partition in places_of(bus, event_types)
        )
    except BusError:
        return None
