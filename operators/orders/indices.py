"""What an order's index did while it was worked."""

from typing import Any

import numpy as np

from operators.arrays import joined
from operators.kernel import Row, Table, kernel
from operators.pieces import INDEX_MID


@kernel
def index_mid(indices: Table, symbol: Row, t: int) -> Any:
    """Mid of an index at the last whole second at or before t; NaN where none is known."""
    lo = 0
    hi = indices.shape[0]
    while lo < hi:
        middle = (lo + hi) >> 1
        row = indices[middle]
        if row.symbol < symbol or (row.symbol == symbol and row.ts <= t):
            lo = middle + 1
        else:
            hi = middle
    if lo == 0 or indices[lo - 1].symbol != symbol:
        return np.nan
    return indices[lo - 1].mid


@kernel
def index_return(indices: Table, symbol: Row, since: int, until: int) -> Any:
    """Return of an index between two instants, as a fraction; NaN where either is unknown."""
    before = index_mid(indices, symbol, since)
    if not before > 0.0:
        return np.nan
    return index_mid(indices, symbol, until) / before - 1.0


def with_mids(known: np.ndarray, news: np.ndarray) -> np.ndarray:
    """Mids of indices by symbol and time."""
    rows = joined((known, news), INDEX_MID)
    if len(known) and len(news) and (known["symbol"] == news["symbol"][0]).all():
        return rows
    return rows.take(np.lexsort((rows["ts"], rows["symbol"])))


def recent_mids(mids: np.ndarray, before: int) -> np.ndarray:
    """Mids without those that nobody asks for any more at or after an instant."""
    followed = np.append(mids["symbol"][1:] == mids["symbol"][:-1], [False])[: len(mids)]
    stale = followed & np.append(mids["ts"][1:] <= before, [False])[: len(mids)]
    return mids[~stale]
