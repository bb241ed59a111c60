"""Which feeds are silent for whom, and what the desks are told of it."""

from collections.abc import Mapping

import numpy as np

from domain.alerts import DATA as DATA_TYPE
from domain.alerts import NO_DESK, Crossing
from domain.keys import group_of
from domain.published import Severity
from domain.vocabulary import Topic
from operators.alerts.judge import DATA

_SILENT_FEED = "Check the market data feed: rules that need prices or volume are silent"


class Silent:
    """Which feeds are silent for which desk: one page for each, however many orders."""

    def __init__(self, groups: int, partitions: int) -> None:
        self._groups = groups
        self._partitions = partitions
        self._orders: dict[tuple[str, str], dict[int, str]] = {}

    def take(self, verdict: np.void, row: np.void, names: Mapping[int, str]) -> list[Crossing]:
        """An order's feed fell silent, spoke again, or the order ended: what the desk is told."""
        symbol = names.get(int(row["symbol"]), "")
        desk = names.get(int(row["desk"]), NO_DESK)
        feed = group_of(symbol, self._groups) % self._partitions
        key = (f"feed:{Topic.MARKET_DATA}-{feed}", desk)
        orders = self._orders.setdefault(key, {})
        was_silent = bool(orders)
        if verdict["severity"]:
            orders[int(row["order"])] = names[int(row["order"])]
        else:
            orders.pop(int(row["order"]), None)
        if not orders:
            del self._orders[key]
        if was_silent == bool(orders):
            return []
        told = Crossing(
            t=int(row["known"]), scope=key[0], type=DATA_TYPE, desk=desk,
            severity=Severity.HIGH if orders else None,
            order_ids=sorted(orders.values()), recommendation=_SILENT_FEED if orders else "",
        )  # fmt: skip
        return [told]

    def dump(self) -> list[tuple[str, str, dict[int, str]]]:
        """Plain data."""
        return [(*key, dict(orders)) for key, orders in self._orders.items()]

    def load(self, kept: list[tuple[str, str, dict[int, str]]]) -> None:
        """Take back what `dump` gave."""
        self._orders = {(scope, desk): dict(orders) for scope, desk, orders in kept}


def is_about_a_feed(verdict: np.void) -> bool:
    """Whether a verdict tells of a feed and not of a rule."""
    return int(verdict["rule"]) == DATA
