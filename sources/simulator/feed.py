"""Publishes what a book shows and prints, numbered for each symbol."""

from domain.events import MarketMessage
from sources.simulator.book import Book
from sources.simulator.journal import Journal
from sources.simulator.spec import VenueSpec


class Feed:
    """The market data of the simulated market. A book's `seq` is its newest message's."""

    def __init__(self, journal: Journal, venues: tuple[VenueSpec, ...]) -> None:
        self._journal = journal
        self._names = [v.venue for v in venues]

    def quote(self, t: int, book: Book) -> None:
        """The best bid and offer."""
        bid, ask, bid_size, ask_size = book.touch()
        book.seq += 1
        message = MarketMessage(
            type="quote",
            ts_event=self._journal.stamps.text(t),
            symbol=book.spec.symbol,
            bid=bid,
            ask=ask,
            bid_size=bid_size,
            ask_size=ask_size,
            seq=book.seq,
        )
        self._journal.market(t, message)

    def number_print(self, book: Book, size: int) -> int:
        """Count a print before it is published, so that its fill can name it."""
        book.volume += size
        book.seq += 1
        return book.seq

    def trade(
        self, t: int, book: Book, seq: int, ticks: int, size: int, venue: int, exec_id: str | None
    ) -> None:
        """A print with the number it was given."""
        message = MarketMessage(
            type="trade",
            ts_event=self._journal.stamps.text(t),
            symbol=book.spec.symbol,
            price=book.px(ticks),
            size=size,
            venue=self._names[venue],
            exec_id=exec_id,
            seq=seq,
        )
        self._journal.market(t, message)

    def auction(self, t: int, book: Book, which: str, ticks: int, size: int) -> None:
        """The print of an `opening` or `closing` auction at the first venue."""
        message = MarketMessage(
            type="auction",
            ts_event=self._journal.stamps.text(t),
            symbol=book.spec.symbol,
            price=book.px(ticks),
            size=size,
            venue=self._names[0],
            auction=which,
            seq=self.number_print(book, size),
        )
        self._journal.market(t, message)

    def state(self, t: int, book: Book, kind: str) -> None:
        """`halted` or `resumed`."""
        book.seq += 1
        message = MarketMessage(
            type=kind,
            ts_event=self._journal.stamps.text(t),
            symbol=book.spec.symbol,
            seq=book.seq,
        )
        self._journal.market(t, message)
