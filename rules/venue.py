"""What is wrong with a venue: it refuses, it is slow, it does not answer.

Shares of a minute's three orders are never judged, nor a venue that is quiet: every condition
counts routes that were sent.
"""

import math
from dataclasses import dataclass
from functools import cached_property

from domain.instants import MILLISECOND, SECOND
from domain.published import Severity
from domain.reference import Finding, ReferenceRecord
from domain.vocabulary import RejectReason
from rules.rates import Weights, weights_of

LEAST_HISTORY = 200
"""Routes behind a base rate before it is believed."""
UNKNOWN_RATE = 0.05
"""Share of refusals that is taken as usual where no base is known."""
MEDIUM_AT = 7.0
HIGH_AT = 9.0
"""Of the sum of evidence, natural log of a likelihood ratio, for a venue of up to
`EASY_ROUTES` a day. Each route is a chance of a false alarm, so a busier venue has to show
more evidence, by the log of how much busier it is: the same false alarms a day."""
EASY_ROUTES = 500
AHEAD = 2.0
"""Without a base a day is taken to bring so many times what it has brought by now."""
BASE_DAYS = 20
"""Days behind a base that does not say."""
SLOW_RATES = (0.01, 0.10)
"""Share of answers slower than the base's 99th percentile: by its meaning, and when slow."""
BURST_WINDOW_S = 60
BURST_ROUTES = 10
BURST_ORDERS = 3
SILENT_ROUTES = 3
SILENT_LEAST_NS = 5 * SECOND
SILENT_TIMES_P99 = 10
QUIET_NS = 1800 * SECOND
"""Without a route for so long, nothing is known of a venue any more."""
FORGET_ROUTE_NS = 600 * SECOND
"""A route without an answer is forgotten after this."""
DEFAULT_CALENDAR = "24/7"

_LEAST_RATE, _MOST_RATE = 0.001, 0.6
_MOST_BAD_RATE = 0.95

OWN_MAKING = frozenset(
    {
        RejectReason.UNKNOWN_SYMBOL,
        RejectReason.EXCHANGE_CLOSED,
        RejectReason.ORDER_EXCEEDS_LIMIT,
        RejectReason.TOO_LATE_TO_ENTER,
        RejectReason.UNKNOWN_ORDER,
        RejectReason.DUPLICATE_ORDER,
        RejectReason.UNSUPPORTED,
        RejectReason.INCORRECT_QUANTITY,
        RejectReason.PRICE_EXCEEDS_BAND,
    }
)
"""Refusals that tell of the order and not of the venue, a halt's and a closed market's among
them. The venue's own: BROKER, STALE_ORDER (it took too long on the way), OTHER and no reason."""
OWN_CODES = frozenset(int(reason) for reason in OWN_MAKING)


@dataclass(frozen=True)
class VenueBase:
    """What is usual at a venue; rates are shares, 0–1."""

    p0: float = UNKNOWN_RATE
    """Of routes refused or left unanswered."""
    is_known: bool = False
    """Whether enough history stands behind `p0`."""
    ack_p99_ms: float = math.nan
    calendar: str = DEFAULT_CALENDAR
    routes_per_day: float = 0.0
    finding: Finding | None = None
    """What past days say against it."""

    def more(self, today: int, before: int) -> float:
        """Evidence that is asked for beyond 7 and 9; outcomes of today and of the day before.

        A venue may be busier than its base says, or have none.
        """
        ahead = today if self.is_known else AHEAD * today
        return math.log(max(1.0, max(self.routes_per_day, ahead, before) / EASY_ROUTES))

    def severity(self, evidence: float, more: float = 0.0) -> Severity | None:
        """Severity of a sum of evidence; without a known rate it is MEDIUM at most."""
        if evidence >= HIGH_AT + more and self.is_known:
            return Severity.HIGH
        return Severity.MEDIUM if evidence >= MEDIUM_AT + more else None

    @property
    def p1(self) -> float:
        """The rate that is to be found."""
        return bad_rate(self.p0)

    @cached_property
    def weights(self) -> Weights:
        """Of outcomes, for a rise from `p0` to `p1`."""
        return weights_of(self.p0, self.p1)

    @cached_property
    def silent_ns(self) -> int:
        """How long a route may wait for its answer."""
        return silent_ns(self.ack_p99_ms)


SLOW_WEIGHTS = weights_of(*SLOW_RATES)


def bad_rate(p0: float) -> float:
    """Rate of refusals that is worth an alert: three times the usual and a tenth above it."""
    return min(max(3.0 * p0, p0 + 0.10), _MOST_BAD_RATE)


def silent_ns(ack_p99_ms: float) -> int:
    """The longer of five seconds and ten times the usual 99th percentile; that may be NaN."""
    if math.isnan(ack_p99_ms):
        return SILENT_LEAST_NS
    return max(SILENT_LEAST_NS, round(SILENT_TIMES_P99 * ack_p99_ms * MILLISECOND))


def venue_base(record: ReferenceRecord | None) -> VenueBase:
    """The base in a record `venue:…`: baselines `reject_rate` and `ack_ms`, and a calendar.

    A rate with fewer than 200 routes behind it is not believed; one of zero is taken as one
    in a thousand, since a first refusal is no proof of anything.
    """
    if record is None:
        return VenueBase()
    rates, acks = record.baselines.get("reject_rate"), record.baselines.get("ack_ms")
    calendar = record.calendar or DEFAULT_CALENDAR
    p99 = acks.p99 if acks is not None and acks.p99 is not None else math.nan
    if rates is None or rates.mean is None or rates.n < LEAST_HISTORY:
        return VenueBase(ack_p99_ms=p99, calendar=calendar, finding=record.finding)
    p0 = min(max(rates.mean, _LEAST_RATE), _MOST_RATE)
    routes_per_day = rates.n / (record.days or BASE_DAYS)
    return VenueBase(p0, True, p99, calendar, routes_per_day, record.finding)


def is_burst(failures: int, answers: int, orders: int) -> bool:
    """Whether a minute's answers are mostly failures, of several orders.

    `answers` counts the failures too; `orders` are those whose routes failed.
    """
    return answers >= BURST_ROUTES and 2 * failures > answers and orders >= BURST_ORDERS
