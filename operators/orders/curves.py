"""Reference numbers of symbols as kernels read them."""

from typing import Any

import numpy as np

from domain.columns import blank
from domain.instants import NO_TIME
from domain.reference import REFERENCE
from metrics.curves import curve_at, multiplier_at, sigma_bps_per_sqrt_s
from operators.kernel import Row, Table, kernel
from operators.orders.hours import session_place

_curve_at = curve_at.kernel
_multiplier_at = multiplier_at.kernel
_sigma = sigma_bps_per_sqrt_s.kernel


def reference_table(rows: np.ndarray) -> np.ndarray:
    """REFERENCE rows sorted by symbol, behind a first row that holds nothing."""
    return np.concatenate([blank(REFERENCE, 1), rows])


@kernel
def reference_row(references: Table, symbol: Row) -> Any:
    """Row of a symbol's numbers; row 0 holds none, for symbols without reference data."""
    lo = 1
    hi = references.shape[0]
    while lo < hi:
        middle = (lo + hi) >> 1
        if references[middle].symbol < symbol:
            lo = middle + 1
        else:
            hi = middle
    if lo < references.shape[0] and references[lo].symbol == symbol:
        return lo
    return 0


@kernel
def usual_between(ref: Row, hours: Table, first: int, last: int, start: int, end: int) -> Any:
    """Usual volume of (start, end], in whole sessions' volumes, by the day's curve.

    NaN without a curve; `hours[first:last]` are those of the symbol's calendar.
    """
    slots = ref.volume_slots
    if slots <= 0:
        return np.nan
    before, at_start = session_place(hours, first, last, start)
    through, at_end = session_place(hours, first, last, end)
    share = _curve_at(ref.volume_curve, slots, at_end)
    return through - before + share - _curve_at(ref.volume_curve, slots, at_start)


@kernel
def usual_qty(ref: Row, start: int, now: int, now_x: float) -> Any:
    """Volume that usually trades in the session's time from `start` to `now`."""
    slots = ref.volume_slots
    if slots <= 0 or not ref.session_s > 0.0 or now_x != now_x or start == NO_TIME:
        return np.nan
    before = max(now_x + (start - now) * 1e-9 / ref.session_s, 0.0)
    share = _curve_at(ref.volume_curve, slots, now_x) - _curve_at(ref.volume_curve, slots, before)
    return ref.adv_qty * share


@kernel
def sigma_now(ref: Row, now_x: float) -> Any:
    """Volatility at this time of the session, bps per square root of a trading second."""
    multiplier = _multiplier_at(ref.volatility_curve, ref.volatility_slots, now_x)
    return _sigma(ref.sigma_daily_bps, multiplier, ref.session_s)
