"""Sums over a whole run, taken as the rows pass by."""

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from domain.reasons import Reason
from domain.rows import ORDER_METRICS, FillStatus, Rows
from domain.vocabulary import EventKind, OrderState
from metrics.formula import FloatArray
from metrics.spreads import effective_spread, ratio_bps

_ARRIVAL = ORDER_METRICS.index("arrival_mid")


class ExactSum:
    """A sum that does not depend on the order of its terms, to the last bit but for luck."""

    def __init__(self) -> None:
        self._high = 0.0
        self._low = 0.0

    def add(self, terms: FloatArray) -> None:
        """Take terms that are numbers; NaN ones are left out."""
        known = [self._high, self._low, *terms[~np.isnan(terms)].tolist()]
        self._high = math.fsum(known)
        self._low = math.fsum([*known, -self._high])

    @property
    def value(self) -> float:
        """The sum so far."""
        return self._high


@dataclass(slots=True)
class _Spread:
    """Effective spread of fills against a mid: a ratio of sums."""

    paid: ExactSum = field(default_factory=ExactSum)
    base: ExactSum = field(default_factory=ExactSum)

    def add(self, fills: np.ndarray, mid: FloatArray) -> None:
        qty = fills["last_qty"]
        spread = effective_spread(fills["last_px"], mid=mid, side=fills["side"].astype(np.float64))
        self.paid.add(spread * qty)
        self.base.add(np.where(np.isnan(spread), np.nan, mid * qty))

    @property
    def bps(self) -> float | None:
        value = ratio_bps(self.paid.value, den=self.base.value)
        return None if math.isnan(value) else value


class Totals:
    """Counts and ratios of sums over every record and fill of a run."""

    def __init__(self) -> None:
        self._orders: list[np.ndarray] = []
        self._executed: list[np.ndarray] = []
        self._without_arrival: list[np.ndarray] = []
        self.states: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.status_rows = 0
        self._fills = 0
        self._repeats = 0
        self._busted = 0
        self._qty = ExactSum()
        self._notional = ExactSum()
        self._exec_mid = _Spread()
        self._receipt_mid = _Spread()

    def add(self, rows: Rows) -> None:
        """Take what one step of the order stage gave."""
        self.status_rows += len(rows.status)
        if len(rows.timeline):
            kinds, counts = np.unique(rows.timeline["kind"], return_counts=True)
            for kind, count in zip(kinds.tolist(), counts.tolist(), strict=True):
                self.kinds[EventKind(kind).name.lower()] += count
        if len(rows.orders):
            self._add_orders(rows.orders)
        if len(rows.fills):
            # A parent's own reports only reconcile: its numbers are its children's.
            parents = rows.orders["order"][rows.orders["has_children"] != 0]
            self._add_fills(rows.fills[~np.isin(rows.fills["order"], parents)])

    def _add_orders(self, orders: np.ndarray) -> None:
        executed = orders["cum_qty"] > 0
        unseen = orders["reasons"][:, _ARRIVAL] == Reason.NO_ARRIVAL
        self._orders.append(orders["order"].copy())
        self._executed.append(orders["order"][executed])
        self._without_arrival.append(orders["order"][executed & unseen])
        states, counts = np.unique(orders["state"], return_counts=True)
        for state, count in zip(states.tolist(), counts.tolist(), strict=True):
            self.states[OrderState(state).name] += count

    def _add_fills(self, fills: np.ndarray) -> None:
        status = fills["status"]
        counted = fills[(status == FillStatus.COUNTED) | (status == FillStatus.CORRECTED)]
        self._fills += len(counted)
        self._repeats += int((status == FillStatus.REPEATED).sum())
        self._busted += int((status == FillStatus.BUSTED).sum())
        self._qty.add(counted["last_qty"])
        self._notional.add(counted["last_qty"] * counted["last_px"])
        self._exec_mid.add(counted, counted["mid"])
        self._receipt_mid.add(counted, counted["arrival_mid"])

    def summary(self) -> dict[str, Any]:
        """The figures by name; null where nothing gives one."""
        qty = self._qty.value
        return {
            "orders": _distinct(self._orders),
            "orders_executed": _distinct(self._executed),
            "orders_without_arrival": _distinct(self._without_arrival),
            "fills": self._fills,
            "fills_repeated": self._repeats,
            "fills_busted": self._busted,
            "filled_qty": int(qty) if qty.is_integer() else qty,
            "avg_px": self._notional.value / qty if qty > 0 else None,
            "effective_spread_exec_mid_bps": self._exec_mid.bps,
            "effective_spread_receipt_mid_bps": self._receipt_mid.bps,
            "status_rows": self.status_rows,
            "states": dict(sorted(self.states.items())),
            "order_events": dict(sorted(self.kinds.items())),
        }


def _distinct(keys: list[np.ndarray]) -> int:
    return len(np.unique(np.concatenate(keys))) if keys else 0
