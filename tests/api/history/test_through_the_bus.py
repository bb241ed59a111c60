"""The same events through bus, dataflow, stores and API: every number is that of `--orders`."""

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import psycopg
import pytest
from websockets.sync.client import connect

from api.config import ApiConfig
from bus.clock import ClockWriter
from bus.connect import open_bus
from bus.publish import Publisher
from cli.replay.run import ReplayOptions, replay, write_files
from cli.worker import environment
from domain.instants import SECOND, format_rfc3339, parse_rfc3339
from domain.records import event_records
from domain.rows import LATER_BENCHMARKS, LATER_METRICS, ORDER_METRICS, STATUS_METRICS
from domain.vocabulary import MarketKind, Topic
from runtime.history_server import EmbeddedPostgres
from runtime.servers import open_servers
from runtime.settings import load_settings
from sources.lobster import LobsterReader
from sources.ndjson import NdjsonReader
from sources.reader import Cursor
from sources.simulator.presets import demo_spec
from sources.simulator.script import Simulation, encode_line
from tests.history_store import fresh_database

ROOT = Path(__file__).resolve().parents[3]
LINES = 1_000
SILENT_MIN = (1, 60, 62, 75, 90)
"""Minutes after the last event: orders leave memory an hour after their end."""
OF_THE_ROW = {"as_of", "cause", "restated", "provisional"}
"""Of a row and not of its order."""
ONLY_IN_A_STATUS = {
    "current_metrics", "metric_reasons", "alerts", "last_updated", "quote_age_ms",
    "published_at", "config_version",
}  # fmt: skip
TIMES = {"ts_event", "known_at"}
Message = tuple[Topic, dict[str, Any]]


@dataclass
class Case:
    """Events, and the files that `execmon replay` writes of them."""

    messages: list[Message]
    folder: Path
    marks_s: float

    def read(self, name: str) -> list[dict[str, Any]]:
        """Lines of a file, none where it was not written."""
        file = self.folder / name
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def _case(messages: list[Message], folder: Path, marks_s: float) -> Case:
    """The events in order of time, silent hours behind them, and what `replay` writes of both."""
    messages = sorted(messages, key=lambda message: _time_of(message[1]))
    newest = _time_of(messages[-1][1])
    silence = [
        {"type": "clock", "ts_event": format_rfc3339(newest + minutes * 60 * SECOND)}
        for minutes in SILENT_MIN
    ]
    events = [{**message, "topic": str(topic)} for topic, message in messages]
    file = folder / "events.ndjson"
    file.write_bytes(b"".join(msgspec.json.encode(e) + b"\n" for e in (*events, *silence)))
    options = ReplayOptions(
        orders=folder / "orders.ndjson", fills=folder / "fills.ndjson", marks_s=marks_s
    )
    write_files(replay([NdjsonReader(file)], options), options)
    return Case(messages, folder, marks_s)


def _time_of(message: dict[str, Any]) -> int:
    """Reference records have no time and come first."""
    return parse_rfc3339(message["ts_event"]) if "ts_event" in message else 0


def _simulated(folder: Path) -> Case:
    """Half a minute of a desk, until the last order has ended."""
    spec = msgspec.structs.replace(demo_spec(open_parents=10), duration_s=30.0)
    lines = [json.loads(encode_line(*message)) for message in Simulation(spec, seed=3).messages()]
    return _case([(Topic(line.pop("topic")), line) for line in lines], folder, 60.0)


def _lobster(folder: Path) -> Case:
    """The first minutes of AMZN, 2012-06-21; orders still open have no marks."""
    default = ROOT.parent / "shared" / "data"
    source = Path(os.environ.get("EXECMON_TEST_DATA", default)) / "lobster_amzn"
    if not source.is_dir():
        pytest.skip(f"no real data: {source} is not there (EXECMON_TEST_DATA says where it is)")
    for file in source.glob("*.csv"):
        with file.open("rb") as lines:
            (folder / file.name).write_bytes(b"".join(itertools.islice(lines, LINES)))
    reader = LobsterReader(folder, None, None)
    options = ReplayOptions(orders=folder / "lobster.ndjson")
    write_files(replay([reader], options), options)
    return _case(list(_lobster_messages(reader)), folder, 1e9)


