"""Kernels that turn an order's state into the metrics of its row, each with its reason."""

from typing import Any

import numpy as np

from domain.instants import NO_TIME
from domain.reasons import Reason
from domain.rows import BENCHMARKS, FillStatus, MarketFlag
from domain.rows import ORDER_METRICS as NAMES
from domain.vocabulary import Anomaly, EventKind, OrderState
from metrics.benchmarks import far_touch, mid, near_touch, twap, vwap, vwap_ex_own
from metrics.efficiency import (
    cost_efficiency,
    index_adjusted_bps,
    market_impact_bps,
    performance_score,
    risk_bps,
    z_cost,
)
from metrics.impact import expected_cost_bps
from metrics.progress import (
    execution_progress,
    execution_speed,
    fill_rate,
    participation_ex_own_rate,
    participation_rate,
)
from metrics.shortfall import delay_ccy, opportunity_ccy, trading_ccy
from metrics.slippage import cost_ccy, slippage_bps
from metrics.spreads import effective_spread, ratio, ratio_bps
from operators.kernel import Row, Table, kernel
from operators.market.tape import valid_mid
from operators.orders import sums as S
from operators.orders.curves import reference_row, sigma_now, usual_qty
from operators.orders.expected import expected_progress
from operators.orders.fold import is_closed
from operators.orders.hours import has_just_resumed
from operators.orders.indices import index_return
from operators.orders.tables import Tables
from rules.conditions import is_drift, z_impact

M = {name: i for i, name in enumerate(NAMES)}
N_METRICS = len(NAMES)

_NONE = int(Reason.NONE)
_NO_FILL = int(Reason.NO_FILL)
_NO_QUOTE = int(Reason.NO_QUOTE)
_CROSSED = int(Reason.CROSSED)
_LOCKED = int(Reason.LOCKED)
_PENDING = int(Reason.PENDING)
_ALL_OWN = int(Reason.ALL_OWN)
_TOO_EARLY = int(Reason.TOO_EARLY)
_NO_DECISION = int(Reason.NO_DECISION)
_NON_POSITIVE = int(Reason.NON_POSITIVE_BENCHMARK)
_NO_ARRIVAL = int(Reason.NO_ARRIVAL)
_NO_TRADE = int(Reason.NO_TRADE)
_NO_ROUTE = int(Reason.NO_ROUTE)
_NO_REFERENCE = int(Reason.NO_REFERENCE)
_NO_INDEX = int(Reason.NO_INDEX)
_NO_LIMIT = int(Reason.NO_LIMIT)
_NO_SYMBOL = int(Reason.NO_SYMBOL)
_ZERO_QTY = int(Reason.ZERO_QTY)

_FILLED_EVENT = int(EventKind.ORDER_FILLED)
_COUNTED = FillStatus.COUNTED
_CORRECTED = FillStatus.CORRECTED
_FILLED = int(OrderState.FILLED)
_PARTIAL = int(OrderState.PARTIALLY_FILLED)
_NEW = int(OrderState.NEW)
_UNKNOWN = int(OrderState.UNKNOWN)
_REPLACED = int(OrderState.REPLACED)
_PRE_OPEN = MarketFlag.PRE_OPEN
_RESUMED = MarketFlag.RESUMED
_OPEN_IS_PRINT = MarketFlag.OPEN_IS_PRINT
_DRIFT = np.uint32(Anomaly.DRIFT)
_WINDOW_NS = 60_000_000_000
_WINDOW_S = 60.0

_mid = mid.kernel
_near = near_touch.kernel
_far = far_touch.kernel
_vwap = vwap.kernel
_vwap_ex = vwap_ex_own.kernel
_twap = twap.kernel
_slippage = slippage_bps.kernel
_cost = cost_ccy.kernel
_progress = execution_progress.kernel
_speed = execution_speed.kernel
_fill_rate = fill_rate.kernel
_participation = participation_rate.kernel
_participation_ex = participation_ex_own_rate.kernel
_effective = effective_spread.kernel
_ratio = ratio.kernel
_ratio_bps = ratio_bps.kernel
_delay = delay_ccy.kernel
_trading = trading_ccy.kernel
_opportunity = opportunity_ccy.kernel
_impact = market_impact_bps.kernel
_index_adjusted = index_adjusted_bps.kernel
_risk = risk_bps.kernel
_z = z_cost.kernel
_efficiency = cost_efficiency.kernel
_score = performance_score.kernel
_expected_cost = expected_cost_bps.kernel
_z_impact = z_impact.kernel
_is_drift = is_drift.kernel

