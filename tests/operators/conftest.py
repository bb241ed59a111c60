"""A desk in memory: messages in, rows out, through the real steps without an engine."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from domain.batch import Batch, Input
from domain.columns import EVENT, MARKET
from domain.events import AlgoParams, MarketMessage, OrderMessage
from domain.instants import END_OF_TIME, NO_TIME, format_rfc3339
from domain.keys import key_of
from domain.reasons import Reason
from domain.rows import ORDER_METRICS, STATUS_METRICS, Rows
from domain.vocabulary import Topic
from domain.wire import RowBuilder
from operators.market.logic import MarketLogic, MarketSettings
from operators.orders.group import OrderSettings
from operators.orders.logic import OrderLogic
from operators.split import groups_fed, route_to_orders, split_batches
from tests.order_day import Day

T0 = 1_700_000_000 * 1_000_000_000
INPUTS = (Input(0, Topic.MARKET_DATA, 0), Input(1, Topic.ORDERS, 0), Input(2, Topic.ROUTES, 0))


def at(seconds: float) -> str:
    return format_rfc3339(T0 + round(seconds * 1e9))


@dataclass
class Tape:
    """Collects messages of each input; times are seconds after T0."""

    market: list[MarketMessage] = field(default_factory=list)
    orders: list[OrderMessage] = field(default_factory=list)
    routes: list[OrderMessage] = field(default_factory=list)

    def quote(self, t: float, bid: float, ask: float, symbol: str = "X", **more: Any) -> None:
        self.market.append(
            MarketMessage(type="quote", ts_event=at(t), symbol=symbol, bid=bid, ask=ask, **more)
        )

    def trade(self, t: float, price: float, size: float, symbol: str = "X", **more: Any) -> None:
        self.market.append(
            MarketMessage(
                type="trade", ts_event=at(t), symbol=symbol, price=price, size=size, **more
            )
        )

    def say(self, type_: str, t: float, order_id: str = "A", **more: Any) -> None:
        message = OrderMessage(
            type=type_,
            ts_event=at(t),
            order_id=order_id,
            **{"symbol": "X", "side": "BUY", **more},
        )
        (self.routes if type_.startswith("route") else self.orders).append(message)

    def accept(self, t: float, qty: float, order_id: str = "A", **more: Any) -> None:
        schedule = more.pop("schedule", None)
        if schedule:
            start, end, rate = schedule[1:]
            more["algo_params"] = AlgoParams(
                schedule=schedule[0], start=at(start), end=at(end), participation=rate
            )
        self.say("order_accepted", t, order_id, order_qty=qty, **more)

    def fill(self, t: float, qty: float, px: float, exec_id: str | None, **more: Any) -> None:
        self.say("order_filled", t, last_qty=qty, last_px=px, exec_id=exec_id, **more)

    def batch(
        self, source: int, messages: list[Any], ordinal: int = 0, ingest: int = NO_TIME
    ) -> Batch:
        builder = RowBuilder(INPUTS[source].topic, source, ordinal=ordinal)
        for message in messages:
            if isinstance(message, MarketMessage):
                builder.add_market(message)
            else:
                builder.add_order(message, ingest=ingest)
        return builder.build()

    def batches(self) -> list[Batch]:
        """One batch an input, effective times set, and then its end."""
        out: list[Batch] = []
        for source, messages in enumerate((self.market, self.orders, self.routes)):
            batch = effective(self.batch(source, messages))
            out += [batch, Batch(source, watermark=batch.watermark, ended=True)]
        return out


def effective(batch: Batch, watermark: int = NO_TIME) -> Batch:
    newest = max(watermark, batch.watermark)
    for rows in (batch.market, batch.events):
        if len(rows):
            rows["t_eff"] = np.maximum.accumulate(np.maximum(rows["ts_event"], watermark))
            newest = max(newest, int(rows["t_eff"][-1]))
    batch.watermark = newest
    return batch


def cut(batch: Batch, pieces: int) -> list[Batch]:
    """The batch in several, each with the watermark after it."""
    rows = batch.market if len(batch.market) else batch.events
    out: list[Batch] = []
    for part in np.array_split(np.arange(len(rows)), pieces):
        if len(part):
            chunk = rows[part[0] : part[-1] + 1].copy()
            out.append(
                Batch(
                    batch.source,
                    chunk if rows.dtype == MARKET else np.empty(0, MARKET),
                    chunk if rows.dtype == EVENT else np.empty(0, EVENT),
                    batch.details[np.isin(batch.details["pos"], chunk["pos"])]
                    if rows.dtype == EVENT
                    else batch.details[:0],
                    batch.names,
                    watermark=int(chunk["t_eff"][-1]),
                )
            )
    return out


class Desk:
    """The market and order stages of every group, stepped by hand."""

    def __init__(self, market: MarketSettings | None = None, orders: OrderSettings | None = None):
        self.market_settings = market or MarketSettings(INPUTS)
        self.order_settings = orders or OrderSettings()
        self.market: dict[str, MarketLogic] = {}
        self.orders: dict[str, OrderLogic] = {}
        self.rows: list[Rows] = []

    def push(self, *batches: Batch) -> list[Rows]:
        out: list[Rows] = []
        inputs = self.market_settings.inputs
        for batch in batches:
            pieces: dict[str, list[Any]] = defaultdict(list)
            for key, piece in split_batches([batch], groups_fed(inputs, 16), 16):
                pieces[key].append(piece)
            stamped: list[Any] = []
            for key, values in pieces.items():
                logic = self.market.setdefault(key, MarketLogic(self.market_settings, None))
                given, gone = logic.on_batch(values)
                assert not gone
                stamped += [(key, item) for item in given]
            out += self._orders(stamped)
        self.rows += out
        return out

    def _orders(self, stamped: list[Any]) -> list[Rows]:
        out: list[Rows] = []
        for key, piece in route_to_orders(stamped, 16):
            logic = self.orders.setdefault(key, OrderLogic(self.order_settings, None))
            given, gone = logic.on_batch([piece])
            assert not gone
            out += given
        return out

    def wait(self) -> list[Rows]:
        """Let the time that events may wait pass."""
        stamped: list[Any] = []
        for key, logic in self.market.items():
            if logic.notify_at() is not None:
                stamped += [(key, item) for item in logic.on_notify()[0]]
        out = self._orders(stamped)
        for logic in self.orders.values():
            if logic.notify_at() is not None:
                out += logic.on_notify()[0]
        self.rows += out
        return out

    def restart(self) -> None:
        """Everything forgotten but for the snapshots."""
        self.market = {
            k: MarketLogic(self.market_settings, v.snapshot()) for k, v in self.market.items()
        }
        self.orders = {
            k: OrderLogic(self.order_settings, v.snapshot()) for k, v in self.orders.items()
        }


def statuses(rows: list[Rows]) -> np.ndarray:
    """All status rows, by order and then as they came."""
    arrays = [r.status for r in rows if len(r.status)]
    if not arrays:
        return np.empty(0, Rows().status.dtype)
    together = np.concatenate(arrays)
    return together[np.argsort(together["order"], kind="stable")]


def finals(rows: list[Rows]) -> np.ndarray:
    """Numbered rows without wall-clock fields."""
    found = statuses(rows)
    found = found[found["numbered"] == 1].copy()
    found["ts_ingest"] = 0
    return found


def records(rows: list[Rows]) -> dict[int, Any]:
    """Newest order record by key."""
    out: dict[int, Any] = {}
    for batch in rows:
        for row in batch.orders:
            out[int(row["order"])] = row
    return out


def record(rows: list[Rows], order_id: str = "A") -> dict[str, Any]:
    """An order's record as a dictionary: numbers, or the name of the reason."""
    row = records(rows)[key_of(order_id)]
    found = {name: row[name].item() for name in row.dtype.names if row.dtype[name].shape == ()}
    for i, name in enumerate(ORDER_METRICS):
        if found[name] != found[name]:
            found[name] = Reason(row["reasons"][i]).name
    return found


