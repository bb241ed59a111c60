"""Alerts about fair algorithms, and how many orders it takes until a worse one is found.

A cohort-month is the finished orders of an algorithm at a broker over 21 days, with the z of each
one's cost. The roll-ups judge it order by order, and the daily comparison a table of cohorts.
"""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from benchmarks.report import note
from benchmarks.rollup_step import DESK, SESSION_S, SESSIONS, driven, is_medium, rows_of
from domain.instants import SECOND
from domain.reference import Baseline, ReferenceRecord
from operators.rollups.pieces import CLOSED, OPENED
from rules.posterior import CohortCost, judge_cohorts

DAYS = 21
PER_DAY = (10, 30, 100)
TAILS = ("gauss", "fat", "wide")
"""Of z: standard normal; Student's t with 3 degrees of freedom, of unit variance; normal with a
deviation of 1.5, where the risk of the model is too small."""
WORSE_BPS = 5.0
COST_SD_BPS = (5.0, 10.0, 20.0, 40.0)
"""Standard deviation of one order's cost."""
TABLE = 20
"""Cohorts that the daily comparison puts side by side."""
BASE_DAYS = 20
_TOGETHER = 50
_DAY_NS = 86_400 * SECOND
_BROKER = 2
_FIRST_ALGO, _FIRST_ORDER = 1_000, 1 << 20


@dataclass(frozen=True, slots=True)
class CohortCell:
    """One kind of cohort."""

    per_day: int
    """Finished orders."""
    tails: str
    has_base: bool
    """Whether its z of the twenty days before is known."""
    worse: float = 0.0
    """Mean of z."""


def z_of(rng: np.random.Generator, tails: str, shape: tuple[int, ...]) -> np.ndarray:
    """z of the cost of fair orders."""
    if tails == "fat":
        return rng.standard_t(3, shape) / np.sqrt(3.0)
    return rng.standard_normal(shape) * (1.5 if tails == "wide" else 1.0)


def first_alerts(cell: CohortCell, count: int, seed: int) -> np.ndarray:
    """Orders of each cohort's month until its first alert at MEDIUM or above; 0 for none."""
    out = np.zeros(count, np.int64)
    for begin in range(0, count, _TOGETHER):
        part = slice(begin, min(begin + _TOGETHER, count))
        out[part] = _judged(cell, part.stop - begin, np.random.default_rng(seed + begin))
    return out


