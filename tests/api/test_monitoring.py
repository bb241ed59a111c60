import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from domain.thresholds import THRESHOLDS
from domain.topics import partition_for
from domain.vocabulary import Topic

START = "/api/v1/monitoring/start"


def start(api: Any, order_id: str = "A", headers: Any = None, **more: Any) -> Any:
    body = {
        "order_id": order_id,
        "monitoring_metrics": ["SLIPPAGE"],
        "alert_thresholds": {"HIGH_COST": 3.0, "FILL_RATE": 0.5},
        "real_time_updates": True,
        **more,
    }
    return api.client.post(START, json=body, headers=headers)


def told(bus: Any) -> list[dict[str, Any]]:
    """Everything on `control` but clocks and the question for statuses."""
    reader = bus.reader()
    places = {(Topic.CONTROL, p): "" for p in range(2)}
    found = [
        json.loads(one.body) for stored in reader.read(places, 1000, 0).values() for one in stored
    ]
    reader.close()
    return [event for event in found if event["type"].startswith("monitoring_")]


def test_a_start_is_stored_and_reaches_the_pipeline_with_who_said_it(
    served: Any, write: Any, bus: Any, history: Any
):
    write("A/1", root="R", desk="US")

    answer = start(served, "A/1")

    assert answer.status_code == 201
    session = answer.json()
    assert session["state"] == "ACTIVE"
    assert session["created_by"] == "local"
    assert session["closed_at"] is None
    assert session["status_url"] == "/api/v1/monitoring/A%2F1/status"
    assert session["stream_url"] == "/api/v1/monitoring/A%2F1/stream"
    assert answer.headers["location"] == "/api/v1/monitoring/A%2F1/session"
    assert session["request"] == {
        "order_id": "A/1",
        "monitoring_metrics": ["SLIPPAGE"],
        "alert_thresholds": {"HIGH_COST": 3.0, "FILL_RATE": 0.5},
        "real_time_updates": True,
    }
    [event] = told(bus)
    assert event.pop("ts_event").endswith("Z")
    assert event == {
        "type": "monitoring_started",
        "order_id": "A/1",
        "root_order_id": "R",
        "session_id": session["session_id"],
        "monitoring_metrics": ["SLIPPAGE"],
        "alert_thresholds": {"HIGH_COST": 3.0, "FILL_RATE": 0.5},
        "real_time_updates": True,
        "config_version": session["config_version"],
        "by": "local",
    }
    assert partition_for(Topic.CONTROL, event, 2) == partition_for(
        Topic.ORDERS, {"root_order_id": "R"}, 2
    )
    assert served.client.get(session["status_url"]).status_code == 200


def test_only_the_metrics_asked_for_are_shown_and_nothing_else_changes(served: Any, write: Any):
    write("A", events=3)
    before = served.client.get("/api/v1/monitoring/A/status")

    start(served, "A", monitoring_metrics=["SLIPPAGE", "FILL_RATE"])
    shown = served.client.get("/api/v1/monitoring/A/status")
    start(served, "A", monitoring_metrics=[])
    all_five = served.client.get("/api/v1/monitoring/A/status")

    whole = before.json()
    assert len(whole["current_metrics"]) == 5
    assert shown.json()["current_metrics"] == {
        name: whole["current_metrics"][name] for name in ("SLIPPAGE", "FILL_RATE")
    }
    assert set(shown.json()["metric_reasons"]) <= {"SLIPPAGE", "FILL_RATE"}
    rest = {k: v for k, v in whole.items() if k not in {"current_metrics", "metric_reasons"}}
    assert {k: v for k, v in shown.json().items() if k in rest} == rest
    assert b'"SLIPPAGE":1.1' in shown.content
    assert all_five.content == before.content


def test_an_order_not_seen_yet_is_pending_until_it_is(served: Any, write: Any):
    assert start(served, "P").json()["state"] == "PENDING"
    assert served.client.get("/api/v1/monitoring/P/session").json()["state"] == "PENDING"

    write("P")

    assert served.client.get("/api/v1/monitoring/P/session").json()["state"] == "ACTIVE"
    [session] = served.client.get("/api/v1/monitoring/P/sessions").json()["items"]
    assert session["state"] == "ACTIVE"


def test_a_second_start_replaces_the_first_and_keeps_it(served: Any, write: Any):
    write("A")
    first = start(served).json()
    second = start(served, real_time_updates=False).json()

    current = served.client.get("/api/v1/monitoring/A/session").json()
    kept = served.client.get("/api/v1/monitoring/A/sessions").json()

    assert current["session_id"] == second["session_id"] != first["session_id"]
    assert [one["session_id"] for one in kept["items"]] == [
        second["session_id"],
        first["session_id"],
    ]
    assert [one["state"] for one in kept["items"]] == ["ACTIVE", "CLOSED"]
    assert kept["items"][1]["closed_at"] >= kept["items"][0]["created_at"][:19]
    assert kept["next"] is None
    assert first["config_version"] != second["config_version"]


