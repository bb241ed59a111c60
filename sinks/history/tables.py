"""The tables the dataflow fills, and which of two rows of one key stays in each."""

from operator import attrgetter
from typing import Any, NamedTuple

from domain.evaluations import EVALUATED_METRICS
from domain.rows import HORIZON_NAMES
from domain.vocabulary import CLOSED_STATES
from sinks.history.columns import Kind
from sinks.history.table import OTHER_BODY, Table, Values, columns, differs, words

STATUSES = Table(
    name="execution_monitoring_ts",
    columns=[
        ("timestamp", Kind.TIME),
        ("order_id", Kind.TEXT),
        *columns(Kind.F8, "execution_progress fill_rate average_price market_impact "
                           "cost_efficiency slippage"),
        *columns(Kind.JSONB, "venue_distribution alerts"),
        *columns(Kind.I8, "seq ts_ns known_ns"),
        ("body", Kind.JSON),
    ],
    key=("order_id", "timestamp", "seq"),
    keep=OTHER_BODY,
)  # fmt: skip

ORDER_NUMBERS = words(
    "order_qty cum_qty leaves_qty avg_px limit_px routed_qty market_qty fee execution_progress "
    "performance_score cost_efficiency arrival_mid decision_px interval_vwap vwap_ex_own twap "
    "slippage_bps slippage_ccy slippage_interval_vwap_bps slippage_vwap_ex_own_bps "
    "slippage_twap_bps shortfall_delay_ccy shortfall_trading_ccy shortfall_opportunity_ccy "
    "shortfall_explicit_ccy shortfall_total_ccy"
)
ORDER_TEXTS = words(
    "root_order_id parent_order_id cl_ord_id symbol side state desk trader client broker algo "
    "strategy currency asset_class ord_type time_in_force"
)


class OrderRow(NamedTuple):
    """A status as long as it may still be replaced by a newer one of its order."""

    order_id: str
    known: int
    seq: int
    sort: int
    arrival: int | None
    closed: int | None
    ts: int
    status: Any


def _newer_order(old: Values, new: Values) -> Values:
    both = (OrderRow(*old), OrderRow(*new))
    older, newer = sorted(both, key=lambda row: (row.known, row.seq))
    if newer.arrival is None and older.sort < newer.sort:
        return newer._replace(sort=older.sort)
    return newer


_order_texts = attrgetter(*ORDER_TEXTS)
_order_numbers = attrgetter(*ORDER_NUMBERS)
_CLOSED = frozenset(state.name for state in CLOSED_STATES)


def _whole_order(values: Values) -> Values:
    row = OrderRow(*values)
    s = row.status
    return (
        row.order_id, *_order_texts(s), *_order_numbers(s), s.state in _CLOSED,
        bool(s.has_children), s.fills, s.children, row.sort, row.arrival, row.closed, row.ts,
        row.known, row.seq, row.arrival, row.closed, row.ts,
    )  # fmt: skip


ORDERS = Table(
    name="orders",
    columns=[
        ("order_id", Kind.TEXT),
        *[(name, Kind.TEXT) for name in ORDER_TEXTS],
        *[(name, Kind.F8) for name in ORDER_NUMBERS],
        *columns(Kind.FLAG, "is_closed has_children"),
        *columns(Kind.I4, "fills children"),
        *columns(Kind.I8, "sort_ns arrival_ns closed_ns ts_ns known_ns seq"),
        *columns(Kind.TIME, "arrival_ts closed_ts timestamp"),
    ],
    key=("order_id",),
    keep="(excluded.known_ns, excluded.seq) > (o.known_ns, o.seq)",
    merge={"sort_ns": "coalesce(excluded.arrival_ns, least(o.sort_ns, excluded.sort_ns))"},
    pick=_newer_order,
    finish=_whole_order,
)

FILL_TEXTS = words("root_order_id symbol venue exec_id side status liquidity")
FILL_NUMBERS = words("last_qty last_px fee cum_qty bid ask mid arrival_mid")
MIDS = [f"mid_{name}" for name in HORIZON_NAMES]
_RANK = "array_position(ARRAY['REPEATED', 'COUNTED', 'CORRECTED', 'BUSTED'], {}.status)"
RANKS = {"REPEATED": 1, "COUNTED": 2, "CORRECTED": 3, "BUSTED": 4}


def _known(alias: str) -> str:
    mids = ", ".join(f'{alias}."{name}"' for name in MIDS)
    return f"({_RANK.format(alias)}, num_nonnulls({mids}))"


_FILL_COLUMNS = [
    ("order_id", Kind.TEXT),
    *[(name, Kind.TEXT) for name in FILL_TEXTS],
    *columns(Kind.I8, "ts_ns known_ns seq pos quote_ns"),
    ("source", Kind.I4),
    *[(name, Kind.F8) for name in FILL_NUMBERS],
    ("anomalies", Kind.JSONB),
    ("ts", Kind.TIME),
    *[(name, Kind.F8) for name in MIDS],
]
_FILL_KEY = ("order_id", "ts", "source", "pos")


