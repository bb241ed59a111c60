"""Second thoughts: orders that are amended or cancelled while they are worked."""

from domain.instants import SECOND
from sources.simulator.agenda import Agenda, Dice
from sources.simulator.desk import Desk, parent_fields
from sources.simulator.journal import Journal
from sources.simulator.orders import Exchange, Parent
from sources.simulator.spec import DeskSpec


class Amends:
    """Asks for amendments and cancels; a tenth of the requests is refused."""

    def __init__(
        self,
        spec: DeskSpec,
        exchange: Exchange,
        agenda: Agenda,
        journal: Journal,
        dice: Dice,
        desk: Desk,
    ) -> None:
        self._spec = spec
        self._exchange = exchange
        self._agenda = agenda
        self._journal = journal
        self._dice = dice
        self._desk = desk

    def _after(self, low_s: float, high_s: float) -> int:
        return round(self._dice.between(low_s, high_s) * SECOND)

    def plan(self, parent: Parent) -> None:
        """Decide by chance whether and when an order is amended or cancelled."""
        when = parent.start + round((parent.end - parent.start) * self._dice.between(0.2, 0.7))
        if self._dice.happens(self._spec.amend_rate):
            self._agenda.at(when, self._ask_amend, parent)
        elif self._dice.happens(self._spec.cancel_rate):
            self._agenda.at(when, self._ask_cancel, parent)

    def _ask_amend(self, parent: Parent) -> None:
        if not parent.open or parent.ending:
            return
        now = self._agenda.now
        _, lot = self._exchange.grid(parent.symbol)
        qty = round(parent.order_qty * self._dice.between(0.6, 1.5) / lot) * lot
        self._journal.parent(now, "order_pending_replace", parent, order_qty=qty)
        self._agenda.at(now + self._after(0.03, 0.2), self._amend, parent, qty, lot)

    def _amend(self, parent: Parent, qty: int, lot: int) -> None:
        now = self._agenda.now
        if not parent.open or parent.ending or self._dice.happens(0.1):
            self._journal.parent(now, "cancel_rejected", parent, text="cannot be replaced now")
            return
        parent.order_qty = max(qty, parent.filled + parent.working + lot)
        fields = parent_fields(parent, self._journal.stamps.text)
        fields["cum_qty"] = parent.filled
        fields["leaves_qty"] = parent.order_qty - parent.filled
        del fields["decision_ts"], fields["decision_px"]
        self._journal.parent(now, "order_replaced", parent, **fields)

    def _ask_cancel(self, parent: Parent) -> None:
        if not parent.open or parent.ending:
            return
        now = self._agenda.now
        self._journal.parent(now, "order_pending_cancel", parent)
        self._agenda.at(now + self._after(0.02, 0.1), self._cancel, parent)

    def _cancel(self, parent: Parent) -> None:
        if not parent.open or parent.ending or self._dice.happens(0.1):
            self._journal.parent(
                self._agenda.now, "cancel_rejected", parent, text="cannot be cancelled now"
            )
            return
        self._desk.finish(parent, "order_cancelled")
