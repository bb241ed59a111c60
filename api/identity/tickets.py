"""Tickets: who may not send headers with a WebSocket, a browser, shows one of these instead.

A ticket opens one WebSocket within seconds of its making and knows its maker's rights.
"""

import secrets
from hashlib import sha256
from typing import Any

import msgspec

from api.identity.caller import Caller, Scope
from api.identity.keys import unauthenticated

PREFIX = "execmon:api:ticket:"
LIFE_S = 30


class _Kept(msgspec.Struct):
    name: str
    scope: int
    desks: list[str] | None


async def issue(store: Any, caller: Caller) -> str:
    """A new ticket for this caller."""
    ticket = secrets.token_urlsafe(24)
    desks = None if caller.desks is None else sorted(caller.desks)
    kept = msgspec.json.encode(_Kept(caller.name, int(caller.scope), desks))
    await store.set(_key(ticket), kept, ex=LIFE_S)
    return ticket


async def redeem(store: Any, ticket: str) -> Caller:
    """Whose ticket it is; it is gone afterwards. Raises Problem 401."""
    raw = await store.getdel(_key(ticket))
    if raw is None:
        raise unauthenticated("this ticket was used before, or is older than 30 s")
    kept = msgspec.json.decode(raw, type=_Kept)
    desks = None if kept.desks is None else frozenset(kept.desks)
    return Caller(kept.name, Scope(kept.scope), desks, "ticket")


def _key(ticket: str) -> str:
    return PREFIX + sha256(ticket.encode()).hexdigest()
