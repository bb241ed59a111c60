"""FIX application messages as order events.

A NewOrderSingle is the moment the order was received, ORDER_ACCEPTED; the report that
acknowledges it is another, which changes nothing where the first was seen. Requests to cancel
or amend make an order pending. A report is an execution where it says so *and* carries a
quantity; a status report says nothing new. TransactTime (60) is the event's time, SendingTime
(52) where it is missing. The symbol and side that an order came with first stay its own, since
hops rename symbols.
"""

from dataclasses import dataclass, field

from domain.errors import Refused
from domain.events import AlgoParams, OrderMessage
from domain.reasons import DeadLetterReason
from domain.vocabulary import EventKind, RejectReason
from sources.fix import tables
from sources.fix.identity import Chain, Chains
from sources.fix.scan import Found
from sources.fix.values import Fields, as_number, event_time, number, optional_time, side, whole

NEW_ORDER, REPLACE, CANCEL, REPORT, CANCEL_REJECT = "D", "G", "F", "8", "9"
REJECTS = frozenset({"3", "j"})
_EXECUTING_FIRM = "1"
_RESTATED = "D"
ORDER_TYPES_OF_MESSAGE = frozenset({NEW_ORDER, REPLACE, CANCEL, REPORT, CANCEL_REJECT, *REJECTS})


@dataclass(frozen=True, slots=True)
class Reported:
    """What the counterparty last said of an order: FIX 14 and 6, None where it did not."""

    cum_qty: float | None
    avg_px: float | None


@dataclass(slots=True)
class OrderTranslator:
    """Messages in the order of the log into order events, with the memory that takes."""

    chains: Chains = field(default_factory=Chains)
    reported: dict[str, Reported] = field(default_factory=dict)
    _requests: dict[tuple[str, str, str], tuple[str, Chain]] = field(default_factory=dict)

    def translate(self, message: Found) -> OrderMessage | None:
        """The event a message stands for, None where it stands for none. Raises Refused."""
        fields = message.fields
        kind = fields["35"]
        if kind in REJECTS:
            return self._rejected(fields)
        is_request = kind in {NEW_ORDER, REPLACE, CANCEL}
        sender, target = fields.get("49", ""), fields.get("56", "")
        client, broker = (sender, target) if is_request else (target, sender)
        cl_ord, orig = fields.get("11", ""), fields.get("41", "")
        if not (cl_ord or orig or fields.get("37")):
            raise Refused(DeadLetterReason.MISSING_FIELD, "no order id: tag 11, 41 or 37")
        if is_request:
            chain = self.chains.of_request(client, broker, cl_ord, orig)
            self._requests[sender, target, fields.get("34", "")] = (kind, chain)
        else:
            chain = self.chains.of_report(client, broker, cl_ord, orig, fields.get("37", ""))
        _remember(chain, fields)
        if is_request:
            return self._request(kind, message, chain)
        if kind == CANCEL_REJECT:
            return self._event(EventKind.CANCEL_REJECTED, fields, chain, _reason_102(fields))
        return self._report(message, chain)

    def _request(self, kind: str, message: Found, chain: Chain) -> OrderMessage:
        fields = message.fields
        if kind == NEW_ORDER:
            event = self._event(EventKind.ORDER_ACCEPTED, fields, chain)
            _describe(event, message, is_request=True)
        elif kind == REPLACE:
            event = self._event(EventKind.ORDER_PENDING_REPLACE, fields, chain)
        else:
            event = self._event(EventKind.ORDER_PENDING_CANCEL, fields, chain)
            event.order_qty = None
        return event

    def _report(self, message: Found, chain: Chain) -> OrderMessage | None:
        fields = message.fields
        cum_qty, avg_px = number(fields, "14", "CumQty"), number(fields, "6", "AvgPx")
        last_qty = number(fields, "32", "LastQty")
        kind = _kind_of_report(fields, chain, last_qty or 0.0)
        if cum_qty is not None or avg_px is not None:
            self.reported[chain.order_id] = Reported(cum_qty, avg_px)
        if kind is None:
            return None
        reason = _reason_103(fields) if kind is EventKind.ORDER_REJECTED else None
        event = self._event(kind, fields, chain, reason)
        event.cum_qty, event.leaves_qty = cum_qty, number(fields, "151", "LeavesQty")
        event.avg_px = avg_px if avg_px or cum_qty else None
        event.exec_id, event.exec_ref_id = fields.get("17"), fields.get("19")
        event.venue = fields.get("30") or None
        if kind in {EventKind.ORDER_FILLED, EventKind.FILL_CORRECTED}:
            event.last_qty, event.last_px = last_qty, number(fields, "31", "LastPx")
            event.liquidity = tables.LIQUIDITY.get(fields.get("851", ""))
            event.fee = _fee(message, last_qty, event.last_px)
        if kind in {EventKind.ORDER_ACCEPTED, EventKind.ORDER_REPLACED}:
            if event.order_qty is None:
                event.order_qty = _quantity_in_all(event, chain)
            _describe(event, message, is_request=False)
        chain.suspended = kind is EventKind.ORDER_SUSPENDED
        return event

    def _rejected(self, fields: Fields) -> OrderMessage | None:
        """A reject names the request by its sequence number (45) from the other side."""
        key = (fields.get("56", ""), fields.get("49", ""), fields.get("45", ""))
        kind, chain = self._requests.get(key, ("", None))
        if chain is None:
            return None
        rejected = EventKind.ORDER_REJECTED if kind == NEW_ORDER else EventKind.CANCEL_REJECTED
        return self._event(rejected, fields, chain, RejectReason.OTHER)

    def _event(
        self,
        kind: EventKind,
        fields: Fields,
        chain: Chain,
        reason: RejectReason | int | None = None,
    ) -> OrderMessage:
        order_type = tables.ORDER_TYPES.get(fields.get("40", ""))
        event = OrderMessage(
            type=kind.name.lower(),
            ts_event=event_time(fields),
            order_id=chain.order_id,
            symbol=chain.symbol,
            side=side(chain.side),
            order_qty=number(fields, "38", "OrderQty"),
            limit_px=_limit(fields, order_type),
            reject_reason=None if reason is None else int(reason),
            seq=chain.events,
            text=fields.get("58"),
        )
        chain.events += 1
        return event


