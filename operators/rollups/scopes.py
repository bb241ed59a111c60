"""A venue or a cohort with what was told of it, to which desks."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import msgspec

from domain.alerts import Crossing
from domain.instants import NO_TIME
from domain.published import Severity
from domain.thresholds import AlertType
from operators.rollups.orders import OpenOrder, affected
from operators.rollups.pieces import cohort_scope, venue_scope
from rules.algorithm import CohortWatch
from rules.causes import Cause
from rules.venue_watch import VenueWatch


class Issue(msgspec.Struct):
    """What the desks were told."""

    severity: Severity | None = None
    desks: list[str] = []
    """Those that were told, by name."""
    t: int = NO_TIME
    seq: int = 0
    """Counts what was told at `t`."""

    def next_seq(self, t: int) -> int:
        """Number of what is told now among all of this time."""
        self.seq = self.seq + 1 if t == self.t else 0
        self.t = t
        return self.seq


class VenueScope(msgspec.Struct):
    """A venue. `orders` are open ones that were routed there, by key, in order of their coming."""

    key: int
    name: str
    watch: VenueWatch = msgspec.field(default_factory=VenueWatch)
    issue: Issue = msgspec.field(default_factory=Issue)
    orders: dict[int, bool] = {}
    seen: int = NO_TIME

    @property
    def scope(self) -> str:
        """As alerts say it."""
        return venue_scope(self.name)

    @property
    def type(self) -> AlertType:
        """Of its alerts."""
        return AlertType.VENUE_ISSUE

    @property
    def advice(self) -> str:
        """What to do about it."""
        return f"Reroute from {self.name}"


class CohortScope(msgspec.Struct):
    """An algorithm at a broker, with its open orders by key."""

    algo: str
    broker: str
    watch: CohortWatch = msgspec.field(default_factory=CohortWatch)
    issue: Issue = msgspec.field(default_factory=Issue)
    orders: dict[int, bool] = {}
    seen: int = NO_TIME

    @property
    def scope(self) -> str:
        """As alerts say it."""
        return cohort_scope(self.algo, self.broker)

    @property
    def type(self) -> AlertType:
        """Of its alerts."""
        return AlertType.ALGORITHM_UNDERPERFORMANCE

    @property
    def advice(self) -> str:
        """What to do about it."""
        return f"Review {self.algo} at {self.broker}"


Scope: TypeAlias = VenueScope | CohortScope


def tell_all(
    scope: Scope, cause: Cause | None, t: int, orders: Mapping[int, OpenOrder]
) -> list[Crossing]:
    """What every desk is told now; nothing where the severity is what they know."""
    issue = scope.issue
    severity = cause.severity if cause is not None else None
    if severity == issue.severity:
        return []
    issue.severity = severity
    if cause is None:
        desks, issue.desks = issue.desks, []
        seq = issue.next_seq(t)
        return [_crossing(scope, t, seq, desk, None, ()) for desk in desks]
    of_desk = _by_desk(scope, orders)
    issue.desks = sorted({*issue.desks, *of_desk})
    if not issue.desks:
        return []
    seq = issue.next_seq(t)
    return [_crossing(scope, t, seq, d, cause, of_desk.get(d, ())) for d in issue.desks]


def tell_late(
    scope: Scope, cause: Cause | None, t: int, desk: str, orders: Mapping[int, OpenOrder]
) -> list[Crossing]:
    """What a desk is told whose first order comes to a scope that is in trouble."""
    issue = scope.issue
    if cause is None or issue.severity is None or desk in issue.desks:
        return []
    issue.desks = sorted({*issue.desks, desk})
    return [
        _crossing(scope, t, issue.next_seq(t), desk, cause, _by_desk(scope, orders).get(desk, ()))
    ]


def _by_desk(scope: Scope, orders: Mapping[int, OpenOrder]) -> dict[str, list[OpenOrder]]:
    found: dict[str, list[OpenOrder]] = {}
    for key in scope.orders:
        order = orders[key]
        found.setdefault(order.desk, []).append(order)
    return found


def _crossing(
    scope: Scope, t: int, seq: int, desk: str, cause: Cause | None, orders: Iterable[OpenOrder]
) -> Crossing:
    crossing = Crossing(t=t, scope=scope.scope, type=scope.type, seq=seq, desk=desk)
    if cause is not None:
        found = sorted(orders, key=lambda order: order.order_id)
        crossing.severity = cause.severity
        crossing.evidence = cause.evidence
        crossing.order_ids = [order.order_id for order in found]
        crossing.recommendation = f"{scope.advice}: {affected(found)}"
        if cause.words:
            crossing.recommendation += f"; {cause.words}"
    return crossing
