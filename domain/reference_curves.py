"""Curves over a session cut into another number of equal parts, nothing gained or lost."""

from collections.abc import Sequence

import numpy as np


def cumulative_shares(volume_curve: Sequence[float], slots: int | None = None) -> np.ndarray:
    """Share of the session's volume done by each edge: from 0 to 1, `slots + 1` values.

    Within a part volume is taken as even, so cutting finer and back changes nothing. Without
    `slots`, the curve's own parts. NaN throughout for an empty curve.
    """
    shares = np.asarray(volume_curve, np.float64)
    slots = slots or len(shares)
    if not len(shares):
        return np.full(slots + 1, np.nan)
    done = np.concatenate([[0.0], np.cumsum(shares)])
    done[-1] = 1.0
    if slots == len(shares):
        return done
    return np.interp(np.linspace(0, 1, slots + 1), np.linspace(0, 1, len(done)), done)


def multipliers(volatility_curve: Sequence[float], slots: int | None = None) -> np.ndarray:
    """Volatility multiplier of each of `slots` equal parts, mean square 1.

    Variance is spread as volume is: a part's multiplier is the root of its share of the
    session's variance. NaN throughout for an empty curve.
    """
    own = np.asarray(volatility_curve, np.float64)
    slots = slots or len(own)
    if not len(own) or slots == len(own):
        return own.copy() if len(own) else np.full(slots, np.nan)
    done = cumulative_shares((own**2 / np.sum(own**2)).tolist(), slots)
    return np.sqrt(np.diff(done) * slots)
