import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import quote

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from api.config import LimitConfig
from domain.topics import FEED, status_key
from domain.vocabulary import Topic

Frame = dict[str, Any]


@pytest.fixture
def listen_to() -> Iterator[Callable[..., ClientConnection]]:
    with ExitStack() as stack:

        def call(api: Any, path: str, headers: Any = None, **more: Any) -> ClientConnection:
            url = api.url.replace("http", "ws") + path
            opened = connect(
                url, additional_headers=headers, compression=None, close_timeout=1, **more
            )
            return stack.enter_context(opened)

        yield call


def small_socket(api: Any) -> socket.socket:
    """A connection whose reader has next to no buffer."""
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    found.connect(("127.0.0.1", int(api.url.rpartition(":")[2])))
    return found


def order_path(order_id: str, query: str = "") -> str:
    return f"/api/v1/monitoring/{quote(order_id, safe='')}/stream{query}"


def frame(socket: ClientConnection) -> Frame:
    return json.loads(socket.recv(10))


def frames(socket: ClientConnection, kind: str, count: int) -> list[Frame]:
    """The next frames of a kind, those of others left out."""
    found: list[Frame] = []
    while len(found) < count:
        one = frame(socket)
        if one["kind"] == kind:
            found.append(one)
    return found


def until(socket: ClientConnection, kind: str) -> list[Frame]:
    """Frames up to the first of a kind, that one included."""
    found = [frame(socket)]
    while found[-1]["kind"] != kind:
        found.append(frame(socket))
    return found


def closing(socket: ClientConnection) -> tuple[int, str]:
    with pytest.raises(ConnectionClosed) as closed:
        list(iter(lambda: socket.recv(10), None))
    assert closed.value.rcvd
    return closed.value.rcvd.code, closed.value.rcvd.reason


@pytest.mark.parametrize("order_id", ["A", "A/1 #ü", "x/stream"])
def test_hello_snapshot_delta_heartbeat(
    order_id: str, served: Any, write: Any, store: Any, listen_to: Any
):
    write(order_id, events=1, t=1)
    socket = listen_to(served, order_path(order_id))

    hello, snapshot, heartbeat = frame(socket), frame(socket), frame(socket)
    write(order_id, events=2, t=2)
    delta = frames(socket, "delta", 1)[0]

    assert (hello["kind"], hello["order_id"], hello["resumed"]) == ("hello", order_id, False)
    assert (snapshot["kind"], snapshot["order_id"], snapshot["seq"]) == ("snapshot", order_id, 1)
    assert (heartbeat["kind"], heartbeat["seq"], heartbeat["status"]) == ("heartbeat", 1, None)
    assert heartbeat["is_stale"] is False
    assert heartbeat["data_age_ms"] >= 0
    assert (delta["kind"], delta["order_id"], delta["seq"]) == ("delta", order_id, 2)
    assert delta["skipped"] == 0
    assert delta["status"] == json.loads(store.hget(status_key(order_id), "body"))
    assert frames(socket, "heartbeat", 1)[0]["seq"] == 2


def test_a_provisional_update_has_no_sequence(served: Any, write: Any, listen_to: Any):
    write("A", events=1)
    socket = listen_to(served, order_path("A"))
    until(socket, "heartbeat")

    write("A", events=2, provisional=1)
    [shown] = frames(socket, "delta", 1)
    write("A", events=2)
    [final] = frames(socket, "delta", 1)

    assert (shown["seq"], shown["status"]["provisional"]) == (None, True)
    assert (final["seq"], final["status"]["provisional"]) == (2, False)


def test_who_comes_back_with_the_last_sequence_gets_what_was_missed_and_nothing_twice(
    served: Any, write: Any, listen_to: Any
):
    write("A", events=1)
    write("B", events=1)
    socket = listen_to(served, order_path("A"))
    until(socket, "heartbeat")
    write("A", events=2)
    assert frames(socket, "delta", 1)[0]["seq"] == 2
    socket.close()
    for n in range(3, 53):
        write("A", events=n)
        write("B", events=n)

    again = listen_to(served, order_path("A", "?last_seq=2"))
    hello = frame(again)
    missed = [frame(again) for _ in range(50)]
    write("A", events=53)

    assert hello["resumed"] is True
    assert hello["snapshot_required"] is False
    assert [one["seq"] for one in missed] == list(range(3, 53))
    assert {one["kind"] for one in missed} == {"delta"}
    assert frames(again, "delta", 1)[0]["seq"] == 53


def test_who_comes_back_with_a_position_gets_what_was_missed_of_every_order(
    served: Any, write: Any, listen_to: Any
):
    write("A", events=1)
    socket = listen_to(served, "/api/v1/stream")
    position = until(socket, "heartbeat")[-1]["position"]
    socket.close()
    for n in range(2, 12):
        write("A", events=n)
        write("B", events=n)

    again = listen_to(served, f"/api/v1/stream?position={position}")

    assert frame(again)["resumed"] is True
    found = [(one["order_id"], one["seq"]) for one in (frame(again) for _ in range(20))]
    assert found == [(order, n) for n in range(2, 12) for order in "AB"]


