"""From evaluations to a condition that holds: three in a row begin it, a minute ends it.

The state of one condition is three whole numbers: the severity that holds (0 none), how many
evaluations in a row were at each severity or above (two bits each, LOW in the lowest), and when
it was first back across its level (NO_TIME while it is not).
"""

from domain.instants import NO_TIME, SECOND
from metrics.formula import compiled
from rules.levels import CRITICAL, LOW

IN_A_ROW = 3
CRITICAL_IN_A_ROW = 2
CLEAR_NS = 60 * SECOND

_MOST = 3
_BITS = 2


@compiled
def evaluate(
    severity: int, counts: int, since_clear: int, t: int, level: int, held: int
) -> tuple[int, int, int]:
    """Take one evaluation, at t ns; returns the state after it.

    `level` is the severity whose condition holds now, `held` (at least as much) the one whose
    condition has not ended. A severity begins with its third evaluation in a row (CRITICAL with
    its second). The one that holds ends when it was back across its level for a minute; what is
    still held then stays.
    """
    rising = 0
    after = 0
    for s in range(LOW, CRITICAL + 1):
        shift = _BITS * (s - LOW)
        count = min(((counts >> shift) & _MOST) + 1, _MOST) if level >= s else 0
        after |= count << shift
        if count >= (CRITICAL_IN_A_ROW if s == CRITICAL else IN_A_ROW):
            rising = s
    if rising > severity:
        return rising, after, NO_TIME
    if held >= severity:
        return severity, after, NO_TIME
    if since_clear == NO_TIME:
        return severity, after, t
    if t - since_clear >= CLEAR_NS:
        return held, after, NO_TIME
    return severity, after, since_clear