PROGRESS = M["execution_progress"]
EXPECTED = M["expected_progress"]
SPEED = M["execution_speed"]
FILL_RATE = M["fill_rate"]
FILL_QTY_PER_S = M["fill_qty_per_s"]
WINDOW_SLIPPAGE = M["window_slippage_bps"]
PARTICIPATION = M["participation_rate"]
PARTICIPATION_EX = M["participation_ex_own_rate"]
OWN_MATCHED = M["own_matched_qty"]
DECISION_PX = M["decision_px"]
ARRIVAL = M["arrival_mid"]
FIRST_BENCHMARK = M[BENCHMARKS[1]]
SLIPPAGE = M["slippage_bps"]
SLIPPAGE_CCY = M["slippage_ccy"]
FIRST_SLIPPAGE = M[f"slippage_{BENCHMARKS[0]}_bps"]
INDEX_ADJUSTED = M["slippage_index_adjusted_bps"]
QUOTED = M["quoted_spread_bps"]
EFFECTIVE = M["effective_spread_bps"]
EFFECTIVE_EXEC = M["effective_spread_exec_mid_bps"]
EQ_RATIO = M["eq_ratio"]
IMPROVEMENT = M["price_improvement_bps"]
CAPTURE = M["spread_capture"]
AT_MID = M["at_mid_pct"]
NEAR_SIDE = M["near_side_pct"]
FAR_SIDE = M["far_side_pct"]
SHORTFALL = M["shortfall_delay_ccy"]
HALF_SPREAD = M["half_spread_paid_bps"]
DRIFT = M["drift_bps"]
FIRST_FILL_MS = M["first_fill_ms"]
COMPLETION_MS = M["completion_ms"]
ACK_MS = M["ack_ms"]
IMPACT = M["market_impact_bps"]
EXPECTED_COST = M["expected_cost_bps"]
RISK = M["risk_bps"]
Z_COST = M["z_cost"]
EFFICIENCY = M["cost_efficiency"]
SCORE = M["performance_score"]
N_BENCHMARKS = len(BENCHMARKS)


@kernel
def put(m: Table, r: Table, k: int, value: float, why: int) -> None:
    """Set a metric, or its reason where the value is missing."""
    m[k] = value
    r[k] = why if value != value else _NONE


@kernel
def first_counted(tables: Tables, slot: int) -> Any:
    """Row of the first execution that counts, of the order or its children, or −1."""
    order = tables.orders[slot]
    if order.agg < 0:
        return order.first_fill
    at = order.first_ref
    while at >= 0:
        row = tables.refs[at].kept
        if tables.kept[row].status == _COUNTED or tables.kept[row].status == _CORRECTED:
            return row
        at = tables.refs[at].next
    return -1


@kernel
def last_counted(tables: Tables, slot: int) -> Any:
    """Row of the last execution that counts, of the order or its children, or −1."""
    order = tables.orders[slot]
    if order.agg < 0:
        return order.last_fill
    at = order.last_ref
    while at >= 0:
        row = tables.refs[at].kept
        if tables.kept[row].status == _COUNTED or tables.kept[row].status == _CORRECTED:
            return row
        at = tables.refs[at].prev
    return -1


@kernel
def _window(tables: Tables, slot: int, now: int) -> tuple[Any, ...]:
    """(quantity, notional) executed in the 60 s through now."""
    order = tables.orders[slot]
    qty = 0.0
    notional = 0.0
    since = now - _WINDOW_NS
    own = order.agg < 0
    at = order.last_fill if own else order.last_ref
    while at >= 0:
        row = at if own else tables.refs[at].kept
        fill = tables.kept[row]
        if fill.ts <= since:
            break
        if (
            fill.kind == _FILLED_EVENT
            and (fill.status == _COUNTED or fill.status == _CORRECTED)
            and fill.ts <= now
        ):
            qty += fill.eff_qty
            notional += fill.eff_qty * fill.eff_px
        at = fill.prev if own else tables.refs[at].prev
    return qty, notional