def test_who_was_away_too_long_gets_the_newest_status_and_is_told(
    serve: Any, write: Any, listen_to: Any
):
    write("A", events=1)
    with serve(feed_memory_bytes=20_000) as api:
        for n in range(2, 30):
            write("A", events=n)
        socket = listen_to(api, order_path("A", "?last_seq=1"))
        hello, resync = frame(socket), frame(socket)

        assert (hello["resumed"], hello["snapshot_required"]) == (False, True)
        assert (resync["kind"], resync["seq"], resync["status"]["events"]) == ("resync", 29, 29)

        many = listen_to(api, "/api/v1/stream?position=1-0")
        assert frame(many)["snapshot_required"] is True
        assert frame(many)["kind"] == "resync"


def test_a_position_of_the_future_is_not_believed(served: Any, write: Any, listen_to: Any):
    write("A")

    socket = listen_to(served, "/api/v1/stream?position=9999999999999-0")

    assert frame(socket)["snapshot_required"] is True


def test_a_session_without_real_time_updates_gets_snapshots_and_no_delta(
    served: Any, write: Any, listen_to: Any
):
    write("A", events=1)
    served.client.post(
        "/api/v1/monitoring/start", json={"order_id": "A", "real_time_updates": False}
    )
    socket = listen_to(served, order_path("A"))
    until(socket, "heartbeat")
    for n in range(2, 6):
        write("A", events=n)

    found = until(socket, "heartbeat") + until(socket, "heartbeat")

    assert {one["kind"] for one in found} == {"snapshot", "heartbeat"}
    assert [one["seq"] for one in found if one["kind"] == "snapshot"][-1] == 5


def test_the_metrics_chosen_are_the_only_ones_on_the_stream(
    served: Any, write: Any, listen_to: Any
):
    write("A", events=1)
    served.client.post(
        "/api/v1/monitoring/start", json={"order_id": "A", "monitoring_metrics": ["FILL_RATE"]}
    )
    socket = listen_to(served, order_path("A"))
    snapshot = until(socket, "heartbeat")[1]
    write("A", events=2)
    [delta] = frames(socket, "delta", 1)

    assert list(snapshot["status"]["current_metrics"]) == ["FILL_RATE"]
    assert list(delta["status"]["current_metrics"]) == ["FILL_RATE"]


def test_many_orders_are_narrowed_by_desk_and_filter(served: Any, write: Any, listen_to: Any):
    write("A", desk="US", symbol="IBM")
    write("B", desk="US", symbol="BAC")
    write("C", desk="EU", symbol="IBM")
    write("D", desk="US", symbol="GE")
    write("E", symbol="IBM")

    def shown(query: str) -> set[str]:
        found = until(listen_to(served, f"/api/v1/stream{query}"), "heartbeat")
        return {one["order_id"] for one in found if one["kind"] == "snapshot"}

    assert shown("") == {"A", "B", "C", "D", "E"}
    assert shown("?desk=US") == {"A", "B", "D"}
    assert shown("?desk=-") == {"E"}
    assert shown("?desk=US&filter=symbol:IBM&filter=symbol:GE") == {"A", "D"}
    assert shown("?filter=symbol:IBM&filter=parent_order_id:") == {"A", "C", "E"}
    socket = listen_to(served, "/api/v1/stream?desk=US&filter=symbol:IBM")
    until(socket, "heartbeat")
    for order, desk, symbol in (("B", "US", "BAC"), ("C", "EU", "IBM"), ("A", "US", "IBM")):
        write(order, desk=desk, symbol=symbol, events=2)
    assert frames(socket, "delta", 1)[0]["order_id"] == "A"


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        (order_path("NONE"), 4404, "nothing is known of order 'NONE'"),
        (order_path("A", "?last_seq=x"), 4422, "last_seq must be a number from 0, was 'x'"),
        (order_path("A", "?position=x"), 4422, "position must be one that a frame gave"),
        ("/api/v1/stream?filter=colour:red", 4422, "filter must be MEMBER:VALUE"),
    ],
)
def test_what_is_wrong_is_said_with_the_close_code(
    path: str, code: int, words: str, served: Any, write: Any, listen_to: Any
):
    write("A")

    found = closing(listen_to(served, path))

    assert found[0] == code
    assert words in found[1]


def test_a_key_a_ticket_or_nothing(serve: Any, write: Any, make_key: Any, listen_to: Any):
    write("A", desk="US")
    write("B", desk="EU")
    key = make_key("page", desks=["US"])
    with serve() as api:
        assert closing(listen_to(api, order_path("A")))[0] == 4401
        assert closing(listen_to(api, order_path("A", "?ticket=guess")))[0] == 4401
        assert frame(listen_to(api, order_path("A"), key))["kind"] == "hello"
        assert closing(listen_to(api, order_path("B"), key))[0] == 4404
        assert closing(listen_to(api, "/api/v1/stream?desk=EU", key))[0] == 4404

        ticket = api.client.post("/api/v1/tickets", headers=key).json()["ticket"]
        first = listen_to(api, f"/api/v1/stream?ticket={ticket}")
        assert {one["order_id"] for one in until(first, "heartbeat")} == {None, "A"}
        second = closing(listen_to(api, f"/api/v1/stream?ticket={ticket}"))
        assert second == (4401, "this ticket was used before, or is older than 30 s")


