"""What FIX messages say of an order beside what happened: its terms, its people, its fees."""

from domain.events import AlgoParams, OrderMessage
from sources.fix import tables
from sources.fix.scan import Found
from sources.fix.values import Fields, as_number, number, optional_time

_EXECUTING_FIRM = "1"


def limit(fields: Fields, order_type: str | None) -> float | None:
    """The limit price, None where the order's type has none. Raises Refused."""
    price = number(fields, "44", "Price")
    if order_type is None:
        return price or None
    return price if order_type in tables.PRICED else None


def describe(event: OrderMessage, message: Found, *, is_request: bool) -> None:
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
            urgency=_strategy_parameter(message, "urgency"),
        )
    if is_request:
        event.venue = fields.get("100") or None


def _strategy_parameter(message: Found, name: str) -> str | None:
    """Value (960) of the strategy's parameter of a name (958), in letters of any size."""
    wanted = False
    for tag, value in message.pairs:
        if tag == "958":
            wanted = value.lower() == name
        elif tag == "960" and wanted:
            return value
    return None


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


def fee_of(message: Found, qty: float | None, px: float | None) -> float | None:
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