def last_status(rows: list[Rows], order_id: str = "A") -> dict[str, Any]:
    found = statuses(rows)
    row = found[found["order"] == key_of(order_id)][-1]
    out = {name: row[name].item() for name in row.dtype.names if row.dtype[name].shape == ()}
    for i, name in enumerate(STATUS_METRICS):
        if out[name] != out[name]:
            out[name] = Reason(row["reasons"][i]).name
    return out


@pytest.fixture
def lab() -> Any:
    """The helpers above, since test modules cannot import each other."""

    class Lab:
        pass

    lab = Lab()
    for thing in (Tape, Desk, at, effective, cut, statuses, finals, records, record,
                  last_status, INPUTS, T0, END_OF_TIME):  # fmt: skip
        name = getattr(thing, "__name__", None)
        if name:
            setattr(lab, name, thing)
    lab.INPUTS, lab.T0 = INPUTS, T0  # type: ignore[attr-defined]
    return lab


@pytest.fixture
def day(lab: Any) -> Day:
    return Day(lab)


@pytest.fixture
def tape() -> Tape:
    return Tape()


@pytest.fixture
def run() -> Any:
    def run_all(tape: Tape, **settings: Any) -> list[Rows]:
        desk = Desk(**settings)
        desk.push(*tape.batches())
        return desk.rows

    return run_all
