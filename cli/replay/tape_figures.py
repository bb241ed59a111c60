"""What needs the whole day's tape: its own averages, and later benchmarks of each order."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from domain.calendars import Session
from domain.instants import NO_TIME, parse_rfc3339
from domain.keys import key_of
from domain.reasons import Reason
from domain.rows import LATER_BENCHMARKS, ORDER_METRICS
from domain.vocabulary import EventKind, MarketKind, TradeFlag
from metrics.formula import FloatArray
from metrics.slippage import slippage_bps
from metrics.tape import pwp, ratio_of_sums, rpm
from sources.simulator.tape import TapeRun

PWP_RATES = {"pwp_10": 0.10, "pwp_20": 0.20}
_FILLED = EventKind.ORDER_FILLED.name.lower()
_ACCEPTED = EventKind.ORDER_ACCEPTED.name.lower()
_PRINTS = int(MarketKind.TRADE | MarketKind.AUCTION)


def tape_figures(rows: np.ndarray, symbol: str, session: Session) -> dict[str, Any]:
    """The tape alone, every print from the open up to the close: count, shares, VWAP."""
    mine = rows[(rows["symbol"] == np.uint64(key_of(symbol))) & (rows["kind"] & _PRINTS != 0)]
    inside = mine[(mine["ts_event"] >= session.open_ns) & (mine["ts_event"] < session.close_ns)]
    rest = inside[inside["flags"] & TradeFlag.OPENING == 0]
    return {
        "prints": len(inside),
        "qty": int(inside["size"].sum()),
        "tape_vwap": vwap(inside),
        "tape_vwap_no_opening": vwap(rest),
    }


def vwap(prints: np.ndarray) -> float | None:
    """Σpv/Σv; None without volume."""
    value = ratio_of_sums(prints["price"] * prints["size"], denominators=prints["size"])
    return None if math.isnan(value) else value


@dataclass(frozen=True, slots=True)
class Place:
    """An instant on the tape: UNIX ns, and the row that came before it, −1 if not said."""

    ts: int
    market_seq: int = -1


@dataclass(slots=True)
class Life:
    """When an order came and where its executions, or its children's, lie on the tape."""

    arrival: Place | None
    fills: list[Place]


def lives_of(run: TapeRun) -> dict[int, Life]:
    """By key of the order. A child's executions count for its parent too."""
    lives: dict[int, Life] = {}
    for _, message in run.orders:
        if message.type not in {_ACCEPTED, _FILLED}:
            continue
        seq = -1 if message.market_seq is None else message.market_seq
        place = Place(parse_rfc3339(message.ts_event), seq)
        life = lives.setdefault(key_of(message.order_id), Life(None, []))
        if message.type == _ACCEPTED:
            life.arrival = life.arrival or place
            continue
        life.fills.append(place)
        above = message.parent_order_id
        if above:
            lives.setdefault(key_of(above), Life(None, [])).fills.append(place)
    return lives


class Prints:
    """Eligible prints of one symbol on the tape that holds ours too, in stored order."""

    def __init__(self, market: np.ndarray, symbol: int) -> None:
        mine = market[(market["symbol"] == np.uint64(symbol)) & (market["kind"] & _PRINTS != 0)]
        self.all = mine
        eligible = mine[mine["flags"] & TradeFlag.ELIGIBLE != 0]
        self.ts = np.maximum.accumulate(eligible["ts_event"])
        self.seq = eligible["seq"]
        self.prices: FloatArray = np.ascontiguousarray(eligible["price"])
        self.sizes: FloatArray = np.ascontiguousarray(eligible["size"])
        self.flags = eligible["flags"]

    def after(self, place: Place) -> int:
        """Index of the first print after this instant: one at its time only if its row is."""
        if place.market_seq < 0:
            return int(np.searchsorted(self.ts, place.ts, side="right"))
        at = int(np.searchsorted(self.ts, place.ts, side="left"))
        while at < len(self.ts) and self.ts[at] == place.ts and self.seq[at] <= place.market_seq:
            at += 1
        return at

    def close_px(self, session: Session) -> float:
        """Price of the closing auction, else of the session's last print; NaN without one."""
        auction = np.flatnonzero(self.flags & TradeFlag.CLOSING)
        if len(auction):
            return float(self.prices[auction[-1]])
        inside = np.flatnonzero(self.ts < session.close_ns)
        return float(self.prices[inside[-1]]) if len(inside) else math.nan