def _lobster_messages(reader: LobsterReader) -> Iterator[Message]:
    names: dict[int, str] = {}
    for _, batch in reader.read(Topic.ORDERS, 0, Cursor()):
        names |= batch.names
        details = {int(d["pos"]): d for d in batch.details}
        told = event_records(batch.events, batch.names)
        for row, event in zip(batch.events, told, strict=True):
            for name in ("known_at", "pos", "source", "avg_px"):
                event.pop(name)
            if int(row["pos"]) in details:
                event["currency"] = batch.names[int(details[int(row["pos"])]["currency"])]
            yield Topic.ORDERS, {name: v for name, v in event.items() if v is not None}
    for _, batch in reader.read(Topic.MARKET_DATA, 0, Cursor()):
        for row in batch.market:
            yield Topic.MARKET_DATA, _market_message(row, reader.symbol, names)


def _market_message(row: Any, symbol: str, names: dict[int, str]) -> dict[str, Any]:
    kind = MarketKind(int(row["kind"]))
    texts = {"venue": int(row["venue"]), "exec_id": int(row["exec"])}
    members = {
        MarketKind.QUOTE: ("bid", "ask", "bid_size", "ask_size"),
        MarketKind.TRADE: ("price", "size"),
    }.get(kind, ())
    return {
        "type": kind.name.lower(), "symbol": symbol, "seq": int(row["seq"]),
        "ts_event": format_rfc3339(int(row["ts_event"])),
        **{name: float(row[name]) for name in members if row[name] == row[name]},
        **{name: names[key] for name, key in texts.items() if key},
    }  # fmt: skip


def _publish(bus: Any, messages: list[Message], clock: ClockWriter) -> int:
    """Everything on the bus, with clocks of its own time; gives the last of them."""
    publisher = Publisher(bus, batch=50)
    newest = ticked = 0
    for topic, message in messages:
        publisher.add(message, topic)
        newest = max(newest, _time_of(message))
        if newest - ticked > SECOND:
            publisher.flush()
            clock.tick(newest - 1)
            ticked = newest
    publisher.flush()
    for minutes in SILENT_MIN:
        clock.tick(newest + minutes * 60 * SECOND)
    return newest + SILENT_MIN[-1] * 60 * SECOND


@contextmanager
def _running(name: str, log: Path, **env: str) -> Iterator[None]:
    argv = [sys.executable, "-m", "cli.main", name]
    with log.open("ab") as out:
        process = subprocess.Popen(argv, env=env, stdout=out, stderr=out, cwd=ROOT)
    try:
        yield
        assert process.poll() is None, log.read_text()[-2000:]
    finally:
        process.kill()
        process.wait()


def _wait_for_rows(
    url: str, orders: int, closed: int, log: Path, clock: ClockWriter, now: int
) -> None:
    """Until every order and the record of each finished one are in the history store.

    Time goes on meanwhile: an eviction is a step of a clock that moves.
    """
    deadline = time.monotonic() + 120
    found: tuple[int, int] = (0, 0)
    with psycopg.connect(url, autocommit=True) as connection:
        while found != (orders, closed):
            assert time.monotonic() < deadline, f"{found}: {log.read_text()[-2000:]}"
            time.sleep(0.2)
            now += 60 * SECOND
            clock.tick(now)
            row = connection.execute(
                "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM order_tca)"
            ).fetchone()
            assert row is not None
            found = (row[0], row[1])


@dataclass
class Session:
    client: httpx.Client
    url: str
    records: dict[str, dict[str, Any]]
    """What `--orders` wrote, by order."""
    fills: list[dict[str, Any]]
    """What `--fills` wrote."""
    messages: list[Message]
    history_url: str
    lobster: list[dict[str, Any]]
    """What `replay lobster` wrote of the same events."""

    def get(self, path: str, **asked: Any) -> Any:
        answer = self.client.get(path, params=asked)
        assert answer.status_code == 200, answer.text
        return answer.json()


