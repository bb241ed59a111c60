"""Both stages stepped by hand, and what their state weighs."""

import pickle
import sys
from collections import defaultdict
from typing import Any

import numpy as np

from benchmarks.live_load import Load, Rows
from domain.batch import Batch, Input
from domain.vocabulary import Topic
from operators.increments import OpenIncrements
from operators.market.logic import MarketLogic, MarketSettings
from operators.orders.group import OrderSettings
from operators.orders.logic import OrderLogic
from operators.orders.tables import AGGS, KEPTS, MIDS, ORDERS, REFS, VENUES
from operators.split import groups_fed, route_to_orders, split_batches

INPUTS = (Input(0, Topic.MARKET_DATA, 0), Input(1, Topic.ORDERS, 0))
_ARENAS = {
    "orders": ORDERS, "sums": ORDERS, "agg_sums": AGGS, "kept": KEPTS, "mids": MIDS,
    "refs": REFS, "venues": VENUES, "venue_qty": VENUES,
}  # fmt: skip
_OF_ORDERS = (*_ARENAS, "order_table", "exec_table", "names", "tracked", "followed")
"""Parts of the state that grow with orders and fills; the rest is the market's."""


class Stages:
    """The logic of every key group, without the engine."""

    def __init__(self, load: Load, increments: OpenIncrements | None = None) -> None:
        self.market_settings = MarketSettings(INPUTS, groups=load.groups, increments=increments)
        self.fed = groups_fed(INPUTS, load.groups)
        self.order_settings = OrderSettings(
            groups=load.groups, references=load.references, increments=increments
        )
        self.market: dict[str, MarketLogic] = {}
        self.orders: dict[str, OrderLogic] = {}

    def push(self, *batches: Batch) -> None:
        """Take batches of any input; the rows that they cause are dropped."""
        for batch in batches:
            pieces: dict[str, list[Any]] = defaultdict(list)
            for key, piece in split_batches([batch], self.fed, self.market_settings.groups):
                pieces[key].append(piece)
            stamped: list[Any] = []
            for key, values in pieces.items():
                if key not in self.market:
                    self.market[key] = MarketLogic(self.market_settings, None)
                stamped += [(key, out) for out in self.market[key].on_batch(values)[0]]
            for key, piece in route_to_orders(stamped, self.order_settings.groups):
                if key not in self.orders:
                    self.orders[key] = OrderLogic(self.order_settings, None)
                list(self.orders[key].on_batch([piece])[0])

    def state_bytes(self) -> dict[str, int]:
        """Bytes of each part of the state: rows in use, lookups whole, names with their objects."""
        found: dict[str, int] = defaultdict(int)
        for logic in self.orders.values():
            tables = logic.group.tables
            for name, arena in _ARENAS.items():
                found[name] += getattr(tables, name)[: int(tables.used[arena])].nbytes
            for name in ("order_table", "exec_table"):
                found[name] += getattr(tables, name).nbytes
        found["names"] = self.names_bytes()
        for logic in self.market.values():
            state = logic.state
            found["tracked"] += state.tracked[: state.n_tracked].nbytes
            found["followed"] += state.followed[: state.followed_end].nbytes
            found["ticks"] += int(state.symbols["count"].sum()) * state.ticks.itemsize
            found["prints"] += int(state.symbols["print_count"].sum()) * state.prints.itemsize
            found["seconds"] += state.seconds[: state.n_symbols].nbytes
        return dict(found)

    def names_bytes(self) -> int:
        """Bytes of the order stage's names, every object once."""
        tables = [logic.group.names for logic in self.orders.values()]
        objects = {id(thing): thing for table in tables for pair in table.items() for thing in pair}
        return sum(map(sys.getsizeof, tables)) + sum(map(sys.getsizeof, objects.values()))

    def snapshot_bytes(self) -> dict[str, int]:
        """Bytes of what each stage hands to the recovery store."""
        return {
            "market": sum(len(pickle.dumps(logic.snapshot())) for logic in self.market.values()),
            "orders": sum(len(pickle.dumps(logic.snapshot())) for logic in self.orders.values()),
            "names": sum(
                len(pickle.dumps(dict(logic.group.names))) for logic in self.orders.values()
            ),
        }


def of_orders(parts: dict[str, int]) -> int:
    """Bytes of the parts that grow with orders and their fills."""
    return sum(parts[name] for name in _OF_ORDERS)


class Feeder:
    """Turns rows of a load into batches of the two inputs, in stored order."""

    def __init__(self, load: Load) -> None:
        self._names = load.names
        self._pos = 0

    def market(self, rows: Rows, until_ns: int) -> Batch:
        """A batch of market rows; the watermark is `until_ns`."""
        return Batch(0, market=rows.rows, watermark=until_ns)

    def orders(self, rows: Rows, until_ns: int) -> Batch:
        """A batch of order events, numbered on; the watermark is `until_ns`."""
        n = len(rows.rows)
        batch = Batch(1, watermark=until_ns)
        events = rows.rows.copy()
        events["source"] = 1
        events["pos"] = np.arange(self._pos, self._pos + n)
        self._pos += n
        batch.events = events
        said = [batch.events[name] for name in ("order", "symbol", "venue")]
        if len(rows.details):
            batch.details = rows.details.copy()
            batch.details["source"] = 1
            batch.details["pos"] = events["pos"][: len(rows.details)]
            fields = ("desk", "broker", "algo", "trader", "currency")
            said += [batch.details[name] for name in fields]
        keys = {key for column in said for key in np.unique(column).tolist() if key}
        batch.names = {key: self._names[key] for key in keys}
        batch.names.update(zip(events["exec"].tolist(), rows.names, strict=True))
        batch.names.pop(0, None)
        return batch
