"""What the kernel found, as crossings with words, and which feeds are silent for whom."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from domain.alerts import DATA as DATA_TYPE
from domain.alerts import NO_DESK, SEVERITIES, Crossing
from domain.keys import group_of
from domain.published import AlertEvidence, ExecutionMetricsData, Severity
from domain.rows import MarketFlag
from domain.thresholds import AlertType
from domain.vocabulary import Topic
from operators.alerts.judge import DATA
from rules.conditions import away_from_limit_bps
from rules.recommendations import Facts, recommendation

_TYPES = (AlertType.SLOW_EXECUTION, AlertType.HIGH_COST, AlertType.MARKET_IMPACT)
_SILENT_FEED = "Check the market data feed: rules that need prices or volume are silent"


def number(value: Any) -> float | None:
    """A number, or None where there is none."""
    found = float(value)
    return found if math.isfinite(found) else None


def severity_of(code: int) -> Severity | None:
    """The severity of a number, None for 0."""
    return SEVERITIES[code - 1] if code else None


def order_crossings(
    verdict: np.void, row: np.void, names: Mapping[int, str], main_venue: str, version: str
) -> list[Crossing]:
    """What a verdict says of an order: its condition began, changed or ended, or met a halt.

    One that began at the order's very end has ended with it.
    """
    type_ = _TYPES[int(verdict["rule"])]
    severity, ended = severity_of(int(verdict["severity"])), bool(verdict["ended"])
    order_id = names[int(row["order"])]
    mid = 0.5 * (float(row["bid"]) + float(row["ask"]))
    away = away_from_limit_bps(float(row["side"]), mid=mid, limit_px=float(row["limit_px"]))
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
        symbol=names.get(int(row["symbol"]), ""),
        main_venue=main_venue,
        limit_bound=away > 0,
        halted=bool(int(row["market_flags"]) & MarketFlag.HALTED),
        progress=number(row["execution_progress"]),
        expected_progress=number(row["expected_progress"]),
        metrics=ExecutionMetricsData(
            execution_speed=number(row["execution_speed"]),
            cost_efficiency=number(row["cost_efficiency"]),
        ),
        evidence=_evidence(verdict, row, version),
        recommendation=recommendation(type_, _facts(row, away, ended=ended)) if severity else "",
    )
    if not (ended and severity):
        return [told]
    over = Crossing(
        t=told.t, scope=told.scope, type=type_, seq=told.seq, ended=True, pages=False,
        desk=told.desk, order_ids=told.order_ids, symbol=told.symbol,
    )  # fmt: skip
    return [told, over]


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


class Silent:
    """Which feeds are silent for which desk: one page for each, however many orders."""

    def __init__(self, groups: int, partitions: int) -> None:
        self._groups = groups
        self._partitions = partitions
        self._orders: dict[tuple[str, str], dict[int, str]] = {}

    def take(self, verdict: np.void, row: np.void, names: Mapping[int, str]) -> list[Crossing]:
        """An order's feed fell silent, spoke again, or the order ended: what the desk is told."""
        symbol = names.get(int(row["symbol"]), "")
        desk = names.get(int(row["desk"]), NO_DESK)
        feed = group_of(symbol, self._groups) % self._partitions
        key = (f"feed:{Topic.MARKET_DATA}-{feed}", desk)
        orders = self._orders.setdefault(key, {})
        was_silent = bool(orders)
        if verdict["severity"]:
            orders[int(row["order"])] = names[int(row["order"])]
        else:
            orders.pop(int(row["order"]), None)
        if not orders:
            del self._orders[key]
        if was_silent == bool(orders):
            return []
        told = Crossing(
            t=int(row["known"]), scope=key[0], type=DATA_TYPE, desk=desk,
            severity=Severity.HIGH if orders else None,
            order_ids=sorted(orders.values()), recommendation=_SILENT_FEED if orders else "",
        )  # fmt: skip
        return [told]

    def dump(self) -> list[tuple[str, str, dict[int, str]]]:
        """Plain data."""
        return [(*key, dict(orders)) for key, orders in self._orders.items()]

    def load(self, kept: list[tuple[str, str, dict[int, str]]]) -> None:
        """Take back what `dump` gave."""
        self._orders = {(scope, desk): dict(orders) for scope, desk, orders in kept}


def is_about_a_feed(verdict: np.void) -> bool:
    """Whether a verdict tells of a feed and not of a rule."""
    return int(verdict["rule"]) == DATA
