"""The kernel that judges orders by the rules, row by row, and tells what changed."""

from typing import Any

import numpy as np

from domain.instants import NO_TIME
from domain.rows import STATUS_METRICS, MarketFlag
from domain.vocabulary import CLOSED_STATES, EventKind, Schedule
from operators.kernel import Row, Table, kernel
from operators.lookup import find, put, remove
from rules.conditions import (
    away_from_limit_bps,
    high_cost,
    market_impact,
    over_cap,
    slow_by_gap,
    slow_by_share,
    under_floor,
    z_impact,
)
from rules.hysteresis import IN_A_ROW, evaluate
from rules.levels import CLEARS_AT, POV_SHARE

SLOW, COST, IMPACT, DATA = range(4)
"""Rules by number; the last tells whether an order's feed is silent."""
RULES = 3

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
        ("catches_up", "u1"),  # evaluations for which it need not be on schedule after a halt
        ("reserved", "u1", (2,)),
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
MOST_VERDICTS = RULES + 1
"""Of one row."""

_M = {name: i for i, name in enumerate(STATUS_METRICS)}
_PROGRESS = _M["execution_progress"]
_EXPECTED = _M["expected_progress"]
_SPEED = _M["execution_speed"]
_FILL_RATE = _M["fill_rate"]
_PARTICIPATION = _M["participation_rate"]
_SLIPPAGE = _M["slippage_bps"]
_ADJUSTED = _M["slippage_index_adjusted_bps"]
_IMPACT_BPS = _M["market_impact_bps"]
_EXPECTED_COST = _M["expected_cost_bps"]
_RISK = _M["risk_bps"]
_Z = _M["z_cost"]
_EFFICIENCY = _M["cost_efficiency"]

_MARK = int(EventKind.MARK)
_POV = int(Schedule.POV)
_VWAP = int(Schedule.VWAP)
_NO_MARKET = MarketFlag.HALTED | MarketFlag.CLOSED | MarketFlag.PRE_OPEN
_STALE = MarketFlag.STALE
_HALTED = MarketFlag.HALTED
_SHOWS_ONLY = MarketFlag.SHOWS_ONLY
_CLOSED = tuple(sorted(int(state) for state in CLOSED_STATES))
_BY_GAP = slow_by_gap.kernel
_BY_SHARE = slow_by_share.kernel
_HIGH_COST = high_cost.kernel
_MARKET_IMPACT = market_impact.kernel
_Z_IMPACT = z_impact.kernel
_OVER = over_cap.kernel
_UNDER = under_floor.kernel
_AWAY = away_from_limit_bps.kernel
_POV_LOW, _POV_MEDIUM, _POV_HIGH, _POV_CRITICAL = POV_SHARE

CATCH_UP = 12
"""Evaluations after a halt, a minute of them: what fell due meanwhile cannot be done at once."""

DONE, NEW_ORDER, NEW_LIMITS, FULL = range(4)
"""Why `judge` stopped."""


@kernel
def _is_over(state: int) -> bool:
    return state == _CLOSED[0] or state == _CLOSED[1] or state == _CLOSED[2] or state == _CLOSED[3]


@kernel
def _is_judged(row: Row) -> bool:
    """Whether the rules look at a row: marks and ends of orders that have a plan of their own."""
    if row.provisional or row.market_flags & _SHOWS_ONLY:
        return False
    if row.parent != 0 and row.schedule == 0:
        return False
    return row.kind == _MARK or _is_over(row.state)


@kernel
def _ends_now(row: Row) -> bool:
    """Whether this row brings the order's end, so that it is judged once more."""
    return row.closed_ts != NO_TIME and row.ts == row.closed_ts and row.restated == 0


@kernel
def least_qty(row: Row) -> Any:
    """The greatest of a slice, as the order's fills tell it, and a lot."""
    least = row.lot if row.lot > 0.0 else 0.0
    if row.fills > 0:
        least = max(least, row.cum_qty / row.fills)
    return least


@kernel
def _is_by_share(row: Row, limits: Row) -> bool:
    """Whether being slow means too small a share of the volume, and no gap of progress."""
    return row.schedule == _POV and limits.slow_is_asked == 0


