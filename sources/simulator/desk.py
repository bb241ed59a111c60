"""Works parents: wakes their algorithms, slices, and sees each to its end."""

import math
from collections.abc import Callable

from domain.events import AlgoParams
from domain.instants import SECOND
from sources.simulator.agenda import Agenda, Dice
from sources.simulator.algos import target_qty
from sources.simulator.journal import Journal
from sources.simulator.orders import Exchange, Parent, Touch
from sources.simulator.routing import Router
from sources.simulator.trouble import Trouble

SLICES = 40
"""Times an algorithm wakes while it works an order, within the next two bounds."""
_SHORTEST_S, _LONGEST_S = 0.5, 20.0
_LAST_WAKES = 3
_EAGER = {"low": 0.15, "medium": 0.3, "high": 0.6}
_MAX_SPLIT = 4
_RESTING_SLICES = 1.5


class Desk:
    """Every open parent and how it is worked. `on_end` hears of each that is over."""

    def __init__(
        self,
        exchange: Exchange,
        agenda: Agenda,
        journal: Journal,
        dice: Dice,
        trouble: Trouble,
        router: Router,
    ) -> None:
        self._exchange = exchange
        self._agenda = agenda
        self._journal = journal
        self._dice = dice
        self._trouble = trouble
        self._router = router
        router.on_in = self._child_in
        self.parents: dict[str, Parent] = {}
        """Open parents by order id."""
        self.on_end: Callable[[Parent], None] = lambda _parent: None

    def receive(self, parent: Parent) -> None:
        """Accept an order and start its algorithm."""
        now, text = self._agenda.now, self._journal.stamps.text
        self.parents[parent.order_id] = parent
        parent.start_volume = self._exchange.volume(parent.symbol)
        self._journal.parent(now, "order_accepted", parent, **parent_fields(parent, text))
        if self._exchange.halted(parent.symbol) and not math.isnan(
            self._exchange.touch(parent.symbol).bid
        ):
            self._suspend(parent)
        first = max(now, parent.start) + round(self._dice.between(0.02, 0.5) * SECOND)
        self._agenda.at(first, self._wake, parent)
        self._agenda.at(parent.end, self.finish, parent, "order_expired")

    def finish(self, parent: Parent, kind: str) -> None:
        """Call in what is working; `kind` ends the order once that is done."""
        if not parent.open or parent.ending:
            return
        parent.ending = kind
        for child in list(parent.children):
            self._router.cancel(child)
        self._child_in(parent)

    def done_for_day(self) -> None:
        """The session is over: every open order is done for the day, then expires."""
        for parent in list(self.parents.values()):
            unfilled = max(0, parent.order_qty - parent.filled)
            self._journal.parent(
                self._agenda.now,
                "order_done_for_day",
                parent,
                cum_qty=parent.filled,
                leaves_qty=unfilled,
            )
            self.finish(parent, "order_expired")

    def suspend(self, symbol: str) -> None:
        """Stop working a symbol."""
        for parent in self._open_in(symbol):
            self._suspend(parent)

    def resume(self, symbol: str) -> None:
        """Work a symbol again."""
        for parent in self._open_in(symbol):
            if parent.suspended:
                parent.suspended = False
                self._journal.parent(self._agenda.now, "order_resumed", parent)

    def _open_in(self, symbol: str) -> list[Parent]:
        return [p for p in self.parents.values() if p.symbol == symbol and not p.ending]

    def _suspend(self, parent: Parent) -> None:
        parent.suspended = True
        self._journal.parent(self._agenda.now, "order_suspended", parent, text="halted")

    def _child_in(self, parent: Parent) -> None:
        if not parent.open or parent.children:
            return
        filled = parent.filled >= parent.order_qty
        if not filled and not parent.ending:
            return
        parent.open = False
        del self.parents[parent.order_id]
        if not filled:
            parent.end_told = True
            self._journal.parent(
                self._agenda.now,
                parent.ending or "order_cancelled",
                parent,
                cum_qty=parent.filled,
                leaves_qty=0,
            )
        self.on_end(parent)

    # The algorithm's turn

    def _wake(self, parent: Parent) -> None:
        if not parent.open or parent.ending:
            return
        now = self._agenda.now
        interval = (parent.end - parent.start) / SLICES
        interval = min(max(interval, _SHORTEST_S * SECOND), _LONGEST_S * SECOND)
        asleep = self._trouble.stalled(parent.algorithm, parent.symbol, now)
        hurry = False
        if not (asleep or parent.suspended or self._exchange.halted(parent.symbol)):
            last = parent.end - now < _LAST_WAKES * interval and parent.algorithm != "POV"
            hurry = self._work(parent, now, interval, last=last)
        pause = round(interval * self._dice.between(0.75, 1.25))
        self._agenda.at(now + (pause // 4 if hurry else pause), self._wake, parent)

    def _work(self, parent: Parent, now: int, interval: float, *, last: bool) -> bool:
        """Send what is due; whether the order is behind and the algorithm in a hurry."""
        touch = self._exchange.touch(parent.symbol)
        self._tend(parent, now, interval, touch, last=last)
        _, lot = self._exchange.grid(parent.symbol)
        target = parent.order_qty if last else target_qty(parent, self._exchange, now)
        slice_qty = parent.order_qty * interval / (parent.end - parent.start)
        late = last or target - parent.filled > 2.5 * max(slice_qty, lot)
        behind = target - parent.filled - parent.working
        qty = parent.leaves if behind >= parent.leaves else int(behind / lot) * lot
        if qty < 1 or math.isnan(touch.bid) or math.isnan(touch.ask):
            return late
        if late or self._dice.happens(_EAGER[parent.urgency]):
            self._take(parent, qty, lot, touch, last=last)
        else:
            self._post(parent, qty, touch)
        return late

    def _tend(self, parent: Parent, now: int, interval: float, touch: Touch, *, last: bool) -> None:
        near = touch.bid if parent.side.sign > 0 else touch.ask
        for child in list(parent.children):
            stale = now - child.sent_at > _RESTING_SLICES * interval
            if not child.resting or child.cancelling or not (stale or last):
                continue
            away = (near - (child.limit_px or near)) * parent.side.sign > 0
            within = parent.limit_px is None or (near - parent.limit_px) * parent.side.sign <= 0
            if away and within and not last and self._dice.happens(0.5):
                self._router.reprice(child, near)
            else:
                self._router.cancel(child)

    def _post(self, parent: Parent, qty: int, touch: Touch) -> None:
        sign = parent.side.sign
        limit = touch.bid if sign > 0 else touch.ask
        if parent.limit_px is not None and (limit - parent.limit_px) * sign > 0:
            limit = parent.limit_px
        weights = self._unless_quiet([v.weight for v in self._exchange.venues])
        if not any(weights):
            return
        venue = self._dice.weighted(range(len(weights)), weights)
        self._router.send(parent, venue, qty, limit, immediate=False)

    def _unless_quiet(self, weights: list[float]) -> list[float]:
        """Weights of the venues, 0 for those that are quiet now."""
        venues, now = self._exchange.venues, self._agenda.now
        pairs = zip(weights, venues, strict=True)
        return [0.0 if self._trouble.quiet(v.venue, now) else weight for weight, v in pairs]

    def _take(self, parent: Parent, qty: int, lot: int, touch: Touch, *, last: bool) -> None:
        sign = parent.side.sign
        limit = touch.ask if sign > 0 else touch.bid
        if parent.limit_px is not None and (limit - parent.limit_px) * sign > 0:
            return
        market_order = last and parent.limit_px is None and parent.urgency == "high"
        venues = range(len(self._exchange.venues))
        shown = self._unless_quiet(
            [self._exchange.displayed(parent.symbol, v, sign) for v in venues]
        )
        for _ in range(_MAX_SPLIT):
            if qty < 1 or not any(shown):
                return
            venue = self._dice.weighted(range(len(shown)), shown)
            part = min(qty, max(lot, int(shown[venue]) // lot * lot))
            shown[venue] = 0
            qty -= part
            self._router.send(parent, venue, part, None if market_order else limit, immediate=True)


def parent_fields(parent: Parent, text: Callable[[int], str]) -> dict[str, object]:
    """What is said of a parent when it is accepted; `text` writes UNIX ns as RFC 3339."""
    return {
        "order_qty": parent.order_qty,
        "cum_qty": 0,
        "leaves_qty": parent.order_qty,
        "cl_ord_id": f"C-{parent.order_id}",
        "ord_type": "MARKET" if parent.limit_px is None else "LIMIT",
        "limit_px": parent.limit_px,
        "time_in_force": "DAY",
        "algo": parent.algorithm,
        "algo_params": AlgoParams(
            schedule=parent.algorithm,
            start=text(parent.start),
            end=text(parent.end),
            participation=parent.participation,
            urgency=parent.urgency,
        ),
        "desk": parent.desk,
        "trader": parent.trader,
        "broker": parent.broker,
        "client": parent.client,
        "strategy": parent.strategy,
        "currency": parent.currency,
        "asset_class": "EQUITY",
        "decision_ts": text(parent.decision_ts),
        "decision_px": parent.decision_px,
    }
