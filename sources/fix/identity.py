"""Which order a FIX message speaks of, across amendments and hops.

An order is named by the ClOrdID that opened it (tag 11 of the new order; tag 41 where a chain
of amendments is seen from its middle; tag 37 where neither is said). All ClOrdIDs of the chain
and the broker's OrderID (37) lead to it. The same ids between other parties are the same order
when the parties form a route (who received it sends it on) or when 37 agrees too; two clients
that both count from 1 stay apart, the later one named `ID@CLIENT`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

_NO_ID = frozenset({"", "0", "NONE", "UNKNOWN", "N/A", "[N/A]"})


class Memory(NamedTuple):
    """What an order's messages have said so far that later ones leave out."""

    symbol: str = ""
    side: str = ""
    order_qty: float | None = None
    suspended: bool = False
    events: int = 0
    """Events so far: the next one's `seq`."""


NO_MEMORY = Memory()


@dataclass(slots=True)
class Chain:
    """What is remembered of one order."""

    order_id: str
    memory: Memory = NO_MEMORY
    broker_ids: set[str] = field(default_factory=set)
    client_ids: set[str] = field(default_factory=set)
    clients: set[str] = field(default_factory=set)
    """CompIDs on the side that sends the order."""
    brokers: set[str] = field(default_factory=set)
    """CompIDs on the side that receives it."""

    def joins(self, client: str, broker: str) -> bool:
        """Whether a message between these two is of this order's session or next hop."""
        return (
            (client in self.clients and broker in self.brokers)
            or client in self.brokers
            or broker in self.clients
        )


class Sighting(NamedTuple):
    """An order as a message names it; nothing is remembered of it before `Chains.link`."""

    chain: Chain
    client: str
    broker: str
    ids: tuple[str, str]
    """ClOrdID and OrigClOrdID."""
    order: str = ""
    """OrderID."""


class Chains:
    """Every order of a log, by the ids that name it."""

    def __init__(self) -> None:
        self._by_client: dict[str, list[Chain]] = {}
        self._by_broker: dict[str, list[Chain]] = {}
        self._names: set[str] = set()

    def of_request(self, client: str, broker: str, cl_ord: str, orig: str) -> Sighting:
        """The order of a new order, amendment or cancel that `client` sends."""
        ids = (cl_ord, orig)
        for chain in self._named((orig, cl_ord)):
            if chain.joins(client, broker):
                return Sighting(chain, client, broker, ids)
        return Sighting(self._new(orig or cl_ord, client), client, broker, ids)

    def of_report(self, client: str, broker: str, cl_ord: str, orig: str, order: str) -> Sighting:
        """The order of a report that `broker` sends."""
        order = "" if order in _NO_ID else order
        orig = "" if orig in _NO_ID else orig
        ids = (cl_ord, orig)
        for chain in self._by_broker.get(order, ()):
            ours = chain.client_ids.intersection(ids)
            if ours or not cl_ord or chain.joins(client, broker):
                return Sighting(chain, client, broker, ids, order)
        for chain in self._named(ids):
            if chain.joins(client, broker):
                return Sighting(chain, client, broker, ids, order)
        new = self._new(orig or cl_ord or order, client)
        return Sighting(new, client, broker, ids, order)

    def link(self, seen: Sighting) -> None:
        """Let all ids of the message lead to its order from now on."""
        chain, client, broker, ids, order = seen
        self._names.add(chain.order_id)
        chain.clients.add(client)
        chain.brokers.add(broker)
        for name in ids:
            if name and name != "NONE" and name not in chain.client_ids:
                chain.client_ids.add(name)
                self._by_client.setdefault(name, []).append(chain)
        if order and order not in chain.broker_ids:
            chain.broker_ids.add(order)
            self._by_broker.setdefault(order, []).append(chain)

    def _named(self, ids: Iterable[str]) -> Iterable[Chain]:
        for name in ids:
            yield from reversed(self._by_client.get(name, ()))

    def _new(self, name: str, client: str) -> Chain:
        order_id = name
        if order_id in self._names:
            order_id = f"{name}@{client}"
        count = 1
        while order_id in self._names:
            count += 1
            order_id = f"{name}@{client}#{count}"
        return Chain(order_id)