def add_later_benchmarks(
    rows: np.ndarray, run: TapeRun, session: Session, prev_close: Mapping[int, float]
) -> None:
    """Fill the benchmarks of ORDER rows that need the day's tape, and RPM, in place.

    `prev_close` is by key of the symbol. What does not exist keeps a reason.
    """
    lives = lives_of(run)
    tapes = {key: Prints(run.market, key) for key in np.unique(rows["symbol"]).tolist()}
    day = {key: vwap_of(tape) for key, tape in tapes.items()}
    for row in rows:
        symbol = int(row["symbol"])
        tape = tapes[symbol]
        values = {
            "close": (tape.close_px(session), Reason.NO_TRADE),
            "prev_close": (prev_close.get(symbol, math.nan), Reason.NO_REFERENCE),
            "day_vwap": (day[symbol], Reason.NO_TRADE),
        }
        values |= _from_arrival(row, tape, lives.get(int(row["order"])))
        for name, (value, reason) in values.items():
            _put(row, name, value, reason)
        for name in LATER_BENCHMARKS:
            cost = slippage_bps(
                float(row["avg_px"]), benchmark=float(row[name]), side=float(row["side"])
            )
            reason = Reason.NO_FILL if not row["cum_qty"] > 0 else _reason_of(row, name)
            _put(row, f"slippage_{name}_bps", cost, reason)


def vwap_of(tape: Prints) -> float:
    """VWAP of every eligible print of the day, ours too."""
    return ratio_of_sums(tape.prices * tape.sizes, denominators=tape.sizes)


def _from_arrival(row: np.void, tape: Prints, life: Life | None) -> dict[str, tuple[float, Reason]]:
    """PWP at each rate, and RPM over the order's window."""
    names = (*PWP_RATES, "rpm")
    if not row["cum_qty"] > 0:
        return dict.fromkeys(names, (math.nan, Reason.NO_FILL))
    if life is None or life.arrival is None:
        return dict.fromkeys(names, (math.nan, Reason.NO_ARRIVAL))
    first = tape.after(life.arrival)
    out: dict[str, tuple[float, Reason]] = {}
    for name, rate in PWP_RATES.items():
        needed = float(row["cum_qty"]) / rate
        value = pwp(tape.prices[first:], sizes=tape.sizes[first:], needed_qty=needed)
        out[name] = (value, Reason.NOT_REACHED)
    last = _end(row, tape, life)
    share = rpm(
        tape.prices[first:last],
        sizes=tape.sizes[first:last],
        avg_px=float(row["avg_px"]),
        side=float(row["side"]),
    )
    out["rpm"] = (share, Reason.NO_TRADE)
    return out


def _end(row: np.void, tape: Prints, life: Life) -> int:
    """Index after the last print of the window, which the last counted fill closes."""
    until = int(row["last_fill_ts"])
    kept = [p for p in life.fills if until == NO_TIME or p.ts <= until]
    return tape.after(max(kept, key=lambda p: (p.ts, p.market_seq))) if kept else len(tape.ts)


def _put(row: np.void, name: str, value: float, reason: Reason) -> None:
    row[name] = value
    row["reasons"][ORDER_METRICS.index(name)] = reason if math.isnan(value) else Reason.NONE


def _reason_of(row: np.void, name: str) -> Reason:
    return Reason(int(row["reasons"][ORDER_METRICS.index(name)]))
