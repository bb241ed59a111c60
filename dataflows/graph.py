"""The graph of the monitor: the same whatever the source and the sinks are.

The step ids are a storage format: state is found again by them after a restart.
"""

from collections.abc import Mapping
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import Source
from bytewax.outputs import Sink

from domain.batch import Batch, DeadLetter, Input
from domain.keys import GROUP_KEYS
from domain.rows import Rows
from operators.market.logic import MarketSettings, stamp_with_market
from operators.orders.group import OrderSettings
from operators.orders.logic import track_orders
from operators.pieces import Arrivals, OrderPiece, Stamped
from operators.split import groups_fed, route_to_orders, split_batches

FLOW_ID = "monitor"


def monitor_graph(
    source: Source[Batch],
    inputs: tuple[Input, ...],
    market: MarketSettings,
    orders: OrderSettings,
    row_sinks: Mapping[str, Sink[Any]],
    dead_letter_sink: Sink[Any],
) -> Dataflow:
    """Batches of every input partition to rows at each sink.

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
    rows = track_orders("orders", routed, orders)
    if market.bars:
        rows = op.merge("rows_and_bars", rows, op.flat_map("bars", stamped, _bars_of))
    for name, sink in row_sinks.items():
        op.output(name, rows, sink)
    return flow


def _bars_of(item: tuple[str, Stamped]) -> list[tuple[str, Rows]]:
    """A market group's bars as rows for the sinks."""
    group, piece = item
    if not len(piece.bars):
        return []
    # The names of their symbols come last.
    rows = Rows(bars=piece.bars, names=dict(piece.names[-1]), watermark=piece.watermark)
    return [(group, rows)]


STEP_IDS = ("source", "refused", "dead_letters", "split", "market", "route", "orders")
BAR_STEP_IDS = ("bars", "rows_and_bars")
"""Where bars are cut."""
assert len(GROUP_KEYS) >= 16
