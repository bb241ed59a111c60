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
from domain.events import OrderMessage
from domain.reasons import DeadLetterReason
from domain.vocabulary import EventKind, RejectReason
from sources.fix import tables
from sources.fix.details import describe, fee_of, limit
from sources.fix.identity import NO_MEMORY, Chain, Chains, Memory, Sighting
from sources.fix.scan import Found
from sources.fix.values import Fields, event_time, number, side, whole

NEW_ORDER, REPLACE, CANCEL, REPORT, CANCEL_REJECT = "D", "G", "F", "8", "9"
REJECTS = frozenset({"3", "j"})
_RESTATED = "D"
ORDER_TYPES_OF_MESSAGE = frozenset({NEW_ORDER, REPLACE, CANCEL, REPORT, CANCEL_REJECT, *REJECTS})


@dataclass(frozen=True, slots=True)
class Reported:
    """What the counterparty last said of an order: FIX 14 and 6, None where it did not."""

    cum_qty: float | None
    avg_px: float | None


@dataclass(slots=True)
class Told:
    """What a message stands for, and what is to be remembered of it."""

    event: OrderMessage | None = None
    """None where it says nothing new."""
    seen: Sighting | None = None
    memory: Memory = NO_MEMORY
    reported: Reported | None = None
    request: tuple[str, str, str] | None = None
    """Sender, target and number of a request, by which a reject names it."""
    kind: str = ""


@dataclass(slots=True)
class OrderTranslator:
    """Messages in the order of the log into order events, with the memory that takes."""

    chains: Chains = field(default_factory=Chains)
    reported: dict[str, Reported] = field(default_factory=dict)
    _requests: dict[tuple[str, str, str], tuple[str, Chain]] = field(default_factory=dict)

    def translate(self, message: Found) -> Told:
        """The event a message stands for. Raises Refused.

        The message is not remembered before `remember`: one that is refused, here or later,
        changes nothing for the others.
        """
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
            seen = self.chains.of_request(client, broker, cl_ord, orig)
        else:
            seen = self.chains.of_report(client, broker, cl_ord, orig, fields.get("37", ""))
        told = Told(seen=seen, memory=_remembered(seen.chain.memory, fields), kind=kind)
        if is_request:
            told.request = (sender, target, fields.get("34", ""))
            _request(told, message)
        elif kind == CANCEL_REJECT:
            _add_event(told, EventKind.CANCEL_REJECTED, fields, _reason_102(fields))
        else:
            _report(told, message)
        return told

    def remember(self, told: Told) -> None:
        """Let later messages build on this one, which was taken."""
        if told.seen is None:
            return
        chain = told.seen.chain
        self.chains.link(told.seen)
        chain.memory = told.memory
        if told.reported is not None:
            self.reported[chain.order_id] = told.reported
        if told.request is not None:
            self._requests[told.request] = (told.kind, chain)

    def _rejected(self, fields: Fields) -> Told:
        """A reject names the request by its sequence number (45) from the other side."""
        client, broker = fields.get("56", ""), fields.get("49", "")
        kind, chain = self._requests.get((client, broker, fields.get("45", "")), ("", None))
        if chain is None:
            return Told()
        told = Told(seen=Sighting(chain, client, broker, ("", "")), memory=chain.memory)
        rejected = EventKind.ORDER_REJECTED if kind == NEW_ORDER else EventKind.CANCEL_REJECTED
        _add_event(told, rejected, fields, RejectReason.OTHER)
        return told


def _request(told: Told, message: Found) -> None:
    fields = message.fields
    if told.kind == NEW_ORDER:
        event = _add_event(told, EventKind.ORDER_ACCEPTED, fields)
        describe(event, message, is_request=True)
    elif told.kind == REPLACE:
        _add_event(told, EventKind.ORDER_PENDING_REPLACE, fields)
    else:
        _add_event(told, EventKind.ORDER_PENDING_CANCEL, fields).order_qty = None


