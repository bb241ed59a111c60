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
from domain.instants import parse_rfc3339
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

    def alerts(self, *types: str) -> dict[str, Any]:
        """What the live flow raised: beginning and first published severity by id."""
        with psycopg.connect(self.url) as connection:
            rows = connection.execute(
                "SELECT alert_id, started_ns, (SELECT severity FROM alert_transitions t "
                "WHERE t.alert_id = a.alert_id ORDER BY seq LIMIT 1) FROM alerts a "
                'WHERE "type" = ANY(%s)',
                (list(types or TYPES),),
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
    """Some minutes of the simulated desk."""
    spec = msgspec.structs.replace(demo_spec(events_per_s=30.0, open_parents=20), duration_s=450.0)
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


def raised_by(answer: Any, before: dict[str, Any]) -> dict[str, Any]:
    """What the proposal raises, as the answer tells it: by id, what is known of each."""
    gone = {one["alert_id"] for one in answer["only_before"]}
    new = {
        one["alert_id"]: (parse_rfc3339(one["started_at"]), one["severity"])
        for one in answer["only_proposed"]
    }
    return {**{id_: told for id_, told in before.items() if id_ not in gone}, **new}


def told_with(stored: Stored, **proposed: Any) -> dict[str, Any]:
    """All that a proposal raises: what it would be if nothing had been raised."""

    async def ask() -> Any:
        async with await psycopg.AsyncConnection.connect(stored.url) as connection:
            await connection.execute("DELETE FROM alerts")
            until = stored.day + timedelta(days=1)
            proposal = Proposal(since=stored.day, until=until, **proposed)
            answer = await preview(connection, proposal, None)
            await connection.rollback()
            return answer

    return raised_by(asyncio.run(ask()), {})


def test_yesterdays_thresholds_give_yesterdays_alerts_id_by_id(yesterday):
    before = yesterday.alerts()
    answer = yesterday.preview()

    assert len(before) > 30
    assert answer["only_proposed"] == answer["only_before"] == answer["missed_true"] == []
    assert all(one["before"] == one["proposed"] for one in answer["counts"])
    assert sum(one["before"] for one in answer["counts"]) == len(before)
    assert told_with(yesterday) == before


def test_so_they_do_where_they_are_proposed_again(yesterday):
    assert told_with(yesterday, configured=YESTERDAYS) == yesterday.alerts()


HARSHER = {"SLOW_EXECUTION": 0.25, "HIGH_COST": 2.0, "MARKET_IMPACT": 2.0}
DEFAULTS = {"SLOW_EXECUTION": 0.2, "HIGH_COST": 2.5, "MARKET_IMPACT": 2.5}
HALF = {"SLOW_EXECUTION": 0.1, "HIGH_COST": 1.25, "MARKET_IMPACT": 1.25, "SLIPPAGE": 40.0}


def test_harsher_ones_raise_what_they_raise_live(yesterday, events, history_server):
    harsher = live(events, (Configured(HARSHER),), fresh_database(history_server.url, "harsher"))

    found = told_with(yesterday, asked=HARSHER)

    assert found == harsher.alerts()
    assert 0 < len(found) < len(yesterday.alerts())


@pytest.fixture(scope="module")
def plain(events, history_server):
    """The same day with the defaults."""
    return live(events, (), fresh_database(history_server.url, "plain"))


def test_the_defaults_are_told_from_a_day_with_other_ones(yesterday, plain):
    # Proposing a gap would count one for orders that keep a share of the volume, too.
    some = {key: DEFAULTS[key] for key in ("HIGH_COST", "MARKET_IMPACT")}
    for type_ in some:
        found = told_with(yesterday, asked=some, alert_type=type_)
        assert found == plain.alerts(type_)


def test_half_the_defaults_are_exact_from_a_day_with_the_defaults(plain, events, history_server):
    half = live(events, (Configured(HALF),), fresh_database(history_server.url, "half"))

    assert told_with(plain, asked=HALF) == half.alerts()
    assert len(half.alerts()) > len(plain.alerts())
    assert not any("at least" in words for words in plain.preview(asked=HALF)["notes"])


def test_milder_ones_are_a_lower_bound_and_said_to_be(plain, yesterday):
    answer = plain.preview(configured=YESTERDAYS)

    assert not answer["is_exact"]
    [words] = [words for words in answer["notes"] if "at least" in words]
    assert words.startswith("SLOW_EXECUTION is milder than what is stored")
    found = told_with(plain, configured=YESTERDAYS)
    assert len(plain.alerts()) < len(found) <= len(yesterday.alerts())
