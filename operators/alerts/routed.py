"""Where each order's quantity was sent."""

import numpy as np

from domain.rows import Rows
from domain.vocabulary import EventKind

_SENT = EventKind.ROUTE_SENT
_HALF = 0.5


class RoutedQty:
    """Quantity sent by root order and venue, rejected and cancelled routes included."""

    def __init__(self) -> None:
        self._sent: dict[int, dict[int, float]] = {}

    def take(self, rows: Rows) -> dict[int, str]:
        """Count the routes among the rows; returns the names of their venues."""
        sent = rows.timeline[rows.timeline["kind"] == _SENT]
        if not len(sent):
            return {}
        columns = (sent["root"].tolist(), sent["venue"].tolist(), sent["order_qty"].tolist())
        for root, venue, qty in zip(*columns, strict=True):
            if venue and qty > 0.0:
                by_venue = self._sent.setdefault(root, {})
                by_venue[venue] = by_venue.get(venue, 0.0) + qty
        return {key: rows.names[key] for key in np.unique(sent["venue"]).tolist() if key}

    def main_venue(self, root: int) -> int:
        """Key of the venue with more than half of an order's routed quantity, or 0."""
        by_venue = self._sent.get(root)
        if not by_venue:
            return 0
        venue = max(by_venue, key=lambda key: (by_venue[key], key))
        return venue if by_venue[venue] > _HALF * sum(by_venue.values()) else 0

    def forget(self, root: int) -> None:
        """The order is over."""
        self._sent.pop(root, None)

    def dump(self) -> dict[int, dict[int, float]]:
        """Plain data."""
        return {root: dict(by_venue) for root, by_venue in self._sent.items()}

    def load(self, sent: dict[int, dict[int, float]]) -> None:
        """Take back what `dump` gave."""
        self._sent = {root: dict(by_venue) for root, by_venue in sent.items()}
