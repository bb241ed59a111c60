import os
import socket
import time
from typing import Any

import httpx
import psutil
import pytest

from api.config import LimitConfig

START = "/api/v1/monitoring/start"
SMALL = LimitConfig(max_body_bytes=10_000, reads_per_s=1e5, writes_per_s=1e5)


def reply(connection: socket.socket) -> bytes:
    """Everything until the other side closes."""
    connection.settimeout(10)
    found = b""
    try:
        while part := connection.recv(65_536):
            found += part
    except ConnectionResetError:
        pass
    return found


def opened(api: Any) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(api.url.rpartition(":")[2])), 10)


@pytest.mark.parametrize("chunked", [False, True])
def test_an_oversized_body_is_refused_before_it_was_read(chunked: bool, serve: Any):
    def parts() -> Any:
        for _ in range(2_000):
            yield b" " * 10_000

    with serve(limits=SMALL) as api:
        before = psutil.Process().memory_info().rss
        body: Any = parts() if chunked else b" " * 20_000
        try:
            answer = api.client.post(
                START, content=body, headers={"Content-Type": "application/json"}
            )
        except (httpx.WriteError, httpx.RemoteProtocolError):
            pytest.skip("the client did not look at the answer before it was cut off")
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["connection"] == "close"
        assert "at most 10,000 bytes" in answer.json()["detail"]
        assert psutil.Process().memory_info().rss - before < 30 << 20


def test_a_body_that_never_ends_is_given_up(serve: Any):
    with serve(limits=LimitConfig(body_timeout_s=0.3)) as api, opened(api) as connection:
        connection.sendall(
            b"POST /api/v1/monitoring/start HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        )
        found = reply(connection)

    assert found.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in found
    assert b"within 0.3 s" in found


@pytest.mark.parametrize("sent", [b"", b"GET /livez HTT", b"GET /livez HTTP/1.1\r\nHost: x\r\nA: "])
def test_a_head_that_never_ends_is_given_up(sent: bytes, serve: Any):
    with serve(limits=LimitConfig(header_timeout_s=0.3)) as api, opened(api) as connection:
        connection.sendall(sent)
        began = time.monotonic()

        assert reply(connection) == b""
        assert 0.1 < time.monotonic() - began < 5
        assert api.client.get("/livez").status_code == 200


def test_who_reads_nothing_is_let_go(serve: Any, write: Any):
    write("A")
    with serve(limits=LimitConfig(write_timeout_s=0.3, reads_per_s=1e5)) as api:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.connect(("127.0.0.1", int(api.url.rpartition(":")[2])))
        asked = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
        until = time.monotonic() + 60
        with connection:
            connection.settimeout(0.2)
            ended = False
            while not ended:
                assert time.monotonic() < until
                try:
                    connection.sendall(asked * 20)
                except TimeoutError:
                    continue
                except (BrokenPipeError, ConnectionResetError):
                    ended = True
        assert api.client.get("/livez").status_code == 200


def test_past_the_most_connections_the_next_are_turned_away_politely(serve: Any):
    with serve(limits=LimitConfig(max_connections=20)) as api:
        kept = [opened(api) for _ in range(19)]
        assert api.client.get("/livez").status_code == 200

        with opened(api) as one_more:
            found = reply(one_more)
        for connection in kept:
            connection.close()

        assert found.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 5" in found
        assert b"application/problem+json" in found
        until = time.monotonic() + 10
        while True:
            with opened(api) as again:
                again.sendall(
                    b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
                )
                if reply(again).startswith(b"HTTP/1.1 200 "):
                    break
            assert time.monotonic() < until


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /livez HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(20_000)) + b"\r\n",
    ],
)
def test_no_nonsense_breaks_the_server(raw: bytes, served: Any):
    with opened(served) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        reply(connection)

    assert served.client.get("/livez").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/api/v1/monitoring/A/nothing", 404),
        ("DELETE", "/api/v1/monitoring/start", 405),
        ("POST", "/api/v1/monitoring/A/status", 405),
        ("GET", "/static/../api.py", 404),
        ("GET", "/static/nothing.js", 404),
        ("GET", "/api/v1/audit?limit=0", 422),
        ("GET", "/api/v1/audit?cursor=%00", 422),
    ],
)
def test_every_error_is_a_problem(method: str, path: str, status: int, served: Any):
    answer = served.client.request(method, path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["type"].startswith("urn:execmon:problem:")
    assert {"title", "detail", "instance"} <= set(problem)
    assert answer.headers["x-request-id"]
    if status == 405:
        assert answer.headers["allow"]


def test_a_defect_is_a_problem_that_tells_nothing_of_the_inside(served: Any, monkeypatch: Any):
    def broken(*_: Any) -> Any:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr("api.routes.status.newest", broken)
    answer = served.client.get("/api/v1/monitoring/A/status")

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "hunter2" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/docs", "/livez", "/api/v1/monitoring/A/status", "/x"])
def test_every_answer_is_closed_to_other_sites(path: str, served: Any):
    headers = served.client.get(path).headers

    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in headers
    assert "server" not in headers


def test_other_sites_may_ask_where_they_are_named(serve: Any):
    asked = {"Origin": "https://desk.example"}
    with serve(cors_origins=("https://desk.example",)) as api:
        found = api.client.get("/livez", headers=asked)
        other = api.client.get("/livez", headers={"Origin": "https://evil.example"})

    assert found.headers["access-control-allow-origin"] == "https://desk.example"
    assert "access-control-allow-origin" not in other.headers


def test_the_counters_name_routes_and_not_orders(served: Any, write: Any):
    write("SECRET")
    served.client.get("/api/v1/monitoring/SECRET/status")
    served.client.get("/nowhere/SECRET")

    found = served.client.get("/metrics").text

    assert "SECRET" not in found
    route = "/api/v1/monitoring/{order_id:path}/status"
    assert f'execmon_api_requests_total{{method="GET",route="{route}",status="200"}} 1.0' in found
    assert 'route="(none)",status="404"' in found
    assert "execmon_api_data_age_seconds" in found


def test_ready_says_what_is_down_and_how_old_the_data_is(serve: Any, write: Any, eventually: Any):
    write("A")
    with serve() as api:
        eventually(lambda: api.client.get("/readyz").json()["open_orders"] == 1)
        found = api.client.get("/readyz")
        assert found.status_code == 200
        assert found.json()["state"] == "ready"
        assert 0 <= found.json()["data_age_ms"] < 60_000
        assert found.json()["is_stale"] is False
    with serve(stale_after_s=0.01) as api:
        eventually(lambda: api.client.get("/readyz").json()["is_stale"])
    with serve(status_url="unix:///nowhere") as api:
        found = api.client.get("/readyz")
        assert found.status_code == 503
        assert found.json()["state"] == "down"


def test_a_process_of_many_connections_may_open_as_many_files():
    import resource

    from api.server import _allow_files

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    _allow_files(min(before[0] + 1, before[1]))
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= before[0]
    assert os.getpid()
