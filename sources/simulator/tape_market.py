"""A recorded market as the desk sees it: executes against the tape without moving it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from domain.vocabulary import MarketKind, TradeFlag
from sources.simulator.curves import Session
from sources.simulator.orders import Child, Touch
from sources.simulator.spec import VenueSpec

_PRINTS = int(MarketKind.TRADE | MarketKind.AUCTION)
_OVERLAP = 1e-9


class OwnPrint(NamedTuple):
    """One of our fills on the tape. `seq` is its row there, `like` a row of its symbol."""

    seq: int
    like: int
    t: int
    venue: str
    exec_id: str
    price: float
    size: int


@dataclass(slots=True)
class TapeState:
    """Where one symbol's tape is."""

    symbol: str
    bid: float = math.nan
    ask: float = math.nan
    bid_size: float = math.nan
    ask_size: float = math.nan
    taken: list[float] = field(default_factory=lambda: [0.0, 0.0])
    """Shares of the shown bid and ask that we took already."""
    volume: float = 0.0
    halted: bool = False
    seq: int | None = None
    row: int = -1
    resting: list[Child] = field(default_factory=list)


class TapeMarket:
    """Implements `Exchange` on the rows of a tape."""

    def __init__(
        self,
        states: dict[str, TapeState],
        session: Session,
        venues: tuple[VenueSpec, ...],
        tick: float,
        lot: int,
        *,
        at_mid: bool,
    ) -> None:
        self._states = states
        self._session = session
        self._venues = venues
        self._tick, self._lot = tick, lot
        self._at_mid = at_mid
        self._at = -1
        self.closed = False
        """Whether the tape is over: nothing trades any more."""
        self.prints: list[OwnPrint] = []
        self.on_fill: Callable[[Child, int, float, bool, int], str]

    def stand_after(self, row: int) -> None:
        """What happens next comes after this row of the tape and before the following."""
        self._at = row

    def take_row(
        self,
        state: TapeState,
        row: int,
        t: int,
        kind: int,
        flags: int,
        bid: float,
        ask: float,
        bid_size: float,
        ask_size: float,
        price: float,
        size: float,
    ) -> None:
        """Let one row of the tape happen: its quote, then its print."""
        self._at = row
        state.row = row
        state.seq = row + len(self.prints)
        if kind & MarketKind.QUOTE:
            self._quote(state, t, bid, ask, bid_size, ask_size)
        if kind & _PRINTS and flags & TradeFlag.ELIGIBLE:
            state.volume += size
            if state.resting and not flags & (TradeFlag.OPENING | TradeFlag.CLOSING):
                self._match(state, t, price, size)
        if kind & MarketKind.HALTED:
            state.halted = True
        elif kind & MarketKind.RESUMED:
            state.halted = False

    def _quote(
        self, state: TapeState, t: int, bid: float, ask: float, bid_size: float, ask_size: float
    ) -> None:
        if (bid, bid_size) != (state.bid, state.bid_size):
            state.taken[0] = 0.0
        if (ask, ask_size) != (state.ask, state.ask_size):
            state.taken[1] = 0.0
        state.bid, state.ask = bid, ask
        state.bid_size, state.ask_size = bid_size, ask_size
        for child in list(state.resting):
            limit = child.limit_px or 0.0
            buying = child.parent.side.sign > 0
            near, shown = (bid, bid_size) if buying else (ask, ask_size)
            far = ask if buying else bid
            if (limit - far) * child.parent.side.sign >= -_OVERLAP and bid < ask:
                self._fill(state, child, child.leaves, limit, added=True, t=t)
            elif abs(limit - near) < _OVERLAP and not math.isnan(shown):
                child.queue_ahead = min(child.queue_ahead, int(shown))

    def _match(self, state: TapeState, t: int, price: float, size: float) -> None:
        left = int(size)
        for child in list(state.resting):
            through = ((child.limit_px or 0.0) - price) * child.parent.side.sign
            if through < -_OVERLAP or left <= 0:
                continue
            ahead = 0 if through > _OVERLAP else child.queue_ahead
            child.queue_ahead = max(0, ahead - left)
            qty = min(child.leaves, max(0, left - ahead))
            if qty:
                left -= qty
                self._fill(state, child, qty, child.limit_px or price, added=True, t=t)

    def _fill(
        self, state: TapeState, child: Child, qty: int, px: float, *, added: bool, t: int
    ) -> None:
        seq = self._at + 1 + len(self.prints)
        state.seq = seq
        state.volume += qty
        self.prints.append(
            OwnPrint(seq, state.row, t, self._venues[child.venue].venue, "", px, qty)
        )
        exec_id = self.on_fill(child, qty, px, added, t)
        self.prints[-1] = self.prints[-1]._replace(exec_id=exec_id)
        if child.leaves <= 0:
            self.withdraw(child)

    # The desk's side

    @property
    def venues(self) -> tuple[VenueSpec, ...]:
        """The venues, by index."""
        return self._venues

    def touch(self, symbol: str) -> Touch:
        """The tape's best bid and offer; NaN before the first."""
        state = self._states[symbol]
        return Touch(state.bid, state.ask, state.bid_size, state.ask_size)

    def displayed(self, symbol: str, venue: int, sign: int) -> float:
        """Shares at the far touch that we did not take yet; the tape shows one size for all."""
        del venue
        state = self._states[symbol]
        size = state.ask_size if sign > 0 else state.bid_size
        if math.isnan(size):
            return 0.0
        return max(0.0, size - state.taken[1 if sign > 0 else 0])

    def volume(self, symbol: str) -> float:
        """Eligible shares so far, ours too."""
        return self._states[symbol].volume

    def halted(self, symbol: str) -> bool:
        """Whether the tape halted the symbol, or is over."""
        return self.closed or self._states[symbol].halted

    def market_seq(self, symbol: str) -> int | None:
        """Row of the symbol's last event, our prints counted."""
        return self._states[symbol].seq

    def grid(self, symbol: str) -> tuple[float, int]:
        """Tick in currency, lot in shares."""
        del symbol
        return self._tick, self._lot

    def volume_share(self, symbol: str, t: int) -> float:
        """Share of a usual session's volume until `t`."""
        del symbol
        return self._session.share_at(t)

    def expected_volume(self, symbol: str, start: int, end: int) -> float:
        """Not known ahead of a tape: NaN."""
        del symbol, start, end
        return math.nan

    def place(self, child: Child, t: int) -> None:
        """Take what the far touch shows, within the limit; rest the remainder unless IOC."""
        state = self._states[child.parent.symbol]
        sign = child.parent.side.sign
        side = 1 if sign > 0 else 0
        far = state.ask if sign > 0 else state.bid
        within = child.limit_px is None or (far - child.limit_px) * sign <= _OVERLAP
        qty = min(child.leaves, int(self.displayed(child.parent.symbol, child.venue, sign)))
        if within and qty and state.bid < state.ask:
            state.taken[side] += qty
            px = (state.bid + state.ask) / 2 if self._at_mid else far
            self._fill(state, child, qty, px, added=False, t=t)
        if child.leaves > 0 and not child.immediate:
            near, shown = (state.bid, state.bid_size) if sign > 0 else (state.ask, state.ask_size)
            at_touch = abs((child.limit_px or 0.0) - near) < _OVERLAP and not math.isnan(shown)
            child.queue_ahead = int(shown) if at_touch else 0
            child.resting = True
            state.resting.append(child)

    def withdraw(self, child: Child) -> None:
        """Take a resting child back."""
        if child.resting:
            child.resting = False
            self._states[child.parent.symbol].resting.remove(child)

    def drift(self, symbol: str, log_move: float) -> None:
        """A tape does not move."""
        del symbol, log_move
