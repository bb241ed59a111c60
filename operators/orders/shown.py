"""Events that were shown before they were decided, so that none is shown twice."""

import numpy as np

from domain.vocabulary import EventKind
from operators.arrays import joined
from operators.pieces import STAMPED


def place_of(rows: np.ndarray) -> np.ndarray:
    """Input partition and position of each row as one number."""
    return (rows["pos"] << 8) | rows["source"]


class Shown:
    """Which events were shown and wait still, and those of them the market has not met yet."""

    def __init__(self) -> None:
        self.places = np.empty(0, np.int64)
        self.rows = np.empty(0, STAMPED)
        """Later ones are shown on top of these."""

    def __len__(self) -> int:
        return len(self.places)

    def unseen(self, rows: np.ndarray) -> np.ndarray:
        """Rows that were not shown yet."""
        return rows[~np.isin(place_of(rows), self.places)] if len(self.places) else rows

    def add(self, rows: np.ndarray) -> None:
        """Note that these are shown now."""
        self.places = np.concatenate([self.places, place_of(rows)])
        self.rows = joined([self.rows, rows], STAMPED)

    def forget(self, decided: np.ndarray) -> None:
        """These went out final."""
        if len(self.places) and len(decided):
            settled = place_of(decided)
            self.places = self.places[~np.isin(self.places, settled)]
            self.rows = self.rows[~np.isin(place_of(self.rows), settled)]

    def waiting_since(self, pending: np.ndarray) -> int | None:
        """When the first event came in that waits and was not shown, UNIX ns."""
        rows = self.unseen(pending[pending["kind"] < EventKind.MARK])
        since = rows["ts_ingest"]
        since = since[since > 0]
        return int(since.min()) if len(since) else None
