"""The benchmarks of the service, in little: one JSON object with the figures that are promised."""

import json

import numpy as np
import pytest

from benchmarks import latency, status, websocket
from benchmarks.bus_load import Plan, encoded
from benchmarks.desk_process import Sent
from benchmarks.feed_watch import Shown

MS = 1_000_000
START = 1_795_185_000 * 1_000_000_000


def printed(capsys):
    [line] = [text for text in capsys.readouterr().out.splitlines() if text]
    return json.loads(line)


def test_websockets_are_timed_and_no_update_is_unaccounted_for(capsys):
    websocket.main(
        ["--clients", "12", "--orders", "4", "--rate", "200", "--seconds", "2", "--json"]
    )

    found = printed(capsys)
    assert found["benchmark"] == "websocket"
    assert found["clients"] == 12
    assert found["delivered"] + found["conflated"] == 3 * found["updates"]
    assert 0 < found["p50_ms"] <= found["p99_ms"] <= found["p999_ms"]
    assert {"conflated_share", "kb_per_client", "kb_per_client_at_rate"} <= found.keys()


def test_statuses_are_asked_for_while_the_pipeline_runs(capsys):
    status.main(["--rate", "50", "--seconds", "1", "--events", "500", "--orders", "40",
                 "--repeat", "1", "--json"])  # fmt: skip

    found = printed(capsys)
    assert found["benchmark"] == "status"
    assert found["requests"] == 50
    assert 0 < found["p50_ms"] <= found["p99_ms"]
    assert found["most_per_s"] > 0


def test_latency_is_told_by_rate_with_final_ones_apart_and_each_stages_share(capsys):
    latency.main(["--rates", "500", "--seconds", "2", "--orders", "40", "--json"])

    found = printed(capsys)
    assert found["benchmark"] == "latency"
    assert {"p50_ms_50k", "p99_ms_50k", "p999_ms_50k"} <= found.keys()
    assert found["fills_500"] > 0
    assert found["not_shown_500"] == 0
    assert 0 < found["p50_ms_500"] <= found["final_p50_ms_500"]
    assert found["stages_500"].keys() == {"bus", "flow", "store"}
    assert sum(stage["share"] for stage in found["stages_500"].values()) == pytest.approx(
        1, abs=1e-3
    )


def test_a_fill_counts_from_when_it_was_due_to_the_first_status_that_shows_it():
    sent = Sent(
        start_ns=START,
        order=np.array([0, 1, 0]),
        due_s=np.array([2.0, 2.0, 2.5]),
        stored_s=np.array([2.001, 2.001, 2.501]),
        late_p99_ms=0.0,
    )
    at_ms = np.array([2_010, 2_012, 2_020, 2_530])
    shown = Shown(
        order=np.array([0, 1, 0, 0], np.uint64),
        fills=np.array([1, 1, 1, 2]),
        provisional=np.array([True, False, False, False]),
        published_ns=START + (at_ms - 2) * MS,
        readable_ns=START + at_ms * MS,
    )

    found = latency.figures(sent, shown, seconds=1.0)

    assert found["fills"] == 3
    assert found["p50_ms"] == 12
    assert found["provisional_p50_ms"] == 10
    assert found["final_p50_ms"] == 20
    assert found["provisional_share"] == pytest.approx(1 / 3, abs=1e-4)
    assert found["stages"]["bus"]["p50_ms"] == 1
    assert found["stages"]["store"]["p50_ms"] == 2


def test_a_load_is_what_it_was_asked_for():
    plan = Plan(events_per_s=2_000, seconds=2.0, orders=30)
    slices, order, due_s = encoded(plan, START)

    events = [event for _, part in slices for m in part for event in json.loads(m.body)]
    at_the_rate = [e for due, part in slices if due > 0 for m in part for e in json.loads(m.body)]
    fills = [event for event in events if event["type"] == "order_filled"]
    assert sum(event["type"] == "order_accepted" for event in events) == 30
    assert len(at_the_rate) == pytest.approx(4_000, rel=0.1)
    assert len(fills) == len(order) == len(due_s)
    ticks = sum(event["type"] in {"quote", "trade"} for event in at_the_rate)
    assert ticks / len(at_the_rate) == pytest.approx(0.8, abs=0.03)
    assert [due for due, _ in slices] == sorted(due for due, _ in slices)
