"""Parts of the implementation shortfall, in money. `metrics.shortfall` joins them."""

from dataclasses import dataclass

from metrics.formula import formula
from metrics.slippage import signed
from metrics.spreads import ratio_bps

_signed = signed.kernel


@formula
def delay_ccy(decision_px: float, arrival: float, qty: float, side: float) -> float:
    """What the time between decision and arrival cost.

    s·Q·(P_0 − P_d); on the executed basis the quantity is q

    Unit: quote currency
    Sign: positive is a cost
    Edges: NaN without a decision price; arrival never stands in for it
    Source: Perold 1988

    >>> round(delay_ccy(50.00, arrival=50.10, qty=10000, side=1), 6)
    1000.0
    """
    return _signed(qty * (arrival - decision_px), side)


@formula
def trading_ccy(arrival: float, avg_px: float, qty: float, side: float) -> float:
    """What trading cost against the price at arrival.

    s·q·(P̄ − P_0)

    Unit: quote currency
    Sign: positive is a cost
    Edges: 0 where nothing was executed; NaN without an arrival price
    Source: Perold 1988

    >>> round(trading_ccy(50.10, avg_px=351800/7000, qty=7000, side=1), 6)
    1100.0
    """
    if qty == 0.0:
        return 0.0
    return _signed(qty * (avg_px - arrival), side)


@formula
def opportunity_ccy(arrival: float, final_px: float, unfilled_qty: float, side: float) -> float:
    """What the quantity that was not executed missed.

    s·(Q − q)·(P_n − P_0); on the executed basis from P_d

    Unit: quote currency; P_n is the mid at the end, or the live mid while the order works
    Sign: positive when the market ran away
    Edges: 0 where everything was executed; NaN where it was not and the final price is missing
    Source: Perold 1988

    >>> round(opportunity_ccy(50.10, final_px=50.50, unfilled_qty=3000, side=1), 6)
    1200.0
    """
    if unfilled_qty == 0.0:
        return 0.0
    return _signed(unfilled_qty * (final_px - arrival), side)


_trading = trading_ccy.kernel
_opportunity = opportunity_ccy.kernel


@formula
def perold_ccy(
    decision_px: float,
    avg_px: float,
    filled_qty: float,
    final_px: float,
    unfilled_qty: float,
    explicit: float,
    side: float,
) -> float:
    """The whole shortfall against the paper portfolio, without its parts.

    s·[q·(P̄ − P_d) + (Q − q)·(P_n − P_d)] + explicit

    Unit: quote currency
    Sign: positive is a cost
    Edges: NaN where a price that is needed is missing, or the explicit cost
    Source: Perold 1988

    >>> round(perold_ccy(50.00, avg_px=351800/7000, filled_qty=7000, final_px=50.50,
    ...     unfilled_qty=3000, explicit=75, side=1), 6)
    3375.0
    """
    filled = _trading(decision_px, avg_px, filled_qty, side)
    return filled + _opportunity(decision_px, final_px, unfilled_qty, side) + explicit


@dataclass(frozen=True, slots=True)
class Shortfall:
    """An order's implementation shortfall and all its parts.

    delay + trading + opportunity + explicit = total, on the order's and the executed basis

    Unit: quote currency; `as_record` adds bps of the paper notional
    Sign: positive is a cost
    Edges: a part that cannot be known is NaN; the total is NaN where a price that it needs, or
        the explicit cost, is missing
    """

    delay_ccy: float
    trading_ccy: float
    opportunity_ccy: float
    explicit_ccy: float
    total_ccy: float
    delay_exec_ccy: float
    """Executed basis: delay on what was filled."""
    opportunity_exec_ccy: float
    """Executed basis: opportunity from the decision price."""
    half_spread_paid_ccy: float
    drift_ccy: float
    market_drift_ccy: float
    modelled_impact_ccy: float
    residual_ccy: float
    """Drift that neither index nor impact model explains; a missing part explains nothing."""
    paper_notional_ccy: float
    """Σ Q·P_d, or Σ Q·P_0 where `market_only`."""
    market_only: bool
    """No decision price: the total counts from arrival and the delay is missing."""
    to_date: bool
    """The order still works and the final price is the live mid."""

    def bps(self, part_ccy: float) -> float:
        """A part in bps of the paper notional; NaN where that is not positive."""
        return ratio_bps(part_ccy, den=self.paper_notional_ccy)

    def as_record(self) -> dict[str, float]:
        """The parts in both units under the names of an order's record."""
        parts = {
            "shortfall_delay": self.delay_ccy,
            "shortfall_trading": self.trading_ccy,
            "shortfall_opportunity": self.opportunity_ccy,
            "shortfall_explicit": self.explicit_ccy,
            "shortfall_total": self.total_ccy,
            "shortfall_delay_exec": self.delay_exec_ccy,
            "shortfall_opportunity_exec": self.opportunity_exec_ccy,
            "half_spread_paid": self.half_spread_paid_ccy,
            "drift": self.drift_ccy,
        }
        return {f"{name}_ccy": value for name, value in parts.items()} | {
            f"{name}_bps": self.bps(value) for name, value in parts.items()
        }
