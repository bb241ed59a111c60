"""What will happen and when, and the chance it happens by."""

import heapq
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from domain.instants import END_OF_TIME

T = TypeVar("T")
_BLOCK = 4096
_GRID_NS = 1_000


class Agenda:
    """Acts in order of time, ties in order of entry. `now` is UNIX ns of the last act."""

    def __init__(self) -> None:
        self.now = 0
        self.next_time = END_OF_TIME
        self._entries: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0

    def at(self, t: int, act: Callable[..., None], *args: Any) -> None:
        """Enter an act, at the microsecond before; one that lies in the past is done next."""
        self._count += 1
        heapq.heappush(self._entries, (max(t - t % _GRID_NS, self.now), self._count, act, args))
        self.next_time = self._entries[0][0]

    def run_next(self) -> None:
        """Do the next act at its time."""
        t, _, act, args = heapq.heappop(self._entries)
        self.next_time = self._entries[0][0] if self._entries else END_OF_TIME
        self.now = t
        act(*args)


class Dice:
    """Random numbers one at a time, drawn from the generator in blocks."""

    def __init__(self, seed: np.random.SeedSequence) -> None:
        self._rng = np.random.Generator(np.random.PCG64(seed))
        self._uniforms: list[float] = []
        self._normals: list[float] = []

    def uniform(self) -> float:
        """Uniform in [0, 1)."""
        if not self._uniforms:
            self._uniforms = self._rng.random(_BLOCK).tolist()
        return self._uniforms.pop()

    def normal(self) -> float:
        """Standard normal."""
        if not self._normals:
            self._normals = self._rng.standard_normal(_BLOCK).tolist()
        return self._normals.pop()

    def between(self, low: float, high: float) -> float:
        """Uniform in [low, high)."""
        return low + (high - low) * self.uniform()

    def happens(self, chance: float) -> bool:
        """True with this chance; a chance of 0 draws nothing."""
        return chance > 0 and self.uniform() < chance

    def one_of(self, items: Sequence[T]) -> T:
        """One item, each as likely."""
        return items[int(self.uniform() * len(items))]

    def weighted(self, items: Sequence[T], weights: Sequence[float]) -> T:
        """One item, as likely as its weight says; the last where all weights are 0."""
        at = self.uniform() * sum(weights)
        for item, weight in zip(items, weights, strict=True):
            at -= weight
            if at < 0:
                return item
        return items[-1]

    def bytes(self, count: int) -> bytes:
        """That many random bytes."""
        return self._rng.bytes(count)
