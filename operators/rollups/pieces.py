"""What the roll-ups take of the order stage's rows: routes, and orders as they come and go."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from domain.alerts import Crossing
from domain.instants import END_OF_TIME, NO_TIME
from domain.keys import GROUP_KEYS, group_of
from domain.rows import STATUS_IN_KERNELS, STATUS_METRICS, Rows
from domain.vocabulary import EventKind
from operators.arrays import distinct_keys, joined
from operators.kernel import Table, kernel
from operators.orders.fold import is_closed
from operators.pieces import Piece

OPENED, ROUTED, MARKED, CLOSED = range(4)
"""What a row tells, in the order in which rows of one time and order count."""

LIGHT = np.dtype(
    [
        ("t", "i8"),  # effective time
        ("what", "u1"),
        ("order", "u8"),
        ("seq", "i8"),  # of an order's row, or the position of a route's event
        ("kind", "u1"),  # EventKind
        ("root", "u8"),
        ("parent", "u8"),
        ("venue", "u8"),
        ("route", "u8"),
        ("ts", "i8"),  # event time of its own
        ("reason", "u1"),  # RejectReason
        ("desk", "u8"),
        ("algo", "u8"),
        ("broker", "u8"),
        ("currency", "u8"),
        ("open_ccy", "f8"),  # what is left of the order at the mid it met, NaN where unknown
        ("z_cost", "f8"),
    ]
)
TERMS = slice(11, 15)
"""Where desk, algorithm, broker and currency lie in a row."""
ORDER_NAMES = ("order", "desk", "algo", "broker", "currency")
NAMED = ("venue", *ORDER_NAMES)
"""Columns of keys whose names travel along; a root's come with its own rows."""

_SENT = int(EventKind.ROUTE_SENT)
_ACCEPTED = int(EventKind.ORDER_ACCEPTED)
_REPLACED = int(EventKind.ORDER_REPLACED)
_MARK = int(EventKind.MARK)
_Z_COST = STATUS_METRICS.index("z_cost")
_GROUP_OF_KEY = {key: group for group, key in enumerate(GROUP_KEYS)}
_MOST_VENUES = 4096


def venue_scope(name: str) -> str:
    """Scope of a venue, in alerts and in reference records."""
    return f"venue:{name}"


def cohort_scope(algo: str, broker: str) -> str:
    """Scope of an algorithm at a broker in alerts; `-` where no broker is named."""
    return f"algo:{algo}|{broker or '-'}"


@dataclass(slots=True)
class ScopePiece(Piece):
    """What one group of scopes takes at once."""

    group: int
    watermarks: dict[int, int]
    """Of each order group that spoke: none of its later rows lies before."""
    rows: np.ndarray
    """LIGHT: the routes of the group's venues, the orders of all."""
    names: dict[int, str]
    references: list[tuple[int, bytes]] = field(default_factory=list[tuple[int, bytes]])
    end: int = END_OF_TIME


@dataclass(slots=True)
class Raised:
    """Crossings in the order in which they happened, and how far they are complete."""

    group: int
    watermark: int
    """No later crossing of this group lies before."""
    crossings: list[Crossing] = field(default_factory=list[Crossing])
    end: int = END_OF_TIME


