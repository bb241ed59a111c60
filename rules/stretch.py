"""Which evaluations of an order are kept, so that other thresholds can be tried on them later.

Those at which some rule comes near its lowest level are kept, and those after them until
nothing came near for a minute: by then every condition has cleared, whatever its threshold was,
and an evaluation that is not kept changes nothing. Such a stretch of kept evaluations begins
with nothing held.
"""

import numpy as np

from domain.evaluations import Part
from domain.instants import SECOND
from metrics.kernel import Row, kernel
from rules.hysteresis import CLEAR_NS
from rules.severity import COST, NO_MARKET, SLOW, concerns, is_silent

KEPT_AT = 0.4
"""Near is beyond this part of the lowest level: there, one that is halved is cleared."""

_NONE, _NEAR, _HUSHED = 0, 1, 2
"""States of a stretch; any greater number is the second since which nothing came near."""
_CLEAR_S = CLEAR_NS // SECOND
_KEPT = int(Part.KEPT)
_BEGINS = int(Part.BEGINS)
NOT_KEPT = 0


@kernel
def part_of(state: Row, row: Row, near: bool) -> int:
    """Which part of a stretch an evaluation of an open order is: a `Part`, or NOT_KEPT."""
    before = state.stretch
    if near:
        state.stretch = _NEAR
        return _BEGINS if before == _NONE else _KEPT
    if before == _NONE:
        return NOT_KEPT
    if row.market_flags & NO_MARKET:
        # Judged by nobody, one after the other: the first says it for all.
        state.stretch = _HUSHED
        return NOT_KEPT if before == _HUSHED else _KEPT
    if is_silent(SLOW, row) or (concerns(COST, row) and is_silent(COST, row)):
        # What a rule cannot see does not clear.
        state.stretch = _NEAR
        return _KEPT
    second = np.int64(row.known // SECOND)
    if before <= _HUSHED:
        state.stretch = second + 1
    elif second - before >= _CLEAR_S:
        state.stretch = _NONE
    return _KEPT
