"""Implementation shortfall of an order, all its parts, both bases."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.errors import InputError, ReconciliationError
from metrics.benchmarks import average_px
from metrics.formula import FloatArray
from metrics.shortfall_parts import (
    Shortfall,
    delay_ccy,
    opportunity_ccy,
    perold_ccy,
    trading_ccy,
)
from metrics.slippage import drift_ccy, half_spread_ccy, market_drift_ccy
from metrics.tranches import Allocation, Tranche, allocate_fills

__all__ = [
    "Shortfall",
    "Tranche",
    "delay_ccy",
    "implementation_shortfall",
    "opportunity_ccy",
    "perold_ccy",
    "trading_ccy",
]

_AGREES = 1e-9
"""Of the money that changed hands: how closely parts and total must agree."""


def implementation_shortfall(
    tranches: Sequence[Tranche],
    *,
    side: int,
    prices: NDArray[Any],
    quantities: NDArray[Any],
    final_px: float,
    commission: float = 0.0,
    fees: float = 0.0,
    mids: NDArray[Any] | None = None,
    beta: float = math.nan,
    index_returns: NDArray[Any] | None = None,
    modelled_impact_ccy: float = math.nan,
    to_date: bool = False,
) -> Shortfall:
    """What a decision cost against a paper portfolio that trades at once and free of charge.

    order basis: s·Q·(P_0 − P_d) + s·q·(P̄ − P_0) + s·(Q − q)·(P_n − P_0) + explicit;
    executed basis: s·q·(P_0 − P_d) + s·q·(P̄ − P_0) + s·(Q − q)·(P_n − P_d) + explicit

    Unit: quote currency. Fills in order of time; `mids` they met and `index_returns` since
        arrival (fractions) are one for each fill
    Sign: positive is a cost
    Edges: ReconciliationError where the parts of either basis miss Perold's undivided sum, which
        every call compares. One tranche without decision price makes the whole market-only.
        InputError for columns of different length, or a side that is not 1 or −1
    Source: Perold 1988

    >>> paid = implementation_shortfall([Tranche(10000, decision_px=50.0, arrival=50.1)], side=1,
    ...     prices=np.array([50.20, 50.25, 50.325]), quantities=np.array([2000, 3000, 2000]),
    ...     final_px=50.50, commission=70, fees=5)
    >>> round(paid.total_ccy, 6), round(paid.bps(paid.total_ccy), 6)
    (3375.0, 67.5)
    """
    if side not in {1, -1}:
        raise InputError(f"side must be 1 for a purchase or -1 for a sale, was {side!r}")
    fills = _Fills.of(prices, quantities, mids, index_returns)
    pieces = allocate_fills(tranches, fills.quantities)
    book = _Book.of(tranches, fills, pieces, final_px=final_px, side=side)
    half_spread, drift, market_drift = _drifts(fills, pieces, book, beta)
    market_only = bool(np.isnan(book.decision).any())
    start = book.arrival if market_only else book.decision
    explicit = commission + fees
    result = Shortfall(
        delay_ccy=book.delay(book.ordered),
        trading_ccy=book.trading(),
        opportunity_ccy=book.opportunity(book.arrival),
        explicit_ccy=explicit,
        total_ccy=book.perold(start) + explicit,
        delay_exec_ccy=book.delay(book.filled),
        opportunity_exec_ccy=book.opportunity(book.decision),
        half_spread_paid_ccy=half_spread,
        drift_ccy=drift,
        market_drift_ccy=market_drift,
        modelled_impact_ccy=modelled_impact_ccy,
        residual_ccy=drift - _known(market_drift) - _known(modelled_impact_ccy),
        paper_notional_ccy=_sum(book.ordered * start),
        market_only=market_only,
        to_date=to_date,
    )
    _reconcile(result)
    return result


@dataclass(frozen=True, slots=True)
class _Fills:
    prices: FloatArray
    quantities: FloatArray
    mids: FloatArray
    index_returns: FloatArray

    @classmethod
    def of(
        cls,
        prices: NDArray[Any],
        quantities: NDArray[Any],
        mids: NDArray[Any] | None,
        index_returns: NDArray[Any] | None,
    ) -> "_Fills":
        unknown = np.full(len(prices), np.nan)
        columns = [
            np.asarray(unknown if column is None else column, np.float64)
            for column in (prices, quantities, mids, index_returns)
        ]
        lengths = [column.size for column in columns]
        if len(set(lengths)) > 1:
            raise InputError(
                "prices, quantities, mids and index_returns need one value for each fill, "
                f"got {lengths}"
            )
        return cls(*columns)


@dataclass(frozen=True, slots=True)
class _Book:
    """The order by tranche: one value for each in every column."""

    decision: FloatArray
    arrival: FloatArray
    ordered: FloatArray
    filled: FloatArray
    average: FloatArray
    final_px: float
    side: int

    @classmethod
    def of(
        cls,
        tranches: Sequence[Tranche],
        fills: _Fills,
        pieces: Allocation,
        *,
        final_px: float,
        side: int,
    ) -> "_Book":
        k = len(tranches)
        paid = pieces.qty * fills.prices[pieces.fill]
        filled: FloatArray = np.bincount(pieces.tranche, pieces.qty, k).astype(np.float64)
        notional = np.bincount(pieces.tranche, paid, k)
        return cls(
            decision=np.array([t.decision_px for t in tranches], np.float64),
            arrival=np.array([t.arrival for t in tranches], np.float64),
            ordered=np.array([t.qty for t in tranches], np.float64),
            filled=filled,
            average=average_px(notional, qty=filled),
            final_px=final_px,
            side=side,
        )

    def delay(self, qty: FloatArray) -> float:
        return _sum(delay_ccy(self.decision, arrival=self.arrival, qty=qty, side=self.side))

    def trading(self) -> float:
        return _sum(trading_ccy(self.arrival, avg_px=self.average, qty=self.filled, side=self.side))

    def opportunity(self, start: FloatArray) -> float:
        unfilled = self.ordered - self.filled
        return _sum(
            opportunity_ccy(start, final_px=self.final_px, unfilled_qty=unfilled, side=self.side)
        )

    def perold(self, start: FloatArray) -> float:
        return _sum(
            perold_ccy(
                start,
                avg_px=self.average,
                filled_qty=self.filled,
                final_px=self.final_px,
                unfilled_qty=self.ordered - self.filled,
                explicit=0.0,
                side=self.side,
            )
        )


def _drifts(
    fills: _Fills, pieces: Allocation, book: _Book, beta: float
) -> tuple[float, float, float]:
    arrival, side, qty = book.arrival[pieces.tranche], book.side, pieces.qty
    met = fills.mids[pieces.fill]
    moved = fills.index_returns[pieces.fill]
    prices = fills.prices[pieces.fill]
    return (
        _sum(half_spread_ccy(prices, mid=met, qty=qty, side=side)),
        _sum(drift_ccy(met, arrival=arrival, qty=qty, side=side)),
        _sum(market_drift_ccy(arrival, qty=qty, side=side, beta=beta, index_return=moved)),
    )


def _reconcile(result: Shortfall) -> None:
    common = result.trading_ccy + result.explicit_ccy
    delay = 0.0 if result.market_only else result.delay_ccy
    sums = [delay + common + result.opportunity_ccy]
    if not result.market_only:
        sums.append(result.delay_exec_ccy + common + result.opportunity_exec_ccy)
    allowed = _AGREES * max(abs(result.paper_notional_ccy), abs(result.total_ccy))
    for parts in sums:
        if abs(parts - result.total_ccy) > allowed:
            raise ReconciliationError(
                f"the parts of the shortfall add up to {parts!r}, "
                f"Perold's sum to {result.total_ccy!r}"
            )


def _sum(parts: FloatArray) -> float:
    return math.fsum(parts.tolist())


def _known(part: float) -> float:
    return 0.0 if math.isnan(part) else part