CLOSED = {"FILLED", "CANCELLED", "REJECTED", "EXPIRED"}


def _has_left(record: dict[str, Any]) -> bool:
    """Whether the order has ended, or was silent for an hour and its size was never said."""
    return record["state"] in CLOSED or record["order_qty"] is None


@pytest.fixture(scope="module", params=[_lobster, _simulated], ids=["lobster", "simulated desk"])
def session(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    config: ApiConfig,
    history_server: EmbeddedPostgres,
    serve_all: Callable[..., Any],
    ready: Callable[[httpx.Client], None],
) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("through")
    case: Case = request.param(folder)
    records = {record["order_id"]: record for record in case.read("orders.ndjson")}
    url = fresh_database(history_server.url, "through")
    with open_servers() as servers:
        settings = load_settings(
            {"bus_url": servers.bus_url, "status_url": servers.status_url}, env={}
        )
        bus = open_bus(servers.bus_url)
        bus.set_up({Topic(n): count for n, count in settings.partitions.items()}, settings.groups)
        env = dict(environment(
            settings, servers, EXECMON_HISTORY_URL=url, EXECMON_EPOCH_S="0.5",
            EXECMON_MARK_INTERVAL_S=str(case.marks_s),
            EXECMON_MARK_ROW_INTERVAL_S=str(case.marks_s),
        ))  # fmt: skip
        log = folder / "log"
        ended = sum(map(_has_left, records.values()))
        with ClockWriter(bus, kind="event") as clock:
            now = _publish(bus, case.messages, clock)
            with _running("worker", log, **env), _running("history", log, **env):
                _wait_for_rows(url, len(records), ended, log, clock, now)
        bus.close()
        addresses = replace(
            config, history_url=url, status_url=servers.status_url, bus_url=servers.bus_url,
            heartbeat_s=0.2,
        )  # fmt: skip
        with serve_all(addresses) as served:
            ready(served.client)
            yield Session(
                served.client, served.url, records, case.read("fills.ndjson"), case.messages,
                url, case.read("lobster.ndjson"),
            )  # fmt: skip


def _path(order_id: str, *parts: str) -> str:
    return "/".join((quote(order_id, safe=""), *parts))


def _exact(name: str, value: Any) -> Any:
    """A time as UNIX ns, since files and the API write them with different digits."""
    is_time = value is not None and (name.endswith("_ts") or name in TIMES)
    return parse_rfc3339(value) if is_time else value


def _assert_same(found: dict[str, Any], written: dict[str, Any], names: Any, what: str) -> None:
    differ = {
        n: (found[n], written[n])
        for n in sorted(names)
        if _exact(n, found[n]) != _exact(n, written[n])
    }
    assert not differ, f"{what} {written['order_id']}: (there, in the file) {differ}"


def test_status_and_the_newest_row_of_history_are_the_record_of_the_file(session):
    assert len(session.records) > 100
    for order_id, written in session.records.items():
        status = session.get(f"/api/v1/monitoring/{_path(order_id, 'status')}")
        row = session.get(
            f"/api/v1/orders/{_path(order_id, 'history')}", limit=1, full=True
        )["items"][0]  # fmt: skip

        members = set(status) - ONLY_IN_A_STATUS - OF_THE_ROW
        assert set(STATUS_METRICS) <= members
        assert {"avg_px", "cum_qty", "market_qty", "seq", "venue_distribution"} <= members
        _assert_same(status, written, members - {"reasons", "caveats"}, "status of")
        why = {n: r for n, r in written["reasons"].items() if n in STATUS_METRICS}
        assert status["reasons"] == why
        assert status["caveats"] == {
            n: r for n, r in written["caveats"].items() if n in STATUS_METRICS
        }
        _assert_same(row["status"], written, members - {"reasons", "caveats"}, "history of")
        for column, name in (
            ("execution_progress", "execution_progress"), ("fill_rate", "fill_rate"),
            ("average_price", "avg_px"), ("market_impact", "market_impact_bps"),
            ("cost_efficiency", "cost_efficiency"), ("slippage", "slippage_bps"),
            ("venue_distribution", "venue_distribution"),
        ):  # fmt: skip
            assert row[column] == written[name], (order_id, column)
        listed = session.get(f"/api/v1/orders/{_path(order_id)}")
        _assert_same(listed, written, set(listed) & members, "list entry of")


