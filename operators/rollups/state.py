"""What the roll-ups remember, and how each row and each time moves it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from domain.alerts import Crossing
from domain.flags import Flags
from domain.instants import END_OF_TIME, NO_TIME, SECOND
from domain.keys import group_of
from domain.reference_book import ReferenceBook
from domain.vocabulary import EventKind
from operators.rollups.orders import OpenOrder, desk_of, known
from operators.rollups.pieces import CLOSED, ROUTED, TERMS, cohort_scope
from operators.rollups.scopes import CohortScope, Scope, VenueScope, tell_all, tell_late
from rules.algorithm import NONE, CohortBase, cohort_base
from rules.venue import OWN_CODES, VenueBase, venue_base

_SENT = int(EventKind.ROUTE_SENT)
_ACKNOWLEDGED = int(EventKind.ROUTE_ACKNOWLEDGED)
_REJECTED = int(EventKind.ROUTE_REJECTED)
_TIMED_OUT = int(EventKind.ROUTE_TIMED_OUT)
_SWEEP_NS = 3600 * SECOND
_ORDER_LOST_NS = 4 * 86_400 * SECOND
"""Open orders tell of themselves each minute of trading: longer than any holiday is lost."""
_SCOPE_LOST_NS = 30 * 86_400 * SECOND


class Kept(msgspec.Struct):
    """Plain data: open orders and venues by key of their name, cohorts by scope."""

    orders: dict[int, OpenOrder] = {}
    venues: dict[int, VenueScope] = {}
    cohorts: dict[str, CohortScope] = {}
    due: int = END_OF_TIME
    """Not before this does time alone change anything."""
    sweep_at: int = NO_TIME


class Rollups:
    """The scopes of one group."""

    def __init__(
        self, book: ReferenceBook, groups: int, kept: Kept | None = None, flags: Flags = NONE
    ) -> None:
        self.group = 0
        self.kept = kept or Kept()
        self.found: list[Crossing] = []
        """Crossings that were not handed on yet."""
        self._book = book
        self._groups = groups
        self._flags = flags
        self._venue_bases: dict[int, VenueBase] = {}
        self._cohort_bases: dict[str, CohortBase] = {}
        self._bases_until = NO_TIME

    def forget_bases(self) -> None:
        """Read what is usual anew: a record came."""
        self._bases_until = NO_TIME

    def take(self, rows: Iterable[tuple[Any, ...]], names: Mapping[int, str]) -> None:
        """Rows of LIGHT, in order, each behind the time before it."""
        kept = self.kept
        t = NO_TIME
        for row in rows:
            t, what = row[0], row[1]
            if kept.due <= t:
                self.pass_time(t)
            if t >= self._bases_until:
                self._new_bases(t)
            if what == ROUTED:
                self._route(row, names)
            elif what == CLOSED:
                self._close(t, row)
            elif not self._goes_on(t, row):
                self._open(t, row, names)
        if t > NO_TIME and t >= kept.sweep_at:
            self._sweep(t)

    def pass_time(self, until: int) -> None:
        """What time alone changes, up to an instant and in it."""
        kept = self.kept
        while kept.due <= until:
            t = kept.due
            if t >= self._bases_until:
                self._new_bases(t)
            for scope in sorted(self._scopes(), key=lambda scope: scope.scope):
                if scope.watch.due > t:
                    continue
                if isinstance(scope, VenueScope):
                    scope.watch.at(t, self._base_of_venue(scope, t))
                else:
                    scope.watch.at(t)
                self.found += tell_all(scope, scope.watch.worst, t, kept.orders)
            kept.due = min((scope.watch.due for scope in self._scopes()), default=END_OF_TIME)

    def _scopes(self) -> Iterator[Scope]:
        yield from self.kept.venues.values()
        yield from self.kept.cohorts.values()

    # What is usual

    def _new_bases(self, t: int) -> None:
        self._venue_bases.clear()
        self._cohort_bases.clear()
        self._bases_until = self._book.next_change(t)

    def _base_of_venue(self, venue: VenueScope, t: int) -> VenueBase:
        base = self._venue_bases.get(venue.key)
        if base is None:
            base = self._venue_bases[venue.key] = venue_base(self._book.scope(venue.scope, t))
        return base

    def _base_of_cohort(self, scope: str, t: int) -> CohortBase:
        base = self._cohort_bases.get(scope)
        if base is None:
            cohort = self.kept.cohorts[scope]
            record = self._book.scope(f"cohort:{cohort.algo}/{cohort.broker}", t)
            base = self._cohort_bases[scope] = cohort_base(record)
        return base

    # Rows

    def _route(self, row: tuple[Any, ...], names: Mapping[int, str]) -> None:
        t, _, order, _, kind, root, parent, key, route, ts, reason, *_ = row
        kept = self.kept
        venue = kept.venues.get(key)
        if venue is None:
            venue = kept.venues[key] = VenueScope(key, names[key])
        venue.seen = t
        base, watch = self._base_of_venue(venue, t), venue.watch
        place = order ^ route
        if kind == _SENT:
            watch.sent(t, ts, place, base)
            self._route_there(venue, t, (root, parent, order))
        elif kind == _ACKNOWLEDGED:
            watch.answer(t, ts, place, root, base)
        elif kind == _REJECTED:
            watch.answer(t, ts, place, root, base, refused=True, own=reason in OWN_CODES)
        elif kind == _TIMED_OUT:
            watch.timed_out(t, place, root, base)
        else:
            watch.cancelled(place)
        kept.due = min(kept.due, watch.due)
        if watch.causes or venue.issue.severity is not None:
            self.found += tell_all(venue, watch.worst, t, kept.orders)

    def _route_there(self, venue: VenueScope, t: int, orders: tuple[int, ...]) -> None:
        """Of an order's family, those that alerts are raised about are now at the venue."""
        open_orders = self.kept.orders
        for key in orders:
            if key in open_orders and key not in venue.orders:
                venue.orders[key] = True
                desk = open_orders[key].desk
                self.found += tell_late(venue, venue.watch.worst, t, desk, open_orders)

    def _goes_on(self, t: int, row: tuple[Any, ...]) -> bool:
        """Note where an order stands; False where it is new, or its terms or parents are others.

        Its desk knows of its cohort's trouble since it opened.
        """
        order = self.kept.orders.get(row[2])
        if order is None or order.terms != row[TERMS] or order.is_root != (row[2] == row[5]):
            return False
        order.seen = t
        open_ccy = row[15]
        if open_ccy == open_ccy:  # not NaN
            order.open_ccy = open_ccy
        if order.cohort:
            self._heed(order.cohort, t)
        return True

    def _open(self, t: int, row: tuple[Any, ...], names: Mapping[int, str]) -> None:
        order, root = row[2], row[5]
        desk, algo, broker, currency, open_ccy = (
            names.get(row[11], ""), names.get(row[12], ""), names.get(row[13], ""),
            names.get(row[14], ""), known(row[15]),
        )  # fmt: skip
        orders, cohorts = self.kept.orders, self.kept.cohorts
        scope = cohort_scope(algo, broker) if algo else ""
        if scope and group_of(scope, self._groups) != self.group:
            scope = ""
        before = orders.get(order)
        if before is not None:
            if before.cohort and before.cohort != scope:
                del cohorts[before.cohort].orders[order]
            if open_ccy is None:
                open_ccy = before.open_ccy
        orders[order] = OpenOrder(
            names[order], desk_of(desk), order == root, scope, currency, open_ccy, t, row[TERMS]
        )
        if scope:
            cohort = cohorts.get(scope)
            if cohort is None:
                cohort = cohorts[scope] = CohortScope(algo, broker or "-")
            cohort.orders[order] = True
            self._heed(scope, t)
            self.found += tell_late(cohort, cohort.watch.worst, t, orders[order].desk, orders)

    def _close(self, t: int, row: tuple[Any, ...]) -> None:
        kept, key, z_cost = self.kept, row[2], row[16]
        order = kept.orders.get(key)
        if order is None:
            return
        self._let_go(key, order)
        if order.cohort:
            cohort = kept.cohorts[order.cohort]
            base = self._base_of_cohort(order.cohort, t)
            cohort.watch.heed(t, base.finding)
            cohort.watch.take(
                t, z_cost, base,
                order_id=order.order_id, flags=self._flags,
            )  # fmt: skip
            kept.due = min(kept.due, cohort.watch.due)
            self.found += tell_all(cohort, cohort.watch.worst, t, kept.orders)

    def _heed(self, scope: str, t: int) -> None:
        """An order is at work; say what past days found, to every desk that works so."""
        cohort = self.kept.cohorts[scope]
        cohort.seen = t
        watch, finding = cohort.watch, self._base_of_cohort(scope, t).finding
        if finding is None and watch.found is None:
            return
        watch.heed(t, finding)
        self.kept.due = min(self.kept.due, watch.due)
        self.found += tell_all(cohort, watch.worst, t, self.kept.orders)

    def _let_go(self, key: int, order: OpenOrder) -> None:
        kept = self.kept
        del kept.orders[key]
        if order.cohort:
            del kept.cohorts[order.cohort].orders[key]
        for venue in kept.venues.values():
            venue.orders.pop(key, None)

    def _sweep(self, t: int) -> None:
        """Let go what has long been silent, so that nothing grows for ever."""
        kept = self.kept
        kept.sweep_at = t + _SWEEP_NS
        for key, order in list(kept.orders.items()):
            if order.seen < t - _ORDER_LOST_NS:
                self._let_go(key, order)
        since = t - _SCOPE_LOST_NS
        kept.venues = {key: venue for key, venue in kept.venues.items() if venue.seen >= since}
        kept.cohorts = {key: found for key, found in kept.cohorts.items() if found.seen >= since}
