"""What makes a message acceptable, each refusal with what was wrong and what would be right."""

import math
from enum import IntEnum
from typing import TypeVar

from domain.errors import Refused
from domain.events import MarketMessage, OrderMessage
from domain.reasons import DeadLetterReason
from domain.vocabulary import MARKET_EVENT_TYPES, EventKind, MarketKind, Side

E = TypeVar("E", bound=IntEnum)
MAX_ID = 100


def check_id(field: str, text: str | None, *, needed: bool = False) -> None:
    """Ids have 1–100 characters and no control characters; anything else is allowed."""
    if not text:
        if needed:
            raise Refused(DeadLetterReason.MISSING_FIELD, f"{field} is missing or empty")
        return
    if len(text) > MAX_ID:
        raise Refused(
            DeadLetterReason.BAD_ID, f"{field} may have at most 100 characters, has {len(text)}"
        )
    if not text.isprintable() and any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text):
        raise Refused(
            DeadLetterReason.BAD_ID, f"{field} must not contain control characters: {text!r}"
        )
    if not text.isascii() and any(0xD800 <= ord(c) < 0xE000 for c in text):
        raise Refused(DeadLetterReason.BAD_ID, f"{field} is not valid Unicode: {text!r}")


def known(kind: type[E], field: str, text: str | None) -> E:
    """Member of an enum by name. Raises Refused with the list of names."""
    if not text:
        return kind(0)
    try:
        return kind[text]
    except KeyError:
        names = ", ".join(kind.__members__)
        raise Refused(
            DeadLetterReason.OUT_OF_RANGE, f"{field} must be one of {names}, was {text!r}"
        ) from None


def side_of(text: str | None) -> Side | None:
    """The side, or None where the message does not say it. Raises Refused."""
    if not text:
        return None
    try:
        return Side(text)
    except ValueError:
        raise Refused(
            DeadLetterReason.BAD_SIDE, f"side must be one of {', '.join(Side)}, was {text!r}"
        ) from None


_NEEDS_EXEC_REF = {EventKind.FILL_BUSTED, EventKind.FILL_CORRECTED}


def check_order(message: OrderMessage, kind: EventKind) -> None:
    """Raise Refused unless the order or route event can be taken."""
    check_id("order_id", message.order_id, needed=True)
    who = f"order {message.order_id}"
    check_id("symbol", message.symbol, needed=True)
    for field in (
        "parent_order_id", "root_order_id", "cl_ord_id", "exec_id", "exec_ref_id", "route_id",
        "venue", "broker", "algo", "strategy", "trader", "desk", "client", "currency",
    ):  # fmt: skip
        check_id(field, getattr(message, field))
    side_of(message.side)
    if kind in {EventKind.ORDER_FILLED, EventKind.FILL_CORRECTED}:
        who = f"{who}, exec {message.exec_id or '-'}"
        _positive("last_qty", message.last_qty, who)
        _finite("last_px", message.last_px, who, needed=True)
    if kind in _NEEDS_EXEC_REF and not (message.exec_ref_id or message.exec_id):
        raise Refused(
            DeadLetterReason.MISSING_FIELD, f"exec_ref_id must name the execution ({who})"
        )
    if kind in {EventKind.ORDER_ACCEPTED, EventKind.ORDER_REPLACED, EventKind.ROUTE_SENT}:
        _not_negative("order_qty", message.order_qty, who, needed=True)
    if kind is EventKind.ORDER_ACCEPTED and not message.side:
        raise Refused(DeadLetterReason.BAD_SIDE, f"side must be one of {', '.join(Side)} ({who})")
    for field in ("order_qty", "cum_qty", "leaves_qty", "displayed_qty"):
        _not_negative(field, getattr(message, field), who)
    for field in ("limit_px", "last_px", "avg_px", "fee", "decision_px"):
        _finite(field, getattr(message, field), who)
    if message.algo_params and message.algo_params.participation is not None:
        rate = message.algo_params.participation
        if not 0 < rate <= 1:
            raise Refused(
                DeadLetterReason.OUT_OF_RANGE,
                f"algo_params.participation must be above 0 and at most 1, was {rate} ({who})",
            )
    if message.algo_params:
        _not_negative("algo_params.kappa_t", message.algo_params.kappa_t, who)
    reason = message.reject_reason
    if reason is not None and not 0 <= reason <= 255:
        raise Refused(
            DeadLetterReason.OUT_OF_RANGE, f"reject_reason must be 0–255, was {reason} ({who})"
        )
    _sequence("seq", message.seq, who)
    _sequence("market_seq", message.market_seq, who)


def check_market(message: MarketMessage) -> None:
    """Raise Refused unless the market event can be taken."""
    kind = MARKET_EVENT_TYPES.get(message.type)
    if kind is None:
        raise Refused(DeadLetterReason.UNKNOWN_TYPE, f"no market event is called {message.type!r}")
    check_id("symbol", message.symbol, needed=True)
    check_id("venue", message.venue)
    check_id("exec_id", message.exec_id)
    who = f"symbol {message.symbol}"
    if kind is MarketKind.QUOTE:
        if message.bid is None and message.ask is None:
            raise Refused(DeadLetterReason.MISSING_FIELD, f"a quote needs bid or ask ({who})")
        _finite("bid", message.bid, who)
        _finite("ask", message.ask, who)
        _not_negative("bid_size", message.bid_size, who)
        _not_negative("ask_size", message.ask_size, who)
    elif kind in {MarketKind.TRADE, MarketKind.AUCTION}:
        _finite("price", message.price, who, needed=True)
        _positive("size", message.size, who)
    if kind is MarketKind.AUCTION and message.auction not in {None, "opening", "closing"}:
        raise Refused(
            DeadLetterReason.OUT_OF_RANGE,
            f"auction must be opening or closing, was {message.auction!r} ({who})",
        )
    _sequence("seq", message.seq, who)


def _sequence(field: str, value: int | None, who: str) -> None:
    if value is not None and not 0 <= value < 1 << 62:
        raise Refused(
            DeadLetterReason.OUT_OF_RANGE, f"{field} must be 0 or more, was {value} ({who})"
        )


def _finite(field: str, value: float | None, who: str, *, needed: bool = False) -> None:
    if value is None:
        if needed:
            raise Refused(DeadLetterReason.MISSING_FIELD, f"{field} is missing ({who})")
        return
    if not math.isfinite(value):
        raise Refused(DeadLetterReason.OUT_OF_RANGE, f"{field} must be finite, was {value} ({who})")


def _positive(field: str, value: float | None, who: str) -> None:
    _finite(field, value, who, needed=True)
    if value is not None and value <= 0:
        raise Refused(
            DeadLetterReason.OUT_OF_RANGE, f"{field} must be positive, was {value:g} ({who})"
        )


def _not_negative(field: str, value: float | None, who: str, *, needed: bool = False) -> None:
    _finite(field, value, who, needed=needed)
    if value is not None and value < 0:
        raise Refused(
            DeadLetterReason.OUT_OF_RANGE, f"{field} must not be negative, was {value:g} ({who})"
        )