def test_metrics_and_analytics_are_the_record_of_the_file(session):
    for order_id, written in session.records.items():
        found = session.get(f"/api/v1/orders/{_path(order_id, 'metrics')}")
        metrics = {m["name"]: m["value"] for m in found["metrics"]}
        whole = _has_left(written)
        names = ORDER_METRICS if whole else STATUS_METRICS
        _assert_same(metrics, written, names, "metrics of")
        if not whole:
            assert all(metrics[name] is None for name in LATER_METRICS)
        analytics = session.get(f"/api/v1/monitoring/{_path(order_id, 'analytics')}")
        summary = analytics["execution_summary"]
        names = set(summary) & set(written) - OF_THE_ROW
        assert len(names) > 30
        _assert_same(summary, written, names, "summary of")
        for line in analytics["benchmark_comparison"]["benchmarks"]:
            name = line["benchmark"]
            if name == "arrival":
                assert line["price"] == written["arrival_mid"]
            elif name not in LATER_BENCHMARKS or whole:
                price = "decision_px" if name == "decision" else name
                assert line["price"] == written[price], (order_id, name)
                assert line["slippage_bps"] == written[f"slippage_{name}_bps"], (order_id, name)
        total = analytics["performance_attribution"]["total"]
        assert total["ccy"] == written["shortfall_total_ccy"]
        assert total["bps"] == written["shortfall_total_bps"]
        explicit = analytics["cost_analysis"]["explicit"]["total"]
        assert explicit["ccy"] == written["shortfall_explicit_ccy"]


