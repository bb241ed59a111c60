"""Users × orders × every endpoint there is, streams included: nobody sees another desk's order."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

ORDERS = {"ORDER-U": "US", "ORDER-E": "EU", "ORDER-N": "", "ORDER/X #ü": "EU"}
USERS: dict[str, tuple[str, list[str] | None]] = {
    "us": ("read", ["US"]),
    "eu": ("operate", ["EU"]),
    "us and eu": ("admin", ["US", "EU"]),
    "deskless": ("read", ["-"]),
    "no desk": ("operate", []),
    "all": ("admin", None),
}
OPEN = {"/livez", "/readyz", "/version", "/metrics"}


def secret(order_id: str) -> str:
    """A text that is part of the order and of nothing a caller sends."""
    return "SYM" + order_id.encode().hex().upper()


def sees(desks: list[str] | None, desk: str) -> bool:
    return desks is None or (desk or "-") in desks


@pytest.fixture
def desk_users(serve: Any, write: Any, make_key: Any) -> Iterator[tuple[Any, dict[str, Any]]]:
    for order_id, desk in ORDERS.items():
        more = {"desk": desk} if desk else {}
        write(order_id, symbol=secret(order_id), **more)
    headers = {name: make_key(name, scope, desks) for name, (scope, desks) in USERS.items()}
    with serve() as api:
        for order_id in ORDERS:
            begun = api.client.post(
                "/api/v1/monitoring/start", json={"order_id": order_id}, headers=headers["all"]
            )
            assert begun.status_code == 201
        yield api, headers


def operations(api: Any) -> list[tuple[str, str]]:
    paths = api.client.get("/openapi.json").json()["paths"]
    return [
        (method.upper(), path)
        for path, item in paths.items()
        for method in item
        if method in {"get", "post", "put", "delete", "patch"}
    ]


def test_nobody_sees_another_desks_order_at_any_endpoint(desk_users: Any):
    api, headers = desk_users
    found = operations(api)
    assert len(found) >= 10
    for method, path in found:
        for name, (_, desks) in USERS.items():
            for order_id, desk in ORDERS.items():
                url = path.replace("{order_id}", quote(order_id, safe=""))
                body: dict[str, Any] = {}
                if path.endswith("/start"):
                    body = {"json": {"order_id": order_id}}
                answer = api.client.request(method, url, headers=headers[name], **body)
                what = f"{name}: {method} {url} gave {answer.status_code}"

                assert answer.status_code < 500, what
                is_of_order = "{order_id}" in path or path.endswith("/start")
                for other, other_desk in ORDERS.items():
                    if not sees(desks, other_desk):
                        assert secret(other) not in answer.text, what
                        if other != order_id:
                            assert other not in answer.text, what
                if is_of_order and not sees(desks, desk):
                    assert answer.status_code in {403, 404}, what
                if path.endswith("{order_id}/status") and sees(desks, desk):
                    assert answer.status_code == 200, what


def test_another_desks_order_looks_like_one_that_is_not(desk_users: Any):
    api, headers = desk_users
    for method, path in operations(api):
        if "{order_id}" not in path:
            continue
        found = [
            api.client.request(method, path.replace("{order_id}", order_id), headers=headers["us"])
            for order_id in ("ORDER-E", "ORDER-Q")
        ]
        problems = [
            {k: v for k, v in answer.json().items() if k not in {"instance"}} for answer in found
        ]
        text = json.dumps(problems[0]).replace("ORDER-E", "ORDER-Q")
        assert found[0].status_code == found[1].status_code, path
        assert json.loads(text) == problems[1], path


def test_without_a_key_there_is_nothing_but_health(desk_users: Any):
    api, _ = desk_users
    for method, path in operations(api):
        answer = api.client.request(method, path.replace("{order_id}", "ORDER-U"))
        assert answer.status_code == (200 if path in OPEN else 401), f"{method} {path}"


@contextmanager
def listening(api: Any, path: str, headers: Any) -> Iterator[Any]:
    url = api.url.replace("http", "ws") + path
    with connect(url, additional_headers=headers, compression=None, close_timeout=1) as socket:
        yield socket


def heard(socket: Any) -> tuple[set[str], int]:
    """(orders of which something came before the heartbeat, close code)."""
    orders: set[str] = set()
    try:
        while (one := json.loads(socket.recv(10)))["kind"] != "heartbeat":
            if one["status"]:
                assert one["status"]["symbol"] == secret(one["order_id"])
                orders.add(one["order_id"])
    except ConnectionClosed as closed:
        return orders, closed.rcvd.code if closed.rcvd else -1
    return orders, 0


def test_nobody_hears_of_another_desks_order_on_any_stream(desk_users: Any, write: Any):
    api, headers = desk_users
    for name, (_, desks) in USERS.items():
        seen = {order_id for order_id, desk in ORDERS.items() if sees(desks, desk)}
        for order_id in ORDERS:
            path = f"/api/v1/monitoring/{quote(order_id, safe='')}/stream"
            with listening(api, path, headers[name]) as socket:
                right = ({order_id}, 0) if order_id in seen else (set(), 4404)
                assert heard(socket) == right, f"{name}: {order_id}"
        for desk in ("US", "EU", "-"):
            with listening(api, f"/api/v1/stream?desk={desk}", headers[name]) as socket:
                of_desk = {order_id for order_id in seen if (ORDERS[order_id] or "-") == desk}
                right = (of_desk, 0) if sees(desks, desk) else (set(), 4404)
                assert heard(socket) == right, f"{name}: {desk}"


@pytest.mark.parametrize("resume", ["", "?position=0-0"])
def test_no_update_of_another_desk_reaches_a_stream_of_many(
    resume: str, desk_users: Any, write: Any
):
    api, headers = desk_users
    write("LAST-U", desk="US", symbol=secret("LAST-U"))
    for name, last in (("us", "LAST-U"), ("eu", "LAST-E")):
        with listening(api, f"/api/v1/stream{resume}", headers[name]) as socket:
            for order_id, desk in ORDERS.items():
                write(
                    order_id, symbol=secret(order_id), events=2, **({"desk": desk} if desk else {})
                )
            write("LAST-E", desk="EU", symbol=secret("LAST-E"), events=2)
            write("LAST-U", desk="US", symbol=secret("LAST-U"), events=3)
            desks = USERS[name][1]
            heard_of: set[str] = set()
            while last not in heard_of:
                one = json.loads(socket.recv(10))
                if one["status"]:
                    heard_of.add(one["order_id"])
            assert heard_of <= {
                "LAST-U" if name == "us" else "LAST-E",
                *(order_id for order_id, desk in ORDERS.items() if sees(desks, desk)),
            }


def test_a_session_begun_before_the_order_was_seen_decides_nothing_for_another_desk(
    desk_users: Any, write: Any
):
    api, headers = desk_users
    begun = api.client.post(
        "/api/v1/monitoring/start",
        json={"order_id": "LATER", "monitoring_metrics": ["SLIPPAGE"]},
        headers=headers["eu"],
    )
    assert begun.json()["state"] == "PENDING"
    assert (
        api.client.get("/api/v1/monitoring/LATER/session", headers=headers["us"]).status_code == 404
    )

    write("LATER", desk="US", symbol="X")

    shown = api.client.get("/api/v1/monitoring/LATER/status", headers=headers["us"])
    assert len(shown.json()["current_metrics"]) == 5
    for what in ("status", "session", "sessions"):
        url = f"/api/v1/monitoring/LATER/{what}"
        assert api.client.get(url, headers=headers["eu"]).status_code == 404
