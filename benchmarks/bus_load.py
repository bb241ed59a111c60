"""A desk and its market as messages of the bus, encoded before they are due.

Each event goes out with the slice of 5 ms that it belongs to. Second 0 is where the rate
begins; before it the orders are accepted.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from benchmarks.deployed import PARTITIONS
from bus.base import Outgoing, Place
from domain.instants import SECOND
from domain.keys import partition_of
from domain.topics import JSON_TYPE
from domain.vocabulary import Topic

SLICE_S = 0.005
TICK_SHARE = 0.8
"""Of all events; the rest are fills and routes."""
FILL_SHARE = 0.8
PRINT_SHARE = 0.3
ACCEPT_PER_S = 2_000.0
REST_S = 2.0
"""Between the last acceptance and second 0."""
LOT = 100
VENUES = ("XNAS", "XNYS", "BATS", "EDGX", "ARCX", "IEXG")

Slice = tuple[float, list[Outgoing]]
"""(second at which it is due, its messages)"""
_Events = tuple[np.ndarray, list[str], np.ndarray]
"""(second of each event, its JSON without the time, index of its place)"""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is sent."""

    events_per_s: float
    seconds: float
    orders: int = 10_000
    symbols: int = 200
    seed: int = 1

    @property
    def accept_s(self) -> float:
        """Length of the stretch before second 0."""
        return self.orders / ACCEPT_PER_S + REST_S


def order_id(n: int) -> str:
    """Such as a desk has them."""
    return f"US-{n:06d}/{n % 7}"


def encoded(plan: Plan, start_ns: int) -> tuple[list[Slice], np.ndarray, np.ndarray]:
    """(messages of each slice with its second, order of each fill, second it is due)."""
    rng = np.random.default_rng(plan.seed)
    mids = np.round(rng.uniform(20.0, 300.0, plan.symbols), 2)
    traded = rng.integers(0, plan.symbols, plan.orders)
    places: list[Place] = []
    at: dict[Place, int] = {}

    def place(topic: Topic, key: str) -> int:
        found = (topic, partition_of(key, PARTITIONS))
        if found not in at:
            at[found] = len(places)
            places.append(found)
        return at[found]

    market_at = np.array([place(Topic.MARKET_DATA, f"S{n:03d}") for n in range(plan.symbols)])
    orders_at = np.array([place(Topic.ORDERS, order_id(n)) for n in range(plan.orders)])
    routes_at = np.array([place(Topic.ROUTES, order_id(n)) for n in range(plan.orders)])
    ticks = plan.events_per_s * TICK_SHARE
    market = _ticks(rng, mids, _times(rng, -plan.accept_s, plan.seconds, ticks), market_at)
    accepted = _acceptances(plan, traded, orders_at)
    times = _times(rng, 0.0, plan.seconds, plan.events_per_s - ticks)
    is_fill = rng.random(len(times)) < FILL_SHARE
    who = rng.integers(0, plan.orders, len(times))
    fills = _fills(rng, times[is_fill], who[is_fill], traded, mids, orders_at)
    routes = _routes(rng, times[~is_fill], who[~is_fill], traded, routes_at)
    slices = _sliced([market, accepted, fills, routes], places, start_ns)
    due_s = np.ceil(times[is_fill] / SLICE_S) * SLICE_S
    return slices, who[is_fill], due_s


