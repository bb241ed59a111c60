"""The rows that leave the order stage: status, order record, fill, timeline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from domain.columns import EVENT
from domain.evaluations import EVALUATION, InForce
from domain.instants import END_OF_TIME, NO_TIME

REALIZED_HORIZONS = {
    "50ms": 50_000_000,
    "1s": 1_000_000_000,
    "15s": 15_000_000_000,
    "60s": 60_000_000_000,
    "300s": 300_000_000_000,
}
"""Horizons of realized spread and price impact, ns after the fill."""

MARKOUT_HORIZONS = {
    "m60s": -60_000_000_000,
    "m30s": -30_000_000_000,
    "m5s": -5_000_000_000,
    "0s": 0,
    "1s": 1_000_000_000,
    "5s": 5_000_000_000,
    "30s": 30_000_000_000,
    "60s": 60_000_000_000,
    "300s": 300_000_000_000,
    "900s": 900_000_000_000,
    "1800s": 1_800_000_000_000,
    "3600s": 3_600_000_000_000,
}
"""Horizons of the markout cost, ns relative to the fill; the next close stands beside them."""

HORIZONS: dict[str, int] = dict(
    sorted({**MARKOUT_HORIZONS, **REALIZED_HORIZONS}.items(), key=lambda item: item[1])
)
"""Every instant relative to a fill at which the mid is kept, in order of time."""

NEXT_CLOSE = "next_close"
HORIZON_NAMES = (*HORIZONS, NEXT_CLOSE)
REVERSION_HORIZONS = (*(n for n, h in MARKOUT_HORIZONS.items() if h > 0), NEXT_CLOSE)

BENCHMARKS = (
    "decision",
    "open",
    "near_touch",
    "far_touch",
    "interval_vwap",
    "vwap_ex_own",
    "twap",
    "limit",
)
"""Reference prices known while an order works; arrival is `arrival_mid`."""

LATER_BENCHMARKS = ("close", "prev_close", "day_vwap", "pwp_10", "pwp_20")
"""Reference prices that need the day's end, other days, or the finished quantity."""


def _slippage(name: str) -> str:
    return f"slippage_{name}_bps"


STATUS_METRICS = (
    "execution_progress",
    "expected_progress",
    "execution_speed",
    "fill_rate",
    "fill_qty_per_s",
    "window_slippage_bps",
    "participation_rate",
    "participation_ex_own_rate",
    "own_matched_qty",
    "decision_px",
    "arrival_mid",
    *BENCHMARKS[1:],
    "slippage_bps",
    "slippage_ccy",
    *(_slippage(name) for name in BENCHMARKS),
    "slippage_index_adjusted_bps",
    "quoted_spread_bps",
    "effective_spread_bps",
    "effective_spread_exec_mid_bps",
    "eq_ratio",
    "price_improvement_bps",
    "spread_capture",
    "at_mid_pct",
    "near_side_pct",
    "far_side_pct",
    *(
        f"shortfall_{part}_{unit}"
        for part in ("delay", "trading", "opportunity", "explicit", "total")
        for unit in ("ccy", "bps")
    ),
    "half_spread_paid_bps",
    "drift_bps",
    "first_fill_ms",
    "completion_ms",
    "ack_ms",
    "market_impact_bps",
    "expected_cost_bps",
    "risk_bps",
    "z_cost",
    "cost_efficiency",
    "performance_score",
)
"""Computed for every status row; the columns' order is a storage format."""

LATER_METRICS = (
    *LATER_BENCHMARKS,
    *(_slippage(name) for name in LATER_BENCHMARKS),
    "rpm",
    *(f"shortfall_{p}_exec_{u}" for p in ("delay", "opportunity") for u in ("ccy", "bps")),
    *(f"realized_spread_{h}_bps" for h in REALIZED_HORIZONS),
    *(f"price_impact_{h}_bps" for h in REALIZED_HORIZONS),
    *(f"markout_cost_{h}_bps" for h in (*MARKOUT_HORIZONS, NEXT_CLOSE)),
    *(f"reversion_{h}_bps" for h in REVERSION_HORIZONS),
)
"""Only in the order record, which is written when an order closes and when it is complete."""

ORDER_METRICS = STATUS_METRICS + LATER_METRICS

