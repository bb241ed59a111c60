"""What happened to one order: history, timeline, fills, restatements."""

import io
from urllib.parse import quote

import polars as pl
import pytest

from api.history.models import FillRow, Page, Restatement, StatusRow, TimelineStep
from tests import history_data as data

SHAPES = {
    "history": StatusRow,
    "timeline": TimelineStep,
    "fills": FillRow,
    "restatements": Restatement,
}


def path(part, order_id=data.PARENT):
    return f"/api/v1/orders/{quote(order_id, safe='')}/{part}"


def rows(answer, part):
    assert answer.status_code == 200, answer.text
    Page[SHAPES[part]].model_validate_json(answer.content)
    return answer.json()["items"]


@pytest.mark.parametrize("part", SHAPES)
@pytest.mark.parametrize("limit", [1, 2, 100])
def test_following_the_pages_gives_every_row_once(api, part, limit):
    whole = rows(api.get(path(part), params={"limit": 1000}), part)
    assert len(whole) > 1

    found, at = [], f"{path(part)}?limit={limit}"
    while at:
        answer = api.get(at)
        found += rows(answer, part)
        link = answer.headers.get("link")
        at = link and link.split(">")[0].lstrip("<")

    assert found == whole


@pytest.mark.parametrize("part", SHAPES)
def test_another_desk_s_order_is_one_that_never_was(keyed, part):
    there = keyed.get("eu", path(part))
    nowhere = keyed.get("eu", path(part, "nobody's"))

    assert there.status_code == nowhere.status_code == 404
    assert there.json()["type"] == nowhere.json()["type"]
    assert keyed.get("us", path(part)).status_code == 200
    assert keyed.get("us", path(part, data.OTHERS)).status_code == 404


def test_history_has_the_columns_that_were_specified(api):
    newest = rows(api.get(path("history"), params={"limit": 1}), "history")[0]

    assert newest["timestamp"] == "2026-11-20T14:35:10Z"
    assert newest["execution_progress"] == 600 / 900
    assert newest["venue_distribution"] == {"BATS": 100 / 600, "XNAS": 500 / 600}
    assert newest["alerts"] == []
    assert "status" not in newest


def test_history_is_cut_by_event_time_and_runs_either_way(api):
    asked = {"from": "2026-11-20T14:30:20Z", "to": "2026-11-20T14:30:50Z"}
    newest_first = rows(api.get(path("history"), params=asked), "history")

    oldest_first = rows(api.get(path("history"), params={**asked, "direction": "asc"}), "history")

    assert newest_first == oldest_first[::-1]
    assert all(asked["from"] <= row["timestamp"] < asked["to"] for row in newest_first)


def test_history_gives_whole_statuses_byte_for_byte_as_they_were_published(api, example_rows):
    from sinks.updates import updates_of

    told = {
        (event["order_id"], event["status"]["seq"]): raw
        for part in example_rows
        for raw, event in _decoded(updates_of(part, data.T0, "test"))
        if event["kind"] == "status"
    }

    answer = api.get(path("history"), params={"full": True})

    for row in rows(answer, "history"):
        published = told[data.PARENT, row["seq"]]
        status = published[published.index(b'"status":') + len(b'"status":') : -1]
        assert status in answer.content


def _decoded(events):
    import msgspec

    return [(raw, msgspec.json.decode(raw)) for raw in events]


def test_the_timeline_runs_from_the_decision_to_the_end(api):
    steps = rows(api.get(path("timeline"), params={"children": False}), "timeline")

    assert [step["type"] for step in steps] == [
        "decision", "order_accepted", "order_replaced", "order_cancelled",
    ]  # fmt: skip
    assert [step["since_previous_ms"] for step in steps[2:]] == [99_999.876544, 210_000.0]
    child = rows(api.get(path("timeline", data.FIRST)), "timeline")
    assert child[0]["type"] == "order_accepted"
    assert child[2]["ack_ms"] == pytest.approx(0.4)


def test_fills_say_the_market_that_each_met(api):
    found = rows(api.get(path("fills")), "fills")

    assert [fill["status"] for fill in found] == ["COUNTED", "COUNTED", "BUSTED", "CORRECTED"]
    first = found[0]
    assert (first["bid"], first["ask"], first["mid"]) == (225.021, 225.041, 225.031)
    assert first["mid_5s"] is not None
    assert rows(api.get(path("fills"), params={"children": False}), "fills") == []


@pytest.mark.parametrize("part", ["history", "fills", "timeline"])
def test_rows_come_as_arrow_csv_and_ndjson_with_the_same_numbers(api, part):
    whole = rows(api.get(path(part)), part)
    number = {"history": "average_price", "fills": "last_px", "timeline": "last_px"}[part]
    for media, read in (
        ("application/x-ndjson", lambda raw: pl.read_ndjson(raw, infer_schema_length=None)),
        ("text/csv", lambda raw: pl.read_csv(raw, infer_schema_length=None)),
        ("application/vnd.apache.arrow.stream", pl.read_ipc_stream),
    ):
        answer = api.get(path(part), headers={"accept": media})
        frame = read(io.BytesIO(answer.content))
        assert frame[number].to_list() == [row[number] for row in whole], media


@pytest.mark.parametrize(
    ("part", "asked"),
    [
        ("history", {"from": "noon"}),
        ("history", {"limit": -1}),
        ("history", {"until": "x"}),
        ("timeline", {"cursor": "WyJ4Il0"}),
        ("fills", {"children": "perhaps"}),
        ("restatements", {"cursor": "!"}),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_in_words(api, part, asked):
    answer = api.get(path(part), params=asked)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
