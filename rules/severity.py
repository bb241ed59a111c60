"""How severe each rule finds an order's numbers: the conditions, on one row of its status."""

from typing import Any

import numpy as np

from domain.rows import STATUS_METRICS, MarketFlag
from domain.vocabulary import Schedule
from metrics.kernel import Row, kernel
from rules.conditions import (
    high_cost,
    market_impact,
    over_cap,
    slow_by_gap,
    slow_by_share,
    under_floor,
    z_impact,
)
from rules.levels import POV_SHARE

SLOW, COST, IMPACT = range(3)
"""Rules by number."""
RULES = 3

METRIC = {name: i for i, name in enumerate(STATUS_METRICS)}
"""Where in a row of STATUS_IN_KERNELS a metric is."""
_PROGRESS = METRIC["execution_progress"]
_EXPECTED = METRIC["expected_progress"]
_SPEED = METRIC["execution_speed"]
_FILL_RATE = METRIC["fill_rate"]
_PARTICIPATION = METRIC["participation_rate"]
_SLIPPAGE = METRIC["slippage_bps"]
_ADJUSTED = METRIC["slippage_index_adjusted_bps"]
_IMPACT_BPS = METRIC["market_impact_bps"]
_EXPECTED_COST = METRIC["expected_cost_bps"]
_RISK = METRIC["risk_bps"]
_Z = METRIC["z_cost"]
_EFFICIENCY = METRIC["cost_efficiency"]

_POV = int(Schedule.POV)
_VWAP = int(Schedule.VWAP)
NO_MARKET = MarketFlag.HALTED | MarketFlag.CLOSED | MarketFlag.PRE_OPEN
"""Flags of a market that does not trade."""
_STALE = MarketFlag.STALE
_RESUMED = MarketFlag.RESUMED
_BY_GAP = slow_by_gap.kernel
_BY_SHARE = slow_by_share.kernel
_HIGH_COST = high_cost.kernel
_MARKET_IMPACT = market_impact.kernel
_Z_IMPACT = z_impact.kernel
_OVER = over_cap.kernel
_UNDER = under_floor.kernel
SHARE_LATE = 0.15
"""Gap of progress below which no share of the volume is too small: the volume comes in lumps, and
two slices that miss a lively market are soon a tenth of the order. At 0.10 up to one in ten fair
simulated orders had an alert at MEDIUM for it, at this gap two in a hundred."""
_POV_LOW, _POV_MEDIUM, _POV_HIGH, _POV_CRITICAL = POV_SHARE


@kernel
def least_qty(row: Row) -> Any:
    """The greatest of a slice, as the order's fills tell it, and a lot."""
    least = row.lot if row.lot > 0.0 else 0.0
    if row.fills > 0:
        least = max(least, row.cum_qty / row.fills)
    return least


@kernel
def is_by_share(row: Row, limits: Row) -> bool:
    """Whether being slow means too small a share of the volume, and no gap of progress."""
    return row.schedule == _POV and limits.slow_is_asked == 0


@kernel
def _slow(row: Row, limits: Row, ease: float) -> Any:
    m = row.metrics
    nan = np.nan
    found = 0.0
    of_volume = row.schedule == _POV
    if of_volume:
        found = _BY_SHARE(
            m[_PROGRESS], m[_EXPECTED], row.order_qty, least_qty(row), SHARE_LATE,
            m[_PARTICIPATION], row.participation, ease,
            _POV_LOW, _POV_MEDIUM, _POV_HIGH, _POV_CRITICAL,
        )  # fmt: skip
    if not of_volume or limits.slow_is_asked:
        levels = limits.slow
        found = max(
            found,
            _BY_GAP(
                m[_PROGRESS], m[_EXPECTED], row.order_qty, least_qty(row), 0.0, nan, nan, ease,
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
def severity_by(rule: int, row: Row, limits: Row, ease: float) -> Any:
    """Severity of a STATUS_IN_KERNELS row by a row of LIMITS: 0 none … 4 CRITICAL."""
    if rule == SLOW:
        return np.int64(_slow(row, limits, ease))
    if rule == COST:
        return np.int64(_cost(row, limits, ease))
    return np.int64(_impact(row, limits, ease))


@kernel
def is_silent(rule: int, row: Row) -> bool:
    """Whether nothing can be said: no market, or none that is fresh where the rule needs it.

    What fell due during a halt cannot be done at once, so that nobody is slow just after it.
    """
    if row.market_flags & NO_MARKET:
        return True
    if rule == SLOW and row.market_flags & _RESUMED:
        return True
    if not row.market_flags & _STALE:
        return False
    return rule != SLOW or row.schedule == _POV or row.schedule == _VWAP  # noqa: PLR1714


@kernel
def concerns(rule: int, row: Row) -> bool:
    """Whether a rule looks at the order at all: costs are its root's."""
    return rule == SLOW or row.parent == 0


@kernel
def is_near(row: Row, limits: Row, ease: float) -> bool:
    """Whether some rule finds anything by these limits, so eased."""
    for rule in range(RULES):
        judged = concerns(rule, row) and not is_silent(rule, row)
        if judged and severity_by(rule, row, limits, ease) > 0:
            return True
    return False
