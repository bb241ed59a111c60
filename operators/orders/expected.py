"""Kernels for how much of an order its schedule says should be done by now.

Time is trading time. What has passed of the window leaves out halts; what is left counts as it
lies in the calendar, since nobody knows of a halt before it comes. When one is over, a schedule by
time spreads what it had left over what is left of the window: nothing falls due in a halt.
"""

from typing import Any

import numpy as np

from domain.instants import NO_TIME
from domain.reasons import Reason
from domain.rows import FillStatus
from domain.vocabulary import URGENCY_KAPPA_T, EventKind, OrderType, Schedule, TimeInForce
from metrics.curves import curve_at
from metrics.schedules import (
    expected_close,
    expected_is,
    expected_pov,
    expected_rebased,
    expected_twap,
    expected_vwap,
    expected_vwap_live,
    remaining_volume,
)
from operators.kernel import Row, Table, kernel
from operators.orders.curves import usual_between
from operators.orders.hours import (
    REACH_NS,
    first_halt,
    halt_end,
    halted_ns,
    hours_of,
    next_open,
    session_close,
    session_open,
    trading_ns,
)
from operators.orders.keep import before
from operators.orders.tables import Tables

_FILLED = int(EventKind.ORDER_FILLED)
_COUNTED = FillStatus.COUNTED
_CORRECTED = FillStatus.CORRECTED
_NO_SCHEDULE = int(Reason.NO_SCHEDULE)
_NO_REFERENCE = int(Reason.NO_REFERENCE)
_ZERO_QTY = int(Reason.ZERO_QTY)
_TWAP = int(Schedule.TWAP)
_VWAP = int(Schedule.VWAP)
_POV = int(Schedule.POV)
_IS = int(Schedule.IS)
_CLOSE = int(Schedule.CLOSE)
_CUSTOM = int(Schedule.CUSTOM)
_NONE = int(Schedule.NONE)
_ON_CLOSE = int(OrderType.MARKET_ON_CLOSE)
_LIMIT_ON_CLOSE = int(OrderType.LIMIT_ON_CLOSE)
_AT_CLOSE = int(TimeInForce.CLS)
_AT_OPEN = int(TimeInForce.OPG)
_KAPPA_T = URGENCY_KAPPA_T["MEDIUM"]
"""Where the algorithm does not say."""

_curve_at = curve_at.kernel
_expected_twap = expected_twap.kernel
_expected_pov = expected_pov.kernel
_expected_is = expected_is.kernel
_expected_close = expected_close.kernel
_expected_curve = expected_vwap.kernel
_expected_rebased = expected_rebased.kernel
_expected_live = expected_vwap_live.kernel
_remaining = remaining_volume.kernel


@kernel
def is_for_close(order: Row) -> bool:
    """Whether the order waits for the closing auction."""
    if order.schedule != _NONE:
        return order.schedule == _CLOSE
    return order.ord_type in (_ON_CLOSE, _LIMIT_ON_CLOSE) or order.time_in_force == _AT_CLOSE


@kernel
def _told_start(order: Row) -> Any:
    return order.start_ts if order.start_ts != NO_TIME else order.arrival_ts


@kernel
def window_of(tables: Tables, order: Row, has_hours: bool) -> tuple[Any, ...]:
    """(start, end) of the order's schedule, NO_TIME where it is not known.

    An amendment starts it anew.
    """
    start = _told_start(order)
    end = order.end_ts
    if order.base >= 0:
        start = max(start, tables.kept[order.base].ts)
    if has_hours and start != NO_TIME and end != NO_TIME:
        start = max(start, order.now_ts - REACH_NS)
        end = min(end, order.now_ts + REACH_NS)
    return start, end


@kernel
def traded_since(tables: Tables, slot: int, base: int) -> tuple[Any, ...]:
    """(quantity, part of it found on the tape) executed after an event of the order."""
    order = tables.orders[slot]
    own = order.agg < 0
    qty = 0.0
    own_qty = 0.0
    at = order.last_fill if own else order.last_ref
    while at >= 0:
        row = at if own else tables.refs[at].kept
        fill = tables.kept[row]
        if before(fill, tables.kept[base]):
            break
        if fill.kind == _FILLED and (fill.status == _COUNTED or fill.status == _CORRECTED):
            qty += fill.eff_qty
            own_qty += fill.own_qty
        at = fill.prev if own else tables.refs[at].prev
    return qty, own_qty


@kernel
def _traded_s(tables: Tables, symbol: Row, first: int, last: int, start: int, end: int) -> Any:
    """Trading seconds of a time gone by, halts taken out."""
    passed = trading_ns(tables.hours, first, last, start, end)
    return (passed - halted_ns(tables.halts, symbol, tables.hours, first, last, start, end)) * 1e-9


