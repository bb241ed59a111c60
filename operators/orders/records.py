"""Kernels for what is written when an order is complete: its record and its fills."""

from typing import Any

import numpy as np

from domain.reasons import Reason
from domain.rows import (
    HORIZON_NAMES,
    LATER_BENCHMARKS,
    MARKOUT_HORIZONS,
    NEXT_CLOSE,
    ORDER_METRICS,
    REALIZED_HORIZONS,
    REVERSION_HORIZONS,
    FillStatus,
)
from domain.vocabulary import EventKind
from metrics.markout import reversion_bps
from metrics.shortfall import delay_ccy, opportunity_ccy
from metrics.spreads import effective_spread, ratio_bps, realized_spread
from operators.kernel import Row, Table, kernel
from operators.market.tape import valid_mid
from operators.orders import sums as S
from operators.orders.horizons import sum_horizons
from operators.orders.layout import RESTATED_LAST, RESTATED_ONCE
from operators.orders.measure import (
    ARRIVAL,
    N_METRICS,
    M,
    arrival_of,
    last_counted,
    measure,
    put,
)
from operators.orders.sums import QTY, add
from operators.orders.tables import Tables

_NO_FILL = int(Reason.NO_FILL)
_NO_ARRIVAL = int(Reason.NO_ARRIVAL)
_NO_DECISION = int(Reason.NO_DECISION)
_NO_QUOTE = int(Reason.NO_QUOTE)
_NO_REFERENCE = int(Reason.NO_REFERENCE)
_PENDING = int(Reason.PENDING)
_UNOBSERVED = int(Reason.UNOBSERVED)
_FILLED_EVENT = int(EventKind.ORDER_FILLED)
_COUNTED = FillStatus.COUNTED
_CORRECTED = FillStatus.CORRECTED

_PREV_CLOSE = M["prev_close"]
_LATER_FROM = M[LATER_BENCHMARKS[0]]
_EXEC = M["shortfall_delay_exec_ccy"]
_index = {name: i for i, name in enumerate(HORIZON_NAMES)}
_REALIZED = np.array([_index[h] for h in REALIZED_HORIZONS], np.int64)
_REALIZED_AT = M[f"realized_spread_{next(iter(REALIZED_HORIZONS))}_bps"]
_IMPACT_AT = M[f"price_impact_{next(iter(REALIZED_HORIZONS))}_bps"]
_MARKOUTS = np.array([_index[h] for h in (*MARKOUT_HORIZONS, NEXT_CLOSE)], np.int64)
_MARKOUT_AT = M[f"markout_cost_{next(iter(MARKOUT_HORIZONS))}_bps"]
_REVERSIONS = np.array([_index[h] for h in REVERSION_HORIZONS], np.int64)
_REVERSION_AT = M[f"reversion_{REVERSION_HORIZONS[0]}_bps"]
_AT_FILL = _index["0s"]

_realized = realized_spread.kernel
_effective = effective_spread.kernel
_bps = ratio_bps.kernel
_reversion = reversion_bps.kernel
_delay = delay_ccy.kernel
_opportunity = opportunity_ccy.kernel

assert len(ORDER_METRICS) == N_METRICS


@kernel
def measure_record(
    tables: Tables,
    references: Table,
    slot: int,
    row: Row,
    horizons: Table,
    unseen: int,
) -> None:
    """The whole order record. `unseen` is the reason of horizons that were not observed.

    `horizons` is room for the sums of `sum_horizons`.
    """
    measure(tables, references, slot, row)
    m, r = row.metrics, row.reasons
    order = tables.orders[slot]
    row.restated = order.restated & RESTATED_ONCE
    parent = order.agg >= 0
    sums = tables.agg_sums[order.agg] if parent else tables.sums[slot]
    sum_horizons(tables, slot, horizons)
    q = sums[S.QTY, 0]
    side = np.float64(order.side)
    for k in range(_LATER_FROM, N_METRICS):
        m[k] = np.nan
        r[k] = _NO_FILL if q <= 0.0 else unseen
    r[_PREV_CLOSE] = _NO_REFERENCE

    arrival, no_arrival = arrival_of(order)
    final_px = valid_mid(order.now_bid, order.now_ask)
    if order.final_mid == order.final_mid:
        final_px = order.final_mid
    paper = order.order_qty * order.decision_px
    delay = _delay(order.decision_px, arrival, q, side)
    unfilled = max(order.order_qty - q, 0.0)
    lost = _opportunity(order.decision_px, final_px, unfilled, side) if unfilled > 0.0 else 0.0
    if order.decision_px != order.decision_px:
        lost = np.nan
    put(m, r, _EXEC, delay, no_arrival if no_arrival else _NO_DECISION)
    put(m, r, _EXEC + 1, _bps(delay, paper), no_arrival if no_arrival else _NO_DECISION)
    put(m, r, _EXEC + 2, lost, _NO_DECISION)
    put(m, r, _EXEC + 3, _bps(lost, paper), _NO_DECISION)

    for i in range(_REALIZED.shape[0]):
        h = _REALIZED[i]
        base = horizons[h, 2, 0]
        why = unseen if horizons[h, 0, 0] == 0.0 else _NO_ARRIVAL
        if q <= 0.0:
            why = _NO_FILL
        put(m, r, _REALIZED_AT + i,
            _bps(_realized(horizons[h, 0, 0], horizons[h, 1, 0], side), base), why)  # fmt: skip
        put(m, r, _IMPACT_AT + i,
            _bps(_effective(horizons[h, 1, 0], base, side), base), why)  # fmt: skip
    for i in range(_MARKOUTS.shape[0]):
        h = _MARKOUTS[i]
        why = unseen if h > _AT_FILL else _NO_QUOTE
        if q <= 0.0:
            why = _NO_FILL
        # −s Σq(m − p) over Σqp: a ratio of sums over the observed fills.
        cost = side * (horizons[h, 0, 0] - horizons[h, 1, 0])
        put(m, r, _MARKOUT_AT + i, _bps(cost, horizons[h, 0, 0]), why)
    last = last_counted(tables, slot)
    if last >= 0 and tables.kept[last].mids >= 0:
        mids = tables.mids[:, tables.kept[last].mids]
        for i in range(_REVERSIONS.shape[0]):
            put(m, r, _REVERSION_AT + i,
                _reversion(mids[_AT_FILL], mids[_REVERSIONS[i]], side), unseen)  # fmt: skip
    if m[ARRIVAL] != m[ARRIVAL] and r[ARRIVAL] == _PENDING:
        r[ARRIVAL] = unseen


