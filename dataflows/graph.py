"""The graph of the monitor: the same whatever the source and the sinks are.

The step ids are a storage format: state is found again by them after a restart.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import Source
from bytewax.operators import KeyedStream
from bytewax.outputs import Sink

from domain.batch import Batch, DeadLetter, Input
from domain.flags import SHOWN, Flags
from domain.keys import GROUP_KEYS
from domain.reference import ReferenceRecord
from domain.rows import Rows
from operators.alerts.desk import DeskSettings, track_alerts
from operators.alerts.parcels import GRID_NS, DeskRouter, Parcel
from operators.alerts.watch import WatchSettings, watch_orders
from operators.market.logic import MarketSettings, stamp_with_market
from operators.orders.group import OrderSettings
from operators.orders.logic import track_orders
from operators.pieces import Arrivals, OrderPiece, Stamped
from operators.rollups.logic import RollupSettings, roll_up
from operators.rollups.pieces import Raised
from operators.split import groups_fed, route_to_orders, split_batches

FLOW_ID = "monitor"
_SOURCE = {key: group for group, key in enumerate(GROUP_KEYS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertPlan:
    """What the rules are told, and where alerts go.

    The sink takes (key of the desk group, AlertChange).
    """

    sink: Sink[Any]
    watch: WatchSettings = field(default_factory=WatchSettings)
    references: tuple[ReferenceRecord, ...] = ()
    """Records of venues and cohorts known before the run."""
    flags: Flags = field(default_factory=lambda: SHOWN)
    """Which signs of something wrong are alerts, of what severity."""


def monitor_graph(
    source: Source[Batch],
    inputs: tuple[Input, ...],
    market: MarketSettings,
    orders: OrderSettings,
    row_sinks: Mapping[str, Sink[Any]],
    dead_letter_sink: Sink[Any],
    alerts: AlertPlan | None = None,
) -> Dataflow:
    """Batches of every input partition to rows at each sink, and to alerts if there is a plan.

    Sinks take (key of the order group, Rows); the dead-letter sink takes
    (topic and partition, DeadLetter).
    """
    groups = orders.groups
    flow = Dataflow(FLOW_ID)
    batches = op.input("source", flow, source)

    def refused(batch: Batch) -> list[tuple[str, DeadLetter]]:
        return [(f"{letter.topic}-{letter.partition}", letter) for letter in batch.dead]

    op.output("dead_letters", op.flat_map("refused", batches, refused), dead_letter_sink)

    fed = groups_fed(inputs, groups)

    def split(arrived: list[Batch]) -> list[tuple[str, Arrivals]]:
        return split_batches(arrived, fed, groups)

    def route(pieces: list[tuple[str, Stamped]]) -> list[tuple[str, OrderPiece]]:
        return route_to_orders(pieces, groups)

    split_up = op.flat_map_batch("split", batches, split)
    stamped = stamp_with_market("market", split_up, market)
    routed = op.flat_map_batch("route", stamped, route)
    if alerts is not None:
        orders = replace(orders, progress_ns=GRID_NS)
    rows = track_orders("orders", routed, orders)
    more: list[KeyedStream[Rows]] = []
    if alerts is not None:
        watched = _raise_alerts(rows, alerts, groups)
        rows = op.filter("news", rows, _has_news)
        if alerts.watch.keeps_evaluations:
            more.append(op.flat_map("evaluations", watched, _kept_of))
    if market.bars:
        more.append(op.flat_map("bars", stamped, _bars_of))
    if more:
        rows = op.merge("rows_and_bars", rows, *more)
    for name, sink in row_sinks.items():
        op.output(name, rows, sink)
    return flow


def _has_news(item: tuple[str, Rows]) -> bool:
    return not item[1].is_empty


def _raise_alerts(rows: KeyedStream[Rows], plan: AlertPlan, groups: int) -> KeyedStream[Parcel]:
    """What the rules see in the rows of the order groups, as alerts at their sink.

    Gives what the rules said of the orders.
    """

    def of_group(item: tuple[str, Parcel]) -> tuple[str, Parcel]:
        item[1].source = _SOURCE[item[0]]
        return item

    def parcel_of(raised: Raised) -> Parcel:
        source = groups + raised.group
        return Parcel(source, raised.watermark, raised.crossings, end=raised.end)

    settings = RollupSettings(
        order_groups=groups, progress_ns=GRID_NS, references=plan.references, flags=plan.flags
    )  # fmt: skip
    watch = replace(plan.watch, flags=plan.flags)
    watched = op.map("watched", watch_orders("watch", rows, watch), of_group)
    rolled = op.map_value("scopes", roll_up("rollups", rows, settings), parcel_of)
    dealt = op.flat_map_batch("to_desks", op.merge("seen", watched, rolled), DeskRouter(groups))
    desks = DeskSettings(sources=groups + settings.groups)
    op.output("alerts_out", track_alerts("alerts", dealt, desks), plan.sink)
    return watched


def _kept_of(item: tuple[str, Parcel]) -> list[tuple[str, Rows]]:
    """The evaluations that a group keeps, as rows for the sinks."""
    return [(item[0], rows) for rows in item[1].kept]


def _bars_of(item: tuple[str, Stamped]) -> list[tuple[str, Rows]]:
    """A market group's bars as rows for the sinks."""
    group, piece = item
    if not len(piece.bars):
        return []
    # The names of their symbols come last.
    rows = Rows(bars=piece.bars, names=dict(piece.names[-1]), watermark=piece.watermark)
    return [(group, rows)]


STEP_IDS = ("source", "refused", "dead_letters", "split", "market", "route", "orders")
ALERT_STEP_IDS = (
    "watch", "watched", "rollups_pieces", "rollups", "scopes", "seen", "to_desks", "alerts",
    "alerts_out", "news",
)  # fmt: skip
"""Where alerts are raised."""
BAR_STEP_IDS = ("bars", "rows_and_bars")
"""Where bars are cut; where evaluations are kept, `evaluations` joins them."""
assert len(GROUP_KEYS) >= 16
