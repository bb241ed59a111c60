"""When a market feed spoke: silences of a whole input partition, whatever the symbol."""

from typing import Any

import numpy as np

from domain.errors import other_version
from domain.instants import NO_TIME, SECOND
from domain.rows import MarketFlag
from operators.kernel import Table, kernel
from operators.usual_gap import SILENCE_NS, WORD_NS, UsualGap

VERSION = 1
"""Of what `Feed.dump` gives."""
STEADY_NS = 60 * SECOND
"""For so long, or so long a silence as would be odd, a feed speaks before it is well again."""
_NEVER = (1 << 63) - 1
_SILENT = MarketFlag.SILENT
_UNSTEADY = MarketFlag.UNSTEADY


def spoken(rows: np.ndarray) -> np.ndarray:
    """Of a batch's market rows: (first, last) effective time, then each gap's ends.

    int64 (1 + gaps, 2), UNIX ns. Clock messages are no rows and end no gap.
    """
    first, last = int(rows["t_eff"][0]), int(rows["t_eff"][-1])
    if last - first <= WORD_NS:
        return np.array([[first, last]])
    times = rows["t_eff"]
    at = np.flatnonzero(np.diff(times) > WORD_NS)
    return np.concatenate([[[first, last]], np.stack([times[at], times[at + 1]], axis=1)])


class Feed:
    """What is kept of one feed, as a table for kernels, and how long its gaps usually are.

    Its first row holds the first and the newest time at which the feed spoke, the others the
    silences between, in order of time; each with the length from which silence then was odd.
    One that is not watched is never silent.
    """

    def __init__(self, *, watched: bool = True, kept: tuple[Any, ...] | None = None) -> None:
        self.watched = watched
        self.table = np.array([[NO_TIME, NO_TIME if watched else _NEVER, SILENCE_NS]])
        self._usual = UsualGap()
        self._speaks_since = NO_TIME
        """End of the newest gap."""
        if kept is not None:
            self._load(kept)

    def dump(self) -> tuple[Any, ...]:
        """Plain data, for the constructor."""
        usual = self._usual
        averages = (usual.excess_s, usual.share, usual.words)
        return VERSION, self.table.tobytes(), self._speaks_since, averages

    def _load(self, kept: Any) -> None:
        version = kept[0] if isinstance(kept, tuple) else 0
        if version != VERSION:
            raise other_version("the snapshot of a feed's silences", version, VERSION)
        _, table, self._speaks_since, averages = kept
        self.table = np.frombuffer(table, np.int64).reshape(-1, 3).copy()
        self._usual = UsualGap(*averages)

    def take(self, news: np.ndarray) -> None:
        """Take over what `spoken` says of the feed's next rows."""
        since, last = self.table[0, :2].tolist()
        first, newest = news[0].tolist()
        if not self.watched:
            if since == NO_TIME:
                self.table[0, 0] = first
            return
        gaps = news[1:].tolist()
        if since == NO_TIME:
            since = self._speaks_since = first
        elif first - last > WORD_NS:
            gaps.insert(0, [last, first])
        noted = [(begin, end, self._note(begin, end)) for begin, end in gaps]
        silences = [row for row in noted if row[1] - row[0] > SILENCE_NS]
        if silences:
            self.table = np.concatenate([self.table, silences])
        self.table[0] = since, newest, self._usual.limit_ns(newest - self._speaks_since)

    def _note(self, begin: int, end: int) -> int:
        limit = self._usual.note(begin - self._speaks_since, end - begin)
        self._speaks_since = end
        return limit

    def forget(self, before: int) -> None:
        """Drop silences that mean nothing for any instant that is still asked for."""
        if len(self.table) > 1:
            # What was odd before a silence is asked for in it, however long it is.
            before = min(before, int(silent_since(self.table, before)))
            begin, end, limit = self.table.T
            until = np.where(end - begin > limit, end + np.maximum(limit, STEADY_NS), end)
            kept = until >= before
            kept[0] = True
            self.table = self.table[kept]


@kernel
def _silences_before(feed: Table, t: int) -> Any:
    """Index of the first row, from 1 on, whose silence began at t or later."""
    lo = 1
    hi = feed.shape[0]
    while lo < hi:
        middle = (lo + hi) >> 1
        if feed[middle, 0] < t:
            lo = middle + 1
        else:
            hi = middle
    return lo


@kernel
def silent_since(feed: Table, t: int) -> Any:
    """When the feed had spoken last at t; t itself where it had no silence or never spoke."""
    last = feed[0, 1]
    if last == NO_TIME:
        return t
    if t >= last:
        return last
    lo = _silences_before(feed, t)
    if lo > 1 and t < feed[lo - 1, 1]:
        return feed[lo - 1, 0]
    return t


@kernel
def silence_at(feed: Table, t: int, opened: int) -> Any:
    """Bits of MarketFlag: SILENT where a silence had become odd at t, UNSTEADY soon after one.

    Of a silence that began before the market `opened`, the time since then counts. A feed that
    says nothing for five seconds just then is not well again before it speaks.
    """
    last = feed[0, 1]
    if last == NO_TIME:
        return 0
    lo = _silences_before(feed, t)
    spoke = t
    limit = feed[0, 2]
    if t >= last:
        spoke = max(last, opened)
    elif lo > 1 and t < feed[lo - 1, 1]:
        lo -= 1
        spoke = max(feed[lo, 0], opened)
        limit = feed[lo, 2]
    if t - spoke > limit:
        return _SILENT
    steady = t if t - spoke <= SILENCE_NS else spoke
    for i in range(lo - 1, 0, -1):
        end = feed[i, 1]
        limit = feed[i, 2]
        if end - max(feed[i, 0], opened) > limit and steady - end < max(limit, STEADY_NS):
            return _UNSTEADY
    return 0
