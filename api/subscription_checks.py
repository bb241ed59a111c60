"""What a subscription asks for, checked and as its columns: where it sends, where it begins."""

import asyncio
from typing import Any
from uuid import UUID

from api.context import Connection, Context
from api.problems import Problem, unavailable
from api.store import subscriptions as table
from api.store.subscriptions import SubscriptionRow
from api.subscription_models import SubscriptionStart, TopicDestination, WebhookDestination
from bus.base import START, Bus, Place
from bus.out_topics import make_out_topic
from domain.errors import BusDown, BusError
from domain.instants import parse_rfc3339
from domain.subscriptions import topics_of, wrong_address
from domain.topics import wrong_out_topic


async def destination_columns(
    context: Context, asked: WebhookDestination | TopicDestination
) -> dict[str, Any]:
    """Columns of a destination; a topic is made. Raises Problem 422 where nothing may be sent."""
    columns: dict[str, Any] = {
        "destination": {"kind": asked.kind, **place_of(asked)},
        "secret": None,
    }
    if isinstance(asked, WebhookDestination):
        wrong = wrong_address(asked.url, context.config.subscription_hosts)
        columns["secret"] = asked.secret
    else:
        wrong = wrong_out_topic(asked.topic)
    if wrong:
        raise Problem(422, "invalid", f"destination: {wrong}")
    if isinstance(asked, TopicDestination):
        try:
            await asyncio.to_thread(make_out_topic, bus_of(context), asked.topic)
        except BusDown:
            raise
        except BusError as error:
            raise Problem(422, "invalid", f"destination: {error}") from None
    return columns


def place_of(asked: WebhookDestination | TopicDestination) -> dict[str, str]:
    """Where it sends, as it may be told to anybody."""
    return {"url": asked.url} if isinstance(asked, WebhookDestination) else {"topic": asked.topic}


async def claim(
    connection: Connection, asked: WebhookDestination | TopicDestination, id_: UUID | None = None
) -> None:
    """Keep a topic for one subscription. Raises Problem 409 where it is another's."""
    if isinstance(asked, TopicDestination) and await table.is_taken(connection, asked.topic, id_):
        raise Problem(
            409, "topic-taken",
            f"destination: another subscription writes to topic {asked.topic}; one topic holds "
            "what one subscription wants",
        )  # fmt: skip


async def begin(
    context: Context, event_types: list[str], asked: SubscriptionStart
) -> dict[str, Any]:
    """The start as it is stored. Raises Problem 422 for a position that the bus does not have."""
    if asked.since is not None:
        return {"since_ns": parse_rfc3339(asked.since)}
    if asked.at == "earliest":
        return {}
    bus = bus_of(context)
    places = await asyncio.to_thread(places_of, bus, event_types)
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


async def widened(context: Context, row: SubscriptionRow, types: list[str]) -> dict[str, Any]:
    """A topic more: read from now on where the others were not begun with all there is."""
    known = row.positions or row.start.get("positions")
    if known is None:
        return row.start
    newest = await begin(context, types, SubscriptionStart())
    return {"positions": {**newest["positions"], **known}}


def bus_of(context: Context) -> Bus:
    """The bus. Raises Problem 503 where none is configured."""
    if context.bus is None:
        raise unavailable("bus", "no bus is configured; set EXECMON_BUS_URL")
    return context.bus


def places_of(bus: Bus, event_types: list[str]) -> list[Place]:
    """Partitions that hold events of these types."""
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
