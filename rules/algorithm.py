"""An algorithm at a broker that costs more than it should, noticed order by order.

One order's price says nothing: the sum counts the z of finished orders, each clipped.
"""

import math
from dataclasses import dataclass

import msgspec

from domain.flags import Flags
from domain.instants import END_OF_TIME, NO_TIME
from domain.published import AlertEvidence, Severity
from domain.reference import ReferenceRecord
from metrics.control_charts import cusum, winsorised
from rules.causes import LEAST_NS, Cause, worst_of
from rules.cohort_flags import QUIET_NS, CohortFlags

SLACK = 0.25
"""Half of the shift that is to be found, in standard deviations of one order's cost."""
LIMIT = 10.0
"""About 2,040 orders of a fair algorithm lie between two false alarms; at 5 about 140."""
CLIP = 3.0
RETURN = 5.0
"""Of the sum that watches for the way back: half of what an alert takes."""
NONE: Flags = {}
LEAST_HISTORY = 30
"""Orders behind a cohort's own scale before it is used."""

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


def cohort_base(record: ReferenceRecord | None) -> CohortBase:
    """The base in a record `cohort:…`: its baseline `z_cost` of at least 30 orders.

    With it the sum tells a change for the worse from a model that is wrong for this cohort;
    one that has always been expensive is the daily comparison's to find.
    """
    usual = record.baselines.get("z_cost") if record is not None else None
    if usual is None or usual.mean is None or not usual.sd or usual.n < LEAST_HISTORY:
        return CohortBase()
    return CohortBase(usual.mean, usual.sd)


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
    cause: Cause | None = None
    flags: CohortFlags = msgspec.field(default_factory=CohortFlags)
    """What is shown beside it."""
    due: int = END_OF_TIME
    """When time alone may end the alert."""

    @property
    def worst(self) -> Cause | None:
        """What is the matter; None where nothing is."""
        if not self.flags.causes:
            return self.cause
        own = {} if self.cause is None else {"": self.cause}
        return worst_of({**own, **self.flags.causes})

    def take(
        self, t: int, z_cost: float, base: CohortBase, *, order_id: str = "", flags: Flags = NONE
    ) -> None:
        """Count a finished order; one without z does not count."""
        if math.isnan(z_cost):
            return
        z = _clipped((z_cost - base.mean) / max(base.sd, self._spread()), CLIP)
        self._learn(_clipped(z_cost, _WILD))
        self.last = t
        self.flags.take(t, z_cost, z, order_id, flags)
        self.up = _cusum(self.up, z, SLACK)
        self.down = _cusum(self.down, -z, -SLACK)
        self.n, self.total = (self.n + 1, self.total + z) if self.up > 0.0 else (0, 0.0)
        if self.up >= LIMIT:
            if self.cause is None:
                self._begin(t)
            self.up, self.n, self.total = 0.0, 0, 0.0
        self._settle(t)

    def at(self, t: int) -> None:
        """The time `due` has come."""
        if t >= self.last + QUIET_NS:
            self.cause = None
        self.flags.at(t)
        self._settle(t)

    def _spread(self) -> float:
        """Deviation of the cohort's z so far; a shift of all of them does not widen it."""
        return math.sqrt(self.squares / (self.count - 1)) if self.count >= LEAST_HISTORY else 0.0

    def _learn(self, z: float) -> None:
        self.count += 1
        before = z - self.mean
        self.mean += before / self.count
        self.squares += before * (z - self.mean)

    def _begin(self, t: int) -> None:
        found = AlertEvidence(
            n=self.n, expected=0.0, actual=self.total / self.n, z=self.up, threshold=LIMIT
        )
        self.cause = Cause(Severity.MEDIUM, t, found)
        self.down = 0.0

    def _settle(self, t: int) -> None:
        self.due = self.flags.due
        if self.cause is None:
            return
        self.due = min(self.due, self.last + QUIET_NS)
        if self.down >= RETURN:
            ends = self.cause.since + LEAST_NS
            if t >= ends:
                self.cause = None
                self.up, self.n, self.total = 0.0, 0, 0.0
                self.due = self.flags.due
            else:
                self.due = min(self.flags.due, ends)
