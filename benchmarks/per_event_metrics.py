"""One status row of an order, from its state and the market it meets, in plain Python."""

import math
from typing import Any

from benchmarks.per_event_state import MARK, Row, in_window, mid_of, share_done, sigma_at

KAPPA_T = 3.0
_CODES = {"order_accepted": 1, "order_cancelled": 5, "order_rejected": 7, "order_expired": 8,
          "order_filled": 12, "route_sent": 20, "route_acknowledged": 21, "route_cancelled": 24,
          MARK: 40}  # fmt: skip
Number = float | None


def over(value: Number, base: Number, scale: float = 1.0) -> Number:
    """A ratio, None where either is missing or the base is not positive."""
    if value is None or base is None or base <= 0.0:
        return None
    return value / base * scale


def slippage(price: Number, benchmark: Number, side: float) -> Number:
    """Cost of a price against a benchmark in bps."""
    if price is None or benchmark is None or benchmark <= 0.0:
        return None
    return side * (price - benchmark) / benchmark * 1e4


def measure(order: Row, event: Row, met: Row, reference: Row) -> Row:
    """The status row after an event or at a mark."""
    said, arrival_met, side = order["accepted"], order["met"], order["side"]
    now, total, q, n = event["ts_event"], said["order_qty"], order["q"], order["n"]
    order["seq"] += 1
    end_ts, end = now, met
    if (order["closed"] or q >= total) and order["last"]:
        end_ts, end = order["last"]
    arrival = mid_of(arrival_met["bid"], arrival_met["ask"])
    average = over(n, q)
    volume = end["vol"] - arrival_met["vol"]
    prices = _prices(said, arrival_met, end, side, volume)
    row: Row = {
        "order_id": said["order_id"], "symbol": said["symbol"], "kind": _CODES[event["type"]],
        "ts_event": now, "seq": order["seq"], "side": side, "fills": order["fills"],
        "order_qty": total, "cum_qty": q, "avg_px": average,
        "leaves_qty": 0.0 if order["closed"] else max(total - q, 0.0),
        "routed_qty": order["routed"], "fee": order["fee"], "bid": met["bid"], "ask": met["ask"],
        "market_qty": volume, "arrival_mid": arrival, **prices,
        "decision_px": prices["decision"],
    }  # fmt: skip
    _progress(row, order, said, met["vol"] - arrival_met["vol"], reference)
    row["slippage_bps"] = slippage(average, arrival, side)
    row["slippage_ccy"] = None if average is None or arrival is None else (
        side * q * (average - arrival))  # fmt: skip
    for name, price in prices.items():
        row[f"slippage_{name}_bps"] = slippage(average, price, side)
    row["slippage_index_adjusted_bps"] = None
    _spreads(row, order, arrival_met, arrival, side)
    _shortfall(row, order, total, mid_of(met["bid"], met["ask"]), side)
    _times(row, order, said, end_ts)
    row["market_impact_bps"] = slippage(mid_of(met["bid"], met["ask"]), arrival, side)
    _efficiency(row, said, end_ts, arrival, reference)
    return row


def _prices(said: Row, arrival: Row, end: Row, side: float, volume: float) -> dict[str, Any]:
    vwap = over(end["pv"] - arrival["pv"], volume)
    return {
        "decision": said["decision_px"],
        "open": end["open_px"],
        "near_touch": arrival["bid"] if side > 0 else arrival["ask"],
        "far_touch": arrival["ask"] if side > 0 else arrival["bid"],
        "interval_vwap": vwap,
        "vwap_ex_own": vwap,
        "twap": over(end["mid_s"] - arrival["mid_s"], end["open_s"] - arrival["open_s"]),
        "limit": said["limit_px"],
    }


def _expected(said: Row, ts: int, volume: float, reference: Row) -> Number:
    start, end = said["start"], said["end"]
    done = min(max((ts - start) / (end - start), 0.0), 1.0)
    if said["algo"] == "TWAP":
        return done
    if said["algo"] == "IS":
        return 1.0 - math.sinh(KAPPA_T * (1.0 - done)) / math.sinh(KAPPA_T)
    if said["algo"] == "POV":
        rate = said["participation"]
        return min(rate / (1.0 - rate) * volume / said["order_qty"], 1.0)
    first = share_done(reference, start)
    share = (share_done(reference, ts) - first) / (share_done(reference, end) - first)
    return min(max(share, 0.0), 1.0)