@kernel
def filled_qty(tables: Tables, slot: int) -> Any:
    """Executed quantity of the order, or of its children where it has any."""
    agg = tables.orders[slot].agg
    return tables.agg_sums[agg, S.QTY, 0] if agg >= 0 else tables.sums[slot, S.QTY, 0]


@kernel
def state_of(order: Row, filled: float) -> Any:
    """OrderState as it is shown: a parent's follows what its children did."""
    life = order.life
    if order.agg >= 0 and not (is_closed(life) and life != _FILLED):
        if filled >= order.order_qty:
            life = _FILLED
        elif filled > 0.0 and (life in (_NEW, _UNKNOWN, _REPLACED, _FILLED)):
            life = _PARTIAL
        elif filled == 0.0 and life == _FILLED:
            life = _NEW
    if order.pending and not is_closed(life):
        return order.pending
    return life


@kernel
def arrival_of(order: Row) -> tuple[Any, ...]:
    """(arrival price, reason where it is missing)."""
    if not order.accepted:
        return np.nan, _NO_ARRIVAL
    if order.several_symbols:
        return np.nan, _NO_SYMBOL
    if order.arrival_flags & _PRE_OPEN:
        if order.now_open_px == order.now_open_px and not order.now_flags & _OPEN_IS_PRINT:
            return order.now_open_px, _NONE
        return np.nan, _PENDING
    price = valid_mid(order.arrival_bid, order.arrival_ask)
    if price == price:
        return price, _NONE
    if order.arrival_bid > order.arrival_ask:
        return np.nan, _CROSSED
    return np.nan, _NO_QUOTE


@kernel
def _measure_benchmarks(
    m: Table,
    r: Table,
    order: Row,
    end_vol: float,
    end_pv: float,
    end_mid_s: float,
    end_open_s: float,
    arrival: float,
    no_arrival: int,
    own_qty: float,
    own_pv: float,
) -> Any:
    vol = end_vol - order.arrival_vol
    pv = end_pv - order.arrival_pv
    alone = _NO_SYMBOL if order.several_symbols else _NO_ARRIVAL
    if not order.accepted or order.several_symbols:
        vol = np.nan
        pv = np.nan
    b = FIRST_BENCHMARK
    put(m, r, DECISION_PX, order.decision_px, _NO_DECISION)
    put(m, r, ARRIVAL, arrival, no_arrival)
    open_px = np.nan if order.several_symbols else order.now_open_px
    put(m, r, b, open_px, _NO_SYMBOL if order.several_symbols else _NO_TRADE)
    side = np.float64(order.side)
    quoted = order.accepted and not order.several_symbols
    near = _near(order.arrival_bid, order.arrival_ask, side) if quoted else np.nan
    far = _far(order.arrival_bid, order.arrival_ask, side) if quoted else np.nan
    put(m, r, b + 1, near, no_arrival if no_arrival else _NO_QUOTE)
    put(m, r, b + 2, far, no_arrival if no_arrival else _NO_QUOTE)
    missing = alone if vol != vol else _NO_TRADE
    put(m, r, b + 3, _vwap(pv, vol), missing)
    left = vol - own_qty
    put(m, r, b + 4, _vwap_ex(pv, vol, own_pv, own_qty),
        _ALL_OWN if vol > 0.0 and left <= 0.0 else missing)  # fmt: skip
    mid_s = end_mid_s - order.arrival_mid_s
    open_s = end_open_s - order.arrival_open_s
    if vol != vol:
        open_s = np.nan
    put(m, r, b + 5, _twap(mid_s, open_s), alone if vol != vol else _TOO_EARLY)
    put(m, r, b + 6, order.limit_px, _NO_LIMIT)
    return vol


