"""What the rules make of an order's evaluations, one after the other: verdicts."""

from typing import Any

import numpy as np

from domain.instants import NO_TIME
from domain.rows import MarketFlag
from metrics.kernel import Row, Table, kernel
from rules.hysteresis import IN_A_ROW, evaluate
from rules.levels import CLEARS_AT, POV_SHARE
from rules.severity import (
    COST,
    IMPACT,
    METRIC,
    RULES,
    SLOW,
    concerns,
    impact_z,
    is_by_share,
    is_silent,
    severity_by,
)

WATCHED = np.dtype(
    [
        ("order", "u8"),
        ("next_at", "i8"),  # when other limits begin, END_OF_TIME without any
        ("since_clear", "i8", (RULES,)),
        ("counts", "u1", (RULES,)),
        ("severity", "u1", (RULES,)),
        ("evaluations", "u1"),  # as many as it takes to begin a condition
        ("stale", "u1"),
        ("halted", "u1"),
        ("reserved", "u1", (7,)),
        ("stretch", "u4"),  # where its stretch of kept evaluations stands
        ("limits", "i4"),  # row of the table of limits, −1 where no order is watched
    ]
)
"""An open order that the rules look at."""

VERDICT = np.dtype(
    [
        ("row", "i8"),  # of the status rows
        ("rule", "i8"),
        ("severity", "i8"),  # that holds now, 0 none
        ("ended", "i8"),  # 1: with its order
        ("limits", "i8"),  # that it was judged by
        ("z", "f8"),
        ("expected", "f8"),
        ("actual", "f8"),
        ("threshold", "f8"),  # of the severity, NaN without one
    ]
)
"""A condition that began, changed its severity or ended, or one whose market stopped or goes on."""

_PROGRESS = METRIC["execution_progress"]
_EXPECTED = METRIC["expected_progress"]
_PARTICIPATION = METRIC["participation_rate"]
_SLIPPAGE = METRIC["slippage_bps"]
_IMPACT_BPS = METRIC["market_impact_bps"]
_EXPECTED_COST = METRIC["expected_cost_bps"]
_Z = METRIC["z_cost"]
_HALTED = MarketFlag.HALTED


@kernel
def begin_watching(state: Row) -> None:
    """Forget everything that was seen of an order."""
    state.since_clear[:] = NO_TIME
    state.counts[:] = 0
    state.severity[:] = 0
    state.evaluations = 0
    state.stale = 0
    state.halted = 0
    state.stretch = 0
    state.limits = 0


@kernel
def tell(
    out: Table, at: int, i: int, rule: int, severity: int, ended: int, row: Row, limits: Table,
    which: int,
) -> None:  # fmt: skip
    """Write verdict `at` about row `i`; a rule beyond the three has no numbers."""
    verdict = out[at]
    verdict.row = i
    verdict.rule = rule
    verdict.severity = severity
    verdict.ended = ended
    verdict.limits = which
    verdict.z = np.nan
    verdict.expected = np.nan
    verdict.actual = np.nan
    verdict.threshold = np.nan
    m = row.metrics
    level = limits[which].slow
    if rule == SLOW and is_by_share(row, limits[which]):
        verdict.expected = row.participation
        verdict.actual = m[_PARTICIPATION]
        if severity > 0:
            verdict.threshold = POV_SHARE[severity - 1]
        return
    if rule == SLOW:
        verdict.expected = m[_EXPECTED]
        verdict.actual = m[_PROGRESS]
    elif rule == COST:
        level = limits[which].cost
        verdict.z = m[_Z]
        verdict.expected = m[_EXPECTED_COST]
        verdict.actual = m[_SLIPPAGE]
    elif rule == IMPACT:
        level = limits[which].impact
        verdict.z = impact_z(row)
        verdict.expected = m[_EXPECTED_COST]
        verdict.actual = m[_IMPACT_BPS]
    if rule < RULES and severity > 0:
        verdict.threshold = level[severity - 1]


@kernel
def judge_open(
    state: Row, i: int, row: Row, limits: Table, out: Table, count: int, near: bool
) -> Any:  # fmt: skip
    """Take one evaluation of every rule; returns how many verdicts there are then.

    What holds is told again when the market stops and when it goes on.
    Unless `near`, no rule finds anything by the order's limits, eased as far as to clear.
    """
    state.evaluations = min(state.evaluations + 1, IN_A_ROW)
    is_halted = 1 if row.market_flags & _HALTED else 0
    turned = is_halted != state.halted
    state.halted = is_halted
    judged_by = limits[state.limits]
    for rule in range(RULES):
        before: Any = np.int64(state.severity[rule])
        if not concerns(rule, row) or is_silent(rule, row):
            state.counts[rule] = 0
            state.since_clear[rule] = NO_TIME
            if turned and before > 0:
                tell(out, count, i, rule, before, 0, row, limits, state.limits)
                count += 1
            continue
        counted: Any = np.int64(state.counts[rule])
        level: Any = np.int64(0)
        if near:
            level = severity_by(rule, row, judged_by, 1.0)
        held = level
        if near and before > 0:
            held = max(level, severity_by(rule, row, judged_by, CLEARS_AT))
        severity, counts, since = evaluate(
            before, counted, state.since_clear[rule], row.known, level, held
        )
        state.counts[rule] = counts
        state.since_clear[rule] = since
        if severity != before or (turned and severity > 0):
            state.severity[rule] = severity
            tell(out, count, i, rule, severity, 0, row, limits, state.limits)
            count += 1
    return count


@kernel
def judge_end(
    state: Row, i: int, row: Row, limits: Table, out: Table, count: int, short: bool
) -> Any:
    """What holds ends with the order; one too short to be judged is judged once, at its end."""
    for rule in range(RULES):
        if state.severity[rule] > 0:
            tell(out, count, i, rule, 0, 1, row, limits, state.limits)
            count += 1
        elif short and concerns(rule, row) and not is_silent(rule, row):
            level = severity_by(rule, row, limits[state.limits], 1.0)
            if level > 1:
                tell(out, count, i, rule, level, 1, row, limits, state.limits)
                count += 1
    return count
