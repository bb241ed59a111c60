"""One venue as its routes tell of it, in order of time: what holds, since when, until when.

Times are UNIX ns of event time; nothing here knows a clock. A route goes by a key that is its
own.
"""

import math
from collections.abc import Iterator

import msgspec

from domain.calendars import is_trading, next_close
from domain.instants import END_OF_TIME, NO_TIME, SECOND
from domain.published import AlertEvidence, Severity
from domain.reference import Finding
from rules.causes import LEAST_NS, Cause, cause_of, is_worse, worst_of
from rules.rates import RateWatch
from rules.venue import (
    BURST_WINDOW_S,
    FORGET_ROUTE_NS,
    HIGH_AT,
    MEDIUM_AT,
    QUIET_NS,
    SILENT_ROUTES,
    SLOW_RATES,
    SLOW_WEIGHTS,
    VenueBase,
    is_burst,
)

REFUSES = "refuses"
SLOW = "slow"
SILENT = "silent"
FOUND = "found"
"""What a comparison over past days found against it."""
MOST_WAITING = 4096
"""Routes without an answer that are remembered of one venue."""


class Waiting(msgspec.Struct):
    """A route that has no answer yet."""

    t: int
    sent: int
    """Event time of its own, for its latency; `t` is when we knew."""
    given_up: bool = False


class Second(msgspec.Struct):
    """Answers within one second; `failing` are the roots of routes that failed."""

    second: int
    answers: int = 0
    failing: list[int] = []


