"""When a market feed spoke: silences of a whole input partition, whatever the symbol."""

from typing import Any

import numpy as np

from domain.instants import NO_TIME, SECOND
from operators.kernel import Table, kernel

SILENCE_NS = 5 * SECOND
"""A feed that says nothing for longer while its market trades is stale."""
_NEVER = (1 << 63) - 1


def spoken(rows: np.ndarray) -> np.ndarray:
    """Of a batch's market rows: (first, last) effective time, then each silence's ends.

    int64 (1 + silences, 2), UNIX ns. Clock messages are no rows and end no silence.
    """
    first, last = int(rows["t_eff"][0]), int(rows["t_eff"][-1])
    if last - first <= SILENCE_NS:
        return np.array([[first, last]])
    times = rows["t_eff"]
    at = np.flatnonzero(np.diff(times) > SILENCE_NS)
    return np.concatenate([[[first, last]], np.stack([times[at], times[at + 1]], axis=1)])


class Feed:
    """What is kept of one feed, as a table for kernels.

    Its first row holds the first and the newest time at which the feed spoke, the others the
    silences between, in order of time. One that is not watched is never silent.
    """

    def __init__(self, *, watched: bool = True, table: bytes = b"") -> None:
        self.watched = watched
        self.table = np.array([[NO_TIME, NO_TIME if watched else _NEVER]])
        if table:
            self.table = np.frombuffer(table, np.int64).reshape(-1, 2).copy()

    def take(self, news: np.ndarray) -> None:
        """Take over what `spoken` says of the feed's next rows."""
        since, last = self.table[0].tolist()
        first, newest = news[0].tolist()
        if not self.watched:
            if since == NO_TIME:
                self.table[0, 0] = first
            return
        between = since != NO_TIME and first - last > SILENCE_NS
        if len(news) > 1 or between:
            gap = [[[last, first]]] if between else []
            self.table = np.concatenate([self.table, *gap, news[1:]])
        self.table[0] = (first if since == NO_TIME else since), newest

    def forget(self, before: int) -> None:
        """Drop silences that ended before any instant that is still asked for."""
        if len(self.table) > 1:
            kept = self.table[:, 1] >= before
            kept[0] = True
            self.table = self.table[kept]


@kernel
def silent_since(feed: Table, t: int) -> Any:
    """When the feed had spoken last at t; t itself where it had no silence or never spoke."""
    last = feed[0, 1]
    if last == NO_TIME:
        return t
    if t >= last:
        return last
    lo = 1
    hi = feed.shape[0]
    while lo < hi:
        middle = (lo + hi) >> 1
        if feed[middle, 0] < t:
            lo = middle + 1
        else:
            hi = middle
    if lo > 1 and t < feed[lo - 1, 1]:
        return feed[lo - 1, 0]
    return t