def _fill_order(values: Values) -> tuple[int, int]:
    known = sum(value is not None for value in values[-len(MIDS) :])
    return RANKS.get(values[1 + FILL_TEXTS.index("status")], 0), known


FILLS = Table(
    name="fills",
    columns=_FILL_COLUMNS,
    key=_FILL_KEY,
    keep=f"{_known('excluded')} >= {_known('o')} AND {differs(_FILL_COLUMNS, _FILL_KEY)}",
    merge={name: f'coalesce(excluded."{name}", o."{name}")' for name in MIDS},
    pick=lambda old, new: new if _fill_order(new) >= _fill_order(old) else old,
)

EVENT_TEXTS = words(
    "type root_order_id parent_order_id symbol venue exec_id exec_ref_id side liquidity "
    "reject_reason"
)
EVENT_NUMBERS = words("order_qty limit_px last_qty last_px cum_qty leaves_qty fee avg_px")
_EVENT_COLUMNS = [
    ("order_id", Kind.TEXT),
    *[(name, Kind.TEXT) for name in EVENT_TEXTS],
    *columns(Kind.I8, "ts_ns known_ns seq market_seq pos"),
    ("source", Kind.I4),
    *[(name, Kind.F8) for name in EVENT_NUMBERS],
    ("ts", Kind.TIME),
]
EVENTS = Table(
    name="order_events",
    columns=_EVENT_COLUMNS,
    key=_FILL_KEY,
    keep=differs(_EVENT_COLUMNS, _FILL_KEY),
)

TCA_TEXTS = words(
    "root_order_id parent_order_id symbol side state desk trader client broker algo strategy "
    "currency asset_class"
)
TCA_NUMBERS = words(
    "order_qty cum_qty avg_px fee arrival_mid slippage_bps slippage_ccy shortfall_total_bps "
    "shortfall_total_ccy participation_rate performance_score"
)


def _record_order(values: Values) -> tuple[int, int, int]:
    known, seq, missing = values[-3:]
    return known, seq, -missing


TCA = Table(
    name="order_tca",
    columns=[
        ("order_id", Kind.TEXT),
        *[(name, Kind.TEXT) for name in TCA_TEXTS],
        *[(name, Kind.F8) for name in TCA_NUMBERS],
        *columns(Kind.I8, "arrival_ns closed_ns ts_ns"),
        *columns(Kind.TIME, "arrival_ts closed_ts"),
        ("restated", Kind.FLAG),
        ("body", Kind.JSON),
        *columns(Kind.I8, "known_ns seq"),
        ("missing", Kind.I4),
    ],
    key=("order_id",),
    keep="(excluded.known_ns, excluded.seq, -excluded.missing) >= "
    f"(o.known_ns, o.seq, -o.missing) AND {OTHER_BODY}",
    pick=lambda old, new: new if _record_order(new) >= _record_order(old) else old,
)

_RESTATEMENT_COLUMNS = [
    ("order_id", Kind.TEXT),
    ("timestamp", Kind.TIME),
    *columns(Kind.I8, "seq ts_ns known_ns"),
    ("cause", Kind.TEXT),
]
RESTATEMENTS = Table(
    name="restatements",
    columns=_RESTATEMENT_COLUMNS,
    key=STATUSES.key,
    keep=differs(_RESTATEMENT_COLUMNS, STATUSES.key),
)

BAR_NUMBERS = words("bid ask open high low close volume vwap")
_BAR_COLUMNS = [
    ("symbol", Kind.TEXT),
    ("ts", Kind.TIME),
    ("interval_ms", Kind.I4),
    *columns(Kind.I8, "ts_ns trades"),
    *[(name, Kind.F8) for name in BAR_NUMBERS],
]
_BAR_KEY = ("symbol", "ts", "interval_ms")
BARS = Table(
    name="market_bars",
    columns=_BAR_COLUMNS,
    key=_BAR_KEY,
    keep=differs(_BAR_COLUMNS, _BAR_KEY),
)

EVALUATION_TEXTS = words("root_order_id parent_order_id symbol desk side asset_class schedule part")
EVALUATION_NUMBERS = words(
    "order_qty cum_qty limit_px bid ask participation lot usual_spread_bps"
) + list(EVALUATED_METRICS)
_EVALUATION_COLUMNS = [
    ("order_id", Kind.TEXT),
    ("known_at", Kind.TIME),
    *columns(Kind.I8, "known_ns seq market_flags"),
    ("fills", Kind.I4),
    *[(name, Kind.TEXT) for name in EVALUATION_TEXTS],
    *[(name, Kind.F8) for name in EVALUATION_NUMBERS],
    *columns(Kind.JSONB, "configured asked"),
]
_EVALUATION_KEY = ("order_id", "known_at", "known_ns", "seq", "part")
EVALUATIONS = Table(
    name="alert_evaluations",
    columns=_EVALUATION_COLUMNS,
    key=_EVALUATION_KEY,
    keep=differs(_EVALUATION_COLUMNS, _EVALUATION_KEY),
)

TABLES = (STATUSES, ORDERS, FILLS, EVENTS, TCA, RESTATEMENTS, BARS, EVALUATIONS)
"""In the order in which they are written."""