@kernel
def _measure_slippages(m: Table, r: Table, q: float, avg: float, side: float, no_fill: int) -> None:
    """Slippage against every benchmark: null for the fill's reason first, then the price's."""
    for i in range(N_BENCHMARKS):
        k = DECISION_PX if i == 0 else FIRST_BENCHMARK + i - 1
        price = m[k]
        why = r[k]
        if price <= 0.0:
            why = _NON_POSITIVE
        if q <= 0.0:
            why = no_fill
        put(m, r, FIRST_SLIPPAGE + i, _slippage(avg, price, side), why)
    why = r[ARRIVAL]
    if m[ARRIVAL] <= 0.0:
        why = _NON_POSITIVE
    if q <= 0.0:
        why = no_fill
    put(m, r, SLIPPAGE, _slippage(avg, m[ARRIVAL], side), why)
    put(m, r, SLIPPAGE_CCY, _cost(avg, m[ARRIVAL], q, side) if q > 0.0 else np.nan, why)


@kernel
def _measure_spreads(
    m: Table,
    r: Table,
    sums: Table,
    arrival: float,
    side: float,
    no_fill: int,
    no_arrival: int,
) -> None:
    received = sums[S.RECEIPT_QTY, 0]
    base = sums[S.RECEIPT_MID_NOTIONAL, 0]
    none = no_fill if sums[S.QTY, 0] <= 0.0 else (no_arrival if no_arrival else _NO_ARRIVAL)
    if received <= 0.0:
        for k in (QUOTED, EFFECTIVE, EQ_RATIO, IMPROVEMENT):
            put(m, r, k, np.nan, none)
    else:
        spread = sums[S.RECEIPT_SPREAD, 0]
        effective = _effective(sums[S.RECEIPT_NOTIONAL, 0], base, side)
        put(m, r, QUOTED, _ratio_bps(spread, base), _NON_POSITIVE)
        put(m, r, EFFECTIVE, _ratio_bps(effective, base), _NON_POSITIVE)
        put(m, r, EQ_RATIO, _ratio(effective, spread), _LOCKED)
        put(m, r, IMPROVEMENT, _ratio_bps(sums[S.IMPROVEMENT, 0], base), _NON_POSITIVE)
    quoted = sums[S.QUOTED_QTY, 0]
    none = no_fill if sums[S.QTY, 0] <= 0.0 else _NO_QUOTE
    mids = sums[S.MID_NOTIONAL, 0]
    if quoted <= 0.0:
        for k in (EFFECTIVE_EXEC, CAPTURE, AT_MID, NEAR_SIDE, FAR_SIDE, HALF_SPREAD, DRIFT):
            put(m, r, k, np.nan, none)
        return
    executed = sums[S.QUOTED_NOTIONAL, 0]
    put(m, r, EFFECTIVE_EXEC, _ratio_bps(_effective(executed, mids, side), mids), _NON_POSITIVE)
    put(m, r, CAPTURE, _ratio(sums[S.CAPTURE, 0], sums[S.CAPTURE_QTY, 0]), _LOCKED)
    put(m, r, AT_MID, 100.0 * sums[S.AT_MID_QTY, 0] / quoted, _NO_QUOTE)
    put(m, r, NEAR_SIDE, 100.0 * sums[S.NEAR_QTY, 0] / quoted, _NO_QUOTE)
    put(m, r, FAR_SIDE, 100.0 * sums[S.FAR_QTY, 0] / quoted, _NO_QUOTE)
    paper = quoted * arrival
    why = no_arrival if no_arrival else _NON_POSITIVE
    put(m, r, HALF_SPREAD, _ratio_bps(side * (executed - mids), paper), why)
    put(m, r, DRIFT, _ratio_bps(side * (mids - paper), paper), why)


