"""`GET /api/v1/orders`: filters, sorts, pages, forms, and the open ones live."""

import io
from urllib.parse import quote

import polars as pl
import pytest

from api.history.models import OrderRow, Page
from tests import history_data as data

ORDERS = "/api/v1/orders"
ALL = ["N1", "A2", data.SECOND_CHILD, "E1", data.FIRST, data.PARENT]


def ids(answer):
    assert answer.status_code == 200, answer.text
    return [
        row["order_id"]
        for row in Page[OrderRow].model_validate_json(answer.content).model_dump()["items"]
    ]


def test_orders_are_listed_with_who_traded_them_and_how_far_they_are(api):
    answer = api.get(ORDERS, params={"symbol": "AMZN", "roots_only": True})

    assert ids(answer) == ["N1", "A2", data.PARENT]
    parent = answer.json()["items"][-1]
    assert (parent["desk"], parent["trader"], parent["state"]) == (data.US, "t07", "CANCELLED")
    assert (parent["order_qty"], parent["cum_qty"], parent["is_open"]) == (900, 600, False)
    assert parent["arrival_ts"] == "2026-11-20T14:30:00.000123456Z"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, ALL),
        ({"open": "true"}, ["N1", "A2"]),
        ({"state": ["NEW", "FILLED"]}, ["N1", "E1", data.FIRST]),
        ({"root": data.PARENT}, [data.SECOND_CHILD, data.FIRST, data.PARENT]),
        ({"parent": data.PARENT}, [data.SECOND_CHILD, data.FIRST]),
        ({"desk": data.EU}, ["E1"]),
        ({"side": "SELL", "currency": "USD"}, ["A2"]),
        ({"arrived_from": "2026-11-20T14:30:10Z", "arrived_to": "2026-11-20T14:30:50Z"},
         ["A2", data.SECOND_CHILD]),
        ({"sort": "order_qty", "direction": "asc", "limit": "2"}, ["N1", data.SECOND_CHILD]),
        ({"sort": "slippage_bps", "roots_only": "true"}, ["E1", "A2", data.PARENT, "N1"]),
    ],
)  # fmt: skip
def test_filters_and_sorts_choose_orders(api, asked, expected):
    assert ids(api.get(ORDERS, params=asked)) == expected


@pytest.mark.parametrize("sort", ["arrival", "closed", "symbol", "slippage_bps", "attention"])
def test_following_the_link_of_each_page_gives_every_order_once(api, sort):
    whole = ids(api.get(ORDERS, params={"sort": sort}))

    found, path = [], f"{ORDERS}?sort={sort}&limit=1"
    while path:
        answer = api.get(path)
        found += ids(answer)
        link = answer.headers.get("link")
        assert (link is None) == (answer.json()["next"] is None)
        path = link and link.split(">")[0].lstrip("<")

    assert found == whole


def test_open_orders_come_live_by_attention(api):
    answer = api.get(ORDERS, params={"sort": "attention"})

    assert set(ids(answer)) == {"A2", "N1"}
    attention = [row["attention"] for row in answer.json()["items"]]
    assert attention == sorted(attention, reverse=True)
    stored = {row["order_id"]: row for row in api.get(ORDERS).json()["items"]}
    for row in answer.json()["items"]:
        assert {**row, "attention": None} == stored[row["order_id"]]
    assert ids(api.get(ORDERS, params={"sort": "attention", "desk": data.US})) == ["A2"]
    assert ids(api.get(ORDERS, params={"sort": "attention", "side": "BUY"})) == ["N1"]
    assert ids(api.get(ORDERS, params={"sort": "attention", "open": False})) == []


@pytest.mark.parametrize(
    ("who", "stored", "live"),
    [
        ("everyone", set(ALL), {"A2", "N1"}),
        ("us", {"A2", data.PARENT, data.FIRST, data.SECOND_CHILD}, {"A2"}),
        ("eu", {"E1"}, set()),
        ("none", {"N1"}, {"N1"}),
        ("nothing", set(), set()),
    ],
)
def test_each_caller_s_list_holds_the_orders_of_their_desks(keyed, who, stored, live):
    assert set(ids(keyed.get(who, ORDERS))) == stored
    assert set(ids(keyed.get(who, ORDERS, params={"sort": "attention"}))) == live
    for desk in (data.US, data.EU):
        for sort in ("arrival", "attention"):
            found = set(ids(keyed.get(who, ORDERS, params={"desk": desk, "sort": sort})))
            assert found <= (stored | live)


def test_the_same_rows_come_as_ndjson_csv_and_arrow(api):
    rows = api.get(ORDERS).json()["items"]
    frames = {}
    for media, read in (
        ("application/x-ndjson", pl.read_ndjson),
        ("text/csv", lambda raw: pl.read_csv(raw, infer_schema_length=None)),
        ("application/vnd.apache.arrow.stream", pl.read_ipc_stream),
    ):
        answer = api.get(ORDERS, headers={"accept": media})
        assert answer.headers["content-type"].startswith(media)
        frames[media] = read(io.BytesIO(answer.content))

    for media, frame in frames.items():
        for name in ("order_id", "cum_qty", "avg_px", "slippage_bps", "arrival_ts"):
            assert frame[name].to_list() == [row[name] for row in rows], (media, name)
    assert api.get(ORDERS, headers={"accept": "image/png"}).status_code == 406


def test_an_unchanged_list_is_not_sent_again(api):
    answer = api.get(ORDERS)

    again = api.get(ORDERS, headers={"if-none-match": answer.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "asked",
    [
        {"colour": "red"},
        {"limit": 0},
        {"limit": 1001},
        {"state": "LOST"},
        {"side": "LONG"},
        {"sort": "luck"},
        {"cursor": "no cursor"},
        {"cursor": "WyJ4Il0"},
        {"arrived_from": "yesterday"},
        {"arrived_from": "2026-11-20T14:30:10"},
        {"symbol": "x" * 101},
        {"symbol": "A\x00"},
        {"sort": "attention", "direction": "asc"},
    ],
)
def test_a_question_that_makes_no_sense_is_refused_in_words(api, asked):
    answer = api.get(ORDERS, params=asked)

    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


def test_a_cursor_belongs_to_its_sort(api):
    cursor = api.get(ORDERS, params={"limit": 1}).json()["next"]

    assert api.get(ORDERS, params={"cursor": cursor, "sort": "symbol"}).status_code == 422


@pytest.mark.parametrize("order_id", ALL)
def test_one_order_is_answered_by_its_id_whatever_characters_it_has(api, order_id):
    for written in (quote(order_id, safe=""), quote(order_id)):
        answer = api.get(f"{ORDERS}/{written}")
        assert answer.status_code == 200
        assert OrderRow.model_validate_json(answer.content).order_id == order_id


def test_an_order_that_never_was_is_a_404(api):
    answer = api.get(f"{ORDERS}/nobody%27s")

    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:execmon:problem:order-not-found"