def _judged(cell: CohortCell, count: int, rng: np.random.Generator) -> np.ndarray:
    opens = np.array([session.open_ns for session in SESSIONS[:DAYS]])
    within_s = np.sort(rng.uniform(60.0, SESSION_S, (count, DAYS, cell.per_day)), axis=2)
    times = opens[:, None] + np.round(within_s * SECOND).astype(np.int64)
    z = z_of(rng, cell.tails, times.shape) + cell.worse
    cohorts = np.arange(count)
    names = {DESK: "D1", _BROKER: "BRK1"}
    names |= {_FIRST_ALGO + c: f"A{c}" for c in range(count)}
    names |= {_FIRST_ORDER + n: f"P{n}" for n in range(2 * count)}
    # One order of each cohort stays open, so that somebody is told; another comes and goes.
    stays = [_of(cohorts, OPENED, np.full(count, at), 0) for at in (opens - SECOND).tolist()]
    whose = np.repeat(cohorts, DAYS * cell.per_day)
    comes = _of(whose, OPENED, times.reshape(-1) - SECOND // 1000, 1)
    goes = _of(whose, CLOSED, times.reshape(-1), 1)
    goes["z_cost"] = z.reshape(-1)
    records = _records(cell, count, rng)
    found = np.zeros(count, np.int64)
    for crossings, _ in driven(np.concatenate([*stays, comes, goes]), names, records, _DAY_NS):
        for crossing in crossings:
            at = int(crossing.scope.removeprefix("algo:A").partition("|")[0])
            if is_medium(crossing.severity) and not found[at]:
                found[at] = int((times[at] <= crossing.t).sum())
    return found


def _of(cohort: np.ndarray, what: int, t: np.ndarray, number: int) -> np.ndarray:
    """Rows of one of the two orders of each cohort."""
    rows = rows_of(what, t)
    rows["order"] = rows["root"] = _FIRST_ORDER + 2 * cohort + number
    rows["desk"], rows["algo"], rows["broker"] = DESK, _FIRST_ALGO + cohort, _BROKER
    return rows


def _records(cell: CohortCell, count: int, rng: np.random.Generator) -> list[ReferenceRecord]:
    """What the twenty days before say of each cohort; none where they are not known."""
    if not cell.has_base:
        return []
    z = z_of(rng, cell.tails, (count, BASE_DAYS * cell.per_day))
    return [
        ReferenceRecord(
            type="reference", scope=f"cohort:A{c}/BRK1", days=BASE_DAYS,
            baselines={"z_cost": Baseline(
                n=z.shape[1], mean=float(z[c].mean()), sd=float(z[c].std(ddof=1))
            )},
        )
        for c in range(count)
    ]  # fmt: skip


def healthy(count: int) -> list[dict[str, Any]]:
    """Of each kind of cohort, the share of months with an alert, %."""
    out: list[dict[str, Any]] = []
    for seed, (known, tails, rate) in enumerate(product((False, True), TAILS, PER_DAY)):
        found = first_alerts(CohortCell(rate, tails, known), count, 10_000 * seed)
        out.append({
            "base": "20 days" if known else "none", "z": tails, "per_day": rate,
            "months_pct": 100 * float((found > 0).mean()),
        })  # fmt: skip
        note(f"{out[-1]}")
    return out


def injected(count: int) -> list[dict[str, Any]]:
    """By how much one order's cost varies: orders until an algorithm 5 bps worse is found."""
    out: list[dict[str, Any]] = []
    for sd, rate in product(COST_SD_BPS, PER_DAY):
        cell = CohortCell(rate, "gauss", has_base=True, worse=WORSE_BPS / sd)
        step = first_alerts(cell, count, 1_000_000)
        daily = compared(rate, sd, max(1, count // TABLE), worse=WORSE_BPS)[:, 0]
        out.append({"cost_sd_bps": sd, "per_day": rate, "orders_a_month": DAYS * rate,
                    **_found("", step), **_found("daily_", daily)})  # fmt: skip
        note(f"{out[-1]}")
    return out


def _found(prefix: str, orders: np.ndarray) -> dict[str, float | None]:
    seen = orders[orders > 0]
    return {
        f"{prefix}found_pct": 100 * len(seen) / len(orders),
        f"{prefix}orders": float(np.median(seen)) if len(seen) else None,
    }


def compared(per_day: int, sd_bps: float, tables: int, worse: float = 0.0) -> np.ndarray:
    """(tables, 20) orders until the daily comparison has a cohort at MEDIUM or above; 0 for none.

    Each day of the month over all of its orders so far. The first cohort of each table is worse
    by so many bps.
    """
    rng = np.random.default_rng(11)
    out = np.zeros((tables, TABLE), np.int64)
    for found in out:
        cost = sd_bps * rng.standard_normal((TABLE, DAYS * per_day))
        cost[0] += worse
        for day in range(1, DAYS + 1):
            n = day * per_day
            so_far = cost[:, :n]
            errors = so_far.std(axis=1, ddof=1) / np.sqrt(n)
            table = [
                CohortCost(str(c), n, float(mean), float(error))
                for c, (mean, error) in enumerate(zip(so_far.mean(axis=1), errors, strict=True))
            ]
            for verdict in judge_cohorts(table):
                at = int(verdict.scope)
                if is_medium(verdict.severity) and not found[at]:
                    found[at] = n
    return out


def daily(tables: int) -> list[dict[str, Any]]:
    """Of fair cohorts side by side, the share of months in which one is found worse, %."""
    out: list[dict[str, Any]] = []
    for sd, rate in product(COST_SD_BPS, PER_DAY):
        found = compared(rate, sd, tables) > 0
        out.append({
            "cost_sd_bps": sd, "per_day": rate, "cohort_months_pct": 100 * float(found.mean()),
            "tables_pct": 100 * float(found.any(axis=1).mean()),
        })  # fmt: skip
        note(f"{out[-1]}")
    return out
