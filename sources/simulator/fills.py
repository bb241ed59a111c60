"""Executions of the desk: booked, charged, and now and then busted or corrected."""

from typing import Any

from domain.instants import SECOND
from sources.simulator.agenda import Agenda, Dice
from sources.simulator.journal import Journal
from sources.simulator.orders import Child, Exchange
from sources.simulator.spec import DeskSpec
from sources.simulator.trouble import Trouble

_DRIFT_STEPS = 5


class Fills:
    """Numbers executions and keeps orders' quantities with them."""

    def __init__(
        self,
        spec: DeskSpec,
        exchange: Exchange,
        agenda: Agenda,
        journal: Journal,
        dice: Dice,
        trouble: Trouble,
        prefix: str,
    ) -> None:
        self._spec = spec
        self._exchange = exchange
        self._agenda = agenda
        self._journal = journal
        self._dice = dice
        self._trouble = trouble
        self._prefix = prefix
        self._count = 0

    def book(self, child: Child, qty: int, px: float, added: bool, t: int) -> str:
        """Add an execution to a child and its parent; returns its id."""
        parent, venue = child.parent, self._exchange.venues[child.venue].venue
        exec_id = self._next_id(venue)
        bps = self._trouble.costly_bps(parent.algorithm, parent.broker, parent.symbol, t)
        if bps:
            px = round(px * (1 + parent.side.sign * bps * 1e-4), 6)
        parent.working -= min(qty, max(0, child.leaves))
        child.cum += qty
        parent.filled += qty
        parent.notional += qty * px
        fields: dict[str, Any] = {
            "last_qty": qty,
            "last_px": px,
            "venue": venue,
            "liquidity": "ADDED" if added else "REMOVED",
        }
        self._journal.child(
            t,
            "order_filled",
            child,
            exec_id=exec_id,
            cum_qty=child.cum,
            leaves_qty=max(0, child.leaves),
            fee=self.fee(child.venue, qty, px, added),
            **fields,
        )
        if self._spec.report_parent_fills:
            self._report(child, exec_id, t, fields)
        self._follow(child, exec_id, qty, px)
        return exec_id

    def fee(self, venue: int, qty: int, px: float, added: bool) -> float:
        """Venue's charge and commission in currency; negative when we receive."""
        spec = self._exchange.venues[venue]
        per_share = spec.add_fee_per_share if added else spec.take_fee_per_share
        charge = qty * (per_share + self._spec.commission_per_share)
        return round(charge + qty * px * spec.fee_bps * 1e-4, 6)

    def _next_id(self, venue: str) -> str:
        self._count += 1
        return f"{self._prefix}{venue}-{self._count:07d}"

    def _report(self, child: Child, exec_id: str, t: int, fields: dict[str, Any]) -> None:
        parent = child.parent
        self._journal.parent(
            t,
            "order_filled",
            parent,
            exec_id=f"{exec_id}-P",
            cum_qty=parent.filled,
            leaves_qty=max(0, parent.order_qty - parent.filled),
            avg_px=round(parent.notional / parent.filled, 9),
            **fields,
        )

    def _follow(self, child: Child, exec_id: str, qty: int, px: float) -> None:
        venue, now = self._exchange.venues[child.venue].venue, self._agenda.now
        bps = self._trouble.toxic_bps(venue, now)
        if bps:
            for step in range(1, _DRIFT_STEPS + 1):
                move = -child.parent.side.sign * bps * 1e-4 / _DRIFT_STEPS
                self._agenda.at(
                    now + step * SECOND // 2, self._exchange.drift, child.parent.symbol, move
                )
        later = now + round(self._dice.between(2, 15) * SECOND)
        if self._dice.happens(self._spec.bust_rate):
            self._agenda.at(later, self._bust, child, exec_id, qty, px)
        elif self._dice.happens(self._spec.correct_rate):
            self._agenda.at(later, self._correct, child, exec_id, qty, px)

    def _bust(self, child: Child, exec_id: str, qty: int, px: float) -> None:
        if child.open:
            return
        parent, now = child.parent, self._agenda.now
        was_filled = child.cum >= child.order_qty
        child.cum -= qty
        parent.filled -= qty
        parent.notional -= qty * px
        venue = self._exchange.venues[child.venue].venue
        self._journal.child(
            now,
            "fill_busted",
            child,
            exec_id=self._next_id(venue),
            exec_ref_id=exec_id,
            last_qty=qty,
            last_px=px,
            cum_qty=child.cum,
            venue=venue,
        )
        if was_filled:
            self._journal.child(
                now, "order_cancelled", child, cum_qty=child.cum, leaves_qty=0, text="busted"
            )
        if not parent.open and not parent.end_told:
            parent.end_told = True
            self._journal.parent(
                now,
                "order_cancelled",
                parent,
                cum_qty=parent.filled,
                leaves_qty=0,
                text="busted after the end",
            )

    def _correct(self, child: Child, exec_id: str, qty: int, px: float) -> None:
        tick, _ = self._exchange.grid(child.parent.symbol)
        better = round(px - child.parent.side.sign * tick, 9)
        if child.open or better <= 0:
            return
        child.parent.notional += qty * (better - px)
        venue = self._exchange.venues[child.venue].venue
        self._journal.child(
            self._agenda.now,
            "fill_corrected",
            child,
            exec_id=self._next_id(venue),
            exec_ref_id=exec_id,
            last_qty=qty,
            last_px=better,
            cum_qty=child.cum,
            venue=venue,
        )
