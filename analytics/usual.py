"""Reference records of venues and cohorts from stored days: what is usual, and what was found.

The bases are those that the live rules measure against. A finding is what only many days can
show: fills of a venue after which the market goes against us more than after others', and an
algorithm at a broker whose orders cost more than the model expects.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from analytics.history.connection import Connection, Row
from analytics.history.usual import (
    costs_of_orders,
    markouts_of_fills,
    routes_of_venues,
    stored_days,
)
from domain.published import Severity
from domain.reference import Baseline, Finding, ReferenceRecord
from metrics.markout import markout_cost_bps
from metrics.statistics import clustered_mean
from rules.posterior import EXCESS_BPS, CohortCost, CohortVerdict, judge_cohorts
from rules.toxicity import compare_venues
from rules.venue import OWN_MAKING

DAYS = 20
_HOW = {"ADDED": "resting fills", "REMOVED": "fills that took", "": "fills"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which days the records come from, and from which day they hold."""

    until: date
    """The first day that is left out; the records take effect with it."""
    days: int = DAYS
    calendar: str = "XNYS"
    """Of the venues."""


async def usual_records(connection: Connection, wanted: Wanted) -> list[ReferenceRecord]:
    """`venue:…` records by name, then `cohort:…` ones; none without stored days."""
    days = await stored_days(connection, wanted.until, wanted.days)
    if not days:
        return []
    own = [reason.name for reason in OWN_MAKING]
    routes = await routes_of_venues(connection, days[0], wanted.until, own)
    markouts = await markouts_of_fills(connection, days[0], wanted.until)
    costs = await costs_of_orders(connection, days[0], wanted.until)
    return [
        *venue_records(routes, markouts, wanted, len(days)),
        *cohort_records(costs, wanted, len(days)),
    ]


def venue_records(
    routes: Sequence[Row], markouts: Sequence[Row], wanted: Wanted, days: int
) -> list[ReferenceRecord]:
    """Refusals, answers and markouts of each venue that had routes with an outcome."""
    found = toxic_venues(markouts)
    records: list[ReferenceRecord] = []
    for row in routes:
        baselines: dict[str, Baseline] = {}
        if row["n"]:
            baselines["reject_rate"] = Baseline(n=row["n"], mean=row["failures"] / row["n"])
        if row["answers"]:
            median, p95, p99 = row["ack_ms"]
            baselines["ack_ms"] = Baseline(n=row["answers"], median=median, p95=p95, p99=p99)
        if baselines:
            scope, finding = f"venue:{row['venue']}", found.get(row["venue"])
            record = _record(scope, baselines, finding, wanted, days)
            record.calendar = wanted.calendar
            records.append(record)
    return records


def toxic_venues(markouts: Sequence[Row]) -> dict[str, Finding]:
    """What a minute after the fills says against venues, by name.

    Fills that rested are compared with such, those that took with such; where both speak
    against a venue, the clearer one is told.
    """
    found: dict[str, Finding] = {}
    for liquidity, rows in _grouped(markouts, "liquidity").items():
        cost = markout_cost_bps(
            _numbers(rows, "last_px"), mid_later=_numbers(rows, "mid_60s"),
            side=_numbers(rows, "side"),
        )  # fmt: skip
        for venue in compare_venues(
            cost, venues=_names(rows, "venue"), orders=_names(rows, "order_id"),
            days=_names(rows, "day"),
        ):  # fmt: skip
            before = found.get(venue.venue)
            if venue.is_toxic and (before is None or venue.z > (before.z or 0.0)):
                how = _HOW.get(liquidity, "fills")
                words = (
                    f"{how} cost {venue.excess_bps:.1f} bps more here than elsewhere, by the mid "
                    "a minute later"
                )
                found[venue.venue] = Finding(
                    severity=Severity.MEDIUM, words=words, n=venue.n, expected=0.0,
                    actual=venue.excess_bps, threshold=0.0, z=venue.z,
                )  # fmt: skip
    return found


def cohort_records(costs: Sequence[Row], wanted: Wanted, days: int) -> list[ReferenceRecord]:
    """The `z_cost` of each algorithm at each broker, and what all of them together show."""
    scopes: dict[str, list[Row]] = defaultdict(list)
    for row in costs:
        scopes[f"cohort:{row['algo']}/{row['broker']}"].append(row)
    found = _expensive(scopes)
    records: list[ReferenceRecord] = []
    for scope in sorted(scopes):
        z = _numbers(scopes[scope], "z_cost")
        median = float(np.median(z))
        baseline = Baseline(
            n=len(z), mean=float(z.mean()), sd=float(z.std(ddof=1)) if len(z) > 1 else None,
            median=median, mad=float(np.median(np.abs(z - median))),
            p95=float(np.percentile(z, 95)), p99=float(np.percentile(z, 99)),
        )  # fmt: skip
        records.append(_record(scope, {"z_cost": baseline}, found.get(scope), wanted, days))
    return records


def _expensive(scopes: dict[str, list[Row]]) -> dict[str, Finding]:
    cohorts: list[CohortCost] = []
    for scope, rows in sorted(scopes.items()):
        excess = _numbers(rows, "z_cost") * _numbers(rows, "risk_bps")
        mean = clustered_mean(excess, orders=_names(rows, "order_id"), days=_names(rows, "day"))
        cohorts.append(CohortCost(scope, mean.n, mean.mean, mean.standard_error))
    n_of = {cohort.scope: cohort.n for cohort in cohorts}
    return {
        verdict.scope: _of(verdict, verdict.severity, n_of[verdict.scope])
        for verdict in judge_cohorts(cohorts)
        if verdict.severity is not None
    }


def _of(verdict: CohortVerdict, severity: Severity, n: int) -> Finding:
    words = (
        f"its orders cost {verdict.excess_bps:.1f} bps more than expected, more than "
        f"{EXCESS_BPS:g} with a probability of {verdict.probability:.1%}"
    )
    return Finding(
        severity=severity, words=words, n=n, expected=0.0, actual=verdict.excess_bps,
        threshold=EXCESS_BPS,
    )  # fmt: skip


def _record(
    scope: str,
    baselines: dict[str, Baseline],
    finding: Finding | None,
    wanted: Wanted,
    days: int,
) -> ReferenceRecord:
    return ReferenceRecord(
        type="reference", scope=scope, effective_from=wanted.until.isoformat(),
        source="stored days", days=days, baselines=baselines, finding=finding,
    )  # fmt: skip


def _grouped(rows: Iterable[Row], name: str) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[name]].append(row)
    return dict(sorted(found.items()))


def _numbers(rows: Iterable[Row], name: str) -> np.ndarray:
    return np.array([row[name] for row in rows], np.float64)


def _names(rows: Iterable[Row], name: str) -> np.ndarray:
    return np.array([str(row[name]) for row in rows])
