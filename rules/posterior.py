"""Algorithms at brokers compared over their finished orders, as a daily job does it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from domain.published import Severity
from metrics.inference import benjamini_hochberg, shrink
from metrics.statistics import posterior_above

LEAST_ORDERS = 30
EXCESS_BPS = 2.0
"""Mean cost above what was expected that is worth a word."""
CRITICAL_BPS = 5.0
FALSE_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class CohortCost:
    """A cohort's cost above the expected over its finished orders."""

    scope: str
    n: int
    excess_bps: float
    """Mean of cost less expected cost; positive is against us."""
    standard_error_bps: float


@dataclass(frozen=True, slots=True)
class CohortVerdict:
    """What the whole table says of one cohort."""

    scope: str
    severity: Severity | None
    excess_bps: float
    """Drawn towards the mean of all cohorts."""
    probability: float
    """That the true excess lies above 2 bps."""
    q: float
    """Of the cohort's own mean against 2 bps, Benjamini–Hochberg over the table."""


def judge_cohorts(cohorts: Sequence[CohortCost]) -> list[CohortVerdict]:
    """Every cohort with at least 30 orders, in the order given.

    LOW from a probability of .80, MEDIUM from .90, HIGH from .95 if its q is below 5 % too,
    CRITICAL from .99 with a shrunk excess of at least 5 bps besides.
    """
    judged = [
        c
        for c in cohorts
        if c.n >= LEAST_ORDERS and c.standard_error_bps > 0.0 and math.isfinite(c.excess_bps)
    ]
    means = np.array([c.excess_bps for c in judged])
    errors = np.array([c.standard_error_bps for c in judged])
    shrunk = shrink(means, errors)
    above = posterior_above(shrunk.mean, sd=shrunk.sd, limit=EXCESS_BPS)
    q = benjamini_hochberg(1.0 - posterior_above(means, sd=errors, limit=EXCESS_BPS))
    rows = zip(judged, shrunk.mean.tolist(), above.tolist(), q.tolist(), strict=True)
    return [CohortVerdict(c.scope, _severity(p, x, qv), x, p, qv) for c, x, p, qv in rows]


def _severity(probability: float, excess_bps: float, q: float) -> Severity | None:
    if probability >= 0.95 and q < FALSE_SHARE:
        if probability >= 0.99 and excess_bps >= CRITICAL_BPS:
            return Severity.CRITICAL
        return Severity.HIGH
    if probability >= 0.90:
        return Severity.MEDIUM
    return Severity.LOW if probability >= 0.80 else None
