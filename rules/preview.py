"""What other thresholds would have made of evaluations that were kept: the alerts they raise.

The conditions, the hysteresis and the life cycle are those of the live flow. What people
answered is left out, and nobody is told of anything.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.alerts import Crossing
from domain.evaluations import SHARED_COLUMNS, Part
from domain.instants import NO_TIME
from domain.published import Severity
from domain.rows import STATUS, STATUS_IN_KERNELS
from domain.thresholds import THRESHOLDS
from metrics.kernel import Table, kernel
from rules.alert_book import AlertBook
from rules.crossings import order_crossings
from rules.judgement import VERDICT, WATCHED, begin_watching, judge_end, judge_open
from rules.levels import CLEARS_AT, limits_of, widest
from rules.severity import RULES
from rules.stretch import KEPT_AT

_BEGINS = int(Part.BEGINS)
_ENDS = int(Part.ENDS)
_SHORT = int(Part.SHORT)


@kernel
def _judge_again(
    rows: Table, parts: Table, which: Table, watched: Table, limits: Table, out: Table
) -> Any:
    """Judge kept evaluations, an order's together and in time; returns how many verdicts.

    `watched` is room for one order, `out` for three verdicts a row.
    """
    count = 0
    state = watched[0]
    order = np.uint64(0)
    for i in range(rows.shape[0]):
        row = rows[i]
        if row.order != order:
            order = row.order
            begin_watching(state)
        state.limits = which[i]
        part = parts[i]
        if part == _BEGINS:
            # What is not kept between two stretches was far from every level.
            state.halted = 0
            state.counts[:] = 0
            state.since_clear[:] = NO_TIME
        if part >= _ENDS:
            count = judge_end(state, i, row, limits, out, count, part == _SHORT)
            begin_watching(state)
        else:
            count = judge_open(state, i, row, limits, out, count, True)
    return count


def judged_again(
    evaluations: NDArray[np.void],
    which: NDArray[np.int64],
    limits: NDArray[np.void],
    names: Mapping[int, str],
) -> list[Crossing]:
    """Crossings of EVALUATION rows, each judged by the row of `limits` that `which` names.

    The rows of an order stand together, in the order of time.
    """
    status = np.zeros(len(evaluations), STATUS)
    for name in SHARED_COLUMNS:
        status[name] = evaluations[name]
    verdicts = np.zeros(RULES * len(evaluations), VERDICT)
    count = _judge_again(
        status.view(STATUS_IN_KERNELS), evaluations["part"], which, np.zeros(1, WATCHED), limits,
        verdicts,
    )  # fmt: skip
    found: list[Crossing] = []
    for verdict in verdicts[:count]:
        found += order_crossings(verdict, status[int(verdict["row"])], names, "", "")
    return sorted(found, key=_place)


def _place(crossing: Crossing) -> tuple[Any, ...]:
    # A parent's before its children's, as the desks take them.
    above = len(crossing.ancestors)
    return crossing.t, above, crossing.scope, crossing.type, crossing.seq, crossing.desk


@dataclass(slots=True)
class Raised:
    """An alert that people are told of. Times in ns."""

    alert_id: str
    desk: str
    scope: str
    type: str
    symbol: str
    severity: Severity
    """With which they were first told of it."""
    started_at: int
    ended_at: int | None = None


def alerts_of(crossings: Iterable[Crossing]) -> list[Raised]:
    """The alerts that crossings make, in the order of time; LOW ones are told to nobody."""
    book = AlertBook()
    found: dict[str, Raised] = {}
    for crossing in crossings:
        for change in book.take(crossing):
            alert = change.alert
            if not change.publish:
                continue
            one = found.setdefault(
                alert.alert_id,
                Raised(
                    alert.alert_id, alert.desk, alert.scope, alert.type, alert.symbol,
                    alert.severity, alert.started_at,
                ),
            )  # fmt: skip
            if alert.state.is_over:
                one.ended_at = alert.closed_at
    return list(found.values())


def not_kept_for(thresholds: Mapping[str, float]) -> list[str]:
    """Thresholds so mild that evaluations they need may not have been kept, in order."""
    kept = widest(limits_of({}))[0]
    asked = limits_of(thresholds)[0]
    wanting: list[str] = []
    for key in sorted(thresholds):
        column = _LEVELS.get(key)
        if column is not None:
            reaches = asked[column][0] * CLEARS_AT >= kept[column][0] * KEPT_AT
        else:
            # A share that is worse below is kept only where somebody had set one.
            is_cap = THRESHOLDS[key].is_worse_above
            reaches = is_cap and asked[key] * CLEARS_AT >= kept[key] * KEPT_AT
        if not reaches:
            wanting.append(key)
    return wanting


_LEVELS = {"SLOW_EXECUTION": "slow", "HIGH_COST": "cost", "MARKET_IMPACT": "impact"}