@kernel
def _slow(row: Row, limits: Row, ease: float) -> Any:
    m = row.metrics
    tau = 0.0
    nan = np.nan
    found = 0.0
    of_volume = row.schedule == _POV
    if of_volume:
        found = _BY_SHARE(
            m[_PROGRESS], m[_EXPECTED], row.order_qty, least_qty(row), tau, m[_PARTICIPATION],
            row.participation, ease, _POV_LOW, _POV_MEDIUM, _POV_HIGH, _POV_CRITICAL,
        )  # fmt: skip
    if not of_volume or limits.slow_is_asked:
        levels = limits.slow
        found = max(
            found,
            _BY_GAP(
                m[_PROGRESS], m[_EXPECTED], row.order_qty, least_qty(row), tau, nan, nan, ease,
                levels[0], levels[1], levels[2], levels[3],
            ),
        )  # fmt: skip
    found = max(found, _UNDER(m[_SPEED], limits.EXECUTION_SPEED, ease))
    return max(found, _UNDER(m[_FILL_RATE], limits.FILL_RATE, ease))


@kernel
def spread_bps(row: Row) -> Any:
    """The quoted spread of the row's market, or the usual one where there is no quote."""
    mid = 0.5 * (row.bid + row.ask)
    if mid > 0.0 and row.ask >= row.bid:
        return (row.ask - row.bid) / mid * 1e4
    return row.usual_spread_bps


@kernel
def _cost(row: Row, limits: Row, ease: float) -> Any:
    m = row.metrics
    levels = limits.cost
    twin = (m[_ADJUSTED] - m[_EXPECTED_COST]) / m[_RISK]
    found = _HIGH_COST(
        m[_Z], twin, m[_PROGRESS], m[_SLIPPAGE], spread_bps(row), ease,
        levels[0], levels[1], levels[2], levels[3],
    )  # fmt: skip
    found = max(found, _OVER(m[_SLIPPAGE], limits.SLIPPAGE, ease))
    return max(found, _UNDER(m[_EFFICIENCY], limits.COST_EFFICIENCY, ease))


@kernel
def impact_z(row: Row) -> Any:
    """z of the market's move against the order, beside what the order should have caused."""
    m = row.metrics
    half = 0.5 * row.usual_spread_bps
    return _Z_IMPACT(m[_IMPACT_BPS], m[_EXPECTED_COST], half, m[_PROGRESS], m[_RISK])


@kernel
def _impact(row: Row, limits: Row, ease: float) -> Any:
    m = row.metrics
    levels = limits.impact
    found = _MARKET_IMPACT(
        impact_z(row), m[_PARTICIPATION], ease, levels[0], levels[1], levels[2], levels[3]
    )
    return max(found, _OVER(m[_IMPACT_BPS], limits.MARKET_IMPACT_BPS, ease))


@kernel
def _severity(rule: int, row: Row, limits: Row, ease: float) -> Any:
    if rule == SLOW:
        return np.int64(_slow(row, limits, ease))
    if rule == COST:
        return np.int64(_cost(row, limits, ease))
    return np.int64(_impact(row, limits, ease))


@kernel
def _is_silent(rule: int, row: Row) -> bool:
    """Whether nothing can be said: no market, or none that is fresh where the rule needs it."""
    if row.market_flags & _NO_MARKET:
        return True
    if not row.market_flags & _STALE:
        return False
    return rule != SLOW or row.schedule == _POV or row.schedule == _VWAP


@kernel
def _tell(
    out: Table, at: int, i: int, rule: int, severity: int, ended: int, row: Row, limits: Table,
    which: int,
) -> None:  # fmt: skip
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
    if rule == SLOW and _is_by_share(row, limits[which]):
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
    if rule != DATA and severity > 0:
        verdict.threshold = level[severity - 1]


