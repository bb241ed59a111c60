"""Callers × orders × every route in the API's own table, so that a new one cannot be forgotten."""

import json
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests import history_data as data
from tests.alert_data import example_alerts
from tests.api_examples import refuse_example
from tests.api_routes import BODIES, PUBLIC, QUERIES, keep_subscription, routes, url_of

from .conftest import WHO

DESK_OF = {
    data.PARENT: data.US, data.FIRST: data.US, data.SECOND_CHILD: data.US, data.OPEN: data.US,
    data.OTHERS: data.EU, data.NOBODYS: "-",
}  # fmt: skip
REST = [(method, path) for method, path in routes() if method != "WS" and path not in PUBLIC]
STREAMS = [path for method, path in routes() if method == "WS"]
UNKNOWN = "NEVER-SEEN"
OF_AN_ORDER = [route for route in REST if "{order_id}" in route[1]]
OF_AN_ALERT = [route for route in REST if "{alert_id}" in route[1]]
OF_MANY = [
    path for method, path in REST
    if method == "GET" and "{order_id}" not in path and "{alert_id}" not in path
]  # fmt: skip
FOR_SOME = {"/api/v1/audit", "/api/v1/dead-letters", "/api/v1/dead-letters/{partition}/{position}"}
"""Of many desks at once, so nobody with desks of their own gets them."""
OF_EVERY_DESK = {"/api/v1/subscriptions/{subscription_id}"}
"""There for those who see every desk; to others it does not exist."""


@pytest.fixture(autouse=True)
def letter(letters_bus: Any) -> None:
    refuse_example(letters_bus.url)


@pytest.fixture(autouse=True)
def subscription(keyed: Any) -> None:
    keep_subscription(keyed.history_url)


def sees(who: str, desk: str) -> bool:
    desks = WHO[who][1]
    return desks is None or desk in desks


def ask(
    keyed: Any, who: str, method: str, path: str, order_id: str = data.PARENT, **names: str
) -> Any:
    body = BODIES.get(path) if method in {"POST", "PATCH"} else None
    if body is not None and "order_id" in body:
        body = {**body, "order_id": order_id}
    return keyed.client.request(
        method,
        url_of(path, order_id, **names),
        params=QUERIES.get(path),
        json=body,
        headers={"X-Api-Key": keyed.keys[who]} if who else {},
    )


def names_nothing_hidden(who: str, text: str, asked: str = "") -> bool:
    """Whether the answer holds no id or desk of an order that the caller may not see."""
    hidden = {order for order, desk in DESK_OF.items() if not sees(who, desk)} - {asked}
    hidden |= {desk for desk in {data.US, data.EU} if not sees(who, desk)}
    return not any(json.dumps(name, ensure_ascii=False) in text for name in hidden)


def shape(problem: Any, order_id: str) -> dict[str, Any]:
    """What a problem says, whichever order it is about."""
    found = {name: value for name, value in problem.json().items() if name != "instance"}
    return {**found, "detail": found["detail"].replace(order_id, "X")}


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize(("method", "path"), OF_AN_ORDER)
def test_an_order_is_there_for_its_desk_alone(keyed, who, method, path):
    may = method == "GET" or "operate" in WHO[who][0]
    for order_id, desk in DESK_OF.items():
        answer = ask(keyed, who, method, path, order_id)
        unknown = ask(keyed, who, method, path, UNKNOWN)

        assert names_nothing_hidden(who, answer.text, order_id), answer.text
        if not sees(who, desk):
            assert answer.status_code == (404 if may else 403), answer.text
            assert shape(answer, order_id) == shape(unknown, UNKNOWN)
        elif method == "GET" and not path.endswith("/session"):
            assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize(("method", "path"), OF_AN_ALERT)
def test_an_alert_is_there_for_its_desk_alone(keyed, who, method, path):
    may = method == "GET" or "operate" in WHO[who][0]
    for change in example_alerts():
        alert_id = change.alert.alert_id
        answer = ask(keyed, who, method, path, alert_id=alert_id)
        unknown = ask(keyed, who, method, path, alert_id=UNKNOWN)

        assert names_nothing_hidden(who, answer.text), answer.text
        if not sees(who, change.alert.desk):
            assert answer.status_code == (404 if may else 403), answer.text
            assert shape(answer, alert_id) == shape(unknown, UNKNOWN)
        elif may:
            assert answer.status_code in ({200} if method == "GET" else {202, 409})


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("path", OF_MANY)
def test_what_tells_of_many_orders_tells_of_nobody_elses(keyed, who, path):
    answer = ask(keyed, who, "GET", path)

    assert names_nothing_hidden(who, answer.text), answer.text
    if WHO[who][1] is None and (path != "/api/v1/audit" or "admin" in WHO[who][0]):
        assert answer.status_code == 200, answer.text
    elif path in OF_EVERY_DESK:
        assert answer.status_code == 404, answer.text
    else:
        assert answer.status_code == (403 if path in FOR_SOME else 200), answer.text


@pytest.mark.parametrize("who", WHO)
def test_nobody_begins_to_monitor_another_desks_order(keyed, who):
    may = "operate" in WHO[who][0]
    for order_id, desk in DESK_OF.items():
        answer = ask(keyed, who, "POST", "/api/v1/monitoring/start", order_id)

        if not may:
            assert answer.status_code == 403
        else:
            assert answer.status_code == (201 if sees(who, desk) else 404), answer.text


@pytest.mark.parametrize(("method", "path"), routes())
def test_without_a_key_there_is_nothing_but_health_and_pages(keyed, method, path):
    if method == "WS":
        assert heard(keyed, "", url_of(path)) == (set(), 4401)
        return
    answer = ask(keyed, "", method, path)
    assert answer.status_code in ({200, 404} if path in PUBLIC else {401}), answer.text
    assert names_nothing_hidden("nothing", answer.text)


def heard(keyed: Any, who: str, url: str) -> tuple[set[str], int]:
    """(orders of which something came before the heartbeat, close code)."""
    orders: set[str] = set()
    base = str(keyed.client.base_url).rstrip("/").replace("http", "ws")
    headers = {"X-Api-Key": keyed.keys[who]} if who else {}
    with connect(f"{base}{url}", additional_headers=headers, close_timeout=1) as socket:
        try:
            while (one := json.loads(socket.recv(20)))["kind"] != "heartbeat":
                orders |= {one["order_id"]} if one.get("status") else set()
                orders |= set(one["alert"]["order_ids"]) if one.get("alert") else set()
        except ConnectionClosed as closed:
            return orders, closed.rcvd.code if closed.rcvd else -1
    return orders, 0


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("path", STREAMS)
def test_nobody_hears_of_another_desks_order_on_any_stream(keyed, who, path):
    seen = {order for order, desk in DESK_OF.items() if sees(who, desk)}
    if "{order_id}" not in path:
        orders, code = heard(keyed, who, url_of(path))
        assert (orders - seen, code) == (set(), 0)
        return
    for order_id in DESK_OF:
        right = ({order_id}, 0) if order_id in seen else (set(), 4404)
        assert heard(keyed, who, url_of(path, order_id)) == right


def test_the_description_leaves_no_route_out(keyed):
    paths = keyed.client.get("/openapi.json").json()["paths"]
    described = {(method.upper(), path) for path, item in paths.items() for method in item}
    told = {(method, path) for method, path in routes() if method != "WS"}
    assert told - described == {("GET", "/"), ("GET", "/docs"), ("GET", "/static/{name}")}
    assert described <= told
