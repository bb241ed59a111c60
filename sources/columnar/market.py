"""Market rows from columns."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from domain.columns import MARKET
from domain.instants import NO_TIME
from domain.vocabulary import TradeFlag
from sources.columnar.block import Block
from sources.columnar.convert import Names, flags, readable
from sources.columnar.kernels import fill_market

Rows = slice | np.ndarray
PRICES = ("bid", "ask", "bid_size", "ask_size", "price", "size")
_NONE = np.empty(0)
_NO_FLAGS = np.empty(0, np.uint8)
_NO_SEQS = np.empty(0, np.int64)
_BITS = {
    "OPENING": TradeFlag.OPENING,
    "CLOSING": TradeFlag.CLOSING,
    "EXTENDED_HOURS": TradeFlag.EXTENDED_HOURS,
    "OUT_OF_SEQUENCE": TradeFlag.OUT_OF_SEQUENCE,
    "SUSPICIOUS": TradeFlag.SUSPICIOUS,
    "CORRECTED": TradeFlag.SUSPICIOUS,
}
_AWAY = 128
"""A condition that makes a print not eligible and has no bit of its own."""
_AWAY_NAMES = ("DERIVATIVELY_PRICED", "AVERAGE_PRICE", "PRIOR_REFERENCE")
_CONDITIONS = {**_BITS, **dict.fromkeys(_AWAY_NAMES, _AWAY)}
_PARTED = pc.SplitPatternOptions(";")
_BARRED = TradeFlag.SUSPICIOUS | TradeFlag.EXTENDED_HOURS | _AWAY


def market_rows(block: Block, rows: Rows, source: int, groups: int) -> "tuple[np.ndarray, Doubts]":
    """(MARKET rows, which of them are doubtful) of some rows of a block."""
    doubts = Doubts(block, rows)
    symbol = doubts.names("symbol")
    ts = doubts.times("ts_event")
    n = len(doubts.bad)
    out = np.empty(n, MARKET)
    kind = _NO_FLAGS if block.kind is None else np.ascontiguousarray(block.kind[rows])
    seq = doubts.sequences("seq")
    fill_market(
        out, doubts.bad, source, kind, _trade_flags(block, rows),
        np.zeros(n, np.uint32) if symbol is None else symbol.hashed.crc[rows],
        np.zeros(n, np.uint64) if symbol is None else symbol.hashed.key[rows],
        groups, np.full(n, NO_TIME) if ts is None else ts,
        _NO_SEQS if seq is None else seq,
        tuple(_NONE if v is None else v for v in map(doubts.numbers, PRICES)),
    )  # fmt: skip
    for field, name in (("venue", "venue"), ("exec", "exec_id")):
        found = doubts.names(name)
        if found is not None:
            out[field] = found.hashed.key[rows]
    return out, doubts


class Doubts:
    """Columns of some rows, and the rows whose values could not be taken as they are."""

    def __init__(self, block: Block, rows: Rows) -> None:
        self._block = block
        self._rows = rows
        count = rows.stop - rows.start if isinstance(rows, slice) else len(rows)
        self.bad = np.zeros(count, np.bool_)
        self.lost = np.zeros(count, np.bool_)
        """Rows that would miss a value which they have."""

    def names(self, name: str) -> Names | None:
        """Names of the whole block; odd ones among the rows are doubtful."""
        found = self._block.names(name)
        if found is not None:
            self.bad |= found.hashed.odd[self._rows]
        return found

    def numbers(self, name: str) -> np.ndarray | None:
        """Numbers of the rows."""
        return self._taken(self._block.numbers(name))

    def times(self, name: str) -> np.ndarray | None:
        """UNIX ns of the rows."""
        return self._taken(self._block.times(name))

    def sequences(self, name: str) -> np.ndarray | None:
        """Sequence numbers of the rows."""
        return self._taken(self._block.sequences(name))

    def codes(self, name: str, meaning: dict[str, int]) -> np.ndarray | None:
        """Codes of the rows."""
        return self._taken(self._block.codes(name, meaning))

    def _taken(self, column: Any) -> np.ndarray | None:
        if column is None:
            return None
        if column.lost is not None:
            self.lost |= column.lost[self._rows]
            self.bad |= self.lost
        return column.values[self._rows]


def _trade_flags(block: Block, rows: Rows) -> np.ndarray:
    """TradeFlag bits of each row, empty where every print is simply eligible."""
    told = {"eligible", "conditions", "auction"} & block.columns.keys()
    if not told:
        return _NO_FLAGS
    n = block.rows
    bits = np.zeros(n, np.uint8)
    if "conditions" in told:
        bits |= _condition_bits(block.columns["conditions"], n)
    if "auction" in told:
        auction = block.codes("auction", {"opening": 1, "closing": 2})
        if auction is not None:
            bits |= np.array([0, TradeFlag.OPENING, TradeFlag.CLOSING], np.uint8)[
                np.minimum(auction.values, 2) * (auction.values < 3)
            ]
    eligible = (bits & _BARRED) == 0
    if "eligible" in told:
        stated, said = flags(block.columns["eligible"])
        eligible = np.where(said, stated, eligible)
    return np.where(eligible, bits | TradeFlag.ELIGIBLE, bits)[rows].astype(np.uint8) & ~np.uint8(
        _AWAY
    )


def _condition_bits(array: Any, n: int) -> np.ndarray:
    """Bits of each row's conditions: a list of names, or one text parted by `;`."""
    bits = np.zeros(n, np.uint8)
    if pt.is_null(array.type):
        return bits
    if pt.is_dictionary(array.type):
        array = array.dictionary_decode()
    if not (pt.is_list(array.type) or pt.is_large_list(array.type)):
        array = pc.call_function("split_pattern", [array.cast(pa.string())], _PARTED)
    parents = np.asarray(pc.call_function("list_parent_indices", [array]))
    each = pc.call_function("list_flatten", [array]).cast(pa.string()).dictionary_encode()
    codes = [_CONDITIONS.get(name or "", 0) for name in readable(each.dictionary).to_pylist()]
    found = np.array([*codes, 0], np.uint8)[np.asarray(each.indices.fill_null(len(codes)))]
    np.bitwise_or.at(bits, parents, found)
    return bits
