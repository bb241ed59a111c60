"""Kernels for sums that come out the same in any order, and for what a fill adds to them."""

import numpy as np

from metrics.spreads import (
    effective_spread,
    price_improvement,
    price_side,
    quoted_spread,
    spread_capture,
)
from operators.kernel import Row, Table, kernel
from operators.market.tape import valid_mid
from operators.orders.layout import SUMS

N_SUMS = len(SUMS)
QTY = SUMS.index("qty")
NOTIONAL = SUMS.index("notional")
FEE = SUMS.index("fee")
QUOTED_QTY = SUMS.index("quoted_qty")
QUOTED_NOTIONAL = SUMS.index("quoted_notional")
MID_NOTIONAL = SUMS.index("mid_notional")
CAPTURE_QTY = SUMS.index("capture_qty")
CAPTURE = SUMS.index("capture")
AT_MID_QTY = SUMS.index("at_mid_qty")
NEAR_QTY = SUMS.index("near_qty")
FAR_QTY = SUMS.index("far_qty")
RECEIPT_QTY = SUMS.index("receipt_qty")
RECEIPT_NOTIONAL = SUMS.index("receipt_notional")
RECEIPT_MID_NOTIONAL = SUMS.index("receipt_mid_notional")
RECEIPT_SPREAD = SUMS.index("receipt_spread")
IMPROVEMENT = SUMS.index("improvement")
OWN_QTY = SUMS.index("own_qty")
OWN_NOTIONAL = SUMS.index("own_notional")
ROUTED_QTY = SUMS.index("routed_qty")
FILLS = SUMS.index("fills")
QTY_S = SUMS.index("qty_s")

_capture = spread_capture.kernel
_side = price_side.kernel
_improvement = price_improvement.kernel
_quoted = quoted_spread.kernel
_effective = effective_spread.kernel


@kernel
def add(pair: Table, x: float) -> None:
    """Add x to a (sum, error) pair: the sum is right to the last digit in any order."""
    total = pair[0] + x
    part = total - pair[0]
    error = (pair[0] - (total - part)) + (x - part) + pair[1]
    pair[0] = total + error
    pair[1] = error - (pair[0] - total)


@kernel
def add_pair(pair: Table, other: Table, sign: float) -> None:
    """Add another pair, or take it away (sign −1)."""
    add(pair, sign * other[0])
    add(pair, sign * other[1])


@kernel
def fill_terms(out: Table, order: Row, fill: Row) -> None:
    """What a fill adds to each of SUMS; zero where the quotes it needs are missing."""
    out[:] = 0.0
    qty = fill.eff_qty
    px = fill.eff_px
    side = np.float64(order.side)
    out[QTY] = qty
    out[NOTIONAL] = qty * px
    out[FEE] = fill.fee if fill.fee == fill.fee else 0.0
    out[FILLS] = 1.0
    out[QTY_S] = qty * (fill.ts * 1e-9)
    mid = valid_mid(fill.bid, fill.ask)
    if mid == mid:
        out[QUOTED_QTY] = qty
        out[QUOTED_NOTIONAL] = qty * px
        out[MID_NOTIONAL] = qty * mid
        capture = _capture(px, fill.bid, fill.ask, side)
        if capture == capture:
            out[CAPTURE_QTY] = qty
            out[CAPTURE] = qty * capture
        where = _side(px, fill.bid, fill.ask, side)
        if where == 1:
            out[AT_MID_QTY] = qty
        elif where == 2:
            out[NEAR_QTY] = qty
        elif where == 3:
            out[FAR_QTY] = qty
    received = valid_mid(order.arrival_bid, order.arrival_ask)
    if order.accepted and received == received:
        out[RECEIPT_QTY] = qty
        out[RECEIPT_NOTIONAL] = qty * px
        out[RECEIPT_MID_NOTIONAL] = qty * received
        out[RECEIPT_SPREAD] = qty * _quoted(order.arrival_bid, order.arrival_ask)
        out[IMPROVEMENT] = qty * _improvement(px, order.arrival_bid, order.arrival_ask, side)
    if fill.own:
        out[OWN_QTY] = fill.own_qty
        out[OWN_NOTIONAL] = fill.own_qty * fill.own_px
