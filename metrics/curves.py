"""A session's usual shape: volume done by a time, volatility at a time, trading time itself.

A curve cuts the session's trading time into equal parts. A time of day is asked as the
fraction of that trading time that has passed, 0 at the open and 1 at the close, so a half day
runs through the whole curve.
"""

import math

from metrics.formula import FloatArray, formula, tape_formula


@formula
def sigma_bps_per_sqrt_s(
    sigma_daily_bps: float, multiplier: float, session_seconds: float
) -> float:
    """Volatility of the moment, by which a wait's risk grows with the root of its seconds.

    σ daily·μ/√S, with μ the multiplier of this part of the session and S its trading seconds

    Unit: bps per √s; μ has mean square 1 over the session
    Edges: a missing multiplier is 1, the day's average; NaN where σ is missing or negative or
        the session's length is not positive

    >>> round(sigma_bps_per_sqrt_s(150.0, multiplier=1.2, session_seconds=23400), 6)
    1.176697
    """
    if not sigma_daily_bps >= 0.0 or not session_seconds > 0.0:
        return math.nan
    scale = 1.0 if math.isnan(multiplier) else multiplier
    return sigma_daily_bps * scale / math.sqrt(session_seconds)


@tape_formula
def curve_at(cumulative: FloatArray, slots: int, fraction: float) -> float:
    """Share of a session's volume that is usually done by a time of it.

    C(x): linear between the edges of the session's parts, C(0) = 0, C(1) = 1

    Unit: share, 0–1; `cumulative` holds C at slots + 1 edges, anything after them is ignored
    Edges: 0 before the open, the last edge after the close; NaN without a curve or a fraction

    >>> curve_at(np.array([0.0, 0.5, 1.0]), slots=2, fraction=0.25)
    0.25
    """
    parts = int(slots)
    if parts <= 0 or math.isnan(fraction):
        return math.nan
    position = min(max(fraction, 0.0), 1.0) * parts
    i = min(int(position), parts - 1)
    return cumulative[i] + (position - i) * (cumulative[i + 1] - cumulative[i])


@tape_formula
def multiplier_at(multipliers: FloatArray, slots: int, fraction: float) -> float:
    """Volatility of this part of the session over the whole session's.

    μ(x): constant within each of the session's equal parts

    Unit: ratio, mean square 1 over the session; `multipliers` holds one for each of `slots`
    Edges: the first part's before the open, the last part's after the close; NaN without a
        curve or a fraction

    >>> multiplier_at(np.array([1.2, 0.7]), slots=2, fraction=0.75)
    0.7
    """
    parts = int(slots)
    if parts <= 0 or math.isnan(fraction):
        return math.nan
    position = min(max(fraction, 0.0), 1.0) * parts
    return multipliers[min(int(position), parts - 1)]
