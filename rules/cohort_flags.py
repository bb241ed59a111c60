"""Signs that a cohort's costs change, beside the sum that decides about its alert.

One finds a single dear order, one a slow drift from what is usual, one a rise above the cohort's
own mean. Each is shown, and an alert of the severity that somebody gives it.
"""

from bisect import bisect_left, bisect_right
from statistics import median

import msgspec

from domain.flags import Flag, Flags
from domain.instants import END_OF_TIME, NO_TIME, SECOND
from domain.published import AlertEvidence
from metrics.control_charts import ewma, ewma_limit, page_hinkley, running_mean
from metrics.statistics import MODIFIED_Z_LIMIT, modified_z
from rules.causes import LEAST_NS, Cause

RECENT = 200
"""Finished orders whose median an order is held against."""
LEAST_ORDERS = 30
"""Before so many there is nothing to hold one against."""
FEWEST_ORDERS = 10
"""Fewer make no drift, but one dear order."""
WEIGHT = 0.1
WIDTH = 3.0
"""About 1,750 orders of a fair cohort lie between two drifts; one worse by half a deviation is
found in 35."""
TOLERANCE = 0.25
RISE = 10.0
"""About 2,200 orders of a fair cohort lie between two rises; one of half a deviation is found
in 42."""
SHOWN_NS = 900 * SECOND
"""How long a single dear order is told of."""
QUIET_NS = 24 * 3600 * SECOND
"""Without a finished order for so long nothing is told any more."""

# A compiled function costs more to call from Python than these cost to run.
_ewma = ewma.__wrapped__
_limit = ewma_limit.__wrapped__
_page_hinkley = page_hinkley.__wrapped__
_mean = running_mean.__wrapped__
_modified_z = modified_z.__wrapped__


class CohortFlags(msgspec.Struct):
    """What is remembered for it. Times are UNIX ns of event time."""

    n: int = 0
    average: float = 0.0
    """Of z, the newest orders counting most."""
    rise: float = 0.0
    rise_n: int = 0
    mean: float = 0.0
    """Of the `rise_n` orders that the rise is measured against."""
    before: float = 0.0
    """That mean when a rise was last found."""
    recent: list[float] = []
    """z of the newest finished orders, as they are."""
    last: int = NO_TIME
    causes: dict[str, Cause] = {}
    """What holds now, by flag."""

    def take(self, t: int, z_cost: float, z: float, order_id: str, flags: Flags) -> None:
        """Count a finished order: its z, and the same by the cohort's own scale, clipped."""
        self.last = t
        self._look_at(t, z_cost, order_id, flags)
        self.n += 1
        self.average = _ewma(self.average, z, WEIGHT)
        if self.n >= FEWEST_ORDERS and self.average > self.limit:
            words = f"the average z of its orders has drifted to {self.average:.2f}"
            found = AlertEvidence(
                n=self.n, expected=0.0, actual=self.average,
                z=WIDTH * self.average / self.limit, threshold=self.limit,
            )  # fmt: skip
            self._begin(t, Flag.EWMA_DRIFT, flags, found, words)
        self._climb(t, z, flags)
        self.at(t)

    @property
    def limit(self) -> float:
        """How far the average may lie above nought."""
        return _limit(self.n, 1.0, WEIGHT, WIDTH)

    def at(self, t: int) -> None:
        """Let go of what has ended by itself."""
        for name, cause in list(self.causes.items()):
            if t >= self._end_of(name, cause):
                del self.causes[name]

    @property
    def due(self) -> int:
        """When time alone may end something."""
        ends = (self._end_of(name, cause) for name, cause in self.causes.items())
        return min(ends, default=END_OF_TIME)

    def _end_of(self, name: str, cause: Cause) -> int:
        if name == Flag.MODIFIED_Z:
            return cause.since + SHOWN_NS
        back_at = self.limit / 2.0 if name == Flag.EWMA_DRIFT else self.before
        return cause.since + LEAST_NS if self.average <= back_at else self.last + QUIET_NS

    def _look_at(self, t: int, z_cost: float, order_id: str, flags: Flags) -> None:
        recent = sorted(self.recent)
        self.recent = [*self.recent[-RECENT + 1 :], z_cost]
        if len(recent) < LEAST_ORDERS:
            return
        middle = median(recent)
        if not _may_be_far(z_cost, middle, recent):
            return
        far = _modified_z(z_cost, middle, median(abs(one - middle) for one in recent))
        if far > MODIFIED_Z_LIMIT:
            words = f"order {order_id} cost {far:.1f} deviations more than its orders do"
            found = AlertEvidence(
                n=len(recent), expected=middle, actual=z_cost, z=far, threshold=MODIFIED_Z_LIMIT
            )
            # A newer one takes the place of the one before.
            self.causes.pop(Flag.MODIFIED_Z, None)
            self._begin(t, Flag.MODIFIED_Z, flags, found, words)

    def _climb(self, t: int, z: float, flags: Flags) -> None:
        self.rise_n += 1
        self.mean = _mean(self.mean, z, self.rise_n)
        if self.rise_n > LEAST_ORDERS:
            self.rise = _page_hinkley(self.rise, z, self.mean, TOLERANCE)
        if self.rise < RISE:
            return
        self.before = self.mean
        words = f"the z of its orders has risen above their mean of {self.mean:.2f}"
        found = AlertEvidence(
            n=self.rise_n, expected=self.mean, actual=self.average, z=self.rise, threshold=RISE
        )
        self._begin(t, Flag.PAGE_HINKLEY, flags, found, words)
        self.rise, self.rise_n, self.mean = 0.0, 0, 0.0

    def _begin(self, t: int, flag: Flag, flags: Flags, found: AlertEvidence, words: str) -> None:
        severity = flags.get(flag)
        if severity is not None and flag not in self.causes:
            self.causes[flag] = Cause(severity, t, found, words)


_FAR = (1.0 + 1e-9) * _modified_z(1.0, 0.0, 1.0) / MODIFIED_Z_LIMIT
"""The MAD is less than this share of how far an unusual value lies above the median."""


def _may_be_far(z_cost: float, middle: float, recent: list[float]) -> bool:
    """False where a value is surely not unusual among sorted ones: spares finding their MAD.

    `middle` is their median. Where fewer than half lie nearer to it than some distance, the MAD
    is no less.
    """
    least = _FAR * (z_cost - middle)
    if least <= 0.0:
        return False
    near = bisect_left(recent, middle + least) - bisect_right(recent, middle - least)
    return 2 * near >= len(recent)
