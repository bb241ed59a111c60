"""One symbol's best prices over all venues, what each shows there, and our own orders."""

import math
from decimal import Decimal
from typing import NamedTuple

from sources.simulator.orders import Child, Touch
from sources.simulator.spec import SymbolSpec


class Execution(NamedTuple):
    """Part of a child that was executed: shares, price in ticks, whether it added liquidity."""

    child: Child
    qty: int
    price_ticks: int
    added: bool


LEVELS = 3
"""Price levels that a market order may walk through at one venue."""


class Book:
    """Prices in ticks, sizes in shares, venues by index; side 0 is the bid, 1 the ask."""

    def __init__(self, spec: SymbolSpec, venues: int) -> None:
        self.spec = spec
        self._digits = max(0, -int(Decimal(repr(spec.tick)).as_tuple().exponent))
        self.quoted = False
        self.halted = False
        self.best = [0, 0]
        self.shown = [[0] * venues, [0] * venues]
        self.deeper = spec.lot
        self.resting: list[Child] = []
        self.volume = 0
        self.seq = 0

    def px(self, ticks: int) -> float:
        """Price in currency."""
        return round(ticks * self.spec.tick, self._digits)

    def ticks(self, px: float) -> int:
        """Nearest whole number of ticks."""
        return round(px / self.spec.tick)

    def touch(self) -> Touch:
        """Best prices and sizes in currency and shares."""
        if not self.quoted:
            return Touch(math.nan, math.nan, math.nan, math.nan)
        bid, ask = self.best
        return Touch(self.px(bid), self.px(ask), sum(self.shown[0]), sum(self.shown[1]))

    def requote(
        self, fair: float, spread_ticks: int, sizes: list[list[int]], deeper: int
    ) -> list[Execution]:
        """Move the market to a fair price (currency); returns our orders it traded through."""
        middle = fair / self.spec.tick
        bid = max(1, math.floor(middle - spread_ticks / 2 + 0.5))
        passed = self._passed(bid, bid + spread_ticks) if self.resting else []
        self.best = [bid, bid + spread_ticks]
        self.shown = [list(sizes[0]), list(sizes[1])]
        self.deeper = deeper
        self.quoted = True
        for child in self.resting:
            self._update_queue(child)
        return passed

    def _passed(self, bid: int, ask: int) -> list[Execution]:
        return [
            Execution(child, child.leaves, child.price_ticks, added=True)
            for child in self.resting
            if (
                child.price_ticks >= ask if child.parent.side.sign > 0 else child.price_ticks <= bid
            )
        ]

    def _update_queue(self, child: Child) -> None:
        buying = child.parent.side.sign > 0
        near = self.best[0 if buying else 1]
        if child.price_ticks == near:
            shown = self.shown[0 if buying else 1][child.venue]
            child.queue_ahead = min(child.queue_ahead, shown)
        elif (child.price_ticks > near) == buying:
            child.queue_ahead = 0

    def rest(self, child: Child) -> None:
        """Queue a child at its limit, behind what its venue shows."""
        buying = child.parent.side.sign > 0
        near = self.best[0 if buying else 1]
        if child.price_ticks == near:
            child.queue_ahead = self.shown[0 if buying else 1][child.venue]
        elif (child.price_ticks > near) == buying:
            child.queue_ahead = 0
        else:
            child.queue_ahead = self.deeper
        child.resting = True
        self.resting.append(child)

    def withdraw(self, child: Child) -> None:
        """Take a child from the queue."""
        if child.resting:
            child.resting = False
            self.resting.remove(child)

    def take(self, child: Child) -> list[Execution]:
        """Execute a child against its venue's book, level by level, within its limit."""
        sign = child.parent.side.sign
        far = 1 if sign > 0 else 0
        shown = self.shown[far]
        limit = None if child.limit_px is None else self.ticks(child.limit_px)
        leaves, found = child.leaves, list[Execution]()
        for level in range(LEVELS):
            price = self.best[far] + sign * level
            if not leaves or (limit is not None and (price - limit) * sign > 0) or price < 1:
                break
            qty = min(leaves, self.deeper if level else shown[child.venue])
            if qty:
                found.append(Execution(child, qty, price, added=False))
                leaves -= qty
                if level == 0:
                    shown[child.venue] -= qty
        return found

    def hit(self, venue: int, aggressor: int, size: int) -> tuple[int, int, list[Execution]]:
        """A stranger trades: (price in ticks, shares that others sold or bought, our part).

        `aggressor` is +1 for a buyer. The venue's queue ahead of us is served first.
        """
        side = 1 if aggressor > 0 else 0
        price = self.best[side]
        left, ours = size, list[Execution]()
        for child in self.resting:
            behind = (child.price_ticks - price) * aggressor > 0
            if child.venue != venue or child.parent.side.sign == aggressor or behind:
                continue
            qty = min(child.leaves, max(0, left - child.queue_ahead))
            child.queue_ahead = max(0, child.queue_ahead - left)
            if qty:
                ours.append(Execution(child, qty, child.price_ticks, added=True))
                left -= qty
        shown = self.shown[side]
        shown[venue] = max(0, shown[venue] - left)
        return price, left, ours

    def step_if_empty(self, venue: int) -> bool:
        """Where a side shows nothing any more, uncover its next level at a venue; whether so."""
        moved = False
        for side, outward in ((0, -1), (1, 1)):
            if not any(self.shown[side]) and self.best[side] + outward >= 1:
                self.best[side] += outward
                self.shown[side][venue] = self.deeper
                moved = True
        return moved
