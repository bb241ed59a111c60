"""By which levels each order is judged: configured ones, and those asked for it."""

from typing import Any

import msgspec
import numpy as np

from domain.evaluations import InForce
from domain.instants import END_OF_TIME
from domain.keys import key_of
from domain.thresholds import Configured, configured_for
from domain.vocabulary import AssetClass
from rules.levels import LIMITS, limits_of, widest


class Monitoring(msgspec.Struct):
    """What a control message asks for an order."""

    type: str = ""
    order_id: str | None = None
    alert_thresholds: dict[str, float] = {}
    config_version: str = ""


_TYPES = ("monitoring_started", "thresholds_changed", "monitoring_stopped")
_Asked = tuple[int, dict[str, float], str]
"""(effective time, thresholds, version of the configuration)"""


class LimitBook:
    """The table of LIMITS that kernels read, and which row is whose.

    Later configured thresholds go before earlier ones, those of the order before all.
    """

    def __init__(self, configured: tuple[Configured, ...], config_version: str) -> None:
        self._configured = configured
        self._config_version = config_version
        self._asked: dict[int, list[_Asked]] = {}
        self._row_of: dict[tuple[Any, ...], int] = {}
        self.versions: list[str] = []
        """Version of the configuration, by row."""
        self.in_force: list[InForce] = []
        """The thresholds themselves, by row."""
        self.table = np.empty(0, LIMITS)
        self.wide = np.empty(0, LIMITS)
        """Limits near which an evaluation is kept, by row."""
        self._row(InForce(), config_version)

    @property
    def is_plain(self) -> bool:
        """Whether every order is judged by the first row."""
        return not self._configured and not self._asked

    def take(self, raw: bytes, known: int) -> int:
        """Note a control message; returns the key of the order it is about, 0 for another's."""
        told = msgspec.json.decode(raw, type=Monitoring)
        if told.type not in _TYPES or not told.order_id:
            return 0
        stops = told.type == "monitoring_stopped"
        asked = (
            known,
            {} if stops else told.alert_thresholds,
            self._config_version if stops else told.config_version or self._config_version,
        )
        changes = self._asked.setdefault(key_of(told.order_id), [])
        if asked not in changes:
            changes.append(asked)
            changes.sort(key=lambda change: change[0])
        return key_of(told.order_id)

    def choose(
        self, order: int, t: int, desk: str, asset_class: int, symbol: str
    ) -> tuple[int, int]:
        """(row for the order from t on, when another begins)."""
        in_force = InForce(self._configured_for(desk, asset_class, symbol))
        version, next_at = self._config_version, END_OF_TIME
        changes = self._asked.get(order, [])
        passed = [change for change in changes if change[0] <= t]
        if passed:
            _, asked, version = passed[-1]
            in_force = InForce(in_force.configured, asked)
        if len(passed) < len(changes):
            next_at = changes[len(passed)][0]
        return self._row(in_force, version), next_at

    def forget(self, order: int) -> None:
        """The order is over."""
        self._asked.pop(order, None)

    def dump(self) -> list[tuple[int, list[_Asked]]]:
        """What was asked, as plain data."""
        return list(self._asked.items())

    def load(self, asked: list[tuple[int, list[_Asked]]]) -> None:
        """Take back what `dump` gave."""
        self._asked = {order: list(changes) for order, changes in asked}

    def _configured_for(self, desk: str, asset_class: int, symbol: str) -> dict[str, float]:
        words = AssetClass(asset_class).name
        return configured_for(self._configured, desk, words, symbol)

    def _row(self, in_force: InForce, version: str) -> int:
        configured, asked = in_force.configured, in_force.asked
        key = (tuple(sorted(configured.items())), tuple(sorted(asked.items())), version)
        row = self._row_of.get(key)
        if row is None:
            row = self._row_of[key] = len(self.versions)
            self.versions.append(version)
            self.in_force.append(in_force)
            limits = limits_of({**configured, **asked})
            self.table = np.concatenate([self.table, limits])
            self.wide = np.concatenate([self.wide, widest(limits)])
        return row
