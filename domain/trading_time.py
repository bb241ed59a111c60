"""Where times fall within trading time, for whole arrays of them.

`table` is always `domain.calendars.trading_table` over a range that holds the times.
"""

import numpy as np


def elapsed_ns(table: np.ndarray, ts: np.ndarray) -> np.ndarray:
    """Trading ns from the table's first open to each time; constant while nothing trades.

    The difference of two is the trading time between them.
    """
    ts = np.asarray(ts, np.int64)
    if not len(table):
        return np.zeros(ts.shape, np.int64)
    row = np.maximum(np.searchsorted(table["open"], ts, side="right") - 1, 0)
    found = table[row]
    inside = np.clip(ts, found["open"], found["close"]) - found["open"]
    return found["before"] + inside


def session_fraction(table: np.ndarray, ts: np.ndarray) -> np.ndarray:
    """Share of the session's trading time that has passed, 0–1; NaN before the first open.

    From a close to the next open it is 1, and through a break it stands still.
    """
    ts = np.asarray(ts, np.int64)
    if not len(table):
        return np.full(ts.shape, np.nan)
    row = np.searchsorted(table["open"], ts, side="right") - 1
    found = table[np.maximum(row, 0)]
    inside = np.clip(ts, found["open"], found["close"]) - found["open"]
    return np.where(row < 0, np.nan, (found["session_before"] + inside) / found["session"])


def in_trading(table: np.ndarray, ts: np.ndarray) -> np.ndarray:
    """Whether each time lies within a stretch of trading, its open included."""
    ts = np.asarray(ts, np.int64)
    if not len(table):
        return np.zeros(ts.shape, np.bool_)
    row = np.searchsorted(table["open"], ts, side="right") - 1
    return (row >= 0) & (ts < table["close"][np.maximum(row, 0)])