def test_the_stream_of_an_order_shows_its_status(session):
    url = session.url.replace("http", "ws")
    some = list(session.records)[:: max(1, len(session.records) // 25)]
    for order_id in some:
        status = session.get(f"/api/v1/monitoring/{_path(order_id, 'status')}")
        address = f"{url}/api/v1/monitoring/{_path(order_id, 'stream')}"
        with connect(address, compression=None, close_timeout=1) as socket:
            hello, snapshot = (json.loads(socket.recv(10)) for _ in range(2))

        assert (hello["kind"], snapshot["kind"]) == ("hello", "snapshot")
        assert snapshot["seq"] == status["seq"]
        assert snapshot["status"] == status


def test_the_stream_of_many_orders_shows_the_status_of_each_open_one(session):
    shown: dict[str, Any] = {}
    address = f"{session.url.replace('http', 'ws')}/api/v1/stream"
    with connect(address, compression=None, close_timeout=1, max_size=None) as socket:
        while (frame := json.loads(socket.recv(20)))["kind"] != "heartbeat":
            if frame["kind"] == "snapshot":
                shown[frame["order_id"]] = frame["status"]

    still_open = {o for o, r in session.records.items() if r["state"] not in CLOSED}
    assert still_open <= set(shown)
    for order_id, status in shown.items():
        assert status == session.get(f"/api/v1/monitoring/{_path(order_id, 'status')}")


def _place(fill: dict[str, Any]) -> tuple[Any, ...]:
    return fill["order_id"], fill["exec_id"], parse_rfc3339(fill["ts_event"]), fill["cum_qty"]


def test_fills_and_timeline_are_those_of_the_files(session):
    written = {_place(fill): fill for fill in session.fills}
    found = 0
    for order_id, record in session.records.items():
        orders = f"/api/v1/orders/{_path(order_id)}"
        fills = session.get(f"{orders}/fills", limit=1000)["items"]
        for fill in fills:
            other = written[_place(fill)]
            same = set(fill) & set(other) - {"source", "pos"}
            mids = {name for name in same if name.startswith("mid_")}
            if not _has_left(record):
                same -= {name for name in mids if not name.startswith(("mid_m", "mid_0"))}
            assert len(mids) >= 12
            _assert_same(fill, other, same, "fill of")
            # A parent lists its children's.
            found += fill["order_id"] == order_id
        steps = session.get(f"{orders}/timeline", limit=1000)["items"]
        kinds = [step["type"] for step in steps]
        assert kinds.count("order_filled") >= len(fills)
    assert found == len(written)


def test_a_request_to_monitor_and_what_was_known_then_are_answered(session):
    order_id, written = next(
        (o, r) for o, r in session.records.items() if r["fills"] > 0 and r["state"] in CLOSED
    )
    started = session.client.post("/api/v1/monitoring/start", json={"order_id": order_id})
    assert started.status_code == 201
    assert started.json()["order_id"] == order_id
    rows = session.get(f"/api/v1/orders/{_path(order_id, 'history')}", full=True)["items"]
    assert [row["seq"] for row in rows] == list(range(len(rows), 0, -1))
    assert rows[0]["seq"] == written["seq"]
    for row in rows:
        then = session.get(
            f"/api/v1/monitoring/{_path(order_id, 'status')}",
            known_at=row["status"]["last_updated"],
        )
        assert then["seq"] >= row["seq"]
        if then["seq"] == row["seq"]:
            assert then == row["status"]


def test_roll_ups_hold_what_the_file_holds(session):
    whole = {"from": "2000-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}

    found = session.get("/api/v1/rollups", by="venue", **whole)["items"]

    own = [r for r in session.records.values() if not r["has_children"]]
    assert sum(row["fills"] for row in found) == sum(r["fills"] for r in own)
    assert sum(row["executed_qty"] or 0.0 for row in found) == pytest.approx(
        sum(r["cum_qty"] for r in own)
    )


def test_a_lobster_session_has_the_same_numbers_as_its_events_in_json(session):
    for record in session.lobster:
        written = session.records[record["order_id"]]
        _assert_same(record, written, ("avg_px", "cum_qty", "seq", *STATUS_METRICS), "replay of")


def _bars_by_hand(messages: list[Message], records: dict[str, Any]) -> dict[Any, tuple[Any, ...]]:
    """(trades, open, high, low, close, volume) by symbol and second in which an order was open."""
    open_in: dict[str, list[tuple[int, int]]] = {}
    seen: dict[str, int] = {}
    for topic, message in messages:
        if topic is Topic.ORDERS:
            seen.setdefault(message["order_id"], _time_of(message))
    for order_id, record in records.items():
        first = seen[order_id] // SECOND
        end = record["closed_ts"]
        last = parse_rfc3339(end) // SECOND if end else first + 10_000
        open_in.setdefault(record["symbol"], []).append((first, last))
    prints: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for topic, message in messages:
        if topic is Topic.MARKET_DATA and message["type"] == "trade":
            second = _time_of(message) // SECOND
            if any(a <= second <= b for a, b in open_in.get(message["symbol"], ())):
                place = (message["symbol"], second)
                prints.setdefault(place, []).append((message["price"], message["size"]))
    bars: dict[Any, tuple[Any, ...]] = {}
    for place, found in prints.items():
        prices = [price for price, _ in found]
        volume = sum(size for _, size in found)
        bars[place] = (len(found), prices[0], max(prices), min(prices), prices[-1], volume)
    return bars


def test_the_market_s_bars_are_those_of_the_prints_while_orders_were_open(session):
    expected = _bars_by_hand(session.messages, session.records)

    with psycopg.connect(session.history_url) as connection:
        rows = connection.execute(
            "SELECT symbol, ts_ns, trades, open, high, low, close, volume, vwap FROM market_bars"
        ).fetchall()

    assert len(expected) > 20
    assert {(row[0], row[1] // SECOND): row[2:8] for row in rows} == expected
    assert all(row[5] <= row[8] <= row[4] or row[4] - row[5] < 1e-6 for row in rows)
