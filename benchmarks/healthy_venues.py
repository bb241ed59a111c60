"""Venue-days as the roll-ups take them: routes that go out, and what comes back.

Routes leave at random times of a session, answers take log-normal times, some routes are
refused and some never answered. What is usual at a venue is what its twenty days before told,
with the error that twenty days leave.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from benchmarks.rollup_step import CALENDAR, DESK, SESSION_S, SESSIONS, opened, rows_of
from domain.instants import SECOND
from domain.reference import Baseline, ReferenceRecord
from domain.vocabulary import EventKind, RejectReason
from operators.rollups.pieces import ROUTED, venue_scope

OPEN_NS = SESSIONS[0].open_ns
BASE_DAYS = 20
ORDERS = 12
"""Roots whose routes go to a venue."""
_MEDIAN_MS = 4.0
_TIME_OUTS = 0.1
"""Share of failures that are routes without an answer, given up after a while."""
_GIVEN_UP_S = 10.0
_OWN_MAKING = 0.01
"""Share of routes refused for what was wrong with them."""
_FIRST_ROUTE = 1 << 32
_FIRST_ROOT = 1 << 20


@dataclass(frozen=True, slots=True)
class VenueCell:
    """One kind of venue."""

    per_minute: float
    """Routes."""
    fails: float
    """Share of routes that the venue refuses or does not answer, on its good days."""
    has_base: bool
    """Whether its twenty days before are known."""
    sd_log: float = 0.7
    """Of the log-normal times of answers."""
    busier: float = 1.0
    """Times the routes of the days before."""


@dataclass(frozen=True, slots=True)
class VenueFault:
    """What begins in the middle of the day; nothing by default."""

    fails: float | None = None
    slower: float = 1.0
    answers: bool = True

    @property
    def starts_ns(self) -> int:
        """When it begins; effective time."""
        return OPEN_NS + round(SESSION_S / 2 * SECOND)


class VenueDays:
    """One day of `count` venues of a cell: rows for the roll-ups, and the records before it."""

    def __init__(self, cell: VenueCell, count: int, seed: int, fault: VenueFault) -> None:
        self.rng = rng = np.random.default_rng(seed)
        self.cell, self.count, self.fault = cell, count, fault
        self.routes = rng.poisson(cell.per_minute * cell.busier * SESSION_S / 60, count)
        venue = np.repeat(np.arange(1, count + 1), self.routes)
        self.names = {DESK: "D1"} | {100 + v: f"V{v}" for v in range(1, count + 1)}
        roots = _root(np.repeat(np.arange(1, count + 1), ORDERS), np.tile(range(ORDERS), count))
        self.names |= {int(root): f"P{root}" for root in roots}
        self.rows = np.concatenate([opened(roots, OPEN_NS - SECOND), *self._routes(venue)])

    def _routes(self, venue: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What is sent and what is answered, rows of one length."""
        rng, cell, fault, n = self.rng, self.cell, self.fault, len(venue)
        at_s = rng.uniform(0.0, SESSION_S, n)
        is_late = at_s >= SESSION_S / 2
        fails = np.where(is_late & (fault.fails is not None), fault.fails or 0.0, cell.fails)
        slower = np.where(is_late, fault.slower, 1.0)
        ack_s = _MEDIAN_MS / 1e3 * np.exp(cell.sd_log * rng.standard_normal(n)) * slower
        kind = np.full(n, int(EventKind.ROUTE_ACKNOWLEDGED))
        failed = rng.random(n) < fails
        kind[failed] = int(EventKind.ROUTE_REJECTED)
        given_up = failed & (rng.random(n) < _TIME_OUTS)
        if not fault.answers:
            given_up |= is_late
        kind[given_up] = int(EventKind.ROUTE_TIMED_OUT)
        ack_s[given_up] = _GIVEN_UP_S
        own = ~failed & ~given_up & (rng.random(n) < _OWN_MAKING)
        kind[own] = int(EventKind.ROUTE_REJECTED)

        sent = rows_of(ROUTED, OPEN_NS + np.round(at_s * SECOND).astype(np.int64))
        sent["kind"] = int(EventKind.ROUTE_SENT)
        sent["venue"] = 100 + venue
        sent["root"] = sent["parent"] = _root(venue, rng.integers(ORDERS, size=n))
        sent["order"] = _FIRST_ROUTE + np.arange(n)
        sent["route"] = sent["order"] << np.uint64(21)
        sent["seq"] = 2 * np.arange(n)
        answered = sent.copy()
        answered["t"] = answered["ts"] = sent["t"] + np.round(ack_s * SECOND).astype(np.int64)
        answered["kind"] = kind
        answered["seq"] += 1
        answered["reason"] = np.where(
            own, int(RejectReason.INCORRECT_QUANTITY), int(RejectReason.BROKER)
        )
        return sent, answered

    def references(self) -> list[ReferenceRecord]:
        """What the twenty days before say of each venue; none where they are not known."""
        if not self.cell.has_base:
            return []
        return [self._record(f"V{v}") for v in range(1, self.count + 1)]

    def _record(self, name: str) -> ReferenceRecord:
        cell, rng = self.cell, self.rng
        n = int(rng.poisson(BASE_DAYS * cell.per_minute * SESSION_S / 60))
        rate = rng.binomial(n, cell.fails) / n
        # The place of the 99th percentile of n answers among all that there could have been.
        above = max(1, round(0.01 * n))
        z = float(norm.ppf(rng.beta(n + 1 - above, above)))
        return ReferenceRecord(
            type="reference", scope=venue_scope(name), calendar=CALENDAR, days=BASE_DAYS,
            baselines={
                "reject_rate": Baseline(n=n, mean=rate),
                "ack_ms": Baseline(n=n, p99=_MEDIAN_MS * float(np.exp(cell.sd_log * z))),
            },
        )  # fmt: skip


def _root(venue: np.ndarray, number: np.ndarray) -> np.ndarray:
    return _FIRST_ROOT + ORDERS * venue + number
