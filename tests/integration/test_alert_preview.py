"""Thresholds tried on a stored day raise what the live flow raises with them, id by id."""

import asyncio
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import msgspec
import psycopg
import pytest
from bytewax.testing import cluster_main, run_main

from analytics.alert_preview import Proposal, preview
from bus.connect import open_bus
from dataflows.graph import AlertPlan, monitor_graph
from dataflows.history import history_graph
from domain.thresholds import Configured
from domain.vocabulary import Topic
from operators.alerts.watch import WatchSettings
from operators.market.logic import MarketSettings
from operators.orders.group import OrderSettings
from runtime.servers import open_servers
from sinks.alerts import AlertSink
from sinks.bus_writer import BusWriterSink, DeadLetterSink
from sinks.collect import CallingSink
from sinks.history.sink import TOPICS, HistorySink
from sources.bus_messages import MessageSource
from sources.files import FileSource
from sources.ndjson import NdjsonReader
from sources.simulator.presets import demo_spec
from sources.simulator.script import Simulation, encode_line
from tests.history_store import fresh_database

SECOND = 1_000_000_000
MARKS = {"mark_interval_ns": 5 * SECOND}
MILD = {"SLOW_EXECUTION": 0.06, "HIGH_COST": 1.0, "MARKET_IMPACT": 1.25}
"""With which a calm desk has alerts enough."""
YESTERDAYS = (Configured(MILD), Configured({"HIGH_COST": 1.5}, symbol="ALFA"))
TYPES = ("SLOW_EXECUTION", "HIGH_COST", "MARKET_IMPACT")


@dataclass
class Stored:
    """A history of the day, and the day."""

    url: str
    day: date

    def alerts(self) -> dict[str, Any]:
        """What the live flow raised: beginning and first published severity by id."""
        with psycopg.connect(self.url) as connection:
            rows = connection.execute(
                "SELECT alert_id, started_ns, (SELECT severity FROM alert_transitions t "
                "WHERE t.alert_id = a.alert_id ORDER BY seq LIMIT 1) FROM alerts a "
                'WHERE "type" = ANY(%s)',
                (list(TYPES),),
            ).fetchall()
        return {alert_id: tuple(rest) for alert_id, *rest in rows}

    def preview(self, **proposed: Any) -> Any:
        """The answer about the day."""

        async def ask() -> Any:
            async with await psycopg.AsyncConnection.connect(self.url) as connection:
                until = self.day + timedelta(days=1)
                proposal = Proposal(since=self.day, until=until, **proposed)
                return await preview(connection, proposal, None)

        return asyncio.run(ask())


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    """Ten minutes of the simulated desk."""
    spec = msgspec.structs.replace(demo_spec(events_per_s=60.0, open_parents=20), duration_s=600.0)
    file = tmp_path_factory.mktemp("day") / "events.ndjson"
    with file.open("wb") as out:
        for message in Simulation(spec, seed=5).messages():
            out.write(encode_line(*message))
    return file


def live(events, configured, url):
    """The day through the monitor, the bus and the history dataflow."""
    with open_servers() as servers:
        bus = open_bus(servers.bus_url)
        bus.set_up(dict.fromkeys(Topic, 2), 16)
        source = FileSource(NdjsonReader(events))
        flow = monitor_graph(
            source,
            source.inputs,
            MarketSettings(source.inputs, **MARKS, watches_feed=False),
            OrderSettings(**MARKS, mark_row_interval_ns=60 * SECOND),
            {"updates": BusWriterSink(bus)},
            CallingSink(lambda _: None),
            AlertPlan(
                sink=AlertSink(bus, servers.status_url),
                watch=WatchSettings(configured=configured, keeps_evaluations=True),
            ),
        )
        cluster_main(flow, [], 0, worker_count_per_proc=1)
        stored = MessageSource(bus, *TOPICS, stop_at_end=True)
        run_main(history_graph(stored, HistorySink(url, bus), DeadLetterSink(bus)))
        bus.close()
    with psycopg.connect(url) as connection:
        [[day]] = connection.execute(
            "SELECT (min(known_at) AT TIME ZONE 'UTC')::date FROM alert_evaluations"
        ).fetchall()
    return Stored(url, day)


@pytest.fixture(scope="module")
def yesterday(events, history_server):
    return live(events, YESTERDAYS, fresh_database(history_server.url, "yesterday"))
