"""Alerts about fair orders, and how soon an order in trouble is found.

Orders of `healthy_orders` are judged every five seconds by the product's own step. For each kind
of day: the share of fair orders that ever had an alert at MEDIUM or above, by rule. Then the
same orders with a fault each: the share found, and how long it took.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.healthy_orders import Cell, Fault, Orders
from benchmarks.report import note
from domain.alerts import rank
from domain.published import Severity
from domain.rows import STATUS, Rows
from domain.thresholds import AlertType
from domain.vocabulary import Schedule
from operators.alerts.watch import WatchLogic, WatchSettings

SIGMAS = (100.0, 200.0, 400.0)
HORIZONS_S = (600.0, 3_600.0, 14_400.0)
SHAPES = ("flat", "u")
TAILS = ("gauss", "fat")
SLOW, SLOW_POV, COST, IMPACT = (
    "SLOW_EXECUTION", "SLOW_EXECUTION_POV", "HIGH_COST", "MARKET_IMPACT",
)  # fmt: skip
RULES = (SLOW, SLOW_POV, COST, IMPACT)
"""A share of the volume that is too small is a rule of its own: POV orders have that alone."""
FAULTS = {
    "stalled half-way": ((SLOW, SLOW_POV), Fault(stalls_at=0.5)),
    "half of what is due": ((SLOW, SLOW_POV), Fault(pace=0.5)),
    "+30 bps cost": ((COST,), Fault(cost_bps=30.0)),
    "30 % of the volume, 5 × the impact": ((IMPACT,), Fault(participation=0.30, impact=5.0)),
    "the same move without us": ((IMPACT,), Fault(participation=0.01, drift_bps=300.0)),
}
_MEDIUM = rank(Severity.MEDIUM)


def first_alerts(cell: Cell, orders: int, seed: int, fault: Fault) -> dict[str, np.ndarray]:
    """When each order that a rule looks at had its first alert at MEDIUM or above, s.

    NaN for never.
    """
    logic = WatchLogic(WatchSettings(), None)
    names = {key: str(key) for key in range(1, orders + 1)}
    found = {rule: np.full(orders, np.nan) for rule in AlertType}
    made = Orders(cell, orders, seed, fault)
    for t, rows in made.rows():
        (parcel,), _ = logic.on_batch([Rows(status=rows.view(STATUS), names=names)])
        for crossing in parcel.crossings:
            severity = crossing.severity
            if severity is None or rank(severity) < _MEDIUM:
                continue
            first = found[AlertType(crossing.type)]
            at = int(crossing.scope) - 1
            if math.isnan(first[at]):
                first[at] = t
    is_pov = made.schedule == Schedule.POV
    slow = found[AlertType.SLOW_EXECUTION]
    return {
        SLOW: slow[~is_pov], SLOW_POV: slow[is_pov],
        COST: found[AlertType.HIGH_COST], IMPACT: found[AlertType.MARKET_IMPACT],
    }  # fmt: skip


def healthy(cells: Sequence[Cell], orders: int) -> list[dict[str, Any]]:
    """Of each kind of day, the share of fair orders with an alert, %."""
    out: list[dict[str, Any]] = []
    for seed, cell in enumerate(cells):
        found = first_alerts(cell, orders, seed, Fault())
        shares = {rule: 100 * float(np.isfinite(found[rule]).mean()) for rule in RULES}
        out.append({"sigma_bps": cell.sigma_daily_bps, "horizon_s": cell.horizon_s,
                    "shape": cell.shape, "tails": cell.tails, **shares})  # fmt: skip
        note(f"{out[-1]}")
    return out


def injected(cells: Sequence[Cell], orders: int) -> list[dict[str, Any]]:
    """Of each fault, the share of orders found, %, and the median delay from when it began."""
    out: list[dict[str, Any]] = []
    for name, (rules, fault) in FAULTS.items():
        for cell in cells:
            found = first_alerts(cell, orders, 1_000, fault)
            began = fault.stalls_at * cell.horizon_s if fault.stalls_at < 1 else 0.0
            for rule in rules:
                first = found[rule]
                seen = np.isfinite(first)
                out.append({
                    "fault": name, "rule": rule, "sigma_bps": cell.sigma_daily_bps,
                    "horizon_s": cell.horizon_s, "found_pct": 100 * float(seen.mean()),
                    "delay_s": float(np.median(first[seen]) - began) if seen.any() else None,
                })  # fmt: skip
                note(f"{out[-1]}")
    return out