class Gather:
    """Rows of order groups to one piece for each group of scopes, as a `flat_map_batch`.

    What it keeps from call to call spares work and decides nothing.
    """

    def __init__(self, groups: int, progress_ns: int) -> None:
        self._groups = groups
        self._progress = progress_ns
        self._told: dict[int, int] = {}
        self._group_of_venue: dict[int, int] = {}

    def __call__(self, items: Iterable[tuple[str, Rows]]) -> list[tuple[str, ScopePiece]]:
        """Pieces for every group, or none where there is nothing to tell."""
        watermarks: dict[int, int] = {}
        routes: list[np.ndarray] = []
        orders: list[np.ndarray] = []
        names: dict[int, str] = {}
        references: list[tuple[int, bytes]] = []
        end = END_OF_TIME
        for key, rows in items:
            if rows.watermark > NO_TIME and not len(rows.bars):
                watermarks[_GROUP_OF_KEY[key]] = rows.watermark
            references += rows.references
            end = min(end, rows.end)
            for found, kept, columns in (
                (routes_of(rows), routes, ("venue",)),
                (orders_of(rows), orders, ORDER_NAMES),
            ):
                if len(found):
                    kept.append(found)
                    said = distinct_keys([found[column] for column in columns])
                    names.update({key: rows.names[key] for key in said})
        if not (routes or orders or references or self._is_news(watermarks)):
            return []
        self._told.update(watermarks)
        return [
            (GROUP_KEYS[g], ScopePiece(g, watermarks, rows, names, references, end))
            for g, rows in self._dealt(joined(orders, LIGHT), joined(routes, LIGHT), names)
        ]

    def _is_news(self, watermarks: Mapping[int, int]) -> bool:
        return any(
            watermark - self._told.get(group, NO_TIME) >= self._progress
            for group, watermark in watermarks.items()
        )

    def _dealt(
        self, common: np.ndarray, routed: np.ndarray, names: Mapping[int, str]
    ) -> Iterator[tuple[int, np.ndarray]]:
        if self._groups == 1 or not len(routed):
            both = joined((common, routed), LIGHT)
            yield from ((g, both) for g in range(self._groups))
            return
        groups = np.array([self._venue_group(key, names) for key in routed["venue"].tolist()])
        for g in range(self._groups):
            yield g, joined((common, routed[groups == g]), LIGHT)

    def _venue_group(self, key: int, names: Mapping[int, str]) -> int:
        group = self._group_of_venue.get(key)
        if group is None:
            if len(self._group_of_venue) >= _MOST_VENUES:
                self._group_of_venue.clear()
            group = group_of(venue_scope(names[key]), self._groups)
            self._group_of_venue[key] = group
        return group


@kernel
def write_routes(events: Table, out: Table) -> Any:
    """Write the routes among events; returns how many."""
    count = 0
    for i in range(events.shape[0]):
        event = events[i]
        if event.kind < _SENT or event.venue == 0:
            continue
        row = out[count]
        row.t = event.t_eff
        row.what = ROUTED
        row.order = event.order
        row.seq = event.pos
        row.kind = event.kind
        row.root = event.root
        row.parent = event.parent
        row.venue = event.venue
        row.route = event.exec
        row.ts = event.ts_event
        row.reason = event.reason
        count += 1
    return count


@kernel
def write_orders(status: Table, out: Table) -> Any:
    """Write what opens, goes on or ends among final states of orders; returns how many."""
    count = 0
    for i in range(status.shape[0]):
        found = status[i]
        closed = is_closed(found.state)
        opens = found.kind == _ACCEPTED or found.kind == _REPLACED
        if not found.numbered or not (closed or opens or found.kind == _MARK):
            continue
        if found.order != found.root and (found.schedule == 0 or found.algo == 0):
            continue
        row = out[count]
        row.t = found.known
        row.what = CLOSED if closed else (OPENED if opens else MARKED)
        row.order = found.order
        row.seq = found.seq
        row.kind = found.kind
        row.root = found.root
        row.parent = found.parent
        row.ts = found.ts
        row.desk = found.desk
        row.algo = found.algo
        row.broker = found.broker
        row.currency = found.currency
        row.open_ccy = found.leaves_qty * (found.bid + found.ask) / 2.0
        row.z_cost = found.metrics[_Z_COST]
        count += 1
    return count


def routes_of(rows: Rows) -> np.ndarray:
    """LIGHT rows of the routes that name their venue."""
    out = np.zeros(len(rows.timeline), LIGHT)
    return out[: write_routes(rows.timeline, out)] if len(out) else out


def orders_of(rows: Rows) -> np.ndarray:
    """LIGHT rows of roots, and of others that an algorithm works by a schedule of its own.

    Those that open or replace an order, those that go out at its whole minutes, and those in
    which it is closed. Records of orders that leave say nothing new.
    """
    status = rows.status[:0] if len(rows.orders) else rows.status
    out = np.zeros(len(status), LIGHT)
    return out[: write_orders(status.view(STATUS_IN_KERNELS), out)] if len(out) else out
