"""Alerts about healthy venues, and how soon a venue in trouble is found."""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from benchmarks.healthy_venues import BASE_DAYS, OPEN_NS, VenueCell, VenueDays, VenueFault
from benchmarks.report import note
from benchmarks.rollup_step import driven, is_medium
from domain.instants import NO_TIME, SECOND
from rules.toxicity import VenueMarkout, compare_venues
from rules.venue_watch import REFUSES, SILENT, SLOW

PER_MINUTE = (3.0, 10.0, 30.0)
FAILS = (0.02, 0.05)
KINDS = (REFUSES, SLOW, SILENT)
FAULTS = {
    "refuses 20 %": (REFUSES, VenueFault(fails=0.20)),
    "answers three times slower": (SLOW, VenueFault(slower=3.0)),
    "answers nothing": (SILENT, VenueFault(answers=False)),
}
_TOGETHER = 50
"""Venues of one step."""
_STEP_NS = 30 * SECOND
"""Half of what a condition lasts at least: none goes unseen between two looks."""
_ORDERS_A_TABLE, _FILLS_AN_ORDER = 400, 25
_VENUES_A_TABLE = 10
_VENUE_SHARES = np.arange(_VENUES_A_TABLE, 0, -1) / np.arange(1, _VENUES_A_TABLE + 1).sum()


@dataclass(slots=True)
class VenueAlarms:
    """Of each venue-day of a cell; times in ns, NO_TIME for never."""

    told: np.ndarray
    """First alert at MEDIUM or above behind the start of what is looked for."""
    kinds: dict[str, np.ndarray]
    """When each condition first held, behind that start too."""
    routes: int = 0


def alarms(cell: VenueCell, count: int, seed: int, fault: VenueFault | None = None) -> VenueAlarms:
    """Judge the days by the roll-ups; with a fault, what comes from its start on."""
    out = VenueAlarms(np.full(count, NO_TIME), {kind: np.full(count, NO_TIME) for kind in KINDS})
    for begin in range(0, count, _TOGETHER):
        part = slice(begin, min(begin + _TOGETHER, count))
        days = VenueDays(cell, part.stop - begin, seed + begin, fault or VenueFault())
        since = fault.starts_ns if fault is not None else OPEN_NS
        told, kinds = out.told[part], {kind: out.kinds[kind][part] for kind in KINDS}
        for crossings, logic in driven(days.rows, days.names, days.references(), _STEP_NS):
            for crossing in crossings:
                at = _number(crossing.scope)
                if is_medium(crossing.severity) and crossing.t >= since and told[at] == NO_TIME:
                    told[at] = crossing.t
            for venue in logic.rollups.kept.venues.values():
                for kind, cause in venue.watch.causes.items():
                    first = kinds[kind]
                    at = _number(venue.scope)
                    if cause.since >= since and first[at] == NO_TIME:
                        first[at] = cause.since
        out.routes += int(days.routes.sum())
    return out


def _number(scope: str) -> int:
    return int(scope.removeprefix("venue:V")) - 1


def _share(times: np.ndarray) -> float:
    return 100 * float((times != NO_TIME).mean())


def healthy(count: int) -> list[dict[str, Any]]:
    """Of each kind of venue, the share of days with an alert, %, and with each condition."""
    out: list[dict[str, Any]] = []
    for seed, (known, fails, rate) in enumerate(product((True, False), FAILS, PER_MINUTE)):
        found = alarms(VenueCell(rate, fails, known), count, 10_000 * seed)
        out.append({
            "base": "20 days" if known else "none", "fails_pct": 100 * fails,
            "per_minute": rate, "any": _share(found.told),
            **{kind: _share(found.kinds[kind]) for kind in KINDS},
        })  # fmt: skip
        note(f"{out[-1]}")
    return out


def injected(count: int) -> list[dict[str, Any]]:
    """Of each fault, the share of venues found by the close, %, and how long it took."""
    out: list[dict[str, Any]] = []
    for name, (kind, fault) in FAULTS.items():
        for fails, rate in product(FAILS, PER_MINUTE):
            found = alarms(VenueCell(rate, fails, has_base=True), count, 1_000_000, fault)
            first = found.kinds[kind]
            seen = first[first != NO_TIME]
            minutes = (seen - fault.starts_ns) / (60 * SECOND)
            out.append({
                "fault": name, "condition": kind, "fails_pct": 100 * fails, "per_minute": rate,
                "found_pct": _share(first),
                "delay_min": float(np.median(minutes)) if len(seen) else None,
            })  # fmt: skip
            note(f"{out[-1]}")
    return out


def markouts(rng: np.random.Generator, worse_bps: float = 0.0) -> list[VenueMarkout]:
    """A table of ten venues over twenty days, the first of them worse by so much.

    Orders and days have luck of their own, which all of their fills share.
    """
    order = np.repeat(np.arange(_ORDERS_A_TABLE), _FILLS_AN_ORDER)
    day = order % BASE_DAYS
    venue = rng.choice(_VENUES_A_TABLE, len(order), p=_VENUE_SHARES)
    cost = 5.0 * rng.standard_t(3, len(order))
    cost += 2.0 * rng.standard_normal(_ORDERS_A_TABLE)[order]
    cost += rng.standard_normal(BASE_DAYS)[day] + worse_bps * (venue == 0)
    names = np.array([f"V{v}" for v in range(_VENUES_A_TABLE)])[venue]
    return compare_venues(cost, venues=names, orders=order, days=day)


def toxicity(tables: int) -> dict[str, float]:
    """Share of tables of healthy venues that flag any, and of venues 1 bps worse found, %."""
    rng = np.random.default_rng(7)
    fair = [any(row.is_toxic for row in markouts(rng)) for _ in range(tables)]
    worse = [markouts(rng, 1.0)[0].is_toxic for _ in range(tables)]
    return {
        "toxic_tables_pct": 100 * float(np.mean(fair)),
        "toxic_1_bps_found_pct": 100 * float(np.mean(worse)),
    }