_HEADER = [
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
    ("ts", "i8"),  # event time of the row: the event's own, or the mark's
    ("known", "i8"),  # effective time: when we knew it
    ("seq", "i8"),  # rises by one with every final row of the order; −1 while provisional
    ("events", "i8"),  # events of the order folded into this row
    ("ts_ingest", "i8"),  # wall clock of the newest event inside; never part of a result
    ("arrival_ts", "i8"),
    ("decision_ts", "i8"),
    ("first_fill_ts", "i8"),
    ("last_fill_ts", "i8"),
    ("closed_ts", "i8"),
    ("start_ts", "i8"),
    ("end_ts", "i8"),
    ("quote_ts", "i8"),  # of the quote the row was valued with
    ("kind", "u1"),  # EventKind that caused the row
    ("state", "u1"),  # OrderState
    ("side", "i1"),
    ("side_code", "u1"),
    ("ord_type", "u1"),
    ("time_in_force", "u1"),
    ("asset_class", "u1"),
    ("schedule", "u1"),
    ("provisional", "u1"),
    ("restated", "u1"),  # a bust, a correction or a late event changed earlier rows
    ("numbered", "u1"),  # took a new seq: goes to the bus and to history
    ("has_children", "u1"),
    ("anomalies", "u4"),  # bits of Anomaly
    ("fills", "i4"),
    ("children", "i4"),
    ("market_flags", "i8"),  # bits of MarketFlag: the market the row was valued with
    ("order_qty", "f8"),
    ("cum_qty", "f8"),
    ("leaves_qty", "f8"),
    ("avg_px", "f8"),
    ("last_qty", "f8"),
    ("last_px", "f8"),
    ("limit_px", "f8"),
    ("routed_qty", "f8"),
    ("fee", "f8"),
    ("bid", "f8"),
    ("ask", "f8"),
    ("market_qty", "f8"),  # eligible volume since arrival
    ("reported_cum_qty", "f8"),  # the counterparty's newest FIX 14
    ("reported_avg_px", "f8"),  # the counterparty's newest FIX 6
    ("participation", "f8"),  # share of the volume the order is meant to have
    ("lot", "f8"),
    ("usual_spread_bps", "f8"),  # of the symbol, by its reference data
    ("usual_qty", "f8"),  # volume that is usual from arrival to now, by its reference data
]

HEADER = np.dtype(_HEADER)
"""What every row of an order begins with."""


def _measured(metrics: Sequence[str], *, named: bool) -> np.dtype:
    """Header, metrics and their reasons, padded to whole words; one array unless `named`."""
    n = len(metrics)
    values = [(name, "f8") for name in metrics] if named else [("metrics", "f8", (n,))]
    return np.dtype([*_HEADER, *values, ("reasons", "u1", (n,)), ("reserved", "u1", (8 - n % 8,))])


STATUS = _measured(STATUS_METRICS, named=True)
"""One state of an order: every metric that is known while it works, or the reason it is null."""

ORDER = _measured(ORDER_METRICS, named=True)
"""The whole record of an order, horizons and later benchmarks included."""

STATUS_IN_KERNELS = _measured(STATUS_METRICS, named=False)
"""The bytes of STATUS with its metrics as one array."""
ORDER_IN_KERNELS = _measured(ORDER_METRICS, named=False)
"""The bytes of ORDER with its metrics as one array."""

HEADER_FIELDS = tuple(name for name, *_ in _HEADER)

_FILL = [
    ("order", "u8"),
    ("root", "u8"),
    ("symbol", "u8"),
    ("venue", "u8"),
    ("exec", "u8"),
    ("ts", "i8"),
    ("known", "i8"),
    ("seq", "i8"),  # sender's sequence within the order
    ("pos", "i8"),
    ("source", "u1"),
    ("side", "i1"),
    ("liquidity", "u1"),
    ("status", "u1"),  # FillStatus
    ("anomalies", "u4"),
    ("last_qty", "f8"),
    ("last_px", "f8"),
    ("fee", "f8"),
    ("cum_qty", "f8"),  # ours, after this fill
    ("bid", "f8"),  # the market the execution met
    ("ask", "f8"),
    ("mid", "f8"),
    ("arrival_mid", "f8"),  # when the executed order was received
    ("quote_ts", "i8"),
]

FILL = np.dtype([*_FILL, *((f"mid_{name}", "f8") for name in HORIZON_NAMES)])
"""An execution with the market it met and the mids before and after it."""
FILL_IN_KERNELS = np.dtype([*_FILL, ("mids", "f8", (len(HORIZON_NAMES),))])
"""The bytes of FILL with its mids as one array."""


BAR = np.dtype(
    [
        ("symbol", "u8"),
        ("ts", "i8"),  # when it begins
        ("trades", "i8"),
        ("bid", "f8"),  # the last quote in or before it
        ("ask", "f8"),
        ("open", "f8"),
        ("high", "f8"),
        ("low", "f8"),
        ("close", "f8"),
        ("volume", "f8"),
        ("vwap", "f8"),
    ]
)
"""The eligible prints of a symbol in one second."""
BAR_INTERVAL_MS = 1_000


class MarketFlag:
    """Bits of `market_flags`."""

    PRE_OPEN = 1
    HALTED = 2
    STALE = 4
    """The feed of the symbol was silent for long, in session."""
    LATE = 8
    CLOSED = 16
    OPEN_IS_PRINT = 32
    """The opening price is the first regular print, no auction was seen."""
    SHOWS_ONLY = 64
    """The row is for a screen: rules and history do not know it."""
    RESUMED = 128
    """A halt ended less than a minute ago."""
    SILENT = 256
    """The feed of the symbol has said nothing for much longer than is usual of it, in session."""
    UNSTEADY = 512
    """It was SILENT, and has not spoken steadily for long enough since."""


