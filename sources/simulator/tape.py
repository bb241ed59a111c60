"""The same desk against a recorded market: its fills are added to the tape as own prints."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from domain.columns import MARKET
from domain.errors import ConfigurationError
from domain.events import OrderMessage
from domain.instants import SECOND
from domain.keys import key_of
from domain.vocabulary import MarketKind, Topic, TradeFlag
from sources.simulator.agenda import Agenda, Dice
from sources.simulator.curves import Session, u_profile
from sources.simulator.desk import Desk
from sources.simulator.desk_file import DeskFile
from sources.simulator.fills import Fills
from sources.simulator.intake import Intake
from sources.simulator.journal import Journal, Stamps
from sources.simulator.routing import Router
from sources.simulator.spec import VenueSpec
from sources.simulator.tape_market import TapeMarket, TapeState
from sources.simulator.trouble import Trouble

TAPE_VENUES = (
    VenueSpec(venue="XNYS", weight=3.0, latency_ms=0.5),
    VenueSpec(venue="XNAS", weight=2.5, latency_ms=0.5),
    VenueSpec(venue="ARCX", weight=2.0, latency_ms=0.5),
    VenueSpec(venue="BATS", weight=1.5, latency_ms=0.6),
)
_SESSION_S = 23_400.0


@dataclass(frozen=True, slots=True)
class TapeRun:
    """The tape with our prints in it, and what the desk said while it traded.

    `market` holds rows of `domain.columns.MARKET` in stored order, `seq` numbering them from
    0; `orders` the events of topics `orders` and `routes` in order of time, whose
    `market_seq` are those numbers; `names` the texts of the keys that were added.
    """

    market: np.ndarray
    orders: list[tuple[Topic, OrderMessage]]
    names: dict[int, str]


def trade_tape(
    tape: Iterable[np.ndarray],
    orders: DeskFile,
    open_ns: int,
    *,
    seed: int = 0,
    venues: tuple[VenueSpec, ...] = TAPE_VENUES,
    tick: float = 0.01,
    lot: int = 100,
    fill_at: Literal["touch", "mid"] = "touch",
) -> TapeRun:
    """Work a desk's orders against a tape.

    `tape` gives rows of `domain.columns.MARKET` in stored order; a row dated back happens at
    the time of the row before it. `open_ns` is the open of the day's session, from which the
    shape of the day's volume runs for 6.5 hours. Orders that take liquidity do so at the far
    touch, or at the mid; the tape's prices stay as they were. Raises ConfigurationError for
    an order in a symbol that the tape does not hold.
    """
    pieces = list(tape)
    rows = np.concatenate(pieces) if pieces else np.empty(0, MARKET)
    symbols = dict.fromkeys(p.symbol for p in orders.parents)
    missing = [s for s in symbols if not np.any(rows["symbol"] == key_of(s))]
    if missing:
        raise ConfigurationError(
            f"the tape has nothing of {', '.join(missing)}; give it or leave the order out"
        )
    return _Session(rows, orders, open_ns, tuple(symbols), seed, venues, tick, lot, fill_at).run()


class _Session:
    def __init__(
        self,
        rows: np.ndarray,
        orders: DeskFile,
        open_ns: int,
        symbols: tuple[str, ...],
        seed: int,
        venues: tuple[VenueSpec, ...],
        tick: float,
        lot: int,
        fill_at: Literal["touch", "mid"],
    ) -> None:
        self._rows = rows
        self._times = np.maximum.accumulate(rows["ts_event"])
        self._states = {key_of(s): TapeState(s) for s in symbols}
        session = Session(open_ns, _SESSION_S, u_profile(_SESSION_S))
        self._market = TapeMarket(
            {state.symbol: state for state in self._states.values()},
            session, venues, tick, lot, at_mid=fill_at == "mid",
        )  # fmt: skip
        self._agenda = Agenda()
        self._journal = Journal(Stamps(open_ns))
        self._journal.market_seq_of = self._market.market_seq
        dice = Dice(np.random.SeedSequence(seed))
        trouble = Trouble((), open_ns)
        parts = (self._market, self._agenda, self._journal, dice, trouble)
        router = Router(orders.desk, *parts, Fills(orders.desk, *parts, ""))
        self._market.on_fill = router.fill
        self._desk = Desk(*parts, router)
        intake = Intake(
            orders.desk,
            dict.fromkeys(symbols, "USD"),
            self._market,
            self._agenda,
            self._journal,
            dice,
            self._desk,
            "",
        )
        for parent in orders.parents:
            intake.list_parent(parent)

    def run(self) -> TapeRun:
        agenda, market, rows = self._agenda, self._market, self._rows
        used = np.flatnonzero(np.isin(rows["symbol"], np.array(list(self._states), np.uint64)))
        columns = [
            rows[name][used].tolist()
            for name in ("symbol", "kind", "flags", "bid", "ask", "bid_size",
                         "ask_size", "price", "size")
        ]  # fmt: skip
        times = self._times[used].tolist()
        for row, t, key, *values in zip(used.tolist(), times, *columns, strict=True):
            while agenda.next_time < t:
                at = np.searchsorted(self._times, agenda.next_time, side="right")
                market.stand_after(int(at) - 1)
                agenda.run_next()
            agenda.now = t
            market.take_row(self._states[key], row, t, *values)
        self._close()
        return self._result()

    def _close(self) -> None:
        if len(self._rows):
            self._agenda.now = max(self._agenda.now, int(self._times[-1]))
        self._market.closed = True
        self._desk.done_for_day()
        until = self._agenda.now + 60 * SECOND
        while self._agenda.next_time <= until:
            self._agenda.run_next()

    def _result(self) -> TapeRun:
        prints = self._market.prints
        names = {key_of(p.exec_id): p.exec_id for p in prints}
        names |= {key_of(v.venue): v.venue for v in self._market.venues}
        orders = [
            (topic, message)
            for _, topic, message in self._journal.entries
            if isinstance(message, OrderMessage)
        ]
        return TapeRun(_merge(self._rows, self._market), orders, names)


def _merge(rows: np.ndarray, market: TapeMarket) -> np.ndarray:
    prints = market.prints
    out = np.empty(len(rows) + len(prints), MARKET)
    own = np.array([p.seq for p in prints], np.int64)
    is_own = np.zeros(len(out), bool)
    is_own[own] = True
    out[~is_own] = rows
    for p in prints:
        row = rows[p.like].copy()
        row["kind"], row["flags"] = MarketKind.TRADE, TradeFlag.ELIGIBLE
        row["ts_event"] = row["t_eff"] = p.t
        row["venue"], row["exec"] = key_of(p.venue), key_of(p.exec_id)
        row["price"], row["size"] = p.price, p.size
        for name in ("bid", "ask", "bid_size", "ask_size"):
            row[name] = math.nan
        out[p.seq] = row
    out["seq"] = np.arange(len(out))
    return out
