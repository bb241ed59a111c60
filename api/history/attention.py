"""Open orders from the status store by falling attention, page by page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from analytics.history.orders import OrderFilter
from api.history.rows import order_row_of_status
from api.identity.caller import NO_DESK, Caller
from domain.instants import parse_rfc3339
from domain.topics import open_orders_key, status_key

_READ_AT_ONCE = 200
_MOST_READ = 5_000
_decode = msgspec.json.Decoder().decode
Place = tuple[float, str]
"""Attention and id of an order; the greater id comes first of equal attention."""


@dataclass(frozen=True, slots=True)
class OpenOrders:
    """A page of open orders and where the next begins, None at the end."""

    rows: list[dict[str, Any]]
    more: Place | None


async def by_attention(
    store: Any, chosen: OrderFilter, caller: Caller, *, limit: int, after: Place | None
) -> OpenOrders:
    """Up to `limit` open orders that fit and the caller may see.

    Attention moves while one reads: an order may come again with another one, but none whose
    attention falls or stays is left out. A page also ends after so many orders were looked at.
    """
    keys = [open_orders_key(desk) for desk in _desks(chosen, caller)]
    place = after
    rows: list[dict[str, Any]] = []
    for _ in range(_MOST_READ // _READ_AT_ONCE):
        batch = await next_places(store, keys, place, _READ_AT_ONCE)
        bodies = await _bodies(store, [order_id for _, order_id in batch])
        for found, body in zip(batch, bodies, strict=True):
            if len(rows) == limit:
                return OpenOrders(rows, place)
            place = found
            status = None if body is None else _decode(body)
            if status and caller.sees(status.get("desk")) and fits(status, chosen):
                rows.append(order_row_of_status(status, found[0]))
        if len(batch) < _READ_AT_ONCE:
            return OpenOrders(rows, None)
    return OpenOrders(rows, place)


def _desks(chosen: OrderFilter, caller: Caller) -> Sequence[str]:
    """Desks whose sets are read; an empty name is everybody's."""
    if chosen.desk is not None:
        return [chosen.desk] if caller.sees(chosen.desk) else []
    if caller.desks is None or NO_DESK in caller.desks:
        return [""]
    return sorted(caller.desks)


async def next_places(
    store: Any, keys: Sequence[str], after: Place | None, count: int
) -> list[Place]:
    """The next orders of several sets together, by falling (attention, id)."""
    found: list[Place] = []
    most = "+inf" if after is None else repr(after[0])
    for key in keys:
        start = taken = 0
        while taken < count:
            part = await store.zrange(
                key, most, "-inf", byscore=True, desc=True, offset=start, num=count,
                withscores=True,
            )  # fmt: skip
            places = [(float(score), name.decode()) for name, score in part]
            fresh = [place for place in places if after is None or place < after]
            found += fresh
            taken += len(fresh)
            start += len(part)
            if len(part) < count:
                break
    return sorted(found, reverse=True)[:count]


async def _bodies(store: Any, order_ids: Sequence[str]) -> list[bytes | None]:
    if not order_ids:
        return []
    async with store.pipeline(transaction=False) as pipe:
        for order_id in order_ids:
            pipe.hget(status_key(order_id), "body")
        return await pipe.execute()


def fits(status: Mapping[str, Any], chosen: OrderFilter) -> bool:
    """Whether a live status is among the orders asked for."""
    named = ("symbol", "side", "desk", "trader", "client", "broker", "algo", "strategy",
             "currency", "parent_order_id", "root_order_id")  # fmt: skip
    for name in named:
        wanted = getattr(chosen, name)
        if wanted is not None and status.get(name) != wanted:
            return False
    if chosen.states and status.get("state") not in chosen.states:
        return False
    if chosen.is_open is False or (chosen.roots_only and status.get("parent_order_id")):
        return False
    return _arrived_within(status, chosen.arrived_from_ns, chosen.arrived_to_ns)


def _arrived_within(status: Mapping[str, Any], from_ns: int | None, to_ns: int | None) -> bool:
    if from_ns is None and to_ns is None:
        return True
    arrival = status.get("arrival_ts") or status.get("as_of")
    if arrival is None:
        return False
    at = parse_rfc3339(arrival)
    return (from_ns is None or at >= from_ns) and (to_ns is None or at < to_ns)
