"""How often each rule cries wolf on healthy orders, and how soon it finds what is injected.

Orders of `healthy_orders` are judged every five seconds by the product's own step. For each kind
of day: the share of fair orders that ever had an alert at MEDIUM or above, by rule. Then the
same orders with a fault each: the share found, and how long it took.
"""

import math
import sys
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from benchmarks.healthy_orders import STEP_S, Cell, Fault, Orders
from benchmarks.report import note, parser, show
from domain.alerts import rank
from domain.published import Severity
from domain.rows import STATUS, Rows
from domain.thresholds import AlertType
from operators.alerts.watch import WatchLogic, WatchSettings

SIGMAS = (100.0, 200.0, 400.0)
HORIZONS_S = (600.0, 3_600.0, 14_400.0)
SHAPES = ("flat", "u")
TAILS = ("gauss", "fat")
RULES = (AlertType.SLOW_EXECUTION, AlertType.HIGH_COST, AlertType.MARKET_IMPACT)
FAULTS = {
    "stalled half-way": (AlertType.SLOW_EXECUTION, Fault(stalls_at=0.5)),
    "+30 bps cost": (AlertType.HIGH_COST, Fault(cost_bps=30.0)),
    "30 % of the volume, 5 × the impact": (
        AlertType.MARKET_IMPACT, Fault(participation=0.30, impact=5.0),
    ),
    "the same move without us": (
        AlertType.MARKET_IMPACT, Fault(participation=0.01, drift_bps=300.0),
    ),
}  # fmt: skip
_MEDIUM = rank(Severity.MEDIUM)


def first_alerts(cell: Cell, orders: int, seed: int, fault: Fault) -> dict[AlertType, np.ndarray]:
    """When each order had its first alert at MEDIUM or above, s; NaN for never."""
    logic = WatchLogic(WatchSettings(), None)
    names = {key: str(key) for key in range(1, orders + 1)}
    found = {rule: np.full(orders, np.nan) for rule in RULES}
    for t, rows in Orders(cell, orders, seed, fault).rows():
        (parcel,), _ = logic.on_batch([Rows(status=rows.view(STATUS), names=names)])
        for crossing in parcel.crossings:
            severity = crossing.severity
            if severity is None or rank(severity) < _MEDIUM:
                continue
            first = found[AlertType(crossing.type)]
            at = int(crossing.scope) - 1
            if math.isnan(first[at]):
                first[at] = t
    return found


def healthy(cells: Sequence[Cell], orders: int) -> list[dict[str, Any]]:
    """Of each kind of day, the share of fair orders with an alert, %."""
    out: list[dict[str, Any]] = []
    for seed, cell in enumerate(cells):
        found = first_alerts(cell, orders, seed, Fault())
        shares = {str(rule): 100 * float(np.isfinite(found[rule]).mean()) for rule in RULES}
        out.append({"sigma_bps": cell.sigma_daily_bps, "horizon_s": cell.horizon_s,
                    "shape": cell.shape, "tails": cell.tails, **shares})  # fmt: skip
        note(f"{out[-1]}")
    return out


def injected(cells: Sequence[Cell], orders: int) -> list[dict[str, Any]]:
    """Of each fault, the share of orders found, %, and the median delay from when it began."""
    out: list[dict[str, Any]] = []
    for name, (rule, fault) in FAULTS.items():
        for cell in cells:
            first = first_alerts(cell, orders, 1_000, fault)[rule]
            began = fault.stalls_at * cell.horizon_s if fault.stalls_at < 1 else 0.0
            seen = np.isfinite(first)
            out.append({
                "fault": name, "rule": str(rule), "sigma_bps": cell.sigma_daily_bps,
                "horizon_s": cell.horizon_s, "found_pct": 100 * float(seen.mean()),
                "delay_s": float(np.median(first[seen]) - began) if seen.any() else None,
            })  # fmt: skip
            note(f"{out[-1]}")
    return out


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as a table in Markdown."""
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    for row in rows:
        cells = (f"{v:.2f}" if isinstance(v, float) else str(v) for v in row.values())
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Measure every kind of day, or one with `--quick`."""
    options = parser("false_alarms", "False alarms and detection of the alert rules.")
    options.add_argument("--orders", type=int, default=2_000, help="of each kind of day")
    options.add_argument("--quick", action="store_true", help="hours at 200 bps a day only")
    given = options.parse_args(arguments)
    days = list(product(SIGMAS, HORIZONS_S, SHAPES, TAILS))
    if given.quick:
        days = [day for day in days if day[0] == 200.0 and day[1] == 3_600.0]
    cells = [Cell(*day) for day in days]
    fair = healthy(cells, given.orders)
    faults = injected([c for c in cells if (c.shape, c.tails) == ("u", "gauss")], given.orders)
    worst = {f"worst_{rule}_pct": max(row[str(rule)] for row in fair) for rule in RULES}
    if not given.json:
        print(table(fair), table(faults), sep="\n\n")
    figures = {"orders": given.orders, "marks_every_s": STEP_S, **worst}
    show("false_alarms", {**figures, **({"fair": fair, "faults": faults} if given.json else {})},
         as_json=given.json)  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
