"""Where each order's quantity was sent."""

from typing import Any

import numpy as np

from domain.rows import Rows
from domain.vocabulary import EventKind

_SENT = EventKind.ROUTE_SENT
_HALF = 0.5
_MANY = 64
"""Routes of an order that are noted before they are added up without being asked about."""


class RoutedQty:
    """Quantity sent by root order and venue, rejected and cancelled routes included."""

    def __init__(self) -> None:
        self._sent: dict[int, dict[int, float]] = {}
        self._ahead: dict[int, list[tuple[int, int, float]]] = {}
        """(effective time, venue, quantity) by root order of what was not asked about yet."""

    def take(self, rows: Rows, told: int) -> dict[int, str]:
        """Note the routes among the rows; returns the names of their venues.

        Nobody asks any more how it was before `told`.
        """
        sent = rows.timeline[rows.timeline["kind"] == _SENT]
        if not len(sent):
            return {}
        columns = [sent[name].tolist() for name in ("root", "t_eff", "venue", "order_qty")]
        for root, t, venue, qty in zip(*columns, strict=True):
            if venue and qty > 0.0:
                ahead = self._ahead.setdefault(root, [])
                ahead.append((t, venue, qty))
                if len(ahead) % _MANY == 0:
                    self._count(root, told)
        return {key: rows.names[key] for key in np.unique(sent["venue"]).tolist() if key}

    def main_venue(self, root: int, t: int) -> int:
        """Key of the venue with more than half of what was routed of an order before t, or 0.

        Times of one order never go back. What arrived with a row decides nothing: routes of a
        later time may have come along with it.
        """
        if root in self._ahead:
            self._count(root, t)
        by_venue = self._sent.get(root)
        if not by_venue:
            return 0
        venue = max(by_venue, key=lambda key: (by_venue[key], key))
        return venue if by_venue[venue] > _HALF * sum(by_venue.values()) else 0

    def _count(self, root: int, t: int) -> None:
        """Add up what was routed before t."""
        by_venue = self._sent.setdefault(root, {})
        ahead = self._ahead.pop(root)
        for at, venue, qty in ahead:
            if at < t:
                by_venue[venue] = by_venue.get(venue, 0.0) + qty
        later = [entry for entry in ahead if entry[0] >= t]
        if later:
            self._ahead[root] = later

    def forget(self, root: int) -> None:
        """The order is over."""
        self._sent.pop(root, None)
        self._ahead.pop(root, None)

    def dump(self) -> tuple[Any, ...]:
        """Plain data."""
        return {root: dict(by) for root, by in self._sent.items()}, {
            root: list(ahead) for root, ahead in self._ahead.items()
        }

    def load(self, kept: tuple[Any, ...]) -> None:
        """Take back what `dump` gave."""
        sent, ahead = kept
        self._sent = {root: dict(by) for root, by in sent.items()}
        self._ahead = {root: list(of) for root, of in ahead.items()}
