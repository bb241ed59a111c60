"""What the roll-ups take of the order stage's rows: routes, and orders as they come and go."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from domain.alerts import Crossing
from domain.instants import END_OF_TIME, NO_TIME
from domain.keys import GROUP_KEYS, group_of
from domain.rows import Rows
from domain.vocabulary import CLOSED_STATES, EventKind
from operators.arrays import joined
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
NAMED = ("order", "venue", "desk", "algo", "broker", "currency")
"""Columns of keys whose names travel along; a root's come with its own rows."""

_SENT = int(EventKind.ROUTE_SENT)
_OPENING = np.zeros(256, np.bool_)
_OPENING[[EventKind.ORDER_ACCEPTED, EventKind.ORDER_REPLACED, EventKind.MARK]] = True
_IS_CLOSED = np.zeros(256, np.bool_)
_IS_CLOSED[[int(state) for state in CLOSED_STATES]] = True
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
        tables: dict[int, Mapping[int, str]] = {}
        references: list[tuple[int, bytes]] = []
        end = END_OF_TIME
        for key, rows in items:
            if rows.watermark > NO_TIME and not len(rows.bars):
                watermarks[_GROUP_OF_KEY[key]] = rows.watermark
            references += rows.references
            end = min(end, rows.end)
            for found, kept in ((routes_of(rows), routes), (orders_of(rows), orders)):
                if len(found):
                    kept.append(found)
                    tables[id(rows.names)] = rows.names
        if not (routes or orders or references or self._is_news(watermarks)):
            return []
        self._told.update(watermarks)
        common, routed = joined(orders, LIGHT), joined(routes, LIGHT)
        named = list(tables.values())
        return [
            (
                GROUP_KEYS[g],
                ScopePiece(g, watermarks, rows, _names_in(rows, named), references, end),
            )
            for g, rows in self._dealt(common, routed, named)
        ]

    def _is_news(self, watermarks: Mapping[int, int]) -> bool:
        return any(
            watermark - self._told.get(group, NO_TIME) >= self._progress
            for group, watermark in watermarks.items()
        )

    def _dealt(
        self, common: np.ndarray, routed: np.ndarray, named: list[Mapping[int, str]]
    ) -> Iterator[tuple[int, np.ndarray]]:
        if self._groups == 1 or not len(routed):
            both = joined((common, routed), LIGHT)
            yield from ((g, both) for g in range(self._groups))
            return
        groups = np.array([self._venue_group(key, named) for key in routed["venue"].tolist()])
        for g in range(self._groups):
            yield g, joined((common, routed[groups == g]), LIGHT)

    def _venue_group(self, key: int, named: list[Mapping[int, str]]) -> int:
        group = self._group_of_venue.get(key)
        if group is None:
            if len(self._group_of_venue) >= _MOST_VENUES:
                self._group_of_venue.clear()
            group = group_of(venue_scope(_name_in(named, key)), self._groups)
            self._group_of_venue[key] = group
        return group


def _name_in(named: list[Mapping[int, str]], key: int) -> str:
    return next(table[key] for table in named if key in table)


def _names_in(rows: np.ndarray, named: list[Mapping[int, str]]) -> dict[int, str]:
    keys: set[int] = set()
    for column in NAMED:
        keys.update(rows[column].tolist())
    names: dict[int, str] = {}
    for table in named:
        names.update({key: table[key] for key in keys if key in table})
    return names


def routes_of(rows: Rows) -> np.ndarray:
    """LIGHT rows of the routes that name their venue."""
    events = rows.timeline
    if not len(events):
        return np.empty(0, LIGHT)
    at = np.flatnonzero(events["kind"] >= _SENT)
    if len(at):
        at = at[events["venue"][at] != 0]
    out = np.zeros(len(at), LIGHT)
    if len(at):
        found = events[at]
        for name in ("order", "kind", "root", "parent", "venue", "reason"):
            out[name] = found[name]
        out["t"], out["ts"], out["seq"] = found["t_eff"], found["ts_event"], found["pos"]
        out["route"], out["what"] = found["exec"], ROUTED
    return out


def orders_of(rows: Rows) -> np.ndarray:
    """LIGHT rows of roots, and of others that an algorithm works by a schedule of its own.

    Those that open or replace an order, those that go out at its whole minutes, and those in
    which it is closed. Records of orders that leave say nothing new.
    """
    status = rows.status
    if not len(status) or len(rows.orders):
        return np.empty(0, LIGHT)
    is_closed = _IS_CLOSED[status["state"]]
    at = np.flatnonzero((is_closed | _OPENING[status["kind"]]) & (status["numbered"] == 1))
    if len(at):
        own_schedule = (status["schedule"][at] != 0) & (status["algo"][at] != 0)
        at = at[(status["order"][at] == status["root"][at]) | own_schedule]
    out = np.zeros(len(at), LIGHT)
    if len(at):
        found = status[at]
        for name in ("order", "seq", "kind", "root", "parent", "ts", "z_cost", *NAMED[2:]):
            out[name] = found[name]
        out["t"] = found["known"]
        out["what"] = np.where(found["kind"] == EventKind.MARK, MARKED, OPENED)
        out["what"][is_closed[at]] = CLOSED
        out["open_ccy"] = found["leaves_qty"] * (found["bid"] + found["ask"]) / 2.0
    return out
