"""An algorithm at a broker that costs more than it should, noticed order by order.

One order's price says nothing: the sum counts the z of finished orders, each clipped.
"""

import math
from dataclasses import dataclass

import msgspec

from domain.flags import Flags
from domain.instants import END_OF_TIME, NO_TIME, SECOND
from domain.published import AlertEvidence, Severity
from domain.reference import Finding, ReferenceRecord
from metrics.control_charts import cusum, winsorised
from rules.causes import LEAST_NS, Cause, cause_of, worst_of
from rules.cohort_flags import QUIET_NS, CohortFlags

SLACK = 0.25
"""Half of the shift that is to be found, in standard deviations of one order's cost."""
LIMIT = 10.0
"""For a cohort of up to `EASY_ORDERS` a day: about 2,040 orders of a fair algorithm lie between two
false alarms. Each order is a chance of one, so a busier cohort has to show more: the log of how
much busier it is, over what one unit of the sum is worth in log of likelihood. Of fair cohorts
one in twenty then alarms within a month, however busy."""
EASY_ORDERS = 4.0
CLIP = 3.0
RETURN = 0.5
"""Of the limit: what the sum that watches for the way back has to reach."""
NONE: Flags = {}
LEAST_HISTORY = 30
"""Orders behind a recorded scale before it is used."""
LEAST_SCATTER = 10
"""Orders of its own before a cohort's scatter counts; it only ever widens the scale."""
BASE_DAYS = 20
"""Days behind a base that does not say; also over how many a cohort's orders a day are averaged."""

_WORTH = 2.0 * SLACK
"""ln of the likelihood ratio for a shift of twice the slack, in one unit of the sum."""
_DAY_NS = 24 * 3600 * SECOND
_WILD = 10.0
"""Of one order, in the deviation of all."""

# A compiled function costs more to call from Python than these cost to run.
_cusum = cusum.__wrapped__
_clipped = winsorised.__wrapped__


@dataclass(frozen=True, slots=True)
class CohortBase:
    """Usual mean and deviation of a cohort's z: nought and one, as z is made to be.

    Where the cohort's own orders scatter more than that, they are held against their own
    deviation: the published run lengths are those of deviation one.
    """

    mean: float = 0.0
    sd: float = 1.0
    orders_per_day: float = 0.0
    """Finished ones."""
    finding: Finding | None = None
    """What past days say against it."""


def cohort_base(record: ReferenceRecord | None) -> CohortBase:
    """The base in a record `cohort:…`: its baseline `z_cost` of at least 30 orders.

    With it the sum tells a change for the worse from a model that is wrong for this cohort;
    one that has always been expensive is the daily comparison's to find. The mean of so many
    orders may lie too low by chance: it is raised by its standard error.
    """
    if record is None:
        return CohortBase()
    usual = record.baselines.get("z_cost")
    if usual is None or usual.mean is None or not usual.sd or usual.n < LEAST_HISTORY:
        return CohortBase(finding=record.finding)
    mean = usual.mean + usual.sd / math.sqrt(usual.n)
    return CohortBase(mean, usual.sd, usual.n / (record.days or BASE_DAYS), record.finding)


def limit_of(orders_per_day: float) -> float:
    """Of the sum, at which a cohort with so many finished orders a day has an alert."""
    return LIMIT + math.log(max(1.0, orders_per_day / EASY_ORDERS)) / _WORTH