def _sliced(parts: list[_Events], places: list[Place], start_ns: int) -> list[Slice]:
    at_s = np.concatenate([part[0] for part in parts])
    heads = [head for part in parts for head in part[1]]
    where = np.concatenate([part[2] for part in parts])
    order = np.argsort(at_s, kind="stable")
    ts = np.datetime_as_string((start_ns + (at_s[order] * SECOND).astype(np.int64)).view("M8[ns]"))
    number = np.ceil(at_s[order] / SLICE_S).astype(np.int64)
    found: dict[int, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for slice_, place, index, text in zip(
        number.tolist(), where[order].tolist(), order.tolist(), ts.tolist(), strict=True
    ):
        found[slice_][place].append(f'{heads[index]},"ts_event":"{text}Z"}}')
    return [
        (
            slice_ * SLICE_S,
            [
                Outgoing(*places[place], f"[{','.join(events)}]".encode(), JSON_TYPE)
                for place, events in by_place.items()
            ],
        )
        for slice_, by_place in found.items()
    ]


def _times(rng: np.random.Generator, first_s: float, last_s: float, per_s: float) -> np.ndarray:
    n = rng.poisson(per_s * (last_s - first_s))
    return np.sort(rng.uniform(first_s, last_s, n))


def _ticks(
    rng: np.random.Generator, mids: np.ndarray, at_s: np.ndarray, places: np.ndarray
) -> _Events:
    n = len(at_s)
    which = rng.integers(0, len(mids), n)
    # Every symbol has a quote before the first order comes.
    which[: len(mids)] = np.arange(len(mids))[:n]
    prints = rng.random(n) < PRINT_SHARE
    prints[: len(mids)] = False
    px = np.round(mids[which] + 0.01 * rng.integers(-20, 21, n), 2)
    heads = [
        f'{{"type":"trade","symbol":"S{s:03d}","price":{p:.2f},"size":100,"venue":"XNAS"'
        if is_print
        else f'{{"type":"quote","symbol":"S{s:03d}","bid":{p - 0.01:.2f},"ask":{p + 0.01:.2f},'
        '"bid_size":300,"ask_size":500'
        for s, p, is_print in zip(which.tolist(), px.tolist(), prints.tolist(), strict=True)
    ]
    return at_s, heads, places[which]


def _acceptances(plan: Plan, traded: np.ndarray, places: np.ndarray) -> _Events:
    at_s = -plan.accept_s + 0.5 + np.arange(plan.orders) / ACCEPT_PER_S
    heads = [
        f'{{"type":"order_accepted",{_order(n, traded)},"order_qty":1000000000,"ord_type":"LIMIT",'
        '"algo":"TWAP","desk":"US-CASH","broker":"BRK1","trader":"t07","currency":"USD"'
        for n in range(plan.orders)
    ]
    return at_s, heads, places


def _fills(
    rng: np.random.Generator,
    at_s: np.ndarray,
    who: np.ndarray,
    traded: np.ndarray,
    mids: np.ndarray,
    places: np.ndarray,
) -> _Events:
    px = np.round(mids[traded[who]] + 0.01 * rng.integers(-20, 21, len(who)), 2)
    venue = rng.integers(0, len(VENUES), len(who))
    heads = [
        f'{{"type":"order_filled",{_order(n, traded)},"exec_id":"E{i:09d}","last_qty":{LOT},'
        f'"last_px":{p:.2f},"venue":"{VENUES[v]}","fee":0.3'
        for i, (n, p, v) in enumerate(zip(who.tolist(), px.tolist(), venue.tolist(), strict=True))
    ]
    return at_s, heads, places[who]


def _routes(
    rng: np.random.Generator,
    at_s: np.ndarray,
    who: np.ndarray,
    traded: np.ndarray,
    places: np.ndarray,
) -> _Events:
    sent = rng.random(len(who)) < 0.5
    venue = rng.integers(0, len(VENUES), len(who))
    heads = [
        f'{{"type":"{"route_sent" if is_sent else "route_acknowledged"}",{_order(n, traded)},'
        f'"route_id":"R{i:09d}","order_qty":{LOT},"venue":"{VENUES[v]}"'
        for i, (n, is_sent, v) in enumerate(
            zip(who.tolist(), sent.tolist(), venue.tolist(), strict=True)
        )
    ]
    return at_s, heads, places[who]


def _order(n: int, traded: np.ndarray) -> str:
    side = "BUY" if n % 2 == 0 else "SELL_SHORT"
    return f'"order_id":"{order_id(n)}","symbol":"S{traded[n]:03d}","side":"{side}"'
