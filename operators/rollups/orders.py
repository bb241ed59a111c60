"""Open orders as the roll-ups know them: whose they are, and how much is left of each."""

import math
from collections.abc import Iterable

import msgspec

from domain.alerts import NO_DESK


class OpenOrder(msgspec.Struct, array_like=True):
    """An order that is not closed."""

    order_id: str
    desk: str
    is_root: bool
    cohort: str
    """Scope of its algorithm at its broker; empty without an algorithm."""
    currency: str
    open_ccy: float | None
    """What is left of it at the mid of its newest whole minute; None where unknown."""
    seen: int
    terms: tuple[int, ...] = ()
    """Keys of its desk, algorithm, broker and currency, by which a change of any is noticed."""


def desk_of(name: str) -> str:
    """A desk's name in alerts."""
    return name or NO_DESK


def affected(orders: Iterable[OpenOrder]) -> str:
    """Such as `12 orders, 3.4M USD notional affected`: the roots alone, each amount where known."""
    amounts: dict[str, float] = {}
    count = 0
    for order in orders:
        if not order.is_root:
            continue
        count += 1
        if order.open_ccy:
            amounts[order.currency] = amounts.get(order.currency, 0.0) + order.open_ccy
    words = f"{count} order{'' if count == 1 else 's'}"
    parts = [f"{short(amounts[c])} {c}".strip() for c in sorted(amounts)]
    return f"{words}, {' and '.join(parts)} notional affected" if parts else f"{words} affected"


def short(amount: float) -> str:
    """Such as 3.4M, 120k or 85."""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if amount >= 0.9995 * size:
            value = amount / size
            return f"{value:.1f}{letter}" if value < 99.95 else f"{value:.0f}{letter}"
    return f"{amount:.0f}"


def known(amount: float) -> float | None:
    """The amount, None for NaN."""
    return None if math.isnan(amount) else amount
