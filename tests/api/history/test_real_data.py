"""Orders of a NASDAQ session and of the simulated desk: the same numbers wherever one asks."""

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import pytest

from api.config import ApiConfig
from api.history.analytics_models import ExecutionAnalytics
from api.history.models import FillRow, OrderMetrics, OrderRow, Page, StatusRow, TimelineStep
from cli.replay.run import ReplayOptions, replay
from domain.records import order_record
from domain.rows import LATER_BENCHMARKS, ORDER_METRICS, STATUS_METRICS, Rows
from domain.wire import encode
from runtime.history_server import EmbeddedPostgres
from runtime.servers import EmbeddedServer
from sources.lobster import LobsterReader
from sources.ndjson import NdjsonReader
from sources.simulator.presets import demo_spec
from sources.simulator.script import Simulation
from tests import history_data as data
from tests.history_store import fresh_database

ROOT = Path(__file__).resolve().parents[3]
LINES = 3_000
MESSAGES = 6_000


def _lobster(folder: Path) -> list[Rows]:
    """The first minutes of AMZN, 2012-06-21."""
    default = ROOT.parent / "shared" / "data"
    source = Path(os.environ.get("EXECMON_TEST_DATA", default)) / "lobster_amzn"
    if not source.is_dir():
        pytest.skip(f"no real data: {source} is not there (EXECMON_TEST_DATA says where it is)")
    for file in source.glob("*.csv"):
        with file.open("rb") as lines:
            (folder / file.name).write_bytes(b"".join(itertools.islice(lines, LINES)))
    rows: list[Rows] = []
    replay([LobsterReader(folder, None, None)], ReplayOptions(), seen=rows.append)
    return rows


def _simulated(folder: Path) -> list[Rows]:
    file = folder / "desk.ndjson"
    messages = Simulation(demo_spec(events_per_s=400), seed=11).messages()
    with file.open("wb") as out:
        for topic, message in itertools.islice(messages, MESSAGES):
            plain = message if isinstance(message, dict) else msgspec.to_builtins(message)
            out.write(encode({**plain, "topic": str(topic)}) + b"\n")
    rows: list[Rows] = []
    replay([NdjsonReader(file)], ReplayOptions(marks_s=60), seen=rows.append)
    return rows


@dataclass
class Session:
    client: httpx.Client
    records: dict[str, dict[str, Any]]
    """What `--orders` writes, by order."""

    def get(self, path: str, **asked: Any) -> Any:
        answer = self.client.get(path, params=asked)
        assert answer.status_code == 200, answer.text
        return answer

    def some(self, count: int = 12) -> list[str]:
        """Orders that were executed, and some that were not."""
        executed = [o for o, r in self.records.items() if r["fills"]]
        others = [o for o, r in self.records.items() if not r["fills"]]
        assert len(executed) > count
        step = len(executed) // count
        return [*executed[::step], *others[:3]]


@pytest.fixture(scope="module", params=[_lobster, _simulated], ids=["lobster", "simulated desk"])
def session(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    config: ApiConfig,
    history_server: EmbeddedPostgres,
    serve_all: Callable[..., Any],
    ready: Callable[[httpx.Client], None],
) -> Iterator[Session]:
    rows = request.param(tmp_path_factory.mktemp("session"))
    url = fresh_database(history_server.url, "session")
    data.store_history(rows, url)
    records = {}
    for part in rows:
        for at, row in enumerate(part.orders):
            record = order_record(row, part.names, part.order_venues, at)
            records[record["order_id"]] = record
    with EmbeddedServer("status", durable=False) as status:
        data.store_live(rows, status.url)
        with serve_all(replace(config, history_url=url, status_url=status.url)) as served:
            ready(served.client)
            yield Session(served.client, records)


def _path(order_id: str, *parts: str) -> str:
    return "/".join((quote(order_id, safe=""), *parts))