def _report(told: Told, message: Found) -> None:
    fields = message.fields
    cum_qty, avg_px = number(fields, "14", "CumQty"), number(fields, "6", "AvgPx")
    last_qty = number(fields, "32", "LastQty")
    kind = _kind_of_report(fields, told.memory, last_qty or 0.0)
    if cum_qty is not None or avg_px is not None:
        told.reported = Reported(cum_qty, avg_px)
    if kind is None:
        return
    reason = _reason_103(fields) if kind is EventKind.ORDER_REJECTED else None
    event = _add_event(told, kind, fields, reason)
    event.cum_qty, event.leaves_qty = cum_qty, number(fields, "151", "LeavesQty")
    event.avg_px = avg_px if avg_px or cum_qty else None
    event.exec_id, event.exec_ref_id = fields.get("17"), fields.get("19")
    event.venue = fields.get("30") or None
    if kind in {EventKind.ORDER_FILLED, EventKind.FILL_CORRECTED}:
        event.last_qty, event.last_px = last_qty, number(fields, "31", "LastPx")
        event.liquidity = tables.LIQUIDITY.get(fields.get("851", ""))
        event.fee = fee_of(message, last_qty, event.last_px)
    if kind in {EventKind.ORDER_ACCEPTED, EventKind.ORDER_REPLACED}:
        if event.order_qty is None:
            event.order_qty = _quantity_in_all(event, told.memory)
        describe(event, message, is_request=False)
    told.memory = told.memory._replace(suspended=kind is EventKind.ORDER_SUSPENDED)


def _add_event(
    told: Told, kind: EventKind, fields: Fields, reason: RejectReason | int | None = None
) -> OrderMessage:
    assert told.seen is not None
    memory = told.memory
    order_type = tables.ORDER_TYPES.get(fields.get("40", ""))
    told.event = OrderMessage(
        type=kind.name.lower(),
        ts_event=event_time(fields),
        order_id=told.seen.chain.order_id,
        symbol=memory.symbol,
        side=side(memory.side),
        order_qty=number(fields, "38", "OrderQty"),
        limit_px=limit(fields, order_type),
        reject_reason=None if reason is None else int(reason),
        seq=memory.events,
        text=fields.get("58"),
    )
    told.memory = memory._replace(events=memory.events + 1)
    return told.event


def _remembered(memory: Memory, fields: Fields) -> Memory:
    return memory._replace(
        symbol=memory.symbol or fields.get("55", "") or fields.get("48", ""),
        side=memory.side or fields.get("54", ""),
        order_qty=number(fields, "38", "OrderQty") or memory.order_qty,
    )


def _kind_of_report(fields: Fields, memory: Memory, last_qty: float) -> EventKind | None:
    """What an execution report says happened, by its tags 20 (to 4.2), 150 and 39."""
    transaction, what = fields.get("20", ""), fields.get("150", "")
    if transaction == "3" or what == "I":
        return None
    rewrite = tables.REWRITES_42.get(transaction) or tables.REWRITES.get(what)
    if rewrite is not None:
        return rewrite
    if what in tables.EXECUTIONS or (not what and last_qty > 0):
        return EventKind.ORDER_FILLED if last_qty > 0 else None
    return _kind_of_state(what or fields.get("39", ""), fields, memory)


def _kind_of_state(what: str, fields: Fields, memory: Memory) -> EventKind | None:
    if what == _RESTATED and memory.suspended and fields.get("39") in {"0", "1"}:
        return EventKind.ORDER_RESUMED
    if what == _RESTATED and not fields.get("38"):
        return None
    return tables.EXEC_TYPES.get(what)


def _quantity_in_all(event: OrderMessage, memory: Memory) -> float | None:
    """Ordered quantity where tag 38 is missing: executed and open, else as first said."""
    if event.cum_qty is not None and event.leaves_qty is not None:
        return event.cum_qty + event.leaves_qty
    return memory.order_qty


def _reason_103(fields: Fields) -> int:
    """RejectReason: FIX's code plus one."""
    code = whole(fields, "103")
    return RejectReason.OTHER if code is None or code > 99 else code + 1


def _reason_102(fields: Fields) -> RejectReason:
    return tables.CANCEL_REJECTS.get(fields.get("102", ""), RejectReason.OTHER)