def _remember(chain: Chain, fields: Fields) -> None:
    chain.symbol = chain.symbol or fields.get("55", "") or fields.get("48", "")
    chain.side = chain.side or fields.get("54", "")
    chain.order_qty = number(fields, "38", "OrderQty") or chain.order_qty


def _kind_of_report(fields: Fields, chain: Chain, last_qty: float) -> EventKind | None:
    """What an execution report says happened, by its tags 20 (to 4.2), 150 and 39."""
    transaction, what = fields.get("20", ""), fields.get("150", "")
    if transaction == "3" or what == "I":
        return None
    rewrite = tables.REWRITES_42.get(transaction) or tables.REWRITES.get(what)
    if rewrite is not None:
        return rewrite
    if what in tables.EXECUTIONS or (not what and last_qty > 0):
        return EventKind.ORDER_FILLED if last_qty > 0 else None
    return _kind_of_state(what or fields.get("39", ""), fields, chain)


def _kind_of_state(what: str, fields: Fields, chain: Chain) -> EventKind | None:
    if what == _RESTATED and chain.suspended and fields.get("39") in {"0", "1"}:
        return EventKind.ORDER_RESUMED
    if what == _RESTATED and not fields.get("38"):
        return None
    return tables.EXEC_TYPES.get(what)


def _limit(fields: Fields, order_type: str | None) -> float | None:
    price = number(fields, "44", "Price")
    if order_type is None:
        return price or None
    return price if order_type in tables.PRICED else None


def _quantity_in_all(event: OrderMessage, chain: Chain) -> float | None:
    """Ordered quantity where tag 38 is missing: executed and open, else as first said."""
    if event.cum_qty is not None and event.leaves_qty is not None:
        return event.cum_qty + event.leaves_qty
    return chain.order_qty


def _describe(event: OrderMessage, message: Found, *, is_request: bool) -> None:
    """Add what is said once of an order."""
    fields = message.fields
    event.cl_ord_id = fields.get("11")
    event.ord_type = tables.ORDER_TYPES.get(fields.get("40", ""))
    event.time_in_force = tables.TIMES_IN_FORCE.get(fields.get("59", ""))
    event.asset_class = tables.ASSET_CLASSES.get(fields.get("167", ""))
    event.currency = fields.get("15")
    event.client = fields.get("109") or fields.get("1")
    event.trader = fields.get("50" if is_request else "57")
    event.desk = fields.get("116")
    event.broker = _broker(message, is_request=is_request)
    strategy = fields.get("847", "")
    if strategy:
        event.algo = tables.STRATEGIES.get(strategy, strategy)
        event.algo_params = AlgoParams(
            schedule=tables.STRATEGIES.get(strategy),
            start=optional_time(fields, "168"),
            end=optional_time(fields, "126"),
            participation=number(fields, "849", "ParticipationRate"),
        )
    if is_request:
        event.venue = fields.get("100") or None


def _broker(message: Found, *, is_request: bool) -> str | None:
    """ExecBroker, the executing party, or the firm at the other end."""
    fields = message.fields
    if fields.get("76"):
        return fields["76"]
    party = ""
    for tag, value in message.pairs:
        if tag == "448":
            party = value
        elif tag == "452" and value == _EXECUTING_FIRM and party:
            return party
    return fields.get("128" if is_request else "115") or fields.get("56" if is_request else "49")


def _fee(message: Found, qty: float | None, px: float | None) -> float | None:
    """Commission (12, by the basis of 13) and other fees (137) of an execution, in currency."""
    fields = message.fields
    others = [fee for fee in map(as_number, message.values("137")) if fee is not None]
    total, found = sum(others), bool(others)
    commission, basis = number(fields, "12", "Commission"), fields.get("13", "3")
    if commission is not None and qty is not None and px is not None:
        unit = {"1": qty, "2": qty * px, "3": 1.0}.get(basis)
        if unit is not None:
            total += commission * unit
            found = True
    return total if found else None


def _reason_103(fields: Fields) -> int:
    """RejectReason: FIX's code plus one."""
    code = whole(fields, "103")
    return RejectReason.OTHER if code is None or code > 99 else code + 1


def _reason_102(fields: Fields) -> RejectReason:
    return tables.CANCEL_REJECTS.get(fields.get("102", ""), RejectReason.OTHER)
