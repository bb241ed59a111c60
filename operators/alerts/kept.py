"""Evaluations that are kept, taken out of the status rows that were judged."""

from collections.abc import Sequence

import numpy as np

from domain.evaluations import EVALUATION, SHARED_COLUMNS, InForce
from domain.rows import Rows

_SHARED = list(SHARED_COLUMNS)


def evaluations_of(rows: Rows, kept: np.ndarray, in_force: Sequence[InForce]) -> Rows:
    """Rows with nothing but the evaluations that KEPT lists, and the thresholds they met.

    `in_force` are the thresholds by row of the table of limits.
    """
    found = np.zeros(len(kept), EVALUATION)
    found[_SHARED] = rows.status[_SHARED][kept["row"]]
    found["part"] = kept["part"]
    found["thresholds"] = -1
    thresholds: list[InForce] = []
    for limits in sorted(set(kept["limits"].tolist())):
        if in_force[limits] != InForce():
            found["thresholds"][kept["limits"] == limits] = len(thresholds)
            thresholds.append(in_force[limits])
    return Rows(evaluations=found, thresholds=thresholds, names=rows.names)