def test_sessions_come_in_pages_none_missing_or_twice(served: Any, write: Any):
    write("A")
    made = [start(served).json()["session_id"] for _ in range(7)]

    found, url = [], "/api/v1/monitoring/A/sessions?limit=3"
    for _ in range(5):
        page = served.client.get(url)
        found += [one["session_id"] for one in page.json()["items"]]
        if "link" not in page.headers:
            break
        url = page.headers["link"].partition(">")[0].lstrip("<")
        start(served, "B")

    assert found == made[::-1]


def test_stopped_means_closed_and_all_five_metrics_again(served: Any, write: Any, bus: Any):
    write("A")
    begun = start(served).json()

    answer = served.client.post("/api/v1/monitoring/A/stop")

    assert answer.status_code == 200
    assert answer.json()["state"] == "CLOSED"
    assert answer.json()["closed_at"]
    assert len(served.client.get("/api/v1/monitoring/A/status").json()["current_metrics"]) == 5
    stopped = [event for event in told(bus) if event["type"] == "monitoring_stopped"]
    assert [event["session_id"] for event in stopped] == [begun["session_id"]]
    again = served.client.post("/api/v1/monitoring/A/stop")
    assert again.status_code == 404
    assert again.json()["type"] == "urn:execmon:problem:no-session"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"alert_thresholds": {"HIGH_COST": 11}}, "HIGH_COST must be 1 to 10, z, worse above"),
        ({"alert_thresholds": {"FILL_RATE": -0.1}}, "FILL_RATE must be 0 to 1, share, worse below"),
        ({"alert_thresholds": {"VENUE_ISSUE": 1}}, "cannot be set for an order: it is about"),
        ({"alert_thresholds": {"ALGORITHM_UNDERPERFORMANCE": 1}}, "it is about an algorithm"),
        ({"alert_thresholds": {"SPEED": 1}}, "no threshold is called 'SPEED'"),
    ],
)
def test_a_threshold_that_cannot_be_is_refused_with_the_table(
    more: Any, words: str, served: Any, bus: Any, history: Any
):
    answer = start(served, **more)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]
    assert set(answer.json()["thresholds"]) == set(THRESHOLDS)
    assert told(bus) == []
    assert history.execute("SELECT count(*) FROM monitoring_sessions").fetchone() == (0,)


@pytest.mark.parametrize(
    "more",
    [
        {"colour": "red"},
        {"monitoring_metrics": ["SPEED"]},
        {"monitoring_metrics": "SLIPPAGE"},
        {"real_time_updates": "yes"},
        {"alert_thresholds": {"HIGH_COST": "3"}},
        {"order_id": ""},
        {"order_id": "x" * 101},
        {"order_id": "A\0"},
        {"order_id": 7},
    ],
)
def test_a_request_of_another_shape_is_refused(more: Any, served: Any):
    answer = start(served, **more)

    assert answer.status_code == 422
    assert answer.json()["errors"]


@pytest.mark.parametrize("raw", [b"{", b"[]", b"\xff", b'{"order_id":"A","x":NaN}', b""])
def test_a_body_that_is_no_request_is_refused(raw: bytes, served: Any):
    answer = served.client.post(START, content=raw, headers={"Content-Type": "application/json"})

    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_same_key_with_the_same_request_is_one_start(served: Any, write: Any, bus: Any):
    write("A")
    key = {"Idempotency-Key": "k1"}

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: start(served, headers=key), range(4)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotent-replayed" in answer.headers for answer in answers) == 3
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert len(told(bus)) == 1


def test_the_same_key_with_another_request_is_refused(served: Any, write: Any):
    write("A")
    key = {"Idempotency-Key": "k1"}
    start(served, headers=key)

    answer = start(served, headers=key, real_time_updates=False)

    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:execmon:problem:key-reused"


def test_without_the_bus_nothing_is_stored_and_the_key_can_be_tried_again(
    serve: Any, write: Any, history: Any
):
    write("A")
    with serve(bus_url="unix:///nowhere/bus.sock") as api:
        answer = start(api, headers={"Idempotency-Key": "k"})

    assert answer.status_code == 503
    assert answer.json()["dependency"] == "bus"
    assert history.execute("SELECT count(*) FROM monitoring_sessions").fetchone() == (0,)
    assert history.execute("SELECT count(*) FROM idempotency").fetchone() == (0,)


def test_another_process_learns_of_a_session(serve: Any, write: Any, eventually: Any):
    write("A")
    with serve() as one, serve() as other:
        start(one)

        eventually(
            lambda: (
                len(other.client.get("/api/v1/monitoring/A/status").json()["current_metrics"]) == 1
            )
        )
        one.client.post("/api/v1/monitoring/A/stop")
        eventually(
            lambda: (
                len(other.client.get("/api/v1/monitoring/A/status").json()["current_metrics"]) == 5
            )
        )
