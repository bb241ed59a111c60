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
from api.problems import Problem, responses, unavailable
from api.store import subscriptions as table
from api.store.idempotency import once
from api.store.subscriptions import SubscriptionRow
from api.subscription_models import (
    Subscription,
    SubscriptionChange,
    SubscriptionRequest,
    SubscriptionStart,
    TopicDestination,
    WebhookDestination,
)
from bus.base import START, Bus, Place
from bus.out_topics import make_out_topic
from domain.errors import BusDown, BusError
from domain.instants import format_rfc3339, parse_rfc3339
from domain.subscriptions import topics_of, wrong_address
from domain.topics import wrong_out_topic

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
        **await _destination(context, asked.destination),
        "start": await _begin(context, types, asked.start),
    }
    made: list[UUID] = []
    async with context.history() as connection:

        async def work() -> Response:
            await _claim(connection, asked.destination)
            id_ = await table.insert(connection, caller, values)
            made.append(id_)
            return await _answer(context, connection, caller, id_, 201)

        answer = await once(connection, request, caller, work)
    for id_ in made:
        note(request, caller.name, "done", target=str(id_), **_place(asked.destination))
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
            await _claim(connection, asked.destination, subscription_id)
            values |= await _destination(context, asked.destination)
        if asked.start is not None:
            values["start"] = await _begin(context, types, asked.start)
        elif set(topics_of(types)) - set(topics_of(list(row.event_types))):
            values["start"] = await _widened(context, row, types)
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


async def _destination(
    context: Context, asked: WebhookDestination | TopicDestination
) -> dict[str, Any]:
    """Columns of a destination; a topic is made. Raises Problem 422 where nothing may be sent."""
    columns: dict[str, Any] = {"destination": {"kind": asked.kind, **_place(asked)}, "secret": None}
    if isinstance(asked, WebhookDestination):
        wrong = wrong_address(asked.url, context.config.subscription_hosts)
        columns["secret"] = asked.secret
    else:
        wrong = wrong_out_topic(asked.topic)
    if wrong:
        raise Problem(422, "invalid", f"destination: {wrong}")
    if isinstance(asked, TopicDestination):
        try:
            await asyncio.to_thread(make_out_topic, _bus(context), asked.topic)
        except BusDown:
            raise
        except BusError as error:
            raise Problem(422, "invalid", f"destination: {error}") from None
    return columns


def _place(asked: WebhookDestination | TopicDestination) -> dict[str, str]:
    return {"url": asked.url} if isinstance(asked, WebhookDestination) else {"topic": asked.topic}


async def _claim(
    connection: Connection, asked: WebhookDestination | TopicDestination, id_: UUID | None = None
) -> None:
    """Keep a topic for one subscription. Raises Problem 409 where it is another's."""
    if isinstance(asked, TopicDestination) and await table.is_taken(connection, asked.topic, id_):
        raise Problem(
            409, "topic-taken",
            f"destination: another subscription writes to topic {asked.topic}; one topic holds "
            "what one subscription wants",
        )  # fmt: skip


async def _begin(
    context: Context, event_types: list[str], asked: SubscriptionStart
) -> dict[str, Any]:
    """The start as it is stored. Raises Problem 422 for a position that the bus does not have."""
    if asked.since is not None:
        return {"since_ns": parse_rfc3339(asked.since)}
    if asked.at == "earliest":
        return {}
    bus = _bus(context)
    places = await asyncio.to_thread(_places, bus, event_types)
    if asked.positions is None:
        ends = await asyncio.to_thread(lambda: {place: bus.end(place) for place in places})
        return {"positions": _by_topic(ends)}
    given = {
        (topic, int(partition)): position
        for topic, by_partition in asked.positions.items()
        for partition, position in by_partition.items()
    }
    strange = [f"{topic}/{partition}" for topic, partition in given.keys() - set(places)]
    if strange:
        raise Problem(422, "invalid", f"start.positions: {', '.join(sorted(strange))} is not read")
    told = {place: given[place] for place in places if place in given}
    try:
        for place, position in told.items():
            await asyncio.to_thread(bus.check_position, place, position)
    except BusDown:
        raise
    except (BusError, ValueError) as error:
        raise Problem(422, "invalid", f"start.positions: {error}") from None
    return {"positions": _by_topic(told)}


async def _widened(context: Context, row: SubscriptionRow, types: list[str]) -> dict[str, Any]:
    """A topic more: read from now on where the others were not begun with all there is."""
    known = row.positions or row.start.get("positions")
    if known is None:
        return row.start
    newest = await _begin(context, types, SubscriptionStart())
    return {"positions": {**newest["positions"], **known}}


def _bus(context: Context) -> Bus:
    if context.bus is None:
        raise unavailable("bus", "no bus is configured; set EXECMON_BUS_URL")
    return context.bus


def _places(bus: Bus, event_types: list[str]) -> list[Place]:
    return [
        (topic, partition)
        for topic in topics_of(event_types)
        for partition in range(bus.partitions(topic))
    ]


def _by_topic(positions: dict[Place, str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for (topic, partition), position in positions.items():
        if position != START:
            found.setdefault(str(topic), {})[str(partition)] = position
    return found


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
            for topic, partition in _places(bus, event_types)
        )
    except BusError:
        return None
