"""The status of an order an event at a time, in plain Python with dicts.

Written as one would without columns or compiled code: what the pipeline's speed is compared
with. It shares no code with the product. Missing is None; times UNIX ns; costs in bps,
positive when bad for us.
"""

import math
from collections import deque
from collections.abc import Iterator
from itertools import accumulate
from typing import Any
from zlib import crc32

WINDOW_NS = 60 * 10**9
DAY_NS = 86_400 * 10**9
MARK = "mark"
ENDS = {"order_cancelled", "order_rejected", "order_expired"}
Row = dict[str, Any]


def new_symbol() -> Row:
    """State of a symbol before its first tick."""
    sums = dict.fromkeys(("vol", "pv", "mid_s", "open_s"), 0.0)
    return {"ts": None, "bid": None, "ask": None, "open_px": None, "open": {}, **sums}


def mid_of(bid: float | None, ask: float | None) -> float | None:
    """Mid of a two-sided quote that is not crossed."""
    return (bid + ask) / 2 if bid is not None and ask is not None and bid <= ask else None


def apply_tick(symbol: Row, tick: Row) -> None:
    """Take a tick: its quote first, then its print."""
    mid = mid_of(symbol["bid"], symbol["ask"])
    if mid is not None:
        passed_s = (tick["ts_event"] - symbol["ts"]) * 1e-9
        symbol["mid_s"] += mid * passed_s
        symbol["open_s"] += passed_s
    symbol["ts"], symbol["bid"], symbol["ask"] = tick["ts_event"], tick["bid"], tick["ask"]
    symbol["vol"] += tick["size"]
    symbol["pv"] += tick["size"] * tick["price"]
    if symbol["open_px"] is None:
        symbol["open_px"] = tick["price"]


def stamp(symbol: Row, ts: int) -> Row:
    """The market as it stands at an instant."""
    out = {name: symbol[name] for name in ("bid", "ask", "vol", "pv", "mid_s", "open_s", "open_px")}
    mid = mid_of(symbol["bid"], symbol["ask"])
    if mid is not None:
        passed_s = (ts - symbol["ts"]) * 1e-9
        out["mid_s"] += mid * passed_s
        out["open_s"] += passed_s
    return out


def follow_order(symbol: Row, event: Row, every_ns: int) -> None:
    """Keep the symbol's open orders, each with the time of its next mark."""
    name = event["order_id"]
    if event["type"] == "order_accepted":
        phase = crc32(name.encode()) * 10**6 % every_ns
        first = ((event["ts_event"] - phase) // every_ns + 1) * every_ns + phase
        symbol["open"][name] = [first, event["order_qty"]]
    elif event["type"] in ENDS or (
        event["type"] == "order_filled"
        and name in symbol["open"]
        and event["cum_qty"] >= symbol["open"][name][1]
    ):
        symbol["open"].pop(name, None)


def due_marks(symbol: Row, until: int, every_ns: int) -> Iterator[tuple[str, Row, Row]]:
    """(order, mark, stamp) of every mark of the symbol's open orders before `until`."""
    for name, entry in symbol["open"].items():
        while entry[0] < until:
            yield name, {"type": MARK, "ts_event": entry[0]}, stamp(symbol, entry[0])
            entry[0] += every_ns


def new_order() -> Row:
    """State of an order before its acceptance."""
    zero = ("q", "n", "fee", "fills", "routed", "ack_ms", "acks", "quoted", "executed", "mids",
            "open_qty", "captured", "at_mid", "near", "far")  # fmt: skip
    return dict.fromkeys(zero, 0.0) | {
        "seq": 0, "sent": {}, "window": deque(), "first": None, "last": None, "closed": False,
    }  # fmt: skip


def fold(order: Row, event: Row, met: Row) -> None:
    """Take one event of the order."""
    kind = event["type"]
    if kind == "order_accepted":
        order.update(accepted=event, met=met, side=1.0 if event["side"].startswith("BUY") else -1.0)
    elif kind == "order_filled":
        _fold_fill(order, event, met)
    elif kind == "route_sent":
        order["routed"] += event["order_qty"]
        order["sent"][event["route_id"]] = event["ts_event"]
    elif kind == "route_acknowledged":
        order["ack_ms"] += (event["ts_event"] - order["sent"][event["route_id"]]) * 1e-6
        order["acks"] += 1
    elif kind == "route_cancelled":
        order["routed"] -= event["leaves_qty"]
    elif kind in ENDS:
        order["closed"] = True


def _fold_fill(order: Row, event: Row, met: Row) -> None:
    qty, px, side = event["last_qty"], event["last_px"], order["side"]
    order["q"] += qty
    order["n"] += qty * px
    order["fee"] += event["fee"] or 0.0
    order["fills"] += 1
    order["window"].append((event["ts_event"], qty, qty * px))
    order["first"] = order["first"] or event["ts_event"]
    order["last"] = (event["ts_event"], met)
    bid, ask = met["bid"], met["ask"]
    mid = mid_of(bid, ask)
    if mid is None:
        return
    order["quoted"] += qty
    order["executed"] += qty * px
    order["mids"] += qty * mid
    if ask > bid:
        order["open_qty"] += qty
        order["captured"] += qty * ((ask - px) if side > 0 else (px - bid)) / (ask - bid)
    same = 1e-9 * ask
    if bid - same <= px <= ask + same:
        above = side * (px - mid)
        order["at_mid" if abs(above) <= same else "near" if above < 0 else "far"] += qty


def in_window(order: Row, now: int) -> tuple[float, float]:
    """Quantity and notional of the 60 s through now; older fills are let go."""
    window = order["window"]
    while window and window[0][0] <= now - WINDOW_NS:
        window.popleft()
    return sum(qty for _, qty, _ in window), sum(paid for _, _, paid in window)


def share_done(reference: Row, ts: int) -> float:
    """Share of the session's volume usually done by a time."""
    done, at = reference["done"], _position(reference, ts)
    i = min(int(at), len(done) - 2)
    return done[i] + (at - i) * (done[i + 1] - done[i])


def sigma_at(reference: Row, ts: int) -> float:
    """Volatility at a time, bps per square root of a second."""
    curve = reference["volatility_curve"]
    i = min(int(_position(reference, ts)), len(curve) - 1)
    return curve[i] * reference["sigma_daily_bps"] / math.sqrt(reference["session_s"])


def _position(reference: Row, ts: int) -> float:
    since_s = (ts - reference["open_ns"]) % DAY_NS * 1e-9
    return since_s / reference["session_s"] * len(reference["volume_curve"])


def with_session(reference: Row, open_ns: int, session_s: float) -> Row:
    """A reference record with the session it is read for and its running shares of volume."""
    done = [0.0, *accumulate(reference["volume_curve"])]
    done[-1] = 1.0
    return reference | {"open_ns": open_ns, "session_s": session_s, "done": done}
