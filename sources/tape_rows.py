"""Rows of the US tape: sale conditions, venues, one-sided quotes."""

import numpy as np
import polars as pl

from domain.calendars import Session
from domain.columns import MARKET, blank
from domain.instants import MILLISECOND
from domain.keys import key_of
from domain.vocabulary import MarketKind, TradeFlag

PRICE_SCALE = 10_000

VENUES = {
    "A": "XASE",
    "B": "XBOS",
    "C": "XCIS",
    "D": "FINR",
    "H": "EPRL",
    "I": "XISE",
    "J": "EDGA",
    "K": "EDGX",
    "L": "LTSE",
    "M": "XCHI",
    "N": "XNYS",
    "P": "ARCX",
    "Q": "XNAS",
    "T": "XNAS",
    "U": "MEMX",
    "V": "IEXG",
    "W": "CBSX",
    "X": "XPSX",
    "Y": "BATY",
    "Z": "BATS",
}
"""MIC of each participant's letter; D is every print off exchange, reported to FINRA."""

OPENING, CLOSING, DERIVATIVE = 0x40, 0x80, 0x200
FORM_T, EXTENDED, OUT_OF_SEQUENCE = 0x400, 0x2000, 0x4000
AVERAGE_PRICE, PRIOR_REFERENCE = 0x10_0000, 0x200_0000
_AWAY = DERIVATIVE | AVERAGE_PRICE | PRIOR_REFERENCE


def trade_flags(
    conditions: np.ndarray, suspicious: np.ndarray, in_session: np.ndarray
) -> np.ndarray:
    """Bits of TradeFlag from a tape's condition bits.

    Eligible is every print of the regular session, and each opening and closing print
    whatever its time, unless it is suspicious, for extended hours, or priced away from the
    market: derivatively, as an average, or by an earlier reference.
    """

    def has(bits: int) -> np.ndarray:
        return (conditions & bits) != 0

    auction = has(OPENING | CLOSING)
    extended = has(EXTENDED | FORM_T)
    eligible = (in_session | auction) & ~extended & ~suspicious & ~has(_AWAY)
    return (
        np.where(eligible, TradeFlag.ELIGIBLE, 0)
        | np.where(has(OPENING), TradeFlag.OPENING, 0)
        | np.where(has(CLOSING), TradeFlag.CLOSING, 0)
        | np.where(has(OUT_OF_SEQUENCE), TradeFlag.OUT_OF_SEQUENCE, 0)
        | np.where(extended, TradeFlag.EXTENDED_HOURS, 0)
        | np.where(suspicious, TradeFlag.SUSPICIOUS, 0)
    ).astype(np.uint8)


def print_rows(tape: pl.DataFrame, midnight: int, hours: Session) -> np.ndarray:
    """MARKET rows of ms, price, size, venue, conditions, suspicious; symbol left out."""
    rows = blank(MARKET, tape.height)
    ts = midnight + tape["ms"].to_numpy() * MILLISECOND
    rows["kind"] = MarketKind.TRADE
    rows["ts_event"] = ts
    rows["price"] = tape["price"].to_numpy() / PRICE_SCALE
    rows["size"] = tape["size"].to_numpy()
    venue = {letter: key_of(mic) for letter, mic in VENUES.items()}
    rows["venue"] = (
        tape["venue"].replace_strict(venue, default=0, return_dtype=pl.UInt64).to_numpy()
    )
    in_session = (ts >= hours.open_ns) & (ts < hours.close_ns)
    suspicious = tape["suspicious"].to_numpy() != 0
    rows["flags"] = trade_flags(tape["conditions"].to_numpy(), suspicious, in_session)
    return rows


def quote_rows(tape: pl.DataFrame, midnight: int) -> np.ndarray:
    """MARKET rows of ms, bid, bid_size, ask, ask_size, suspicious; symbol left out.

    A side that a row leaves at 0 keeps its last price and size.
    """
    tape = tape.filter(pl.col("suspicious") == 0).with_columns(
        pl.when(pl.col(side) > 0).then(pl.col(name)).forward_fill().cast(pl.Float64).alias(name)
        for side in ("bid", "ask")
        for name in (side, f"{side}_size")
    )
    rows = blank(MARKET, tape.height)
    rows["kind"] = MarketKind.QUOTE
    rows["ts_event"] = midnight + tape["ms"].to_numpy() * MILLISECOND
    for side in ("bid", "ask"):
        rows[side] = tape[side].fill_null(float("nan")).to_numpy() / PRICE_SCALE
        rows[f"{side}_size"] = tape[f"{side}_size"].fill_null(float("nan")).to_numpy()
    return rows