@kernel
def _judge_open(
    state: Row, i: int, row: Row, limits: Table, out: Table, count: int
) -> Any:  # fmt: skip
    """Take one evaluation of every rule; returns how many verdicts there are then."""
    closed = row.market_flags & _NO_MARKET
    is_stale = 1 if row.market_flags & _STALE and not closed else 0
    if is_stale != state.stale:
        state.stale = is_stale
        _tell(out, count, i, DATA, is_stale, 0, row, limits, state.limits)
        count += 1
    is_halted = 1 if row.market_flags & _HALTED else 0
    turned = is_halted != state.halted
    state.halted = is_halted
    if is_halted:
        state.catches_up = CATCH_UP
    elif state.catches_up > 0:
        state.catches_up -= 1
    state.evaluations = min(state.evaluations + 1, IN_A_ROW)
    judged_by = limits[state.limits]
    for rule in range(RULES):
        is_excused = state.catches_up > 0 if rule == SLOW else row.parent != 0
        if is_excused or _is_silent(rule, row):
            state.counts[rule] = 0
            state.since_clear[rule] = NO_TIME
            if turned and state.severity[rule] > 0:
                held_now: Any = np.int64(state.severity[rule])
                _tell(out, count, i, rule, held_now, 0, row, limits, state.limits)
                count += 1
            continue
        level = _severity(rule, row, judged_by, 1.0)
        held = level
        before: Any = np.int64(state.severity[rule])
        counted: Any = np.int64(state.counts[rule])
        if before > 0:
            held = max(level, _severity(rule, row, judged_by, CLEARS_AT))
        severity, counts, since = evaluate(
            before, counted, state.since_clear[rule], row.known, level, held
        )
        state.counts[rule] = counts
        state.since_clear[rule] = since
        if severity != before or (turned and severity > 0):
            state.severity[rule] = severity
            _tell(out, count, i, rule, severity, 0, row, limits, state.limits)
            count += 1
    return count


@kernel
def _judge_end(state: Row, i: int, row: Row, limits: Table, out: Table, count: int) -> Any:
    """What holds ends with the order; one too short to be judged is judged once, at its end."""
    short = state.evaluations < IN_A_ROW and _ends_now(row)
    for rule in range(RULES):
        if state.severity[rule] > 0:
            _tell(out, count, i, rule, 0, 1, row, limits, state.limits)
            count += 1
        elif short and (rule == SLOW or row.parent == 0) and not _is_silent(rule, row):
            level = _severity(rule, row, limits[state.limits], 1.0)
            if level > 1:
                _tell(out, count, i, rule, level, 1, row, limits, state.limits)
                count += 1
    if state.stale:
        _tell(out, count, i, DATA, 0, 1, row, limits, state.limits)
        count += 1
    return count


@kernel
def watch_new(
    rows: Table, begin: int, table: Table, watched: Table, free: Table, freed: int, next_at: int
) -> Any:
    """Watch every order among the rows from `begin` that `judge` would stop at.

    They take the last of the `freed` rows listed in `free`, of which there must be as many as
    rows are left. Returns how many are still free.
    """
    for i in range(begin, rows.shape[0]):
        row = rows[i]
        if not _is_judged(row) or find(table, row.order) >= 0:
            continue
        if _is_over(row.state) and not _ends_now(row):
            continue
        freed -= 1
        at = free[freed]
        state = watched[at]
        state.order = row.order
        state.next_at = next_at
        state.since_clear[:] = NO_TIME
        state.counts[:] = 0
        state.severity[:] = 0
        state.evaluations = 0
        state.stale = 0
        state.halted = 0
        state.catches_up = 0
        state.limits = 0
        put(table, row.order, at)
    return freed


@kernel
def judge(
    rows: Table,
    begin: int,
    table: Table,
    watched: Table,
    limits: Table,
    free: Table,
    freed: int,
    out: Table,
) -> tuple[Any, ...]:
    """Judge the marks and ends among STATUS_IN_KERNELS rows from index `begin`.

    Returns (index reached, verdicts, rows freed, why it stopped): at a mark of an order that
    is not watched yet, or whose limits change, or when there is no room for more verdicts.
    Orders that are over leave the table; their rows are appended to `free`.
    """
    count = 0
    for i in range(begin, rows.shape[0]):
        row = rows[i]
        if not _is_judged(row):
            continue
        over = _is_over(row.state)
        at = find(table, row.order)
        if at < 0:
            if over and not _ends_now(row):
                continue
            return i, count, freed, NEW_ORDER
        if row.known >= watched[at].next_at:
            return i, count, freed, NEW_LIMITS
        if count + MOST_VERDICTS > out.shape[0]:
            return i, count, freed, FULL
        if over:
            count = _judge_end(watched[at], i, row, limits, out, count)
            remove(table, row.order)
            watched[at].limits = -1
            free[freed] = at
            freed += 1
        else:
            count = _judge_open(watched[at], i, row, limits, out, count)
    return rows.shape[0], count, freed, DONE
