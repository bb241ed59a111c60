"""The square-root law fitted to the desk's own orders."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.errors import InputError
from metrics.impact import sqrt_average_bps

MIN_ORDERS = 30
MIN_DAYS = 2


@dataclass(frozen=True, slots=True)
class ImpactFit:
    """What a fit found, how sure it is, and where it may be used.

    cost = Y·σ·√(Q/V)/1.5 within the fitted sizes

    Unit: Y is a pure number
    """

    y: float
    y_standard_error: float
    """Clustered by day."""
    orders: int
    days: int
    smallest: float
    """Least Q/V the fit has seen."""
    largest: float
    """Greatest Q/V the fit has seen."""

    def cost_bps(self, *, sigma_bps: float, qty: float, volume: float) -> float:
        """Average cost in bps of an order at constant rate; positive is a cost.

        InputError for an order smaller or larger, against the volume, than any that was fitted.
        """
        size = qty / volume if volume > 0.0 else math.nan
        if not self.smallest <= size <= self.largest:
            raise InputError(
                f"the fit covers orders of {self.smallest:.4g} to {self.largest:.4g} of the "
                f"volume and refuses {size:.4g}"
            )
        return sqrt_average_bps(sigma_bps, qty=qty, volume=volume, y=self.y)


def fit_square_root(
    cost_bps: NDArray[Any],
    *,
    sigma_bps: NDArray[Any],
    qty: NDArray[Any],
    volume: NDArray[Any],
    days: NDArray[Any],
) -> ImpactFit:
    """Fit the square-root law to costs without their half spread.

    Y = Σ x·cost / Σ x², x = σ·√(Q/V)/1.5; se² = G/(G − 1)·Σ_day(Σ x·residual)²/(Σ x²)²

    Unit: costs and σ in bps, σ a day, V the day's volume
    Sign: costs positive when bad
    Edges: rows with a NaN or no quantity are left out; InputError under 30 orders or 2 days

    >>> day, qty = np.arange(40) % 4, np.linspace(1e3, 1e5, 40)
    >>> cost = 100.0 * np.sqrt(qty / 1e6) / 1.5 * 0.8
    >>> fit = fit_square_root(cost, sigma_bps=np.full(40, 100.0), qty=qty,
    ...     volume=np.full(40, 1e6), days=day)
    >>> round(fit.y, 6), round(fit.y_standard_error, 6)
    (0.8, 0.0)
    """
    cost = np.asarray(cost_bps, np.float64)
    x = sqrt_average_bps(sigma_bps, qty=qty, volume=volume, y=1.0)
    used = ~np.isnan(cost) & (x > 0.0)
    day = np.unique(np.asarray(days)[used], return_inverse=True)[1]
    groups = int(day.max()) + 1 if day.size else 0
    if used.sum() < MIN_ORDERS or groups < MIN_DAYS:
        raise InputError(
            f"a fit needs {MIN_ORDERS} orders on {MIN_DAYS} days, got {int(used.sum())} on {groups}"
        )
    x, cost = x[used], cost[used]
    weight = float((x * x).sum())
    y = float((x * cost).sum()) / weight
    scores = np.bincount(day, x * (cost - y * x))
    variance = groups / (groups - 1) * float((scores**2).sum()) / weight**2
    size = np.asarray(qty, np.float64)[used] / np.asarray(volume, np.float64)[used]
    return ImpactFit(
        y, math.sqrt(variance), int(used.sum()), groups, float(size.min()), float(size.max())
    )