def _progress(row: Row, order: Row, said: Row, volume_now: float, reference: Row) -> None:
    q, volume, now = order["q"], row["market_qty"], row["ts_event"]
    progress = row["execution_progress"] = over(q, said["order_qty"])
    expected = row["expected_progress"] = _expected(said, now, volume_now, reference)
    speed = over(progress, expected if expected and expected >= 0.05 else None)
    row["execution_speed"] = None if speed is None else min(max(speed, 0.0), 2.0)
    routed = order["routed"] if order["routed"] > 0 else said["order_qty"]
    row["fill_rate"] = over(q, routed)
    window_qty, window_paid = in_window(order, now)
    row["fill_qty_per_s"] = window_qty / 60.0
    row["window_slippage_bps"] = slippage(
        over(window_paid, window_qty), row["arrival_mid"], order["side"]
    )
    row["participation_rate"] = over(q, volume)
    row["participation_ex_own_rate"] = over(q, volume)
    row["own_matched_qty"] = 0.0


def _spreads(row: Row, order: Row, met: Row, arrival: Number, side: float) -> None:
    q, n, quoted, mids = order["q"], order["n"], order["quoted"], order["mids"]
    base = None if arrival is None else q * arrival
    spread = None if arrival is None else q * (met["ask"] - met["bid"])
    effective = None if base is None else 2 * side * (n - base)
    far = met["ask"] if side > 0 else met["bid"]
    gained = None if base is None else side * (q * far - n)
    row["quoted_spread_bps"] = over(spread, base, 1e4)
    row["effective_spread_bps"] = over(effective, base, 1e4)
    row["eq_ratio"] = over(effective, spread)
    row["price_improvement_bps"] = over(gained, base, 1e4)
    paid = side * (order["executed"] - mids)
    row["effective_spread_exec_mid_bps"] = over(2 * paid, mids, 1e4)
    row["spread_capture"] = over(order["captured"], order["open_qty"])
    for name in ("at_mid", "near", "far"):
        column = "at_mid_pct" if name == "at_mid" else f"{name}_side_pct"
        row[column] = over(order[name], quoted, 100.0)
    paper = None if arrival is None else quoted * arrival
    row["half_spread_paid_bps"] = over(paid, paper, 1e4)
    row["drift_bps"] = None if paper is None else over(side * (mids - paper), paper, 1e4)


def _shortfall(row: Row, order: Row, total: float, mid: Number, side: float) -> None:
    arrival, decision, left = row["arrival_mid"], row["decision_px"], total - order["q"]
    parts: dict[str, Number] = dict.fromkeys(("delay", "trading", "opportunity"))
    if arrival is not None:
        parts["delay"] = None if decision is None else side * total * (arrival - decision)
        parts["trading"] = side * (order["n"] - order["q"] * arrival)
        parts["opportunity"] = 0.0
        if left > 0:
            parts["opportunity"] = None if mid is None else side * left * (mid - arrival)
    parts["explicit"] = order["fee"]
    known = [parts["trading"], parts["opportunity"], parts["explicit"]]
    parts["total"] = None
    if None not in known:
        parts["total"] = sum(value or 0.0 for value in (parts["delay"], *known))
    base = decision if decision is not None else arrival
    paper = None if base is None else total * base
    for part, value in parts.items():
        row[f"shortfall_{part}_ccy"] = value
        row[f"shortfall_{part}_bps"] = over(value, paper, 1e4)


def _times(row: Row, order: Row, said: Row, end_ts: int) -> None:
    arrived = said["ts_event"]
    row["first_fill_ms"] = (order["first"] - arrived) * 1e-6 if order["first"] else None
    done = order["q"] >= said["order_qty"]
    row["completion_ms"] = (end_ts - arrived) * 1e-6 if done else None
    row["ack_ms"] = over(order["ack_ms"], order["acks"])


def _efficiency(row: Row, said: Row, ts: int, arrival: Number, reference: Row) -> None:
    names = ("expected_cost_bps", "risk_bps", "z_cost", "cost_efficiency", "performance_score")
    row.update(dict.fromkeys(names))
    if arrival is None:
        return
    elapsed_s = (ts - said["ts_event"]) * 1e-9
    half = reference["spread_bps"] / 2
    size = math.sqrt(said["order_qty"] / reference["adv_qty"])
    expected = half + reference["sigma_daily_bps"] * size / 1.5
    stray = sigma_at(reference, row["ts_event"]) * math.sqrt(elapsed_s / 3)
    risk = max(stray, half, reference["tick"] / arrival * 1e4)
    row["expected_cost_bps"], row["risk_bps"] = expected, risk
    efficiency = None
    if row["slippage_bps"] is not None:
        z = row["z_cost"] = (row["slippage_bps"] - expected) / risk
        efficiency = row["cost_efficiency"] = 0.5 * math.erfc(z / math.sqrt(2.0))
    speed = row["execution_speed"]
    parts = [(0.4, efficiency), (0.2, None if speed is None else min(1.0, speed))]
    weighed = [(w, u) for w, u in parts if u is not None]
    if weighed:
        earned = sum(w * u for w, u in weighed)
        row["performance_score"] = 100.0 * earned / sum(w for w, _ in weighed)