class VenueWatch(msgspec.Struct):
    """What is remembered of a venue."""

    rejects: RateWatch = msgspec.field(default_factory=RateWatch)
    latency: RateWatch = msgspec.field(default_factory=RateWatch)
    waiting: dict[int, Waiting] = {}
    """By key of the route, in the order in which they were sent."""
    given_up: int = 0
    minute: list[Second] = []
    answered: bool = False
    """Whether the venue has ever answered: a feed without answers is not a silent venue."""
    heard: bool = False
    """Whether it has answered since it was found silent."""
    alive: int = NO_TIME
    """When the newest route that was answered went out: the venue took routes then."""
    last_route: int = NO_TIME
    today: int = 0
    before: int = 0
    """Outcomes that counted today, and on the day before that had any routes."""
    day_ends: int = NO_TIME
    causes: dict[str, Cause] = {}
    silent_at: int = END_OF_TIME
    """Not before this can enough routes have waited too long."""
    due: int = END_OF_TIME
    """When time alone may change something."""

    @property
    def worst(self) -> Cause | None:
        """What is the matter; None where nothing is."""
        return worst_of(self.causes)

    # What the routes tell

    def sent(self, t: int, sent: int, key: int, base: VenueBase) -> None:
        """A route went out at `sent`, known at `t`."""
        self._meet(t, base)
        waiting = self.waiting
        self._forget(key)
        while waiting:
            oldest = next(iter(waiting))
            if waiting[oldest].t > t - FORGET_ROUTE_NS and len(waiting) < MOST_WAITING:
                break
            self._forget(oldest)
        waiting[key] = Waiting(t, sent)
        if self.silent_at == END_OF_TIME and len(waiting) >= SILENT_ROUTES:
            # Out of session nothing is due: look again later, not at each route.
            self.silent_at = max(t, min(self._silence(base), t + base.silent_ns))
            self._plan()

    def answer(
        self, t: int, answered: int, key: int, root: int, base: VenueBase, *,
        refused: bool = False, own: bool = False,
    ) -> None:  # fmt: skip
        """The venue took or refused a route; `own`: the refusal is of our own making."""
        self._meet(t, base)
        self.answered = True
        route = self.waiting.get(key)
        failed_before = False
        if route is not None:
            failed_before = route.given_up
            self._forget(key)
            self._time(t, (answered - route.sent) / 1e6, base)
            self._hear(route)
        if not own and not failed_before:
            self._count(t, root, base, failed=refused)
        self._settle(t, base)

    def timed_out(self, t: int, key: int, root: int, base: VenueBase) -> None:
        """We gave a route up. Until the venue answers others it still waits for an answer.

        It says nothing of the venue where the market was closed for a part of the time.
        """
        self._meet(t, base)
        route = self.waiting.get(key)
        since = t if route is None else route.t
        if route is not None and not route.given_up:
            route.given_up = True
            self.given_up += 1
        if is_trading(base.calendar, since) and is_trading(base.calendar, t):
            self._count(t, root, base, failed=True)
        self._settle(t, base)

    def cancelled(self, key: int) -> None:
        """A route was called back: nothing more is expected of it."""
        self._forget(key)

    # What time tells

    def at(self, t: int, base: VenueBase) -> None:
        """The time `due` has come."""
        if t >= self.day_ends != NO_TIME:
            self.day_ends = NO_TIME
            self.before, self.today = self.today, 0
            self._end_all()
        if t >= self.silent_at:
            self._judge_silence(t, base)
        if self.causes and t >= self.last_route + QUIET_NS:
            self._end_all()
        self._plan()
        self._settle(t, base)

    # Inside

    def _meet(self, t: int, base: VenueBase) -> None:
        self.last_route = t
        if base.finding is not None:
            self._heed(t, base.finding)
        if self.day_ends == NO_TIME:
            self.day_ends = next_close(base.calendar, t)
            self._plan()

    def _heed(self, t: int, finding: Finding) -> None:
        """Hold what past days say while routes go there."""
        held = self.causes.get(FOUND)
        if held is None or held.severity is not finding.severity:
            self.causes[FOUND] = cause_of(finding, t)
            self._plan()

    def _forget(self, key: int) -> None:
        route = self.waiting.pop(key, None)
        if route is not None and route.given_up:
            self.given_up -= 1

    def _hear(self, route: Waiting) -> None:
        """The venue lives: what it lost before this route waits no more."""
        silent = self.causes.get(SILENT)
        self.heard = True
        self.alive = max(self.alive, route.t)
        until = silent.since if silent is not None and route.t >= silent.since else NO_TIME
        if not self.given_up and until == NO_TIME:
            return
        lost = [
            key
            for key, other in self.waiting.items()
            if other.t < until or (other.given_up and other.t <= route.t)
        ]
        for key in lost:
            self._forget(key)

    def _time(self, t: int, latency_ms: float, base: VenueBase) -> None:
        if math.isnan(base.ack_p99_ms):
            return
        watch = self.latency
        watch.take(latency_ms > base.ack_p99_ms, SLOW_WEIGHTS)
        if SLOW in self.causes or watch.up < MEDIUM_AT:
            return
        limit = MEDIUM_AT + self._more(base)
        if watch.up >= limit:
            found = _evidence(watch, SLOW_RATES[0], limit)
            self._hold(SLOW, Severity.MEDIUM, t, found, watch)

    def _count(self, t: int, root: int, base: VenueBase, *, failed: bool) -> None:
        watch = self.rejects
        self.today += 1
        watch.take(failed, base.weights)
        self._count_in_minute(t, root, failed=failed)
        if not failed:
            return
        held = self.causes.get(REFUSES)
        more = self._more(base)
        severity = base.severity(watch.up, more)
        if severity is not None and is_worse(severity, held.severity if held else None):
            is_top = severity is Severity.HIGH or not base.is_known
            limit = HIGH_AT if severity is Severity.HIGH else MEDIUM_AT
            found = _evidence(watch, base.p0, limit + more)
            self._hold(REFUSES, severity, t, found, watch, spent=is_top)
        self._judge_burst(t, base)

    def _more(self, base: VenueBase) -> float:
        return base.more(self.today, self.before)

    def _count_in_minute(self, t: int, root: int, *, failed: bool) -> None:
        minute, second = self.minute, t // SECOND
        if not minute or minute[-1].second != second:
            minute.append(Second(second))
            while minute[0].second <= second - BURST_WINDOW_S:
                del minute[0]
        minute[-1].answers += 1
        if failed:
            minute[-1].failing.append(root)

    def _judge_burst(self, t: int, base: VenueBase) -> None:
        held = self.causes.get(REFUSES)
        if held is not None and held.severity is Severity.CRITICAL:
            return
        failures = sum(len(second.failing) for second in self.minute)
        answers = sum(second.answers for second in self.minute)
        if 2 * failures <= answers:
            return
        orders = len({root for second in self.minute for root in second.failing})
        if is_burst(failures, answers, orders):
            found = AlertEvidence(
                n=answers, expected=base.p0, actual=failures / answers, threshold=0.5
            )
            self._hold(REFUSES, Severity.CRITICAL, t, found, self.rejects)

    def _silence(self, base: VenueBase) -> int:
        """When enough routes that wait now will have waited too long, if none is answered.

        One that went out before a route which was answered is lost; the venue is not silent.
        """
        if not self.answered and math.isnan(base.ack_p99_ms):
            return END_OF_TIME
        limit, count = base.silent_ns, 0
        for route in self._unanswered():
            if is_trading(base.calendar, route.t) and is_trading(base.calendar, route.t + limit):
                count += 1
                if count == SILENT_ROUTES:
                    return route.t + limit
        return END_OF_TIME

    def _unanswered(self) -> Iterator[Waiting]:
        """Routes that wait, later than any that was answered."""
        return (route for route in self.waiting.values() if route.t > self.alive)

    def _judge_silence(self, t: int, base: VenueBase) -> None:
        self.silent_at = self._silence(base)
        if self.silent_at > t:
            return
        self.silent_at = END_OF_TIME
        if SILENT in self.causes:
            return
        late = [route.t for route in self._unanswered() if route.t <= t - base.silent_ns]
        p99_s = base.ack_p99_ms / 1e3
        found = AlertEvidence(
            n=len(late),
            expected=None if math.isnan(p99_s) else p99_s,
            actual=(t - late[0]) / SECOND,
            threshold=base.silent_ns / SECOND,
        )
        self.causes[SILENT] = Cause(Severity.CRITICAL, t, found)
        self.heard = False

    def _hold(
        self, name: str, severity: Severity, t: int, found: AlertEvidence, watch: RateWatch, *,
        spent: bool = True,
    ) -> None:  # fmt: skip
        """A rate's cause holds at this severity; `spent`: the sum has said what it can."""
        self.causes[name] = Cause(severity, t, found)
        watch.down = 0.0
        if spent:
            watch.begin_again()
        self._plan()

    def _is_over(self, name: str, t: int, base: VenueBase) -> bool:
        if name == REFUSES:
            return self.rejects.is_back(self._more(base))
        if name == SLOW:
            return self.latency.is_back(self._more(base))
        if name == FOUND:
            return base.finding is None
        return self.heard and self._silence(base) > t

    def _settle(self, t: int, base: VenueBase) -> None:
        """End what is over and has lasted long enough."""
        if not self.causes:
            return
        for name in [n for n in self.causes if self._is_over(n, t, base)]:
            if t >= self.causes[name].since + LEAST_NS:
                self._end(name)
            elif self.due > self.causes[name].since + LEAST_NS:
                self.due = self.causes[name].since + LEAST_NS

    def _end(self, name: str) -> None:
        del self.causes[name]
        if name == REFUSES:
            self.rejects = RateWatch()
            self.minute.clear()
        elif name == SLOW:
            self.latency = RateWatch()

    def _end_all(self) -> None:
        self.causes.clear()
        self.rejects, self.latency = RateWatch(), RateWatch()
        self.minute.clear()

    def _plan(self) -> None:
        """Set `due` to the next time at which anything can change by itself."""
        due = self.silent_at
        if self.day_ends != NO_TIME:
            due = min(due, self.day_ends)
        if self.causes:
            due = min(due, self.last_route + QUIET_NS)
        self.due = due


def _evidence(watch: RateWatch, expected: float, limit: float) -> AlertEvidence:
    return AlertEvidence(
        n=watch.n, expected=expected, actual=watch.rate, z=watch.up, threshold=limit
    )
