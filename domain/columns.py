"""The columns of every batch, declared once.

A batch is one record array per kind of row. Names (order ids, symbols, venues…) are 64-bit
keys (`domain.keys.key_of`); the texts travel beside the rows in a table. A missing number is
NaN, a missing time `NO_TIME`, a missing name 0.
"""

from functools import cache

import numpy as np

MARKET = np.dtype(
    [
        ("kind", "u1"),  # bits of MarketKind
        ("flags", "u1"),  # bits of TradeFlag, for prints
        ("group", "u1"),  # key group of the symbol
        ("source", "u1"),  # index of the input partition
        ("reserved", "u4"),
        ("symbol", "u8"),
        ("venue", "u8"),
        ("exec", "u8"),  # our own execution, where the tape says so
        ("ts_event", "i8"),  # UNIX ns, when it happened
        ("t_eff", "i8"),  # max(ts_event, the partition's watermark)
        ("seq", "i8"),  # the symbol's market sequence; −1 unknown
        ("bid", "f8"),  # quote currency
        ("ask", "f8"),
        ("bid_size", "f8"),
        ("ask_size", "f8"),
        ("price", "f8"),  # of the print
        ("size", "f8"),
    ]
)

EVENT = np.dtype(
    [
        ("kind", "u1"),  # EventKind
        ("side", "i1"),  # +1 purchase, −1 sale, 0 not said
        ("liquidity", "u1"),
        ("reason", "u1"),  # RejectReason of a reject
        ("market_group", "u1"),  # key group of the symbol
        ("order_group", "u1"),  # key group of the root order
        ("source", "u1"),  # index of the input partition
        ("side_code", "u1"),  # index into vocabulary.SIDES
        ("flags", "u4"),  # bits of Anomaly found while decoding
        ("phase", "u4"),  # crc32 of the root order id, sets the family's mark times
        ("order", "u8"),
        ("root", "u8"),
        ("parent", "u8"),
        ("symbol", "u8"),
        ("venue", "u8"),
        ("exec", "u8"),  # exec_id of a fill, route_id of a route
        ("exec_ref", "u8"),  # the execution that a bust or correction names
        ("ts_event", "i8"),
        ("t_eff", "i8"),
        ("ts_ingest", "i8"),  # wall clock at the source; never part of a result
        ("seq", "i8"),  # sender's sequence within the order; −1 unknown
        ("market_seq", "i8"),  # the symbol's last market event before; −1 unknown
        ("pos", "i8"),  # ordinal within the input partition
        ("order_qty", "f8"),
        ("limit_px", "f8"),
        ("last_qty", "f8"),
        ("last_px", "f8"),
        ("cum_qty", "f8"),
        ("leaves_qty", "f8"),
        ("fee", "f8"),  # currency, positive is paid
        ("reported_avg_px", "f8"),  # FIX 6
    ]
)

DETAIL = np.dtype(
    [
        ("order", "u8"),
        ("pos", "i8"),  # of the event that said it
        ("source", "u1"),
        ("ord_type", "u1"),
        ("time_in_force", "u1"),
        ("asset_class", "u1"),
        ("schedule", "u1"),
        ("order_group", "u1"),  # set with the event's when the batch is split
        ("reserved", "u1", (2,)),
        ("cl_ord", "u8"),
        ("broker", "u8"),
        ("algo", "u8"),
        ("strategy", "u8"),
        ("trader", "u8"),
        ("desk", "u8"),
        ("client", "u8"),
        ("currency", "u8"),
        ("decision_ts", "i8"),
        ("start_ts", "i8"),
        ("end_ts", "i8"),
        ("decision_px", "f8"),
        ("participation", "f8"),
        ("kappa_t", "f8"),  # front-loading of an implementation-shortfall schedule
        ("profile", "u8"),  # of a schedule the algorithm sent, see domain.profiles
    ]
)
"""What is said once of an order, at acceptance or replacement: rare, so kept out of EVENT."""

HAS_DETAIL = 1 << 31
"""Bit of EVENT.flags: a DETAIL row with the same source and position travels along."""

SHOWS_ONLY = 1 << 30
"""Bit of EVENT.flags of a mark that shows an order and changes nothing."""

DETAIL_NAMES = (
    "cl_ord", "broker", "algo", "strategy", "trader", "desk", "client", "currency", "profile",
)  # fmt: skip
"""Fields of DETAIL that are keys of names."""

EVENT_NUMBERS = (
    "order_qty",
    "limit_px",
    "last_qty",
    "last_px",
    "cum_qty",
    "leaves_qty",
    "fee",
    "reported_avg_px",
)
"""Fields of EVENT that are NaN where unknown."""


def blank(dtype: np.dtype, rows: int) -> np.ndarray:
    """Rows of this kind with every field missing: NaN, NO_TIME, key 0, sequence −1."""
    out = np.empty(rows, dtype)
    out[:] = _blank_row(dtype)
    return out


@cache
def _blank_row(dtype: np.dtype) -> np.ndarray:
    out = np.zeros(1, dtype)
    for name in dtype.names or ():
        base = dtype[name].base
        if base.kind == "f":
            out[name] = np.nan
        elif name in {"seq", "market_seq"}:
            out[name] = -1
        elif name.startswith("ts_") or name.endswith("_ts") or name == "t_eff":
            out[name] = np.iinfo("i8").min
    return out
