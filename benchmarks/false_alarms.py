"""How often each rule cries wolf where all is well, and how soon it finds what is injected.

Orders, venue-days and months of algorithms that are fair go through the product's own steps;
the share of each that ever had an alert at MEDIUM or above is a false alarm's rate. Then the same
with a fault each: the share found, and how long it took.
"""

import sys
from collections.abc import Sequence
from itertools import product
from typing import Any

from benchmarks import cohort_alarms, order_alarms, venue_alarms
from benchmarks.healthy_orders import STEP_S, Cell
from benchmarks.order_alarms import HORIZONS_S, RULES, SHAPES, SIGMAS, TAILS
from benchmarks.report import parser, show

ABOUT = ("orders", "venues", "algorithms")
Table = list[dict[str, Any]]


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as a table in Markdown."""
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    for row in rows:
        cells = (f"{v:.2f}" if isinstance(v, float) else str(v) for v in row.values())
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def about_orders(orders: int, *, quick: bool) -> tuple[dict[str, Table], dict[str, float]]:
    """The tables about fair orders, and the worst share of each rule."""
    days = list(product(SIGMAS, HORIZONS_S, SHAPES, TAILS))
    if quick:
        days = [day for day in days if day[0] == 200.0 and day[1] == 3_600.0]
    cells = [Cell(*day) for day in days]
    fair = order_alarms.healthy(cells, orders)
    found = order_alarms.injected(
        [c for c in cells if (c.shape, c.tails) == ("u", "gauss")], orders
    )
    worst = {f"worst_{rule}_pct": max(row[rule] for row in fair) for rule in RULES}
    return {"fair": fair, "faults": found}, worst


def about_venues(days: int) -> tuple[dict[str, Table], dict[str, float]]:
    """The tables about venues, and the worst share of days."""
    fair = venue_alarms.healthy(days)
    found = venue_alarms.injected(max(1, days // 3))
    figures = {
        f"worst_VENUE_ISSUE_{name}_pct": max(row["any"] for row in fair if row["base"] == base)
        for name, base in (("base", "20 days"), ("no_base", "none"))
    }
    return {"venues": fair, "venue_faults": found}, figures | venue_alarms.toxicity(days)


def about_algorithms(months: int) -> tuple[dict[str, Table], dict[str, float]]:
    """The tables about algorithms, and the worst share of months."""
    fair = cohort_alarms.healthy(months)
    compared = cohort_alarms.daily(max(1, months // cohort_alarms.TABLE))
    found = cohort_alarms.injected(months)
    worst = {
        "worst_ALGORITHM_UNDERPERFORMANCE_pct": max(row["months_pct"] for row in fair),
        "worst_daily_comparison_pct": max(row["cohort_months_pct"] for row in compared),
    }
    return {"algorithms": fair, "compared": compared, "algorithm_faults": found}, worst


def main(arguments: Sequence[str]) -> int:
    """Measure all, or what was asked for."""
    options = parser("false_alarms", "False alarms and detection of the alert rules.")
    options.add_argument("--orders", type=int, default=2_000, help="of each kind of day")
    options.add_argument(
        "--quick", action="store_true", help="orders of hours at 200 bps a day only"
    )
    options.add_argument("--venue-days", type=int, default=200, help="of each kind of venue")
    options.add_argument("--months", type=int, default=200, help="of each kind of algorithm")
    options.add_argument("--only", choices=ABOUT, help="nothing about the others")
    given = options.parse_args(arguments)
    tables: dict[str, Table] = {}
    figures: dict[str, float] = {}
    for about in (given.only,) if given.only else ABOUT:
        if about == "orders":
            found, worst = about_orders(given.orders, quick=given.quick)
        elif about == "venues":
            found, worst = about_venues(given.venue_days)
        else:
            found, worst = about_algorithms(given.months)
        tables |= found
        figures |= worst
    if not given.json:
        print(*(table(rows) for rows in tables.values()), sep="\n\n")
    sizes = {"orders": given.orders, "venue_days": given.venue_days, "months": given.months}
    show("false_alarms", {**sizes, "marks_every_s": STEP_S, **figures,
                          **(tables if given.json else {})}, as_json=given.json)  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
