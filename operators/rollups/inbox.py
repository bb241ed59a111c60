"""Rows wait until no order group can bring an earlier one, and then come in one order."""

import numpy as np

from domain.instants import END_OF_TIME, NO_TIME
from operators.arrays import joined
from operators.rollups.pieces import LIGHT, NAMED, ScopePiece

_MANY_NAMES = 256


class Inbox:
    """Rows by effective time, then what they tell, order and sequence: whoever brought them."""

    def __init__(self, order_groups: int) -> None:
        self._order_groups = order_groups
        self.watermarks: dict[int, int] = {}
        self.rows = np.empty(0, LIGHT)
        self.names: dict[int, str] = {}
        """Of the rows that wait, and perhaps of others."""
        self.end = END_OF_TIME

    def put(self, pieces: list[ScopePiece]) -> None:
        """Take what has arrived."""
        for piece in pieces:
            for group, watermark in piece.watermarks.items():
                self.watermarks[group] = max(watermark, self.watermarks.get(group, NO_TIME))
            self.names.update(piece.names)
            self.end = min(self.end, piece.end)
        self.rows = joined((self.rows, *(piece.rows for piece in pieces)), LIGHT)

    @property
    def watermark(self) -> int:
        """No later row lies before."""
        if len(self.watermarks) < self._order_groups:
            return NO_TIME
        return min(self.watermarks.values())

    def take(self) -> np.ndarray:
        """The rows that are complete, in order."""
        rows, watermark = self.rows, self.watermark
        ready = rows["t"] < watermark
        count = int(np.count_nonzero(ready))
        if not count:
            return rows[:0]
        self.rows = rows[~ready]
        rows = rows[ready]
        order = np.lexsort((rows["seq"], rows["order"], rows["what"], rows["t"]))
        return rows[order]

    def forget_names(self) -> None:
        """Drop the names of rows that were taken, once they are many."""
        if len(self.names) <= _MANY_NAMES + 8 * len(self.rows):
            return
        used: set[int] = set()
        for column in NAMED:
            used.update(self.rows[column].tolist())
        self.names = {key: name for key, name in self.names.items() if key in used}