@kernel
def _measure_shortfall(
    m: Table,
    r: Table,
    order: Row,
    q: float,
    avg: float,
    unfilled: float,
    final_px: float,
    explicit: float,
    arrival: float,
    no_arrival: int,
) -> None:
    """Order basis; without a decision price the market-only shortfall from arrival."""
    side = np.float64(order.side)
    decided = order.decision_px == order.decision_px
    base_px = order.decision_px if decided else arrival
    paper = order.order_qty * base_px
    why = no_arrival if no_arrival else _ZERO_QTY
    delay = _delay(order.decision_px, arrival, order.order_qty, side)
    trading = _trading(arrival, avg, q, side) if q > 0.0 else 0.0 * arrival
    lost = 0.0 * arrival
    if unfilled > 0.0:
        lost = _opportunity(arrival, final_px, unfilled, side)
    no_delay = _NO_DECISION if not decided else why
    total = (delay if decided else 0.0) + trading + lost + explicit
    why_lost = why if arrival != arrival or order.order_qty != order.order_qty else _NO_QUOTE
    if order.order_qty != order.order_qty:
        trading = np.nan
        lost = np.nan
        total = np.nan
    k = SHORTFALL
    put(m, r, k, delay, no_delay)
    put(m, r, k + 1, _ratio_bps(delay, paper), no_delay)
    put(m, r, k + 2, trading, why)
    put(m, r, k + 3, _ratio_bps(trading, paper), why)
    put(m, r, k + 4, lost, why_lost)
    put(m, r, k + 5, _ratio_bps(lost, paper), why_lost)
    put(m, r, k + 6, explicit, why)
    put(m, r, k + 7, _ratio_bps(explicit, paper), why)
    put(m, r, k + 8, total, why_lost)
    put(m, r, k + 9, _ratio_bps(total, paper), why_lost)
    if not decided and total == total:
        r[k + 8] = _NO_DECISION
        r[k + 9] = _NO_DECISION


@kernel
def _measure_efficiency(
    m: Table,
    r: Table,
    order: Row,
    ref: Row,
    end_open_s: float,
    arrival: float,
    no_arrival: int,
) -> None:
    """Cost against the model's expectation and its risk; needs reference data."""
    elapsed = end_open_s - order.arrival_open_s
    sigma = sigma_now(ref, order.now_session_x)
    why = no_arrival if no_arrival else _NO_REFERENCE
    if m[SLIPPAGE] != m[SLIPPAGE]:
        why = r[SLIPPAGE]
    half = 0.5 * ref.spread_bps
    tick_bps = 1e4 * ref.tick / arrival
    expected = _expected_cost(
        order.order_qty, ref.adv_qty, ref.sigma_daily_bps, ref.spread_bps,
        m[PARTICIPATION], elapsed / ref.session_s,
    )  # fmt: skip
    risk = _risk(sigma, max(elapsed, 0.0), half, tick_bps)
    ref_why = no_arrival if no_arrival else _NO_REFERENCE
    put(m, r, EXPECTED_COST, expected, ref_why)
    put(m, r, RISK, risk, ref_why)
    z = _z(m[SLIPPAGE], expected, risk)
    put(m, r, Z_COST, z, why)
    put(m, r, EFFICIENCY, _efficiency(z), why)
    adherence = min(1.0, m[SPEED]) if m[SPEED] == m[SPEED] else np.nan
    put(m, r, SCORE, _score(m[EFFICIENCY], adherence, np.nan, np.nan, np.nan), why)


@kernel
def _measure_index(
    m: Table, r: Table, tables: Tables, order: Row, ref: Row, sums: Table, now_mid: float
) -> None:
    """The market's move without the index's part of it, and slippage likewise.

    The index counts from arrival: for the market to now, for slippage to the quantity-weighted
    time of execution. An order that came before the open arrives at its price, and has none.
    """
    side = np.float64(order.side)
    beta = np.nan if order.arrival_flags & _PRE_OPEN else ref.beta
    since = order.arrival_ts
    why = r[ARRIVAL] if r[ARRIVAL] else _NO_QUOTE
    moved = index_return(tables.indices, ref.index, since, order.now_ts)
    put(m, r, IMPACT, _impact(now_mid, m[ARRIVAL], side, beta, moved), why)
    if m[IMPACT] == m[IMPACT] and beta * moved != beta * moved:
        r[IMPACT] = _NO_INDEX
    adjusted = np.nan
    if m[SLIPPAGE] == m[SLIPPAGE]:
        executed_ts = np.int64(sums[S.QTY_S, 0] / sums[S.QTY, 0] * 1e9)
        executed = index_return(tables.indices, ref.index, since, executed_ts)
        adjusted = _index_adjusted(m[SLIPPAGE], side, beta, executed)
    put(m, r, INDEX_ADJUSTED, adjusted, r[SLIPPAGE] if r[SLIPPAGE] else _NO_INDEX)


