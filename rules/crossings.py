"""Verdicts about an order as crossings: what changed, with its numbers and in words."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from domain.alerts import NO_DESK, SEVERITIES, Crossing
from domain.published import AlertEvidence, ExecutionMetricsData, Severity
from domain.rows import MarketFlag
from domain.thresholds import AlertType
from rules.conditions import away_from_limit_bps
from rules.recommendations import Facts, recommendation

RULE_TYPES = (AlertType.SLOW_EXECUTION, AlertType.HIGH_COST, AlertType.MARKET_IMPACT)
"""What each rule raises, by its number."""
# A compiled function costs more to call from Python than this costs to run.
_away_bps = away_from_limit_bps.__wrapped__


def number(value: Any) -> float | None:
    """A number, or None where there is none."""
    found = float(value)
    return found if math.isfinite(found) else None


def severity_of(code: int) -> Severity | None:
    """The severity of a number, None for 0."""
    return SEVERITIES[code - 1] if code else None


def metrics_of(row: np.void) -> ExecutionMetricsData:
    """What the event of an alert says of an order's metrics."""
    return ExecutionMetricsData(
        execution_speed=number(row["execution_speed"]),
        cost_efficiency=number(row["cost_efficiency"]),
    )


def order_crossings(
    verdict: np.void, row: np.void, names: Mapping[int, str], main_venue: str, version: str
) -> list[Crossing]:
    """What a verdict says of an order: its condition began, changed or ended, or met a halt.

    One that began at the order's very end has ended with it.
    """
    type_ = RULE_TYPES[int(verdict["rule"])]
    severity, ended = severity_of(int(verdict["severity"])), bool(verdict["ended"])
    order_id = names[int(row["order"])]
    mid = 0.5 * (float(row["bid"]) + float(row["ask"]))
    away = _away_bps(float(row["side"]), mid, float(row["limit_px"]))
    told = Crossing(
        t=int(row["known"]),
        scope=order_id,
        type=type_,
        seq=int(row["seq"]),
        severity=severity,
        ended=ended and severity is None,
        pages=not ended,
        desk=names.get(int(row["desk"]), NO_DESK),
        order_ids=[order_id],
        ancestors=_ancestors(row, names),
        symbol=names.get(int(row["symbol"]), ""),
        main_venue=main_venue,
        limit_bound=away > 0,
        halted=bool(int(row["market_flags"]) & MarketFlag.HALTED),
        progress=number(row["execution_progress"]),
        expected_progress=number(row["expected_progress"]),
        metrics=metrics_of(row),
        evidence=_evidence(verdict, row, version),
        recommendation=recommendation(type_, _facts(row, away, ended=ended)) if severity else "",
    )
    if not (ended and severity):
        return [told]
    over = Crossing(
        t=told.t, scope=told.scope, type=type_, seq=told.seq, ended=True, pages=False,
        desk=told.desk, order_ids=told.order_ids, ancestors=told.ancestors, symbol=told.symbol,
    )  # fmt: skip
    return [told, over]


def _ancestors(row: np.void, names: Mapping[int, str]) -> list[str]:
    above = dict.fromkeys((int(row["root"]), int(row["parent"])))
    return [names[key] for key in above if key and key != int(row["order"]) and key in names]


def _evidence(verdict: np.void, row: np.void, version: str) -> AlertEvidence:
    return AlertEvidence(
        n=int(row["fills"]),
        expected=number(verdict["expected"]),
        actual=number(verdict["actual"]),
        z=number(verdict["z"]),
        threshold=number(verdict["threshold"]),
        config_version=version,
    )


def _facts(row: np.void, away: float, *, ended: bool) -> Facts:
    # Of an order that is over, the volume is counted to its last fill only.
    usual = math.nan if ended else float(row["usual_qty"])
    return Facts(
        away_from_limit_bps=away,
        volume_ratio=float(row["market_qty"]) / usual if usual > 0 else math.nan,
        half_spread_paid_bps=float(row["half_spread_paid_bps"]),
        drift_bps=float(row["drift_bps"]),
        cost_bps=float(row["slippage_bps"]),
        index_adjusted_bps=float(row["slippage_index_adjusted_bps"]),
    )
