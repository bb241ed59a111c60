"""Compile every kernel of the flow before the first real message needs it."""

from typing import Any

import numpy as np

from domain.batch import Batch, Input
from domain.events import MarketMessage, OrderMessage
from domain.instants import SECOND, format_rfc3339
from domain.vocabulary import Topic
from domain.wire import RowBuilder
from operators.alerts.watch import WatchLogic, WatchSettings
from operators.market.logic import MarketLogic, MarketSettings
from operators.orders.group import OrderSettings
from operators.orders.logic import OrderLogic
from operators.rollups.pieces import Gather
from operators.split import groups_fed, route_to_orders, split_batches

_START = 1_000_000_000 * SECOND
_REPUBLISH = b'{"type":"status_republish_requested"}'
_INPUTS = (Input(0, Topic.MARKET_DATA, 0), Input(1, Topic.ORDERS, 0))


def warm_kernels() -> None:
    """Run a made-up minute of one family of orders through the stages and drop it.

    Nothing of it reaches a sink. Loading compiled code takes well under a second, compiling
    it anew about half a minute.
    """
    market, orders = _messages()
    settings = MarketSettings(_INPUTS, bars=True, indices=("W",))
    fed = groups_fed(_INPUTS, settings.groups)
    markets: dict[str, MarketLogic] = {}
    stages: dict[str, OrderLogic] = {}
    watch = WatchLogic(WatchSettings(), None)
    gather = Gather(1, SECOND)

    def push(batch: Batch) -> None:
        stamped: list[Any] = []
        for key, piece in split_batches([batch], fed, settings.groups):
            logic = markets.setdefault(key, MarketLogic(settings, None))
            stamped += [(key, out) for out in logic.on_batch([piece])[0]]
        deliver(stamped)

    def deliver(stamped: list[Any]) -> None:
        for key, piece in route_to_orders(stamped, settings.groups):
            stages.setdefault(key, OrderLogic(OrderSettings(evict_after_ns=0), None))
            given = list(stages[key].on_batch([piece])[0])
            gather([(key, rows) for rows in given])
            watch.on_batch(given)

    orders.references = [b'{"type":"monitoring_started","order_id":"P","real_time_updates":true}']
    push(orders)
    for key, logic in markets.items():
        deliver([(key, out) for out in logic.on_notify()[0]])
    push(market)
    push(Batch(1, watermark=_START + 9 * SECOND, references=[_REPUBLISH]))
    for seconds in (70, 200, 1000):
        for source in (0, 1):
            push(Batch(source, watermark=_START + seconds * SECOND))
    for source in (0, 1):
        push(Batch(source, watermark=_START + 1001 * SECOND, ended=True))
    for key, logic in markets.items():
        MarketLogic(settings, logic.snapshot())
        OrderLogic(OrderSettings(), stages[key].snapshot())


def _messages() -> tuple[Batch, Batch]:
    def at(seconds: float) -> str:
        return format_rfc3339(_START + round(seconds * SECOND))

    market = RowBuilder(Topic.MARKET_DATA, 0)
    for t in range(0, 40, 2):
        market.add_market(
            MarketMessage(type="quote", ts_event=at(t), symbol="W", bid=9.9, ask=10.1)
        )
        market.add_market(
            MarketMessage(type="trade", ts_event=at(t), symbol="W", price=10.0, size=5.0, venue="V")
        )
    orders = RowBuilder(Topic.ORDERS, 1)

    def say(type_: str, t: float, order_id: str, **more: Any) -> None:
        family: dict[str, Any] = {}
        if order_id != "P":
            family = {"parent_order_id": "P", "root_order_id": "P"}
        orders.add_order(
            OrderMessage(
                type=type_,
                ts_event=at(t),
                order_id=order_id,
                symbol="W",
                side="BUY",
                **{**family, **more},
            ),
            ingest=1,
        )

    say("order_accepted", 1, "P", order_qty=10.0, desk="D")
    say("order_accepted", 2, "C", order_qty=10.0)
    for t in (3.0, 4.0, 3.5):
        say("order_filled", t, "C", exec_id=f"e{t}", last_qty=1.0, last_px=10.0, venue="V")
    say("fill_busted", 5, "C", exec_ref_id="e3.0")
    say("order_cancelled", 6, "C")
    say("order_cancelled", 7, "P")
    say("order_filled", 8, "N", exec_id="n", last_qty=1.0, last_px=10.0)
    batches = (market.build(), orders.build())
    for batch in batches:
        rows = batch.market if len(batch.market) else batch.events
        rows["t_eff"] = np.maximum.accumulate(rows["ts_event"])
        batch.watermark = int(rows["t_eff"][-1])
    return batches
