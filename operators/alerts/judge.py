"""The kernel that judges orders by the rules, row by row, and tells what changed."""

from typing import Any

import numpy as np

from domain.evaluations import Part
from domain.instants import NO_TIME
from domain.rows import MarketFlag
from domain.vocabulary import CLOSED_STATES, EventKind
from operators.kernel import Row, Table, kernel
from operators.lookup import find, put, remove
from rules.hysteresis import IN_A_ROW
from rules.judgement import begin_watching, judge_end, judge_open, tell
from rules.severity import NO_MARKET, RULES, is_near
from rules.stretch import KEPT_AT, NOT_KEPT, part_of

DATA = RULES
"""Behind the rules by number: tells whether an order's feed is silent."""
MOST_VERDICTS = RULES + 1
"""Of one row."""

KEPT = np.dtype(
    [
        ("row", "i8"),  # of the status rows
        ("limits", "i4"),
        ("part", "i4"),  # Part
    ]
)
"""An evaluation that is kept, so that other thresholds can be tried on it."""

_MARK = int(EventKind.MARK)
_LAST_TO_CLOSE = int(EventKind.ORDER_FILLED)
_SILENT = MarketFlag.SILENT
_UNSTEADY = MarketFlag.UNSTEADY
_SHOWS_ONLY = MarketFlag.SHOWS_ONLY
_CLOSED = tuple(sorted(int(state) for state in CLOSED_STATES))
_ENDS = int(Part.ENDS)
_SHORT = int(Part.SHORT)

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
    """Whether this row brings the order's end, so that it is judged once more.

    What is learnt of the same instant later, as of an own print, ends nothing again.
    """
    if row.kind > _LAST_TO_CLOSE or row.restated:
        return False
    return row.closed_ts != NO_TIME and row.ts == row.closed_ts


@kernel
def _has_silent_feed(state: Row, row: Row) -> bool:
    """Whether the order's feed is silent, or was and does not speak steadily yet."""
    if row.market_flags & NO_MARKET:
        return False
    if row.market_flags & _SILENT:
        return True
    return state.stale != 0 and row.market_flags & _UNSTEADY != 0


@kernel
def _tell_of_feed(
    state: Row, i: int, row: Row, is_stale: int, ended: int, limits: Table, out: Table, count: int
) -> Any:  # fmt: skip
    """Say so where an order's feed fell silent or speaks again."""
    if is_stale == state.stale:
        return count
    state.stale = is_stale
    tell(out, count, i, DATA, is_stale, ended, row, limits, state.limits)
    return count + 1


@kernel
def _judge_mark(
    state: Row, i: int, row: Row, limits: Table, wide: Table, out: Table, count: int
) -> tuple[Any, ...]:  # fmt: skip
    """Returns (how many verdicts there are then, which part of a stretch it is)."""
    is_stale = 1 if _has_silent_feed(state, row) else 0
    count = _tell_of_feed(state, i, row, is_stale, 0, limits, out, count)
    near = is_near(row, wide[state.limits], KEPT_AT)
    count = judge_open(state, i, row, limits, out, count, near)
    return count, part_of(state, row, near)


@kernel
def _judge_last(
    state: Row, i: int, row: Row, limits: Table, wide: Table, out: Table, count: int
) -> tuple[Any, ...]:  # fmt: skip
    """The same of an order's end."""
    short = state.evaluations < IN_A_ROW and _ends_now(row)
    count = judge_end(state, i, row, limits, out, count, short)
    count = _tell_of_feed(state, i, row, 0, 1, limits, out, count)
    if short and is_near(row, wide[state.limits], KEPT_AT):
        return count, _SHORT
    return count, _ENDS if state.stretch else NOT_KEPT


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
        begin_watching(state)
        put(table, row.order, at)
    return freed


@kernel
def judge(
    rows: Table,
    begin: int,
    table: Table,
    watched: Table,
    limits: Table,
    wide: Table,
    free: Table,
    freed: int,
    out: Table,
    kept: Table,
) -> tuple[Any, ...]:
    """Judge the marks and ends among STATUS_IN_KERNELS rows from index `begin`.

    Returns (index reached, verdicts, kept evaluations, rows freed, why it stopped): at a mark
    of an order that is not watched yet, or whose limits change, or when there is no room for
    more verdicts. Orders that are over leave the table; their rows are appended to `free`.
    `wide` are the limits near which an evaluation is kept; `kept` has room for every row.
    """
    count = 0
    keeps = 0
    for i in range(begin, rows.shape[0]):
        row = rows[i]
        if not _is_judged(row):
            continue
        over = _is_over(row.state)
        at = find(table, row.order)
        if at < 0:
            if over and not _ends_now(row):
                continue
            return i, count, keeps, freed, NEW_ORDER
        if row.known >= watched[at].next_at:
            return i, count, keeps, freed, NEW_LIMITS
        if count + MOST_VERDICTS > out.shape[0]:
            return i, count, keeps, freed, FULL
        state = watched[at]
        which = state.limits
        if over:
            count, part = _judge_last(state, i, row, limits, wide, out, count)
            remove(table, row.order)
            state.limits = -1
            free[freed] = at
            freed += 1
        else:
            count, part = _judge_mark(state, i, row, limits, wide, out, count)
        if part != NOT_KEPT:
            kept[keeps].row = i
            kept[keeps].limits = which
            kept[keeps].part = part
            keeps += 1
    return rows.shape[0], count, keeps, freed, DONE
