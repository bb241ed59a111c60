"""Reference numbers of symbols as kernels read them, one row of floats for each symbol."""

import numpy as np

from operators.kernel import kernel

NUMBERS = ("symbol", "adv_qty", "sigma_daily_bps", "beta", "spread_bps", "tick", "session_s")
"""First columns of a row; `symbol` is the key's bits. The curves follow."""
HALF_HOURS = 26
"""Cumulative volume shares at the edges, then volatility multipliers, of the session."""
OPEN_NS = len(NUMBERS)
CURVE = OPEN_NS + 1
VOLATILITY = CURVE + HALF_HOURS + 1
WIDTH = VOLATILITY + HALF_HOURS


@kernel
def reference_row(references, symbol):
    """Row of a symbol's numbers; row 0 holds none, for symbols without reference data."""
    lo = 1
    hi = references.shape[0]
    keys = references.view(np.uint64)
    while lo < hi:
        middle = (lo + hi) >> 1
        if keys[middle, 0] < symbol:
            lo = middle + 1
        else:
            hi = middle
    if lo < references.shape[0] and keys[lo, 0] == symbol:
        return lo
    return 0


@kernel
def _position(ref, ts):
    """Half hours since the session opened, within [0, HALF_HOURS]."""
    day_ns = 86_400_000_000_000
    since = (ts - np.int64(ref[OPEN_NS])) % day_ns
    length = ref[6] / HALF_HOURS
    return min(since * 1e-9 / length, float(HALF_HOURS))


@kernel
def _volume_through(ref, ts):
    at = _position(ref, ts)
    i = min(int(at), HALF_HOURS - 1)
    return ref[CURVE + i] + (at - i) * (ref[CURVE + i + 1] - ref[CURVE + i])


@kernel
def curve_share(ref, start, end, now):
    """Share of the volume expected in [start, end] that falls before now, by the day's curve."""
    if not ref[CURVE + HALF_HOURS] > 0.0:
        return np.nan
    first = _volume_through(ref, start)
    whole = _volume_through(ref, end) - first
    if not whole > 0.0:
        return np.nan
    return (_volume_through(ref, now) - first) / whole


@kernel
def sigma_now(ref, ts):
    """Volatility at this time of the session, bps per square root of a trading second."""
    if not ref[6] > 0.0 or not ref[2] >= 0.0 or ref[OPEN_NS] != ref[OPEN_NS]:
        return ref[2] / np.sqrt(ref[6])
    per_second = ref[2] / np.sqrt(ref[6])
    multiplier = ref[VOLATILITY + min(int(_position(ref, ts)), HALF_HOURS - 1)]
    return per_second * (multiplier if multiplier == multiplier else 1.0)


def no_references() -> np.ndarray:
    """The table of a run without reference data: the one empty row."""
    return np.full((1, WIDTH), np.nan)
