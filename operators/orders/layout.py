"""Row layouts of one order group's state."""

from functools import cache

import numpy as np

from domain.instants import NO_TIME
from domain.rows import HORIZON_NAMES

ORDER_STATE = np.dtype(
    [
        ("order", "u8"),
        ("root", "u8"),
        ("parent", "u8"),
        ("symbol", "u8"),
        ("desk", "u8"),
        ("broker", "u8"),
        ("algo", "u8"),
        ("strategy", "u8"),
        ("trader", "u8"),
        ("client", "u8"),
        ("currency", "u8"),
        ("cl_ord", "u8"),
        # What the events said, folded in order of (ts_event, seq).
        ("arrival_ts", "i8"),
        ("decision_ts", "i8"),
        ("start_ts", "i8"),
        ("end_ts", "i8"),
        ("closed_ts", "i8"),
        ("decision_px", "f8"),
        ("participation", "f8"),
        ("order_qty", "f8"),
        ("limit_px", "f8"),
        ("reported_cum_qty", "f8"),
        ("reported_avg_px", "f8"),
        ("removed_qty", "f8"),  # busted since the counterparty last said its total
        ("now_market_seq", "i8"),  # which of the market's rows of `now_ts` were met
        ("ack_ms_sum", "f8"),
        ("final_mid", "f8"),  # mid when the order was cancelled or expired
        # The market at arrival.
        ("arrival_bid", "f8"),
        ("arrival_ask", "f8"),
        ("arrival_vol", "f8"),
        ("arrival_pv", "f8"),
        ("arrival_mid_s", "f8"),
        ("arrival_open_s", "f8"),
        # The newest market this order met, at an event or a mark.
        ("now_ts", "i8"),
        ("now_bid", "f8"),
        ("now_ask", "f8"),
        ("now_quote_ts", "i8"),
        ("now_vol", "f8"),
        ("now_pv", "f8"),
        ("now_mid_s", "f8"),
        ("now_open_s", "f8"),
        ("now_open_px", "f8"),
        ("now_session_x", "f8"),
        ("now_known", "i8"),
        ("row_seq", "i8"),
        ("events", "i8"),
        ("ts_ingest", "i8"),
        ("detail_ts", "i8"),  # event time of the newest detail
        ("flags", "u4"),  # bits of Anomaly
        ("arrival_flags", "u4"),  # bits of MarketFlag
        ("now_flags", "u4"),
        ("phase_ms", "u4"),
        # Links; −1 is none.
        ("first", "i4"),  # own events, sorted
        ("last", "i4"),
        ("first_fill", "i4"),  # own executions that count
        ("last_fill", "i4"),
        ("first_ref", "i4"),  # fills of children, sorted
        ("last_ref", "i4"),
        ("venues", "i4"),
        ("parent_slot", "i4"),
        ("agg", "i4"),  # row of the children's sums
        ("children", "i4"),
        ("acks", "i4"),
        ("family", "i4"),  # slot of the root
        ("kind", "u1"),
        ("life", "u1"),  # OrderState without the pending states
        ("pending", "u1"),  # OrderState.PENDING_* or 0
        ("side", "i1"),
        ("side_code", "u1"),
        ("ord_type", "u1"),
        ("time_in_force", "u1"),
        ("asset_class", "u1"),
        ("schedule", "u1"),
        ("accepted", "u1"),
        ("rewrites", "u1"),  # a bust or correction is among the events
        ("several_symbols", "u1"),
        ("reuses", "u1"),  # several fills have one execution id
        ("below", "u1"),  # generations of children
        ("unshown", "u1"),  # something changed since the last numbered row
        ("restated", "u1"),  # RESTATED_…: rows that changed what was said before
        ("kappa_t", "f8"),
        ("profile", "u8"),
        ("now_day_vol", "f8"),
        ("base", "i4"),  # own event that amended the order last: its schedule starts anew there
        ("window", "i4"),  # what `window_digest` says of its start and end as told
        ("now_calendar", "u2"),  # calendar_code of the symbol's sessions
        ("reserved", "u1", (6,)),
    ]
)

