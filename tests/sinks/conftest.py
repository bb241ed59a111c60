"""Rows as the order stage gives them, and real servers to write them to."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from bus.connect import open_bus
from bus.redis_streams import RedisBus
from domain.columns import EVENT, blank
from domain.keys import key_of
from domain.reasons import Reason
from domain.rows import FILL, ORDER, STATUS, FillStatus, Rows, Venues
from domain.vocabulary import EventKind, OrderState, Topic
from runtime.servers import EmbeddedServer

T0 = 1_700_000_000 * 1_000_000_000
_NAMES = ("order", "root", "parent", "symbol", "desk", "broker", "algo", "strategy", "trader",
          "client", "currency", "cl_ord", "venue", "exec", "exec_ref")  # fmt: skip
Row = Callable[..., Rows]


def _filled(dtype: np.dtype, values: dict[str, Any], names: dict[int, str]) -> np.ndarray:
    row = blank(dtype, 1)
    for name, value in values.items():
        if name in _NAMES and isinstance(value, str):
            names[key_of(value)] = value
            value = key_of(value)  # noqa: PLW2901
        row[name] = value
    return row


@pytest.fixture(scope="session")
def status_row() -> Row:
    """One status row as Rows: `status_row("A", events=3, t=1.5, desk="US", …)`."""

    def make(order: str = "A", *, events: int = 1, t: float = 0.0, **values: Any) -> Rows:
        names: dict[int, str] = {}
        ts = T0 + round(t * 1e9)
        values = {
            "order": order, "root": order, "symbol": "IBM", "ts": ts, "known": ts,
            "events": events, "seq": events, "numbered": 1, "state": OrderState.NEW,
            "kind": EventKind.ORDER_ACCEPTED, "side": 1, **values,
        }  # fmt: skip
        venues = values.pop("venues", None)
        status = _filled(STATUS, {"reasons": Reason.NO_FILL, **values}, names)
        if values.get("provisional"):
            status["numbered"], status["seq"] = 0, -1
        rows = Rows(status=status, names=names)
        if venues:
            rows.status_venues = _venues(venues, names)
        return rows

    return make


def _venues(shares: dict[str, float], names: dict[int, str]) -> Venues:
    names.update({key_of(name): name for name in shares})
    keys = np.array([key_of(name) for name in shares], "u8")
    return Venues(np.array([0, len(keys)]), keys, np.array(list(shares.values())))


@pytest.fixture(scope="session")
def full_rows(status_row: Row) -> Row:
    """A step's rows of every kind for one order, with a fill at a venue."""

    def make(order: str = "A", *, events: int = 2, t: float = 0.0, **values: Any) -> Rows:
        rows = status_row(order, events=events, t=t, state=OrderState.FILLED, **values)
        ts = T0 + round(t * 1e9)
        names = rows.names
        rows.orders = _filled(
            ORDER,
            {"order": order, "root": order, "symbol": "IBM", "side": 1, "ts": ts, "known": ts,
             "seq": events, "state": OrderState.FILLED, "avg_px": 9.5},
            names,
        )  # fmt: skip
        rows.orders["reasons"] = Reason.NO_REFERENCE
        rows.order_venues = _venues({"XNAS": 300.0, "ARCX": 100.0}, names)
        rows.fills = _filled(
            FILL,
            {"order": order, "root": order, "symbol": "IBM", "venue": "XNAS", "exec": "E1",
             "ts": ts, "known": ts, "side": 1, "status": FillStatus.COUNTED, "last_qty": 400.0,
             "last_px": 9.5, "pos": 7},
            names,
        )  # fmt: skip
        rows.timeline = _filled(
            EVENT,
            {"kind": EventKind.ORDER_FILLED, "order": order, "root": order, "symbol": "IBM",
             "exec": "E1", "ts_event": ts, "t_eff": ts, "pos": 7, "last_qty": 400.0, "side": 1},
            names,
        )  # fmt: skip
        return rows

    return make


@pytest.fixture(scope="session")
def shared_server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer("status", durable=False) as server:
        yield server


@pytest.fixture
def own_server() -> Iterator[EmbeddedServer]:
    """A server that the test may kill; what it was told survives."""
    with EmbeddedServer("bus", durable=True) as server:
        yield server


@pytest.fixture
def bus(shared_server: EmbeddedServer) -> Iterator[RedisBus]:
    found = open_bus(shared_server.url)
    assert isinstance(found, RedisBus)
    found._client.flushall()
    found.set_up(dict.fromkeys(Topic, 4), 16)
    yield found
    found.close()