class FillStatus:
    """Values of FILL.status."""

    COUNTED = 1
    REPEATED = 2
    BUSTED = 3
    CORRECTED = 4


@dataclass(slots=True)
class Venues:
    """Quantities by venue of several rows: row i owns `key[start[i]:start[i + 1]]`."""

    start: np.ndarray = field(default_factory=lambda: np.zeros(1, "i8"))
    key: np.ndarray = field(default_factory=lambda: np.empty(0, "u8"))
    qty: np.ndarray = field(default_factory=lambda: np.empty(0, "f8"))

    def of(self, row: int) -> list[tuple[int, float]]:
        """(venue key, executed quantity) of one row."""
        a, b = int(self.start[row]), int(self.start[row + 1])
        return list(zip(self.key[a:b].tolist(), self.qty[a:b].tolist(), strict=True))


def joined_venues(parts: Sequence[Venues]) -> Venues:
    """The rows of several tables one behind the other."""
    offsets = np.cumsum([0, *(part.start[-1] for part in parts)])
    starts = [part.start[:-1] + at for part, at in zip(parts, offsets, strict=False)]
    return Venues(
        np.concatenate([*starts, offsets[-1:]]),
        np.concatenate([part.key for part in parts]),
        np.concatenate([part.qty for part in parts]),
    )


def chosen_venues(venues: Venues, rows: np.ndarray) -> Venues:
    """The table of some rows, by index."""
    spans = [np.arange(int(venues.start[i]), int(venues.start[i + 1])) for i in rows]
    at = np.concatenate(spans) if spans else np.empty(0, np.int64)
    start = np.cumsum([0, *(len(span) for span in spans)])
    return Venues(start.astype(np.int64), venues.key[at], venues.qty[at])


NO_STATUSES = np.empty(0, STATUS)
NO_ORDERS = np.empty(0, ORDER)
NO_FILLS = np.empty(0, FILL)
_NO_EVENTS = np.empty(0, EVENT)
_NO_BARS = np.empty(0, BAR)
_NO_EVALUATIONS = np.empty(0, EVALUATION)


@dataclass(slots=True)
class Rows:
    """What one step of the order stage gives: each array may be empty."""

    status: np.ndarray = field(default_factory=lambda: NO_STATUSES)
    status_venues: Venues = field(default_factory=Venues)
    orders: np.ndarray = field(default_factory=lambda: NO_ORDERS)
    order_venues: Venues = field(default_factory=Venues)
    fills: np.ndarray = field(default_factory=lambda: NO_FILLS)
    """Executions of the orders in `orders`, whole."""
    executed: np.ndarray = field(default_factory=lambda: NO_FILLS)
    """Executions as they are known now, later mids to come."""
    timeline: np.ndarray = field(default_factory=lambda: _NO_EVENTS)
    """The final order and route events themselves, in the order they were folded."""
    names: Mapping[int, str] = field(default_factory=dict)
    """Texts of the keys in the rows, and perhaps of others."""
    watermark: int = NO_TIME
    """No later final row of this order group lies before; rows may come without any, to say it."""
    end: int = END_OF_TIME
    """The last event time, once every input has ended."""
    bars: np.ndarray = field(default_factory=lambda: _NO_BARS)
    """Final bars of the market; such rows come alone."""
    controls: list[tuple[int, bytes]] = field(default_factory=list[tuple[int, bytes]])
    """(effective time, JSON) of control messages that came, for the rules."""
    references: list[tuple[int, bytes]] = field(default_factory=list[tuple[int, bytes]])
    """(effective time, JSON) of records about venues and cohorts, from one order group alone."""
    evaluations: np.ndarray = field(default_factory=lambda: _NO_EVALUATIONS)
    """Evaluations by the rules that are kept; such rows come alone."""
    thresholds: list[InForce] = field(default_factory=list[InForce])
    """Those that the evaluations name."""
    bodies: dict[int, bytes] = field(default_factory=dict[int, bytes])
    """JSON of status rows that some sink has made already, by row."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it for a sink: it says how far the group is."""
        return not (
            len(self.status) or len(self.orders) or len(self.fills) or len(self.executed)
            or len(self.timeline) or len(self.bars) or len(self.evaluations)
        )  # fmt: skip

    def __reduce__(self) -> tuple[Any, ...]:
        names = {key: self.names[key] for key in self.keys() if key in self.names}
        return Rows, (
            self.status, self.status_venues, self.orders, self.order_venues, self.fills,
            self.executed, self.timeline, names, self.watermark, self.end, self.bars,
            self.controls, self.references, self.evaluations, self.thresholds,
        )  # fmt: skip

    def keys(self) -> set[int]:
        """Every key of a name in the rows."""
        found: set[int] = set()
        arrays = (
            self.status, self.orders, self.fills, self.executed, self.timeline, self.bars,
            self.evaluations,
        )  # fmt: skip
        for rows in arrays:
            for name in rows.dtype.names or ():
                if rows.dtype[name] == np.uint64:
                    found.update(np.unique(rows[name]).tolist())
        for venues in (self.status_venues, self.order_venues):
            found.update(venues.key.tolist())
        return found
