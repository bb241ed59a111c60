"""A stretch of rows in columns, converted once whatever topics it is read for."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from domain.columns import EVENT_NUMBERS
from domain.errors import InputError
from domain.instants import NO_TIME
from domain.vocabulary import MARKET_EVENT_TYPES, ORDER_EVENT_TYPES, ROUTE_EVENT_TYPES, Topic
from sources.columnar import convert
from sources.columnar.convert import Column, Names, Profiles

T = TypeVar("T")
ALL_TYPES = {**MARKET_EVENT_TYPES, **ORDER_EVENT_TYPES, **ROUTE_EVENT_TYPES}
TOPICS = (Topic.MARKET_DATA, Topic.ORDERS, Topic.ROUTES)
_NO_TOPIC = 255
_TYPE_CODES = {name: i + 1 for i, name in enumerate(ALL_TYPES)}
_KIND = np.array([0, *(int(kind) for kind in ALL_TYPES.values())] + [0] * 255, np.uint8)[:256]
_TOPIC = np.array(
    [_NO_TOPIC]
    + [0] * len(MARKET_EVENT_TYPES)
    + [1] * len(ORDER_EVENT_TYPES)
    + [2] * len(ROUTE_EVENT_TYPES)
    + [_NO_TOPIC] * 256,
    np.uint8,
)[:256]
ALIASES = {
    "algo_params.schedule": "schedule",
    "algo_params.start": "start",
    "algo_params.end": "end",
    "algo_params.participation": "participation",
    "algo_params.urgency": "urgency",
    "algo_params.kappa_t": "kappa_t",
    "algo_params.profile": "profile",
}
"""Columns of a nested `algo_params` may also stand on their own."""


class Block:
    """Arrow columns by name; each is converted when first asked for, and then kept.

    Without a column `type` every row is a quote, a print, or a quote and then a print.
    """

    def __init__(self, columns: Mapping[str, Any], rows: int) -> None:
        self.columns = {ALIASES.get(name, name): array for name, array in columns.items()}
        self.rows = rows
        self._kept: dict[tuple[str, str], Any] = {}

    def _get(self, name: str, convert_with: Callable[[Any], T]) -> T | None:
        if name not in self.columns:
            return None
        key = (name, convert_with.__name__)
        if key not in self._kept:
            try:
                self._kept[key] = convert_with(self.columns[name])
            except (ValueError, NotImplementedError, TypeError) as error:
                raise InputError(f"column {name} cannot be read: {error}") from error
        return self._kept[key]

    def numbers(self, name: str) -> Column | None:
        """The column as float64, None without it."""
        return self._get(name, convert.numbers)

    def sequences(self, name: str) -> Column | None:
        """The column as sequence numbers, None without it."""
        return self._get(name, convert.sequences)

    def times(self, name: str) -> Column | None:
        """The column as UNIX ns, None without it."""
        return self._get(name, convert.times)

    def names(self, name: str) -> Names | None:
        """The column as keys of names, None without it."""
        return self._get(name, convert.names)

    def codes(self, name: str, meaning: Mapping[str, int]) -> Column | None:
        """The column by its codes, None without it."""

        def codes(array: Any) -> Column:
            return convert.codes(array, meaning)

        return self._get(name, codes)

    def warm(self) -> None:
        """Convert the large columns, in whatever thread calls."""
        for name in ("symbol", "order_id", "exec_id", "route_id", "venue"):
            self.names(name)
        for name in (
            *EVENT_NUMBERS,
            "avg_px",
            "bid",
            "ask",
            "bid_size",
            "ask_size",
            "price",
            "size",
        ):
            self.numbers(name)
        self.sequences("seq")
        _ = self.kind, self.told

    def profiles(self) -> Profiles | None:
        """The schedules that algorithms sent, None without such a column."""
        return self._get("profile", convert.profiles)

    @cached_property
    def kind(self) -> np.ndarray | None:
        """EventKind or MarketKind of each row, 0 where the type is unknown; None without types."""
        types = self.codes("type", _TYPE_CODES)
        return None if types is None else _KIND[types.values]

    @cached_property
    def topic(self) -> np.ndarray | None:
        """Index into TOPICS of each row, 255 where the type is unknown; None without types."""
        types = self.codes("type", _TYPE_CODES)
        return None if types is None else _TOPIC[types.values]

    @cached_property
    def told(self) -> np.ndarray:
        """When each row happened, UNIX ns; NO_TIME where it says none or has no topic."""
        times = self.times("ts_event")
        if times is None:
            return np.full(self.rows, NO_TIME)
        unknown = np.zeros(self.rows, np.bool_) if times.lost is None else times.lost
        if self.topic is not None:
            unknown = unknown | (self.topic == _NO_TOPIC)
        return np.where(unknown, NO_TIME, times.values) if unknown.any() else times.values

    def rows_of(self, topic: Topic, first: int, last: int, *, strays: bool) -> slice | np.ndarray:
        """The rows of a topic between two rows; with `strays` those of no topic too."""
        if self.topic is None:
            return slice(first, last)
        part = self.topic[first:last]
        wanted = part == TOPICS.index(topic)
        if strays:
            wanted |= part == _NO_TOPIC
        return slice(first, last) if wanted.all() else np.flatnonzero(wanted) + first