class CohortWatch(msgspec.Struct):
    """What is remembered of a cohort. Times are UNIX ns of event time."""

    up: float = 0.0
    down: float = 0.0
    n: int = 0
    """Orders since `up` was last zero, and the sum of their clipped z."""
    total: float = 0.0
    count: int = 0
    """Orders ever, with the mean of their z and the sum of squares about it."""
    mean: float = 0.0
    squares: float = 0.0
    last: int = NO_TIME
    today: int = 0
    """Orders of the newest UTC day that had any."""
    days: int = 0
    """Such days before it, with their average number of orders, the newest counting most."""
    per_day: float = 0.0
    cause: Cause | None = None
    found: Cause | None = None
    """What past days say against it, and when an order was last at work meanwhile."""
    met: int = NO_TIME
    back_at: float = RETURN * LIMIT
    """At this value of `down` the alert ends."""
    flags: CohortFlags = msgspec.field(default_factory=CohortFlags)
    """What is shown beside it."""
    due: int = END_OF_TIME
    """When time alone may end the alert."""

    @property
    def worst(self) -> Cause | None:
        """What is the matter; None where nothing is."""
        if not self.flags.causes and self.found is None:
            return self.cause
        own = {name: x for name, x in (("", self.cause), ("found", self.found)) if x is not None}
        return worst_of({**own, **self.flags.causes})

    def heed(self, t: int, finding: Finding | None) -> None:
        """Hold what past days say while an order comes or goes."""
        self.met = t
        if finding is None:
            self.found = None
        elif self.found is None or self.found.severity is not finding.severity:
            self.found = cause_of(finding, t)
        self._settle(t)

    def take(
        self, t: int, z_cost: float, base: CohortBase, *, order_id: str = "", flags: Flags = NONE
    ) -> None:
        """Count a finished order; one without z does not count."""
        if math.isnan(z_cost):
            return
        z = _clipped((z_cost - base.mean) / max(base.sd, self._spread()), CLIP)
        self._learn(_clipped(z_cost, _WILD))
        self._count_day(t)
        self.last = t
        self.flags.take(t, z_cost, z, order_id, flags)
        self.up = _cusum(self.up, z, SLACK)
        self.down = _cusum(self.down, -z, -SLACK)
        self.n, self.total = (self.n + 1, self.total + z) if self.up > 0.0 else (0, 0.0)
        limit = limit_of(max(base.orders_per_day, self.per_day, self.today))
        if self.up >= limit:
            if self.cause is None:
                self._begin(t, limit)
            self.up, self.n, self.total = 0.0, 0, 0.0
        self._settle(t)

    def at(self, t: int) -> None:
        """The time `due` has come."""
        if t >= self.last + QUIET_NS:
            self.cause = None
        if t >= self.met + QUIET_NS:
            self.found = None
        self.flags.at(t)
        self._settle(t)

    def _spread(self) -> float:
        """Deviation of the cohort's z so far; a shift of all of them does not widen it."""
        return math.sqrt(self.squares / (self.count - 1)) if self.count >= LEAST_SCATTER else 0.0

    def _count_day(self, t: int) -> None:
        if self.last != NO_TIME and t // _DAY_NS != self.last // _DAY_NS:
            self.days += 1
            self.per_day += (self.today - self.per_day) / min(self.days, BASE_DAYS)
            self.today = 0
        self.today += 1

    def _learn(self, z: float) -> None:
        self.count += 1
        before = z - self.mean
        self.mean += before / self.count
        self.squares += before * (z - self.mean)

    def _begin(self, t: int, limit: float) -> None:
        found = AlertEvidence(
            n=self.n, expected=0.0, actual=self.total / self.n, z=self.up, threshold=limit
        )
        self.cause = Cause(Severity.MEDIUM, t, found)
        self.down, self.back_at = 0.0, RETURN * limit

    def _settle(self, t: int) -> None:
        ends = END_OF_TIME
        if self.cause is not None and self.down >= self.back_at:
            ends = self.cause.since + LEAST_NS
            if t >= ends:
                self.cause, ends = None, END_OF_TIME
                self.up, self.n, self.total = 0.0, 0, 0.0
        self.due = min(self.flags.due, ends)
        if self.cause is not None:
            self.due = min(self.due, self.last + QUIET_NS)
        if self.found is not None:
            self.due = min(self.due, self.met + QUIET_NS)