@kernel
def write_fills(tables: Tables, slot: int, out: Table, at: int, total: Table) -> Any:
    """Write the order's own executions, repeats and busted ones included; returns the end.

    `total` is room for a (sum, error) pair.
    """
    row = tables.orders[slot].first
    total[:] = 0.0
    while row >= 0:
        kept = tables.kept[row]
        if kept.kind == _FILLED_EVENT:
            if kept.status == _COUNTED or kept.status == _CORRECTED:
                add(total, kept.eff_qty)
            write_fill(tables, row, total[0], out[at])
            at += 1
        row = tables.nexts[row]
    return at


@kernel
def write_fill(tables: Tables, row: int, total: float, fill: Row) -> None:
    """Write one execution as it stands; `total` is the order's own quantity through it."""
    kept = tables.kept[row]
    order = tables.orders[kept.slot]
    fill.order = order.order
    fill.root = order.root
    fill.symbol = order.symbol
    fill.venue = kept.venue
    fill.exec = kept.exec
    fill.ts = kept.ts
    fill.known = kept.known
    fill.seq = kept.seq
    fill.pos = kept.pos
    fill.source = kept.source
    fill.side = order.side
    fill.liquidity = kept.liquidity
    fill.status = kept.status
    fill.anomalies = kept.flags
    fill.last_qty = kept.eff_qty
    fill.last_px = kept.eff_px
    fill.fee = kept.fee
    fill.cum_qty = total
    fill.bid = kept.bid
    fill.ask = kept.ask
    fill.mid = valid_mid(kept.bid, kept.ask)
    fill.arrival_mid = valid_mid(order.arrival_bid, order.arrival_ask) if order.accepted else np.nan
    fill.quote_ts = kept.quote_ts
    mids = fill.mids
    for h in range(mids.shape[0]):
        mids[h] = tables.mids[h, kept.mids]


@kernel
def write_known_fill(tables: Tables, row: int, restated: bool, fill: Row, total: Table) -> None:
    """Write one execution as it stands, later mids left to the order's record.

    `restated` says that the newest event may not be the last; `total` is room for a pair.
    """
    slot = tables.kept[row].slot
    total[0] = tables.sums[slot, QTY, 0]
    if restated:
        total[:] = 0.0
        at = tables.orders[slot].first
        while at >= 0:
            kept = tables.kept[at]
            if kept.kind == _FILLED_EVENT and (
                kept.status == _COUNTED or kept.status == _CORRECTED
            ):
                add(total, kept.eff_qty)
            at = tables.nexts[at] if at != row else -1
    write_fill(tables, row, total[0], fill)
    mids = fill.mids
    for h in range(_AT_FILL + 1, mids.shape[0]):
        mids[h] = np.nan


@kernel
def count_fills(tables: Tables, slots: Table) -> Any:
    """How many FILL rows the orders will take."""
    total = 0
    for i in range(slots.shape[0]):
        row = tables.orders[slots[i]].first
        while row >= 0:
            if tables.kept[row].kind == _FILLED_EVENT:
                total += 1
            row = tables.nexts[row]
    return total


@kernel
def write_records(
    tables: Tables,
    references: Table,
    slots: Table,
    out: Table,
    fills: Table,
    horizons: Table,
    total: Table,
    unseen: int,
) -> Any:
    """Records and fills of several orders; `horizons` and `total` are room for sums."""
    at = 0
    for i in range(slots.shape[0]):
        measure_record(tables, references, slots[i], out[i], horizons, unseen)
        at = write_fills(tables, slots[i], fills, at, total)
    return at


@kernel
def write_statuses(tables: Tables, references: Table, slots: Table, out: Table) -> None:
    """The status of several orders as it stands, with no new number."""
    for i in range(slots.shape[0]):
        measure(tables, references, slots[i], out[i])
        out[i].restated = 1 if tables.orders[slots[i]].restated & RESTATED_LAST else 0


@kernel
def list_venues(tables: Tables, slots: Table, start: Table, key: Table, qty: Table) -> Any:
    """Executed quantity by venue of each order; returns how many entries, −1 if too many."""
    at = 0
    for i in range(slots.shape[0]):
        start[i] = at
        venue = tables.orders[slots[i]].venues
        while venue >= 0:
            amount = tables.venue_qty[venue, 0]
            if amount > 0.0:
                if at >= key.shape[0]:
                    return -1
                key[at] = tables.venues[venue].venue
                qty[at] = amount
                at += 1
            venue = tables.venues[venue].next
    start[slots.shape[0]] = at
    return at