KEPT = np.dtype(
    [
        ("slot", "i4"),
        ("window", "i4"),  # what `window_digest` says of the times it told
        ("prev", "i4"),
        ("mids", "i4"),  # row of the later mids, fills only
        ("kind", "u1"),
        ("status", "u1"),  # FillStatus of a fill
        ("liquidity", "u1"),
        ("source", "u1"),
        ("flags", "u4"),  # bits of Anomaly
        ("stamp_flags", "u4"),
        ("reason", "u1"),
        ("own", "u1"),
        ("venue_done", "u1"),
        ("reserved", "u1"),
        ("ts", "i8"),
        ("known", "i8"),
        ("seq", "i8"),
        ("pos", "i8"),
        ("exec", "u8"),
        ("exec_ref", "u8"),
        ("venue", "u8"),
        ("qty", "f8"),  # last_qty of fills, order_qty of the others
        ("px", "f8"),  # last_px of fills, limit_px of the others
        ("eff_qty", "f8"),  # after corrections
        ("eff_px", "f8"),
        ("order_qty", "f8"),
        ("cum_qty", "f8"),
        ("leaves_qty", "f8"),
        ("fee", "f8"),
        ("reported_avg_px", "f8"),
        ("bid", "f8"),
        ("ask", "f8"),
        ("quote_ts", "i8"),
        ("vol_open", "f8"),
        ("vol_close", "f8"),
        ("pv_open", "f8"),
        ("pv_close", "f8"),
        ("mid_s", "f8"),
        ("open_s", "f8"),
        ("open_px", "f8"),
        ("own_px", "f8"),
        ("own_qty", "f8"),
    ]
)
"""An event of an order, kept so that any order of arrival ends in the same state."""

REF = np.dtype([("kept", "i4"), ("next", "i4"), ("prev", "i4")])
"""A child's fill in the list of an ancestor."""

VENUE = np.dtype([("venue", "u8"), ("next", "i4"), ("reserved", "i4")])
"""A venue of an order; its quantity is a pair of `venue_qty`."""

SUMS = (
    "qty",
    "notional",  # Σ qty × price
    "fee",
    "quoted_qty",  # over fills that met a valid quote
    "quoted_notional",
    "mid_notional",  # Σ qty × mid at the execution
    "capture_qty",  # over fills whose quote was not locked
    "capture",  # Σ qty × spread capture
    "at_mid_qty",
    "near_qty",
    "far_qty",
    "receipt_qty",  # over fills of orders whose arrival met a valid quote
    "receipt_notional",
    "receipt_mid_notional",  # Σ qty × arrival mid of the executed order
    "receipt_spread",  # Σ qty × spread at arrival of the executed order
    "improvement",  # Σ qty × improvement on the touch at arrival
    "own_qty",  # own prints found on the tape
    "own_notional",
    "routed_qty",
    "fills",
    "qty_s",  # Σ qty × UNIX seconds of the execution
)
"""Running sums of an order, each a pair (sum, error) so that no order of adding matters."""

HORIZON_SUMS = ("notional", "mid_notional", "receipt_mid_notional")
"""Per horizon: Σ qty × price, Σ qty × mid then, Σ qty × arrival mid, over observed fills."""

RESTATED_ONCE = 1
RESTATED_LAST = 2
"""Bits of `restated`: some row, and the last one that was shown."""

HORIZONS_KEPT = len(HORIZON_NAMES)
NOWHERE = -1


def blank_orders(rows: int) -> np.ndarray:
    """Order rows with nothing known yet."""
    out = np.empty(rows, ORDER_STATE)
    out[:] = _blank_order()
    return out


@cache
def _blank_order() -> np.ndarray:
    out = np.zeros(1, ORDER_STATE)
    for name in ORDER_STATE.names or ():
        base = ORDER_STATE[name].base
        if base.kind == "f" and name not in {"removed_qty", "ack_ms_sum"}:
            out[name] = np.nan
        elif name.endswith("_ts") or name in {"now_known"}:
            out[name] = NO_TIME
    out["now_market_seq"] = -1
    for name in (
        "first",
        "last",
        "first_fill",
        "last_fill",
        "first_ref",
        "last_ref",
        "venues",
        "parent_slot",
        "agg",
        "base",
    ):
        out[name] = NOWHERE
    return out