@kernel
def _drifts(m: Table, ref: Row) -> bool:
    """Whether the market runs away from an order that is too small to be the cause."""
    half = 0.5 * ref.spread_bps
    z = _z_impact(m[IMPACT], m[EXPECTED_COST], half, m[PROGRESS], m[RISK])
    return _is_drift(z, m[PARTICIPATION]) > 0.0


@kernel
def measure(tables: Tables, references: Table, slot: int, row: Row) -> None:
    """Write one order's header and metrics into a row of STATUS_IN_KERNELS or its longer twin."""
    m, r = row.metrics, row.reasons
    row.reserved[:] = 0
    order = tables.orders[slot]
    sums = tables.agg_sums[order.agg] if order.agg >= 0 else tables.sums[slot]
    q = sums[S.QTY, 0]
    notional = sums[S.NOTIONAL, 0]
    side = np.float64(order.side)
    avg = notional / q if q > 0.0 else np.nan
    if order.several_symbols:
        avg = np.nan
    state = state_of(order, q)
    closed = is_closed(state)
    last = last_counted(tables, slot)
    first = first_counted(tables, slot)
    end_vol, end_pv = order.now_vol, order.now_pv
    end_mid_s, end_open_s = order.now_mid_s, order.now_open_s
    if closed and last >= 0:
        fill = tables.kept[last]
        end_vol, end_pv = fill.vol_close, fill.pv_close
        end_mid_s, end_open_s = fill.mid_s, fill.open_s
    arrival, no_arrival = arrival_of(order)
    no_fill = _NO_SYMBOL if order.several_symbols and q > 0.0 else _NO_FILL

    own_qty = sums[S.OWN_QTY, 0]
    vol = _measure_benchmarks(
        m, r, order, end_vol, end_pv, end_mid_s, end_open_s,
        arrival, no_arrival, own_qty, sums[S.OWN_NOTIONAL, 0],
    )  # fmt: skip
    _measure_slippages(m, r, q if avg == avg else 0.0, avg, side, no_fill)
    _measure_spreads(m, r, sums, arrival, side, no_fill, no_arrival)

    put(m, r, PROGRESS, _progress(q, order.order_qty),
        _NO_ARRIVAL if order.order_qty != order.order_qty else _ZERO_QTY)  # fmt: skip
    routed = sums[S.ROUTED_QTY, 0]
    put(m, r, FILL_RATE, _fill_rate(q, routed if routed > 0.0 else order.order_qty),
        _NO_ARRIVAL if order.order_qty != order.order_qty else _ZERO_QTY)  # fmt: skip
    window_qty, window_notional = _window(tables, slot, order.now_ts)
    put(m, r, FILL_QTY_PER_S, window_qty / _WINDOW_S, _NO_FILL)
    window_avg = window_notional / window_qty if window_qty > 0.0 else np.nan
    put(m, r, WINDOW_SLIPPAGE, _slippage(window_avg, arrival, side),
        _NO_FILL if window_qty <= 0.0 else no_arrival)  # fmt: skip
    no_volume = no_arrival if vol != vol and no_arrival else _NO_TRADE
    put(m, r, PARTICIPATION, _participation(q, vol), no_volume)
    put(m, r, PARTICIPATION_EX, _participation_ex(q, vol, own_qty),
        _ALL_OWN if vol > 0.0 and own_qty >= vol else no_volume)  # fmt: skip
    put(m, r, OWN_MATCHED, own_qty, _NO_FILL)

    ref = references[reference_row(references, order.symbol)]
    expected, why = expected_progress(tables, slot, ref, q, own_qty)
    put(m, r, EXPECTED, expected, why)
    speed = _speed(m[PROGRESS], expected)
    put(m, r, SPEED, speed, why if expected != expected else _TOO_EARLY)

    final_px = valid_mid(order.now_bid, order.now_ask)
    if order.final_mid == order.final_mid:
        final_px = order.final_mid
    unfilled = max(order.order_qty - q, 0.0)
    _measure_shortfall(
        m, r, order, q if avg == avg else 0.0, avg, unfilled, final_px,
        sums[S.FEE, 0], arrival, no_arrival,
    )  # fmt: skip

    first_ts = tables.kept[first].ts if first >= 0 else NO_TIME
    last_ts = tables.kept[last].ts if last >= 0 else NO_TIME
    closed_ts = order.closed_ts
    if closed and closed_ts == NO_TIME:
        closed_ts = last_ts
    waited = (first_ts - order.arrival_ts) * 1e-6 if order.accepted and first >= 0 else np.nan
    put(m, r, FIRST_FILL_MS, waited, _NO_FILL if first < 0 else _NO_ARRIVAL)
    done = (closed_ts - order.arrival_ts) * 1e-6 if order.accepted and state == _FILLED else np.nan
    put(m, r, COMPLETION_MS, done, _PENDING if state != _FILLED else _NO_ARRIVAL)
    put(m, r, ACK_MS, order.ack_ms_sum / order.acks if order.acks > 0 else np.nan, _NO_ROUTE)

    now_mid = np.nan if order.several_symbols else valid_mid(order.now_bid, order.now_ask)
    _measure_index(m, r, tables, order, ref, sums, now_mid)
    _measure_efficiency(m, r, order, ref, end_open_s, arrival, no_arrival)
    _write_header(row, ref, tables, slot, state, q, avg, first_ts, last_ts, closed_ts, vol,
                  sums[S.FEE, 0], routed, sums[S.FILLS, 0])  # fmt: skip
    if order.parent == 0 and _drifts(m, ref):
        row.anomalies |= _DRIFT


