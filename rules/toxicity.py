"""Venues after whose fills the market goes against us more than after others'."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.efficiency import normal_cdf
from metrics.inference import benjamini_hochberg
from metrics.statistics import clustered_mean

LEAST_FILLS = 100
FALSE_SHARE = 0.05
"""Of the venues that are flagged, this share may be flagged by chance."""


@dataclass(frozen=True, slots=True)
class VenueMarkout:
    """A venue beside all others."""

    venue: str
    n: int
    excess_bps: float
    """Mean markout cost here less that of the others' fills; positive is against us."""
    z: float
    q: float
    """Share of false flags among venues flagged at this value; NaN under 100 fills."""

    @property
    def is_toxic(self) -> bool:
        """Whether it deserves an alert."""
        return self.q < FALSE_SHARE and self.excess_bps > 0.0


def compare_venues(
    markout_cost_bps: NDArray[Any],
    *,
    venues: NDArray[Any],
    orders: NDArray[Any],
    days: NDArray[Any],
) -> list[VenueMarkout]:
    """Each venue's fills against those of all other venues, one row a venue, by name.

    One-sided, with errors clustered by order and day, and Benjamini–Hochberg over the venues
    that have enough fills. Fills without a markout are left out; over one day alone nothing is
    flagged. Compare fills of one liquidity only: those that took pay a spread that those that
    rested earn.
    """
    known = ~np.isnan(markout_cost_bps)
    cost, venue = markout_cost_bps[known], venues[known]
    order, day = orders[known], days[known]
    found: list[VenueMarkout] = []
    p_values: list[float] = []
    for name in np.unique(venue).tolist():
        here = venue == name
        n = int(here.sum())
        own = clustered_mean(cost[here], orders=order[here], days=day[here])
        rest = clustered_mean(cost[~here], orders=order[~here], days=day[~here])
        excess = own.mean - rest.mean
        error = math.hypot(own.standard_error, rest.standard_error)
        z = excess / error if error > 0.0 else math.nan
        judged = n >= LEAST_FILLS
        p_values.append(1.0 - normal_cdf(z) if judged else math.nan)
        found.append(VenueMarkout(str(name), n, excess, z, math.nan))
    q = benjamini_hochberg(np.array(p_values))
    return [
        VenueMarkout(row.venue, row.n, row.excess_bps, row.z, float(value))
        for row, value in zip(found, q, strict=True)
    ]
