"""Kernels that write columns into records, row by row, and doubt what might be refused.

A column that a file does not have is an array without rows. Doubt is cheap: every doubtful
row is looked at again by the same rules as a message of the bus.
"""

from typing import Any

import numpy as np
from numba import njit

from domain.instants import NO_TIME
from domain.vocabulary import EventKind, MarketKind, TradeFlag

Array = np.ndarray
_QUOTE, _TRADE, _AUCTION = int(MarketKind.QUOTE), int(MarketKind.TRADE), int(MarketKind.AUCTION)
_HALTED = int(MarketKind.HALTED)
_ELIGIBLE = int(TradeFlag.ELIGIBLE)
_ACCEPTED, _REPLACED = int(EventKind.ORDER_ACCEPTED), int(EventKind.ORDER_REPLACED)
_FILLED, _BUSTED = int(EventKind.ORDER_FILLED), int(EventKind.FILL_BUSTED)
_CORRECTED, _SENT = int(EventKind.FILL_CORRECTED), int(EventKind.ROUTE_SENT)


@njit(cache=True, nogil=True, error_model="numpy")
def fill_market(
    out: Any, doubt: Array, source: int, kind: Array, flags: Array, crc: Array, symbol: Array,
    groups: int, ts: Array, seq: Array, prices: tuple[Array, ...],
) -> None:  # fmt: skip
    """Write MARKET rows. `prices` holds bid, ask, bid_size, ask_size, price, size."""
    bids, asks, bid_sizes, ask_sizes, paid, sizes = prices
    for i in range(out.shape[0]):
        row = out[i]
        row["source"] = source
        row["group"] = crc[i] % np.uint32(groups)
        row["symbol"] = symbol[i]
        row["venue"] = 0
        row["exec"] = 0
        row["reserved"] = 0
        row["ts_event"] = ts[i]
        row["t_eff"] = NO_TIME
        row["seq"] = seq[i] if seq.shape[0] else -1
        bid = bids[i] if bids.shape[0] else np.nan
        ask = asks[i] if asks.shape[0] else np.nan
        bid_size = bid_sizes[i] if bid_sizes.shape[0] else np.nan
        ask_size = ask_sizes[i] if ask_sizes.shape[0] else np.nan
        price = paid[i] if paid.shape[0] else np.nan
        size = sizes[i] if sizes.shape[0] else np.nan
        row["bid"], row["ask"], row["bid_size"], row["ask_size"] = bid, ask, bid_size, ask_size
        row["price"], row["size"] = price, size
        quoted = not (np.isnan(bid) and np.isnan(ask))
        printed = not (np.isnan(price) or np.isnan(size))
        if kind.shape[0]:
            what = kind[i]
        else:
            what = (_QUOTE if quoted else 0) | (_TRADE if printed else 0)
            doubt[i] |= np.isnan(price) != np.isnan(size)
        prints = what & (_TRADE | _AUCTION)
        row["kind"] = what
        row["flags"] = (flags[i] if flags.shape[0] else _ELIGIBLE) if prints else 0
        doubt[i] |= (
            what == 0
            or symbol[i] == 0
            or ts[i] == NO_TIME
            or (what < _HALTED and what & _QUOTE and not quoted)
            or (prints and not (printed and size > 0.0))
            or not (bid_size >= 0.0 or np.isnan(bid_size))
            or not (ask_size >= 0.0 or np.isnan(ask_size))
            or np.isinf(bid) or np.isinf(ask) or np.isinf(bid_size) or np.isinf(ask_size)
            or np.isinf(price) or np.isinf(size)
        )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def fill_events(
    out: Any, doubt: Array, source: int, kind: Array, side_code: Array,
    order: tuple[Array, Array, Array], root: Array, parent: Array, symbol: tuple[Array, Array],
    ts: Array, pos: int,
) -> None:  # fmt: skip
    """Write what every EVENT row has; names as (key, crc) with groups already taken."""
    order_key, order_group, phase = order
    root_key = root
    symbol_key, symbol_group = symbol
    for i in range(out.shape[0]):
        row = out[i]
        row["kind"] = kind[i]
        row["source"] = source
        row["flags"] = 0
        row["reason"] = 0
        row["liquidity"] = 0
        code = side_code[i] if side_code.shape[0] else 0
        row["side"] = 0 if code == 0 else (1 if code <= 2 else -1)
        row["side_code"] = code - 1 if code else 0
        row["market_group"] = symbol_group[i]
        row["order_group"] = order_group[i]
        row["phase"] = phase[i]
        row["order"] = order_key[i]
        row["root"] = root_key[i]
        row["parent"] = parent[i] if parent.shape[0] else np.uint64(0)
        row["symbol"] = symbol_key[i]
        row["venue"] = 0
        row["exec"] = 0
        row["exec_ref"] = 0
        row["ts_event"] = ts[i]
        row["t_eff"] = NO_TIME
        row["ts_ingest"] = NO_TIME
        row["seq"] = -1
        row["market_seq"] = -1
        row["pos"] = pos + i
        doubt[i] |= (
            kind[i] == 0
            or order_key[i] == 0
            or symbol_key[i] == 0
            or ts[i] == NO_TIME
            or (kind[i] == _ACCEPTED and code == 0)
        )


@njit(cache=True, nogil=True, error_model="numpy")
def doubt_events(rows: Any, doubt: Array) -> None:
    """Doubt events whose numbers do not fit what they say happened."""
    for i in range(rows.shape[0]):
        row = rows[i]
        kind = row["kind"]
        bad = not (row["order_qty"] >= 0.0 or np.isnan(row["order_qty"]))
        bad |= not (row["cum_qty"] >= 0.0 or np.isnan(row["cum_qty"]))
        bad |= not (row["leaves_qty"] >= 0.0 or np.isnan(row["leaves_qty"]))
        bad |= np.isinf(row["order_qty"]) or np.isinf(row["cum_qty"]) or np.isinf(row["leaves_qty"])
        bad |= np.isinf(row["limit_px"]) or np.isinf(row["last_px"]) or np.isinf(row["fee"])
        bad |= np.isinf(row["reported_avg_px"]) or np.isinf(row["last_qty"])
        if kind in (_FILLED, _CORRECTED):
            bad |= not row["last_qty"] > 0.0 or np.isnan(row["last_px"])
        if kind in (_ACCEPTED, _REPLACED, _SENT):
            bad |= np.isnan(row["order_qty"])
        if kind in (_BUSTED, _CORRECTED):
            bad |= row["exec_ref"] == 0 and row["exec"] == 0
        doubt[i] |= bad
