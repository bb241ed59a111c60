"""Where parents come from: the listed ones, and a steady flow of drawn ones."""

import math

from domain.instants import SECOND
from domain.vocabulary import RejectReason, Side
from sources.simulator.agenda import Agenda, Dice
from sources.simulator.amends import Amends
from sources.simulator.desk import Desk, parent_fields
from sources.simulator.journal import Journal
from sources.simulator.orders import Exchange, Parent
from sources.simulator.spec import Algorithm, DeskSpec, ParentSpec, Urgency

_SETTLE_NS = SECOND
"""Orders end this long before the close at the latest."""
_LEAST_S = 5.0
_REFUSALS = (
    RejectReason.ORDER_EXCEEDS_LIMIT,
    RejectReason.UNKNOWN_SYMBOL,
    RejectReason.INCORRECT_QUANTITY,
    RejectReason.DUPLICATE_ORDER,
)
_URGENCIES: tuple[Urgency, ...] = ("low", "medium", "high")


class Intake:
    """Gives orders to the desk."""

    def __init__(
        self,
        spec: DeskSpec,
        symbols: dict[str, str],
        exchange: Exchange,
        agenda: Agenda,
        journal: Journal,
        dice: Dice,
        desk: Desk,
        prefix: str,
    ) -> None:
        """`symbols` gives the currency of each."""
        self._spec = spec
        self._symbols = symbols
        self._names = tuple(symbols)
        self._exchange = exchange
        self._agenda = agenda
        self._journal = journal
        self._dice = dice
        self._desk = desk
        self._prefix = prefix
        self._count = 0
        self._close = 0
        self._flows = 0
        self._drawn = set[str]()
        self._amends = Amends(spec, exchange, agenda, journal, dice, desk)
        desk.on_end = self._parent_ended

    def begin(self, open_ns: int, close_ns: int) -> None:
        """Start the flow of a session."""
        self._close = close_ns
        missing = self._spec.open_parents - self._flows
        self._flows += missing
        for _ in range(missing):
            self._agenda.at(open_ns + self._after(0.05, 4.0), self._decide)

    def stop(self) -> None:
        """Draw no further orders."""
        self._close = 0

    def list_parent(self, spec: ParentSpec) -> None:
        """Enter a listed order at its start."""
        self._agenda.at(spec.start_ns, self._enter_listed, spec)

    def _after(self, low_s: float, high_s: float) -> int:
        return round(self._dice.between(low_s, high_s) * SECOND / 1000) * 1000

    def _parent_ended(self, parent: Parent) -> None:
        if parent.order_id in self._drawn:
            self._drawn.discard(parent.order_id)
            self._agenda.at(self._agenda.now + self._after(0.1, 3.0), self._decide)

    # Drawn orders

    def _decide(self) -> None:
        now = self._agenda.now
        if now + _LEAST_S * SECOND + _SETTLE_NS > self._close:
            self._flows -= 1
            return
        symbol = self._dice.one_of(self._names)
        decision_px = self._exchange.touch(symbol).mid
        delay = self._after(*self._spec.decision_delay_s)
        self._agenda.at(now + delay, self._draw, symbol, now, decision_px)

    def _draw(self, symbol: str, decision_ts: int, decision_px: float | None) -> None:
        dice, spec, now = self._dice, self._spec, self._agenda.now
        end = min(now + self._after(*spec.duration_s), self._close - _SETTLE_NS)
        if end < now + SECOND:
            self._flows -= 1
            return
        algorithm: Algorithm = dice.weighted(  # type: ignore[assignment]
            tuple(spec.algorithms), tuple(spec.algorithms.values())
        )
        rate = round(dice.between(*spec.participation), 3)
        expected = self._exchange.expected_volume(symbol, now, end)
        _, lot = self._exchange.grid(symbol)
        aim = rate * expected * (0.85 if algorithm == "POV" else 1.0)
        parent = self._new_parent(
            symbol=symbol,
            side=self._side(),
            order_qty=max(1, round(aim / lot)) * lot,
            algorithm=algorithm,
            start=now,
            end=end,
            participation=rate if algorithm == "POV" else None,
            urgency=dice.one_of(_URGENCIES),
            decision_ts=decision_ts,
            decision_px=decision_px,
        )
        if dice.happens(spec.limit_rate):
            parent.limit_px = self._limit(parent)
        if dice.happens(spec.reject_rate):
            self._reject(parent)
            return
        self._drawn.add(parent.order_id)
        self._desk.receive(parent)
        self._amends.plan(parent)

    def _side(self) -> Side:
        if self._dice.happens(0.5):
            return Side.BUY
        return Side.SELL_SHORT if self._dice.happens(self._spec.short_rate) else Side.SELL

    def _limit(self, parent: Parent) -> float | None:
        touch = self._exchange.touch(parent.symbol)
        if math.isnan(touch.bid):
            return None
        tick, _ = self._exchange.grid(parent.symbol)
        far = touch.ask if parent.side.sign > 0 else touch.bid
        room = max(1, round(far * self._dice.between(5, 30) * 1e-4 / tick))
        limit = round(far + parent.side.sign * room * tick, 9)
        return limit if limit > 0 else None

    def _new_parent(
        self,
        *,
        symbol: str,
        side: Side,
        order_qty: int,
        algorithm: Algorithm,
        start: int,
        end: int,
        participation: float | None,
        urgency: Urgency,
        decision_ts: int,
        decision_px: float | None,
        order_id: str | None = None,
        desk: str | None = None,
        broker: str | None = None,
    ) -> Parent:
        self._count += 1
        desk = desk or self._dice.one_of(self._spec.desks)
        trader = int(self._dice.uniform() * self._spec.traders_per_desk) + 1
        return Parent(
            order_id=order_id or f"{self._prefix}P{self._count:05d}",
            symbol=symbol,
            side=side,
            order_qty=order_qty,
            algorithm=algorithm,
            start=start,
            end=end,
            participation=participation,
            urgency=urgency,
            limit_px=None,
            desk=desk,
            trader=f"{desk}-t{trader:02d}",
            broker=broker or self._dice.one_of(self._spec.brokers),
            client=self._dice.one_of(self._spec.clients),
            strategy=self._dice.one_of(self._spec.strategies),
            currency=self._symbols[symbol],
            decision_ts=decision_ts,
            decision_px=decision_px,
        )

    def _reject(self, parent: Parent) -> None:
        fields = parent_fields(parent, self._journal.stamps.text)
        fields["leaves_qty"] = 0
        fields["reject_reason"] = int(self._dice.one_of(_REFUSALS))
        self._journal.parent(self._agenda.now, "order_rejected", parent, **fields)
        self._agenda.at(self._agenda.now + self._after(0.5, 3.0), self._decide)

    # Listed orders

    def _enter_listed(self, spec: ParentSpec) -> None:
        parent = self._new_parent(
            symbol=spec.symbol,
            side=Side(spec.side),
            order_qty=spec.quantity,
            algorithm=spec.algorithm,
            start=spec.start_ns,
            end=spec.end_ns,
            participation=spec.participation,
            urgency=spec.urgency,
            decision_ts=spec.start_ns,
            decision_px=self._exchange.touch(spec.symbol).mid,
            order_id=spec.order_id,
            desk=spec.desk,
            broker=spec.broker,
        )
        parent.limit_px = spec.limit
        self._desk.receive(parent)
