"""What no file can hold: times far after its beginning, or ahead of all that follows.

A message on the bus says when it was stored, so an event dated after that is found at once.
A file says no such thing, but it has an order. One damaged time would move time past
everything behind it and make good events late; so a row that leaps ahead is refused where
the rows behind it go on from before the leap. A night, a weekend or any other gap is no such
leap, since what follows it stays there.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Generic, TypeVar

import numpy as np

from domain.batch import Batch
from domain.errors import Refused
from domain.instants import END_OF_TIME, NO_TIME, SECOND, format_rfc3339
from domain.reasons import DeadLetterReason
from sources.ahead_kernel import AHEAD, AHEAD_NS, find_ahead

P = TypeVar("P")
Refusals = dict[int, Refused]
"""By the number of a row in its part, why its time cannot be right."""

LASTS_DAYS = 366
"""How long after its first events the others of a file may be."""
MOST_PARTS = 4
"""How far is looked ahead, so that little of a file is held where a topic has few rows."""
_LOOKED_AT = 101
_NOTHING = np.empty(0, np.int64)


def last_instant(times: Iterable[int]) -> int:
    """UNIX ns after which no event of a file may lie, by its first times; NO_TIME is skipped.

    The middle one of a hundred counts, so that a wrong time among them does no harm.
    """
    first = sorted(islice((t for t in times if t != NO_TIME), _LOOKED_AT))
    if not first:
        return END_OF_TIME
    return first[(len(first) - 1) // 2] + LASTS_DAYS * 86_400 * SECOND


class InTime(Generic[P]):
    """Parts of one topic of a file, each with the rows whose times cannot be right.

    `times` gives UNIX ns of a part's rows in stored order, NO_TIME where there is none;
    `last` is what `last_instant` says, `newest` the newest time before the first part. A few
    parts are read ahead where the rows at the end of one need to be told from gaps.
    """

    def __init__(
        self, parts: Iterator[P], times: Callable[[P], np.ndarray], *, last: int, newest: int
    ) -> None:
        self._parts = parts
        self._times = times
        self._last = last
        self._newest = self._before = newest
        self._read: deque[tuple[P, np.ndarray]] = deque()

    def __iter__(self) -> Iterator[tuple[P, Refusals]]:
        while self._read or self._read_on():
            part, times = self._read.popleft()
            self._before = self._newest
            yield part, self._judge(times)

    def built(self, batch: Batch) -> None:
        """What came of the last part: rows that were refused for other reasons move no time."""
        if batch.dead:
            told = [rows["ts_event"].max() for rows in (batch.market, batch.events) if len(rows)]
            self._newest = max(self._before, batch.watermark, *map(int, told))

    def _read_on(self) -> bool:
        part = next(self._parts, None)
        if part is not None:
            self._read.append((part, self._times(part)))
        return part is not None

    def _judge(self, times: np.ndarray) -> Refusals:
        verdicts = np.zeros(len(times), np.int8)
        following, ended = _NOTHING, False
        while True:
            newest, reached = find_ahead(
                times, following, ended, self._last, self._before, verdicts
            )
            if reached == len(times):
                break
            ended = len(self._read) == MOST_PARTS or not self._read_on()
            following = np.concatenate([_NOTHING, *(t for _, t in self._read)])
        self._newest = newest
        return {
            i: self._refused(int(times[i]), int(verdicts[i]), (times[i + 1 :], following))
            for i in np.flatnonzero(verdicts).tolist()
        }

    def _refused(self, t: int, verdict: int, rest: tuple[np.ndarray, ...]) -> Refused:
        if verdict == AHEAD:
            behind = np.concatenate(rest)
            behind = behind[(behind != NO_TIME) & (behind < t - AHEAD_NS)]
            goes_on = int(behind[behind >= self._before - AHEAD_NS][0])
            words = f"but the events after it go on from {format_rfc3339(goes_on)}"
        else:
            words = f"more than {LASTS_DAYS} days after the file's first events"
        return Refused(DeadLetterReason.FUTURE, f"ts_event is {format_rfc3339(t)}, {words}")