@kernel
def _traded_share(
    tables: Tables, symbol: Row, ref: Row, first: int, last: int, start: int, end: int
) -> Any:
    """Usual volume of (start, end] without that of the halts in it, in sessions' volumes."""
    share = usual_between(ref, tables.hours, first, last, start, end)
    i = first_halt(tables.halts, symbol)
    while i < tables.halts.shape[0] and tables.halts[i].symbol == symbol:
        since = max(tables.halts[i].ts, start)
        until = halt_end(tables.halts, i, end)
        if until > since:
            share -= usual_between(ref, tables.hours, first, last, since, until)
        i += 1
    return share


@kernel
def _usual_share(
    tables: Tables, order: Row, ref: Row, first: int, last: int, start: int, end: int
) -> Any:
    """Usual volume of a time gone by, or where no curve is known its trading time."""
    if first != last and ref.volume_slots > 0:
        return _traded_share(tables, order.symbol, ref, first, last, start, end)
    return _traded_s(tables, order.symbol, first, last, start, end)


@kernel
def _volume_since(
    tables: Tables, order: Row, ref: Row, first: int, last: int, start: int, own_qty: float
) -> Any:
    """Volume of others since the start, as far as it is known.

    It is known since arrival, or since the amendment. Where the start is later, the part that
    usually falls after it is taken.
    """
    since, vol = order.arrival_ts, order.arrival_vol
    if order.base >= 0:
        since, vol = tables.kept[order.base].ts, tables.kept[order.base].vol_open
    others = order.now_vol - vol - own_qty
    if start <= since:
        return others
    if order.now_ts <= start:
        return 0.0
    whole = _usual_share(tables, order, ref, first, last, since, order.now_ts)
    part = _usual_share(tables, order, ref, first, last, start, order.now_ts)
    return others * part / whole if whole > 0.0 else 0.0


@kernel
def _expected_vwap(
    tables: Tables, order: Row, ref: Row, first: int, last: int, start: int, end: int,
    own_qty: float,
) -> Any:  # fmt: skip
    """Expected progress along the volume of others, what is left by the usual curve.

    Ours is left out, as for a share of volume: counted, it would raise what is expected of an
    order that runs ahead and lower it of one that stalls. Without the session's volume from
    its start the usual curve stands for both.
    """
    hours = tables.hours
    now = min(max(order.now_ts, start), end)
    passed = _traded_share(tables, order.symbol, ref, first, last, start, now)
    left = usual_between(ref, hours, first, last, now, end)
    usual = _expected_twap(passed, 0.0, passed + left)
    since = order.arrival_ts if order.base < 0 else tables.kept[order.base].ts
    opened = session_open(hours, first, last, now)
    if not order.accepted or order.now_day_vol != order.now_day_vol or opened == NO_TIME:
        return usual
    if order.now_ts <= start or order.now_ts >= end:
        return usual
    today = order.now_day_vol - (own_qty if since >= opened else 0.0)
    done = _traded_share(tables, order.symbol, ref, first, last, opened, now)
    volume = max(_volume_since(tables, order, ref, first, last, start, own_qty), 0.0)
    if start < since and done > 0.0:
        earlier = _traded_share(tables, order.symbol, ref, first, last, start, since)
        volume += _remaining(today, done, done + earlier)
    live = _expected_live(volume, _remaining(today, done, done + left))
    return live if live == live else usual


@kernel
def _expected_auction(tables: Tables, order: Row, first: int, last: int) -> Any:
    """Nothing before the auction, everything from it on; NaN where its time is not known."""
    start, end = window_of(tables, order, first != last)
    auction = end
    if first != last and start != NO_TIME:
        if is_for_close(order):
            auction = session_close(tables.hours, first, last, start)
        else:
            auction = next_open(tables.hours, first, last, start)
    if auction == NO_TIME:
        return np.nan
    return _expected_close((order.now_ts - auction) * 1e-9, 0.0)


@kernel
def _profile_row(profiles: Table, key: Row) -> Any:
    """Row of a schedule that an algorithm sent; it is among them."""
    lo = 0
    hi = profiles.shape[0] - 1
    while lo < hi:
        middle = (lo + hi) >> 1
        if profiles[middle].key < key:
            lo = middle + 1
        else:
            hi = middle
    return lo


