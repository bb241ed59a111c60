"""An order whose quantity was amended is several: each tranche has its own decision."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.errors import InputError
from metrics.formula import FloatArray


@dataclass(frozen=True, slots=True)
class Tranche:
    """A quantity that was decided at one time.

    the order as accepted is the first tranche, each increase another

    Unit: quantity and prices; a missing price is NaN
    """

    qty: float
    decision_px: float
    """Mid at the decision, or the price the user gave."""
    arrival: float
    """Mid when this quantity was received."""


@dataclass(frozen=True, slots=True)
class Allocation:
    """Fills shared out over tranches.

    one row for each piece; a fill across a boundary makes two

    Unit: quantity, beside the ordinals of tranche and fill
    """

    tranche: NDArray[np.intp]
    fill: NDArray[np.intp]
    qty: FloatArray


def amend_tranches(
    tranches: Sequence[Tranche], order_qty: float, *, decision_px: float, arrival: float
) -> list[Tranche]:
    """The tranches after a replacement of the order's quantity.

    an increase adds a tranche; a decrease cuts the newest quantity first

    Unit: quantity and prices of the amendment
    Edges: what is cut leaves the paper portfolio with the decision that cut it. InputError
        where the new quantity is not positive

    >>> first = Tranche(1000, decision_px=50.0, arrival=50.1)
    >>> [t.qty for t in amend_tranches([first], 1500, decision_px=50.4, arrival=50.5)]
    [1000, 500]
    """
    if not order_qty > 0:
        raise InputError(f"order_qty must be positive after an amendment, was {order_qty:g}")
    kept: list[Tranche] = []
    left = order_qty
    for tranche in tranches:
        if left > 0:
            kept.append(replace(tranche, qty=min(tranche.qty, left)))
            left -= kept[-1].qty
    if left > 0:
        kept.append(Tranche(left, decision_px, arrival))
    return kept


def allocate_fills(tranches: Sequence[Tranche], quantities: NDArray[Any]) -> Allocation:
    """Which fill belongs to which tranche.

    first in, first out: the fills in order of time use up the tranches in order of decision

    Unit: quantity
    Edges: an overfill goes to the newest tranche, whose unfilled quantity is then negative.
        InputError where there is no tranche, or a quantity is not positive

    >>> two = [Tranche(100, 50.0, 50.1), Tranche(50, 51.0, 51.1)]
    >>> allocate_fills(two, np.array([80.0, 40.0])).qty.tolist()
    [80.0, 20.0, 20.0]
    """
    if not tranches or not all(t.qty > 0 for t in tranches):
        raise InputError(
            "an order needs at least one tranche, each with a positive quantity; "
            f"got {[t.qty for t in tranches]}"
        )
    filled = np.asarray(quantities, np.float64)
    if not (filled > 0).all():
        raise InputError("every fill needs a positive quantity; leave busted fills out")
    fill_ends = np.cumsum(filled)
    tranche_ends = np.cumsum([t.qty for t in tranches])[:-1]
    total = fill_ends[-1] if filled.size else 0.0
    ends = np.union1d(fill_ends, tranche_ends[tranche_ends < total])
    starts = np.concatenate([np.zeros(1), ends[:-1]])[: ends.size]
    return Allocation(
        tranche=np.searchsorted(tranche_ends, starts, side="right"),
        fill=np.searchsorted(fill_ends, starts, side="right"),
        qty=ends - starts,
    )