def test_every_endpoint_answers_in_its_shape(session):
    for order_id in session.some():
        orders = f"/api/v1/orders/{_path(order_id)}"
        OrderRow.model_validate_json(session.get(orders).content)
        for part, shape in (("history", StatusRow), ("timeline", TimelineStep), ("fills", FillRow)):
            Page[shape].model_validate_json(session.get(f"{orders}/{part}").content)
        OrderMetrics.model_validate_json(session.get(f"{orders}/metrics", explain=True).content)
        found = session.get(f"/api/v1/monitoring/{_path(order_id)}/analytics")
        ExecutionAnalytics.model_validate_json(found.content)


def test_every_number_is_the_same_in_status_history_metrics_analytics_and_files(session):
    for order_id in session.some():
        orders = f"/api/v1/orders/{_path(order_id)}"
        status = session.get(f"/api/v1/monitoring/{_path(order_id)}/status").json()
        newest = session.get(f"{orders}/history", limit=1, full=True).json()["items"][0]
        metrics = {m["name"]: m for m in session.get(f"{orders}/metrics").json()["metrics"]}
        analytics = session.get(f"/api/v1/monitoring/{_path(order_id)}/analytics").json()
        row = session.get(orders).json()
        written = session.records[order_id]

        wall = {"published_at", "config_version"}
        assert {k: v for k, v in newest["status"].items() if k not in wall} == {
            k: v for k, v in status.items() if k not in wall
        }
        for name in STATUS_METRICS:
            assert metrics[name]["value"] == status[name], (order_id, name)
        for name in ORDER_METRICS:
            assert metrics[name]["value"] == written[name], (order_id, name)
        for name in ("order_qty", "cum_qty", "avg_px", "slippage_bps", "execution_progress"):
            assert row[name] == status[name]
        assert newest["slippage"] == status["slippage_bps"]
        assert newest["average_price"] == status["avg_px"]
        summary = analytics["execution_summary"]
        assert summary == {name: status[name] for name in summary}
        for line in analytics["benchmark_comparison"]["benchmarks"]:
            name = line["benchmark"]
            if name not in {"arrival", "decision"}:
                source = written if name in LATER_BENCHMARKS else status
                assert line["price"] == source[name]
                assert line["slippage_bps"] == source[f"slippage_{name}_bps"]


def test_the_parts_of_every_order_sum_to_its_total(session):
    shown = 0
    for order_id in session.some(30):
        found = session.get(f"/api/v1/monitoring/{_path(order_id)}/analytics").json()
        attribution = found["performance_attribution"]
        for unit in ("ccy", "bps"):
            total = attribution["total"][unit]
            if total is not None:
                parts = [part[unit] or 0.0 for part in attribution["parts"]]
                assert sum(parts) == pytest.approx(total, rel=1e-9, abs=1e-9)
                shown += 1
    assert shown > 20


def test_an_order_s_executions_are_its_quantity_and_its_average(session):
    for order_id in session.some():
        fills = session.get(f"/api/v1/orders/{_path(order_id, 'fills')}", limit=1000).json()
        assert fills["next"] is None
        counted = [f for f in fills["items"] if f["status"] in {"COUNTED", "CORRECTED"}]
        written = session.records[order_id]
        assert sum(f["last_qty"] for f in counted) == pytest.approx(written["cum_qty"])
        if counted:
            notional = sum(f["last_qty"] * f["last_px"] for f in counted)
            assert notional / written["cum_qty"] == pytest.approx(written["avg_px"], rel=1e-12)


def test_pages_of_the_whole_list_hold_every_order_once(session):
    found: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        page = session.get("/api/v1/orders", limit=500, **cursor).json()
        found += [row["order_id"] for row in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}

    assert len(found) == len(set(found))
    assert set(found) == set(session.records)


def test_roll_ups_by_venue_count_every_execution_once(session):
    whole = {"from": "2000-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}

    found = session.get("/api/v1/rollups", by="venue", **whole).json()["items"]

    own = [r for r in session.records.values() if not r["has_children"]]
    assert sum(row["executed_qty"] or 0.0 for row in found) == pytest.approx(
        sum(r["cum_qty"] for r in own)
    )
    assert sum(row["fills"] for row in found) == sum(r["fills"] for r in own)