@kernel
def _due_by_profile(
    tables: Tables, order: Row, first: int, last: int, since: int, until: int, end: int
) -> Any:
    """The same by the algorithm's own schedule, whose window an amendment does not cut."""
    start = _told_start(order)
    if first != last:
        start = max(start, order.now_ts - REACH_NS)
    whole = trading_ns(tables.hours, first, last, start, end)
    if whole == 0:
        return np.nan
    profile = tables.profiles[_profile_row(tables.profiles, order.profile)]
    x_since = trading_ns(tables.hours, first, last, start, since) / whole
    x_until = trading_ns(tables.hours, first, last, start, until) / whole
    before = _curve_at(profile.done, profile.parts, x_since)
    if before >= 1.0:
        return 1.0
    return _expected_curve(_curve_at(profile.done, profile.parts, x_until), before, 1.0)


@kernel
def _due_of_rest(
    tables: Tables, order: Row, first: int, last: int, since: int, until: int, end: int, whole: int
) -> Any:
    """Share due at `until` of what a schedule by time plans to do from `since` to its end."""
    passed = trading_ns(tables.hours, first, last, since, until)
    left = trading_ns(tables.hours, first, last, since, end)
    if left == 0 and whole > 0:
        return 0.0
    if order.schedule == _CUSTOM:
        return _due_by_profile(tables, order, first, last, since, until, end)
    if order.schedule == _TWAP:
        return _expected_twap(passed * 1e-9, 0.0, left * 1e-9)
    kappa_t = order.kappa_t if order.kappa_t == order.kappa_t else _KAPPA_T
    if left < whole:
        kappa_t *= left / whole
    return _expected_is(passed * 1e-9, 0.0, left * 1e-9, kappa_t)


@kernel
def _expected_by_time(
    tables: Tables, order: Row, first: int, last: int, start: int, end: int
) -> Any:  # fmt: skip
    """Expected progress of a schedule by time, which plans anew after each halt."""
    until = min(max(order.now_ts, start), end)
    whole = trading_ns(tables.hours, first, last, start, end)
    since = start
    left = 1.0
    i = first_halt(tables.halts, order.symbol)
    while i < tables.halts.shape[0] and tables.halts[i].symbol == order.symbol:
        halt = max(tables.halts[i].ts, since)
        over = halt_end(tables.halts, i, until)
        if over > halt:
            left *= 1.0 - _due_of_rest(tables, order, first, last, since, halt, end, whole)
            since = over
        i += 1
    due = _due_of_rest(tables, order, first, last, since, until, end, whole)
    return due if since == start else 1.0 - left * (1.0 - due)


@kernel
def _scheduled(tables: Tables, order: Row, ref: Row, qty: float, own_qty: float) -> tuple[Any, ...]:
    """(share of `qty` that is due, reason); `own_qty` of ours is in the market's volume."""
    first, last = hours_of(tables.calendars, order.now_calendar)
    start, end = window_of(tables, order, first != last)
    if order.schedule == _POV:
        vol = order.now_vol - order.arrival_vol if order.accepted else np.nan
        if not order.participation > 0.0 or vol != vol:
            return np.nan, _NO_SCHEDULE
        others = _volume_since(tables, order, ref, first, last, start, own_qty)
        return _expected_pov(order.participation, others, qty), _ZERO_QTY
    if is_for_close(order) or (order.schedule == _NONE and order.time_in_force == _AT_OPEN):
        return _expected_auction(tables, order, first, last), _NO_SCHEDULE
    if order.schedule == _NONE or start == NO_TIME or end == NO_TIME or end <= start:
        return np.nan, _NO_SCHEDULE
    if order.schedule == _VWAP:
        if first == last:
            return np.nan, _NO_REFERENCE
        share = _expected_vwap(tables, order, ref, first, last, start, end, own_qty)
        return share, _NO_REFERENCE
    if order.schedule in (_TWAP, _IS) or (order.schedule == _CUSTOM and order.profile != 0):
        return _expected_by_time(tables, order, first, last, start, end), _NO_SCHEDULE
    return np.nan, _NO_SCHEDULE


@kernel
def expected_progress(
    tables: Tables, slot: int, ref: Row, qty: float, own_qty: float
) -> tuple[Any, ...]:
    """(expected progress by the algorithm's schedule, reason).

    As of now, also for an order that ended: one that stalled and was cancelled is behind.
    `qty` is executed, of which `own_qty` was found on the tape.
    """
    order = tables.orders[slot]
    if order.base < 0:
        return _scheduled(tables, order, ref, order.order_qty, own_qty)
    since, own_since = traded_since(tables, slot, order.base)
    then = qty - since
    if then >= order.order_qty > 0.0:
        return 1.0, _NO_SCHEDULE
    share, why = _scheduled(tables, order, ref, order.order_qty - then, own_since)
    return _expected_rebased(share, then, order.order_qty), why
