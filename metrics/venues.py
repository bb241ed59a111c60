"""How venues answer: rates, times and shares."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import CensoredData, ecdf

from domain.errors import InputError
from domain.instants import NO_TIME
from metrics.formula import formula


@formula
def elapsed_ms(start_ns: int, end_ns: int) -> float:
    """Time to first fill, to completion, or from route to acknowledgement.

    (t end − t start)/1e6

    Unit: ms, from UNIX ns
    Edges: NaN where either time is not known

    >>> elapsed_ms(1_000_000_000, end_ns=1_002_500_000)
    2.5
    """
    if NO_TIME in (start_ns, end_ns):
        return math.nan
    return (end_ns - start_ns) / 1e6


@formula
def reject_rate(rejects: float, routes: float) -> float:
    """Share of routes that a venue refused or left unanswered.

    rejects / routes; shown with its Wilson interval

    Unit: share, 0–1; rejects of our own making are in neither
    Edges: NaN where nothing was routed

    >>> reject_rate(3, routes=20)
    0.15
    """
    if not routes > 0.0:
        return math.nan
    return rejects / routes


@formula
def cancel_rate(cancels: float, routes: float) -> float:
    """Share of routes that ended cancelled.

    cancels / routes; shown with its Wilson interval

    Unit: share, 0–1
    Edges: NaN where nothing was routed

    >>> cancel_rate(5, routes=20)
    0.25
    """
    if not routes > 0.0:
        return math.nan
    return cancels / routes


@formula
def fade_rate(executed_qty: float, routed_qty: float, displayed_qty: float) -> float:
    """How much of the quantity on display was gone when our route arrived.

    1 − executed / min(routed, displayed)

    Unit: share; below 0 where more was hidden than gone
    Sign: higher is worse
    Edges: NaN where nothing was routed or displayed

    >>> fade_rate(300, routed_qty=1000, displayed_qty=400)
    0.25
    """
    reachable = routed_qty if routed_qty < displayed_qty else displayed_qty
    if not reachable > 0.0 or math.isnan(routed_qty):
        return math.nan
    return 1.0 - executed_qty / reachable


def venue_distribution(executed_qty: Mapping[str, float]) -> dict[str, float]:
    """Where an order was executed.

    q venue / Σ q

    Unit: shares that add up to 1, largest first, equal ones by name
    Edges: venues without quantity are left out; empty where nothing was executed

    >>> venue_distribution({"XNAS": 300, "ARCX": 100, "BATS": 0})
    {'XNAS': 0.75, 'ARCX': 0.25}
    """
    total = math.fsum(executed_qty.values())
    traded = ((venue, qty) for venue, qty in executed_qty.items() if qty > 0)
    return {venue: qty / total for venue, qty in sorted(traded, key=lambda v: (-v[1], v[0]))}


def censored_percentile(times_ms: NDArray[Any], finished: NDArray[Any], *, pct: float) -> float:
    """Percentile of a waiting time where some orders still wait.

    least t with Kaplan–Meier survival ≤ 1 − pct/100

    Unit: ms; `finished` is false for an order that has waited this long and goes on
    Edges: NaN where too many still wait for the percentile to be known, or nothing was timed.
        Rows with a NaN time are left out. InputError where pct is not between 0 and 100
    Source: Kaplan and Meier 1958

    >>> times, finished = np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, True, False, True])
    >>> censored_percentile(times, finished, pct=50)
    2.0
    """
    if not 0.0 < pct < 100.0:
        raise InputError(f"pct must be between 0 and 100, such as 95, was {pct}")
    times, done = np.asarray(times_ms, np.float64), np.asarray(finished, bool)
    done, times = done[~np.isnan(times)], times[~np.isnan(times)]
    if times.size == 0:
        return math.nan
    survival: Any = ecdf(CensoredData(uncensored=times[done], right=times[~done])).sf
    reached = np.asarray(survival.probabilities) <= 1.0 - pct / 100.0 + 1e-12
    return float(survival.quantiles[reached][0]) if reached.any() else math.nan
