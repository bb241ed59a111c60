"""The kernel that finds times which lie ahead of what follows them."""

import numpy as np
from numba import njit

from domain.instants import NO_TIME, SECOND

FOLLOWERS = 32
"""How many of the rows behind one are asked about it."""
ENOUGH = 8
"""Where fewer are left they say nothing."""
AHEAD_NS = 5 * SECOND
"""A row may be so far ahead of others: they are late, as `allowed_lateness` lets them be."""

IN_TIME, AHEAD, FAR = 0, 1, 2
UNDECIDED = -1


@njit(cache=True, nogil=True, error_model="numpy")
def find_ahead(
    times: np.ndarray, following: np.ndarray, ended: bool, last: int, newest: int,
    verdicts: np.ndarray,
) -> tuple[int, int]:  # fmt: skip
    """Write a verdict on each of `times`; returns (newest time in time, index reached).

    `following` are times after them, and all there are where `ended`. The index is short of
    the end where more must follow for a verdict. What lies after `last` is FAR.
    """
    chain = np.empty(FOLLOWERS, np.int64)
    for i in range(times.shape[0]):
        t = times[i]
        if t > last:
            verdicts[i] = FAR
        elif t <= newest + AHEAD_NS:
            newest = max(newest, t)
        else:
            verdict = _verdict(t, i + 1, times, following, ended, last, newest, chain)
            if verdict == UNDECIDED:
                return newest, i
            verdicts[i] = verdict
            if verdict == IN_TIME:
                newest = t
    return newest, times.shape[0]


@njit(cache=True, nogil=True, error_model="numpy")
def _verdict(
    t: int, begin: int, times: np.ndarray, following: np.ndarray, ended: bool, last: int,
    newest: int, chain: np.ndarray,
) -> int:  # fmt: skip
    """AHEAD where two in three of the next rows go on from `newest`, far behind t.

    Those count that are in order among themselves, so a file that is not in order of time,
    or begins anew, refuses nothing. Rows up to AHEAD_NS apart count as in order.
    """
    n = times.shape[0]
    asked = going_on = agreed = 0
    since = newest
    for j in range(begin, n + following.shape[0]):
        other = times[j] if j < n else following[j - n]
        if other == NO_TIME or other > last:
            continue
        asked += 1
        if other >= t - AHEAD_NS:
            agreed += 1
            if 3 * agreed > FOLLOWERS:
                return IN_TIME
        elif newest == NO_TIME or other >= newest - AHEAD_NS:
            since = other if since == NO_TIME else since
            step = int((other - since + AHEAD_NS) // (2 * AHEAD_NS))
            going_on = _chained(chain, going_on, step)
        if asked == FOLLOWERS:
            break
    if asked < FOLLOWERS and not ended:
        return UNDECIDED
    return AHEAD if asked >= ENOUGH and 3 * going_on >= 2 * asked else IN_TIME


@njit(cache=True, nogil=True, error_model="numpy")
def _chained(chain: np.ndarray, length: int, value: int) -> int:
    """Length of the longest rising run of values, not all in a row, with one more value.

    `chain[k]` is the least value at which one of k + 1 members ends.
    """
    low, high = 0, length
    while low < high:
        middle = (low + high) >> 1
        if chain[middle] <= value:
            low = middle + 1
        else:
            high = middle
    chain[low] = value
    return max(length, low + 1)
