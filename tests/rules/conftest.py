"""A venue-day of routes, for tests that judge it; times are seconds after nine o'clock UTC."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from domain.instants import SECOND
from domain.published import Severity
from rules.venue import VenueBase
from rules.venue_watch import VenueWatch

NINE = 1_699_952_400 * SECOND


@dataclass
class Venue:
    """A watch that is stepped by hand, and each change of its severity with its time."""

    base: VenueBase = field(default_factory=VenueBase)
    watch: VenueWatch = field(default_factory=VenueWatch)
    changes: list[tuple[float, Severity | None]] = field(default_factory=list)
    routes: int = 0

    def pass_time(self, t: float) -> None:
        now = self.ns(t)
        while self.watch.due <= now:
            due = self.watch.due
            self.watch.at(due, self.base)
            self._note((due - NINE) / SECOND)
            assert self.watch.due > due

    def ns(self, t: float) -> int:
        return NINE + round(t * SECOND)

    def send(self, t: float) -> int:
        self.pass_time(t)
        self.routes += 1
        self.watch.sent(self.ns(t), self.ns(t), self.routes, self.base)
        self._note(t)
        return self.routes

    def answer(self, t: float, key: int, root: int = 0, **how: Any) -> None:
        self.pass_time(t)
        self.watch.answer(self.ns(t), self.ns(t), key, root or key, self.base, **how)
        self._note(t)

    def time_out(self, t: float, key: int) -> None:
        self.pass_time(t)
        self.watch.timed_out(self.ns(t), key, key, self.base)
        self._note(t)

    def route(self, t: float, *, latency_s: float = 0.001, **how: Any) -> None:
        self.answer(t + latency_s, self.send(t), **how)

    def _note(self, t: float) -> None:
        severity = self.watch.worst.severity if self.watch.worst else None
        if severity is not (self.changes[-1][1] if self.changes else None):
            self.changes.append((t, severity))


@pytest.fixture
def venue() -> Callable[..., Venue]:
    def build(**base: Any) -> Venue:
        return Venue(VenueBase(**base))

    return build


@pytest.fixture
def day(venue: Callable[..., Venue]) -> Callable[..., Venue]:
    """Routes at random times; from `worse_from` on failures come at another rate."""

    def run(
        rng: np.random.Generator, per_minute: float, rate: float, *, hours: float = 6.5,
        worse_from: float = 1e9, worse: float = 0.0, until_raised: bool = False, **base: Any,
    ) -> Venue:  # fmt: skip
        found = venue(**base)
        for t in np.sort(rng.uniform(0, hours * 3600, rng.poisson(per_minute * 60 * hours))):
            refused = bool(rng.random() < (worse if t >= worse_from else rate))
            found.route(float(t), refused=refused, root=1 + int(rng.integers(40)))
            if until_raised and t >= worse_from and found.watch.causes:
                break
        return found

    return run
