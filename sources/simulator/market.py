"""A simulated market: symbols quoted by several venues around one fair price each."""

import math
from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate

from sources.simulator.book import Book, Execution
from sources.simulator.crowd import Crowd, Event
from sources.simulator.curves import Session
from sources.simulator.feed import Feed
from sources.simulator.impact import Propagator
from sources.simulator.journal import Journal
from sources.simulator.orders import Child, Touch
from sources.simulator.paths import QUOTE
from sources.simulator.spec import SimulationSpec, VenueSpec

OPENING_SHARE, CLOSING_SHARE = 0.015, 0.06
"""Of ADV, traded in the auctions."""

OnFill = Callable[[Child, int, float, bool, int], str]
"""(child, shares, price, whether it added liquidity, time) → execution id."""


class SimulatedMarket:
    """Every symbol of the specification, as an `Exchange` that the desk trades on."""

    def __init__(
        self, spec: SimulationSpec, crowd: Crowd, journal: Journal, session: Session
    ) -> None:
        self.spec = spec
        self.session = session
        self.on_fill: OnFill
        self.dead: Callable[[int, int], bool] = lambda _venue, _t: False
        """Whether a venue, by index, is dead at a time: it neither fills nor prints."""
        self.quiet: Callable[[int, int], bool] | None = None
        """Whether a venue shows nothing either; None where none ever does."""
        self.overfills: Callable[[Child, int], bool] = lambda _child, _t: False
        self._crowd = crowd
        self._feed = Feed(journal, spec.venues)
        self._books = {s.symbol: Book(s, len(spec.venues)) for s in spec.symbols}
        self._impacts = {
            s.symbol: Propagator(spec.impact, sigma=s.sigma_daily_bps * 1e-4, adv_qty=s.adv_qty)
            for s in spec.symbols
        }
        self._book_list = list(self._books.values())
        self._impact_list = list(self._impacts.values())
        weights = [v.weight for v in spec.venues]
        self._venue_edges = [w / sum(weights) for w in accumulate(weights)][:-1]
        self._fair = [0.0] * len(spec.symbols)
        self._to_open = set[int]()

    # The rest of the market

    def open_session(self, session: Session, *, auction: bool) -> None:
        """Take up a session; with an auction, the first quote of a symbol follows its print."""
        self.session = session
        self._to_open = set(range(len(self._book_list))) if auction else set()

    def close_session(self, t: int, *, auction: bool) -> None:
        """Stop quoting, after the closing auction where there is one."""
        for owner, book in enumerate(self._book_list):
            if auction and book.quoted and not book.halted:
                self._auction(t, "closing", owner)
            book.quoted = False

    def apply(self, event: Event) -> None:
        """Let one event of the rest of the market happen."""
        book = self._book_list[event.owner]
        if event.kind == QUOTE:
            self._fair[event.owner] = event.log_fair
        if book.halted:
            return
        if event.kind == QUOTE:
            self._quote(event, book)
        elif book.quoted:
            self._trade(event, book)

    def _quote(self, event: Event, book: Book) -> None:
        t, owner, log_fair, _, detail = event
        if owner in self._to_open:
            self._to_open.discard(owner)
            self._auction(t, "opening", owner)
        window = self._crowd.windows[owner]
        spec = book.spec
        fair = spec.price * math.exp(log_fair + self._impact_list[owner].at(t))
        wide = spec.spread_bps * 1e-4 * self.session.spread_at(t) * window.spread_noise[detail]
        spread = max(1, round(wide * fair / spec.tick))
        sizes = self._shown(window.sizes[detail], t)
        passed = book.requote(fair, spread, sizes, window.deeper[detail])
        for execution in passed:
            if not self.dead(execution.child.venue, t):
                self._execute(t, book, execution)
        self._feed.quote(t, book)

    def _shown(self, sizes: list[list[int]], t: int) -> list[list[int]]:
        quiet = self.quiet
        if quiet is None:
            return sizes
        return [[0 if quiet(v, t) else n for v, n in enumerate(side)] for side in sizes]

    def _trade(self, event: Event, book: Book) -> None:
        t, owner, _, aggressor, detail = event
        window = self._crowd.windows[owner]
        venue = bisect_right(self._venue_edges, window.trade_venue[detail])
        if self.dead(venue, t):
            return
        price, others, ours = book.hit(venue, aggressor, window.trade_sizes[detail])
        if others:
            seq = self._feed.number_print(book, others)
            self._feed.trade(t, book, seq, price, others, venue, None)
        for execution in ours:
            self._execute(t, book, execution)
        self._uncover(t, book)

    def _uncover(self, t: int, book: Book) -> None:
        """Show the next level at the first venue that is not quiet, where one side is empty."""
        quiet, venues = self.quiet, range(len(self.spec.venues))
        venue = next((v for v in venues if quiet is None or not quiet(v, t)), None)
        if venue is not None and book.step_if_empty(venue):
            self._feed.quote(t, book)

    def _auction(self, t: int, which: str, owner: int) -> None:
        book = self._book_list[owner]
        fair = book.spec.price * math.exp(self._fair[owner] + self._impact_list[owner].at(t))
        share = OPENING_SHARE if which == "opening" else CLOSING_SHARE
        lots = max(1, round(book.spec.adv_qty * share / book.spec.lot))
        self._feed.auction(t, book, which, max(1, book.ticks(fair)), lots * book.spec.lot)

    def halt(self, t: int, symbol: str) -> None:
        """Stop trading in a symbol."""
        book = self._books[symbol]
        if not book.halted:
            book.halted = True
            self._feed.state(t, book, "halted")

    def resume(self, t: int, symbol: str) -> None:
        """Trade on after a halt, at the last quote until the next."""
        book = self._books[symbol]
        if book.halted:
            book.halted = False
            self._feed.state(t, book, "resumed")
            if book.quoted:
                self._feed.quote(t, book)

    def drift(self, symbol: str, log_move: float) -> None:
        """Shift a symbol's fair price for good."""
        self._impacts[symbol].shift += log_move

    # The desk's side

    @property
    def venues(self) -> tuple[VenueSpec, ...]:
        """The venues, by index."""
        return self.spec.venues

    def touch(self, symbol: str) -> Touch:
        """Best prices and sizes; NaN before the open and after the close."""
        return self._books[symbol].touch()

    def displayed(self, symbol: str, venue: int, sign: int) -> float:
        """Shares shown at the far touch of a venue for a buyer (+1) or seller (−1)."""
        return self._books[symbol].shown[1 if sign > 0 else 0][venue]

    def volume(self, symbol: str) -> float:
        """Shares traded since the start, auctions and ours too."""
        return self._books[symbol].volume

    def halted(self, symbol: str) -> bool:
        """Whether the symbol is halted or not quoted."""
        book = self._books[symbol]
        return book.halted or not book.quoted

    def market_seq(self, symbol: str) -> int | None:
        """Sequence of the symbol's last event; None before the first, or if not to be said."""
        book = self._books.get(symbol)
        return book.seq or None if book is not None and self.spec.market_seq else None

    def grid(self, symbol: str) -> tuple[float, int]:
        """Tick in currency, lot in shares."""
        spec = self._books[symbol].spec
        return spec.tick, spec.lot

    def volume_share(self, symbol: str, t: int) -> float:
        """Share of the session's volume expected until `t`; one shape for every symbol."""
        del symbol
        return self.session.share_at(t)

    def expected_volume(self, symbol: str, start: int, end: int) -> float:
        """Shares expected between two times of the running session."""
        share = self.session.share_at(end) - self.session.share_at(start)
        return share * self._books[symbol].spec.adv_qty

    def place(self, child: Child, t: int) -> None:
        """Execute against the venue's book; rest what is left of a limit that is not IOC."""
        book = self._books[child.parent.symbol]
        for execution in book.take(child):
            self._execute(t, book, execution)
        self._uncover(t, book)
        if child.leaves > 0 and not child.immediate and child.limit_px is not None:
            child.price_ticks = book.ticks(child.limit_px)
            book.rest(child)

    def withdraw(self, child: Child) -> None:
        """Take a resting child from its book."""
        self._books[child.parent.symbol].withdraw(child)

    def _execute(self, t: int, book: Book, execution: Execution) -> None:
        child, qty, ticks, added = execution
        seq = self._feed.number_print(book, qty)
        exec_id = self.on_fill(child, qty, book.px(ticks), added, t)
        name = exec_id if self.spec.own_prints_named else None
        self._feed.trade(t, book, seq, ticks, qty, child.venue, name)
        self._impacts[book.spec.symbol].trade(t, child.parent.side.sign, qty)
        if child.leaves <= 0:
            book.withdraw(child)
        if child.leaves == 0 and self.overfills(child, t):
            self._execute(t, book, Execution(child, book.spec.lot, ticks, added))
