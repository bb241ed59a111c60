"""Status rows of open orders as the monitor hands them to its sink, without the monitor."""

import time

import numpy as np

from benchmarks.bus_load import order_id
from benchmarks.deployed import DESK
from domain.columns import blank
from domain.keys import key_of
from domain.rows import STATUS, Rows
from domain.vocabulary import EventKind, OrderState


def status_rows(orders: int, seed: int = 1) -> Rows:
    """A row of each of so many partly filled orders."""
    rows = blank(STATUS, orders)
    names = {key_of(name): name for name in (*map(order_id, range(orders)), DESK, "IBM")}
    rows["order"] = rows["root"] = [key_of(order_id(n)) for n in range(orders)]
    rows["desk"], rows["symbol"] = key_of(DESK), key_of("IBM")
    rows["ts"] = rows["known"] = time.time_ns()
    rows["events"] = rows["seq"] = rows["numbered"] = 1
    rows["kind"], rows["state"] = EventKind.ORDER_FILLED, OrderState.PARTIALLY_FILLED
    rng = np.random.default_rng(seed)
    for name in rows.dtype.names or ():
        if rows.dtype[name] == np.float64:
            rows[name] = rng.normal(10, 3, orders)
    return Rows(status=rows, names=names)


def some_of(whole: Rows, orders: np.ndarray, seq: int) -> Rows:
    """The next state of these orders, by number."""
    rows = whole.status[orders].copy()
    rows["ts"] = rows["known"] = time.time_ns()
    rows["events"] = rows["seq"] = seq
    return Rows(status=rows, names=whole.names)