def test_an_order_that_moves_to_another_desk_is_heard_of_no_more(
    serve: Any, write: Any, make_key: Any, listen_to: Any
):
    write("A", desk="US")
    write("K", desk="US")
    key = make_key("page", desks=["US"])
    with serve() as api:
        socket = listen_to(api, "/api/v1/stream", key)
        until(socket, "heartbeat")

        write("A", desk="EU", events=2)
        write("K", desk="US", events=2)

        assert frames(socket, "delta", 1)[0]["order_id"] == "K"


def test_pages_of_another_origin_may_not_listen(served: Any, write: Any, listen_to: Any):
    write("A")

    evil = listen_to(served, order_path("A"), origin="https://evil.example")
    own = listen_to(served, order_path("A"), origin=served.url)

    assert closing(evil)[0] == 4403
    assert frame(own)["kind"] == "hello"


def test_past_the_most_streams_the_next_is_turned_away(serve: Any, write: Any, listen_to: Any):
    write("A")
    with serve(limits=LimitConfig(max_streams=2)) as api:
        kept = [listen_to(api, order_path("A")) for _ in range(2)]
        for socket in kept:
            until(socket, "heartbeat")

        assert closing(listen_to(api, order_path("A")))[0] == 4503

        kept[0].close()
        deadline = time.monotonic() + 10
        while api.service.streams > 1:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert frame(listen_to(api, order_path("A")))["kind"] == "hello"


def test_a_client_that_reads_nothing_delays_no_other_and_is_conflated(
    served: Any, write: Any, listen_to: Any
):
    for order in "ABC":
        write(order, events=1)
    slow = listen_to(served, "/api/v1/stream", sock=small_socket(served), max_queue=1)
    fast = listen_to(served, "/api/v1/stream")
    until(fast, "heartbeat")
    rounds = 1_500
    worst_s = 0.0
    for n in range(2, rounds + 2):
        write("A", events=n)
        began = time.perf_counter()
        while frame(fast)["kind"] != "delta":
            pass
        worst_s = max(worst_s, time.perf_counter() - began)
        if n % 10 == 0:
            write("B", events=n)
            assert frames(fast, "delta", 1)[0]["order_id"] == "B"

    deltas, last = [], {}
    while last.get("A") != rounds + 1:
        one = frame(slow)
        if one["kind"] == "delta":
            deltas.append(one)
            last[one["order_id"]] = one["seq"]
    assert worst_s < 1.0
    of_a = [one for one in deltas if one["order_id"] == "A"]
    assert len(of_a) < rounds
    assert len(of_a) + sum(one["skipped"] for one in of_a) == rounds
    assert [one["seq"] for one in of_a] == sorted(one["seq"] for one in of_a)
    metrics = served.client.get("/metrics").text
    name = "execmon_api_websocket_conflated_total "
    [told] = [line for line in metrics.splitlines() if line.startswith(name)]
    assert float(told.removeprefix(name)) > 0


def test_the_store_restarted_means_new_snapshots(
    serve: Any, write: Any, listen_to: Any, own_status: Any, eventually: Any
):
    server, put = own_status
    put("A", events=1)
    with serve(status_url=server.url) as api:
        socket = listen_to(api, order_path("A"))
        until(socket, "heartbeat")
        server.kill()
        eventually(lambda: not api.service.hub.is_up)
        server.restart()
        put("A", events=7)

        [resync] = frames(socket, "resync", 1)
        put("A", events=8)

        assert resync["seq"] == 7
        assert frames(socket, "delta", 1)[0]["seq"] == 8


def asked(bus: Any) -> int:
    """How often the statuses were asked for."""
    reader = bus.reader()
    found = reader.read({(Topic.CONTROL, p): "" for p in range(2)}, 1000, 0)
    reader.close()
    return sum(b"status_republish_requested" in one.body for some in found.values() for one in some)


def test_an_emptied_store_is_asked_for_its_statuses_once(
    serve: Any, store: Any, bus: Any, eventually: Any, write: Any
):
    with serve() as one, serve() as _:
        eventually(lambda: asked(bus) == 1)
        write("A")
        for _ in range(20):
            one.client.get("/api/v1/monitoring/NONE/status")
        store.flushall()
        eventually(lambda: asked(bus) == 2)
        write("A", events=2)
        time.sleep(1.5)
        assert asked(bus) == 2
        assert store.exists(FEED)


def test_a_store_that_was_emptied_and_written_to_at_once_is_asked_as_well(
    serve: Any, store: Any, bus: Any, eventually: Any, write: Any
):
    write("A")
    with serve() as _:
        eventually(lambda: asked(bus) == 1)

        with store.pipeline(transaction=True) as pipe:
            pipe.flushall()
            pipe.xadd(FEED, {"order_id": "A", "body": "{}"})
            pipe.execute()

        eventually(lambda: asked(bus) == 2)
