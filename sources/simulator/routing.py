"""How a child order travels: sent to a venue, answered, filled, repriced, cancelled."""

from collections.abc import Callable

from domain.instants import MILLISECOND, SECOND
from domain.vocabulary import RejectReason
from sources.simulator.agenda import Agenda, Dice
from sources.simulator.fills import Fills
from sources.simulator.journal import Journal
from sources.simulator.orders import Child, Exchange, Parent
from sources.simulator.spec import DeskSpec
from sources.simulator.trouble import Trouble

MAX_ROUTES = 3
"""Venues that a child is offered to before it is given up."""
_LATENCY_SPREAD = 0.35
_REASONS = (
    RejectReason.BROKER,
    RejectReason.ORDER_EXCEEDS_LIMIT,
    RejectReason.STALE_ORDER,
    RejectReason.OTHER,
)
_FAULTY_REASONS = (RejectReason.BROKER, RejectReason.STALE_ORDER, RejectReason.OTHER)
"""What a venue in trouble says: nothing that is wrong with the order."""


class Router:
    """Sends children and follows them to their end. `on_in` hears of each that has ended."""

    def __init__(
        self,
        spec: DeskSpec,
        exchange: Exchange,
        agenda: Agenda,
        journal: Journal,
        dice: Dice,
        trouble: Trouble,
        fills: Fills,
    ) -> None:
        self._spec = spec
        self._exchange = exchange
        self._agenda = agenda
        self._journal = journal
        self._dice = dice
        self._trouble = trouble
        self._fills = fills
        self._names = [v.venue for v in exchange.venues]
        self._timeout_ns = round(spec.route_timeout_s * SECOND)
        self.on_in: Callable[[Parent], None]

    def send(
        self, parent: Parent, venue: int, qty: int, limit_px: float | None, *, immediate: bool
    ) -> Child:
        """Give out a child: a limit, or a market order where `limit_px` is None."""
        parent.child_count += 1
        parent.working += qty
        child = Child(
            order_id=f"{parent.order_id}.{parent.child_count}",
            parent=parent,
            venue=venue,
            order_qty=qty,
            limit_px=limit_px,
            immediate=immediate or limit_px is None,
        )
        parent.children.append(child)
        self._journal.child(
            self._agenda.now,
            "order_accepted",
            child,
            order_qty=qty,
            leaves_qty=qty,
            cum_qty=0,
            ord_type="MARKET" if limit_px is None else "LIMIT",
            limit_px=limit_px,
            time_in_force="IOC" if child.immediate else "DAY",
            broker=parent.broker,
            desk=parent.desk,
            trader=parent.trader,
            client=parent.client,
            strategy=parent.strategy,
            currency=parent.currency,
            asset_class="EQUITY",
        )
        self._route(child)
        return child

    def _latency_ns(self, venue: int) -> int:
        spec = self._exchange.venues[venue]
        ms = spec.latency_ms * 2.718281828 ** (_LATENCY_SPREAD * self._dice.normal())
        extra = self._trouble.extra_delay_ns(spec.venue, self._agenda.now)
        return round(ms * MILLISECOND) // 1000 * 1000 + extra

    def _route(self, child: Child) -> None:
        now, parent = self._agenda.now, child.parent
        child.route += 1
        child.answered = False
        child.sent_at = now
        displayed = self._exchange.displayed(parent.symbol, child.venue, parent.side.sign)
        self._journal.route(
            now,
            "route_sent",
            child,
            self._names[child.venue],
            order_qty=child.leaves,
            displayed_qty=displayed,
        )
        self._agenda.at(now + self._latency_ns(child.venue), self._arrive, child, child.route)
        self._agenda.at(now + self._timeout_ns, self._give_up, child, child.route)

    def _arrive(self, child: Child, route: int) -> None:
        if not child.open or child.route != route or child.answered:
            return
        now, venue = self._agenda.now, self._names[child.venue]
        if self._trouble.dead(venue, now):
            return
        child.answered = True
        reason = self._refusal(child)
        if reason is not None:
            self._journal.route(now, "route_rejected", child, venue, reject_reason=int(reason))
            self._offer_again(child)
            return
        self._journal.route(now, "route_acknowledged", child, venue)
        self._exchange.place(child, now)
        if child.open and child.immediate:
            self._out(child, "not filled at once")

    def _refusal(self, child: Child) -> RejectReason | None:
        if self._exchange.halted(child.parent.symbol):
            return RejectReason.EXCHANGE_CLOSED
        venue = self._exchange.venues[child.venue]
        faulty = self._trouble.reject_rate(venue.venue, self._agenda.now)
        if self._dice.happens(max(venue.reject_rate, faulty)):
            return self._dice.one_of(_FAULTY_REASONS if faulty else _REASONS)
        return None

    def _give_up(self, child: Child, route: int) -> None:
        if child.open and child.route == route and not child.answered:
            child.answered = True
            self._journal.route(
                self._agenda.now, "route_timed_out", child, self._names[child.venue]
            )
            self._offer_again(child)

    def _offer_again(self, child: Child) -> None:
        halted = self._exchange.halted(child.parent.symbol)
        if child.route >= MAX_ROUTES or child.cancelling or halted or not child.parent.open:
            text = "no venue took it"
            kind = "order_rejected" if not child.cum else "order_cancelled"
            if child.cancelling:
                kind, text = "order_cancelled", "cancelled before a venue took it"
            self._end(child, kind, text)
            return
        venues = len(self._names)
        child.venue = (child.venue + 1 + int(self._dice.uniform() * (venues - 1))) % venues
        for _ in range(venues):
            if not self._trouble.quiet(self._names[child.venue], self._agenda.now):
                break
            child.venue = (child.venue + 1) % venues
        self._agenda.at(self._agenda.now + 200_000, self._reroute, child, child.route)

    def _reroute(self, child: Child, route: int) -> None:
        if child.open and child.route == route:
            self._route(child)

    # Cancel and reprice

    def cancel(self, child: Child) -> None:
        """Ask the venue for the rest of a child back."""
        if not child.open or child.cancelling:
            return
        child.cancelling = True
        now = self._agenda.now
        self._journal.child(now, "order_pending_cancel", child)
        self._agenda.at(now + self._latency_ns(child.venue), self._cancel_arrives, child)

    def _cancel_arrives(self, child: Child) -> None:
        now = self._agenda.now
        if not child.open:
            self._journal.child(now, "cancel_rejected", child, text="too late to cancel")
        elif not child.answered:
            self._agenda.at(now + 50 * MILLISECOND, self._cancel_arrives, child)
        elif self._trouble.dead(self._names[child.venue], now):
            self._agenda.at(now + self._timeout_ns, self._pull, child)
        else:
            self._out(child, "cancelled on request")

    def _pull(self, child: Child) -> None:
        if child.open:
            self._out(child, "venue does not answer")

    def reprice(self, child: Child, limit_px: float) -> None:
        """Ask the venue to move a resting child to another limit."""
        now = self._agenda.now
        child.cancelling = True
        self._journal.child(now, "order_pending_replace", child, limit_px=limit_px)
        arrival = now + self._latency_ns(child.venue)
        self._agenda.at(arrival, self._replace_arrives, child, limit_px)

    def _replace_arrives(self, child: Child, limit_px: float) -> None:
        now = self._agenda.now
        child.cancelling = False
        dead = self._trouble.dead(self._names[child.venue], now)
        if not child.open or dead or self._exchange.halted(child.parent.symbol):
            text = "venue does not answer" if child.open else "too late to replace"
            self._journal.child(now, "cancel_rejected", child, text=text)
            return
        self._exchange.withdraw(child)
        child.limit_px = limit_px
        child.sent_at = now
        self._journal.child(
            now,
            "order_replaced",
            child,
            order_qty=child.order_qty,
            cum_qty=child.cum,
            leaves_qty=child.leaves,
            limit_px=limit_px,
        )
        self._exchange.place(child, now)

    # Ends

    def fill(self, child: Child, qty: int, px: float, added: bool, t: int) -> str:
        """Book an execution that the market made; returns its execution id."""
        exec_id = self._fills.book(child, qty, px, added, t)
        if child.leaves <= 0:
            self._close(child)
        return exec_id

    def _out(self, child: Child, text: str) -> None:
        self._exchange.withdraw(child)
        self._journal.route(self._agenda.now, "route_cancelled", child, self._names[child.venue])
        self._end(child, "order_cancelled", text)

    def _end(self, child: Child, kind: str, text: str) -> None:
        child.parent.working -= child.leaves
        self._journal.child(
            self._agenda.now, kind, child, cum_qty=child.cum, leaves_qty=0, text=text
        )
        self._close(child)

    def _close(self, child: Child) -> None:
        if child.open:
            child.open = False
            child.parent.children.remove(child)
            self.on_in(child.parent)