@kernel
def _write_header(
    head: Row,
    ref: Row,
    tables: Tables,
    slot: int,
    state: int,
    q: float,
    avg: float,
    first_ts: int,
    last_ts: int,
    closed_ts: int,
    vol: float,
    fee: float,
    routed: float,
    fills: Table,
) -> None:
    order = tables.orders[slot]
    head.order = order.order
    head.root = order.root
    head.parent = order.parent
    head.symbol = order.symbol
    head.desk = order.desk
    head.broker = order.broker
    head.algo = order.algo
    head.strategy = order.strategy
    head.trader = order.trader
    head.client = order.client
    head.currency = order.currency
    head.cl_ord = order.cl_ord
    head.ts = order.now_ts
    head.known = order.now_known
    head.seq = order.row_seq
    head.events = order.events
    head.ts_ingest = order.ts_ingest
    head.arrival_ts = order.arrival_ts
    head.decision_ts = order.decision_ts
    head.first_fill_ts = first_ts
    head.last_fill_ts = last_ts
    head.closed_ts = closed_ts if is_closed(state) else NO_TIME
    head.start_ts = order.start_ts
    head.end_ts = order.end_ts
    head.quote_ts = order.now_quote_ts
    head.kind = order.kind
    head.state = state
    head.side = order.side
    head.side_code = order.side_code
    head.ord_type = order.ord_type
    head.time_in_force = order.time_in_force
    head.asset_class = order.asset_class
    head.schedule = order.schedule
    head.provisional = 0
    head.restated = 0
    head.numbered = 0
    head.has_children = 1 if order.agg >= 0 else 0
    head.anomalies = order.flags
    head.fills = np.int32(fills)
    head.children = order.children
    head.order_qty = order.order_qty
    head.cum_qty = q
    left = order.order_qty - q
    head.leaves_qty = 0.0 if is_closed(state) else (max(left, 0.0) if left == left else np.nan)
    head.avg_px = avg
    last = last_counted(tables, slot)
    head.last_qty = tables.kept[last].eff_qty if last >= 0 else np.nan
    head.last_px = tables.kept[last].eff_px if last >= 0 else np.nan
    head.limit_px = order.limit_px
    head.routed_qty = routed
    head.fee = fee
    head.bid = order.now_bid
    head.ask = order.now_ask
    head.market_qty = vol
    head.reported_cum_qty = order.reported_cum_qty
    head.reported_avg_px = order.reported_avg_px
    head.market_flags = order.now_flags
    if has_just_resumed(tables.halts, order.symbol, order.now_ts):
        head.market_flags |= _RESUMED
    head.participation = order.participation
    head.lot = ref.lot
    head.usual_spread_bps = ref.spread_bps
    head.usual_qty = usual_qty(ref, order.arrival_ts, order.now_ts, order.now_session_x)
