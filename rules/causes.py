"""Why an alert about a venue or a cohort holds, and since when."""

import msgspec

from domain.instants import SECOND
from domain.published import AlertEvidence, Severity
from domain.reference import Finding

LEAST_NS = 60 * SECOND
"""An alert's condition lasts at least this long, so that none flickers."""

_RANK = {severity: rank for rank, severity in enumerate(Severity)}


class Cause(msgspec.Struct):
    """One reason, with its numbers as they were when it reached its severity."""

    severity: Severity
    since: int
    """UNIX ns at which it reached this severity."""
    evidence: AlertEvidence
    words: str = ""
    """What was noticed, where the numbers do not say it."""


def cause_of(finding: Finding, t: int) -> Cause:
    """The cause that a finding of past days is, from `t` on."""
    evidence = AlertEvidence(
        n=finding.n, expected=finding.expected, actual=finding.actual, z=finding.z,
        threshold=finding.threshold,
    )  # fmt: skip
    return Cause(finding.severity, t, evidence, finding.words)


def is_worse(new: Severity, old: Severity | None) -> bool:
    """Whether a severity is above another, or there was none."""
    return old is None or _RANK[new] > _RANK[old]


def worst_of(causes: dict[str, Cause]) -> Cause | None:
    """The cause of the highest severity, of equals the one that came first."""
    found: Cause | None = None
    for cause in causes.values():
        if found is None or is_worse(cause.severity, found.severity):
            found = cause
    return found
