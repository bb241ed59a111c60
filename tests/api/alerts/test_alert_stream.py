"""The WebSocket of alerts, and what the streams of orders say of them."""

import json
from contextlib import ExitStack

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from domain.alerts import Change
from domain.published import Severity
from tests.alert_data import raised, then


@pytest.fixture
def listen():
    with ExitStack() as stack:

        def call(api, query="", headers=None, path="/api/v1/alerts/stream"):
            url = api.url.replace("http", "ws") + path + query
            return stack.enter_context(
                connect(url, additional_headers=headers, compression=None, close_timeout=1)
            )

        yield call


def frame(socket):
    return json.loads(socket.recv(20))


def until(socket, kind):
    found = [frame(socket)]
    while found[-1]["kind"] != kind:
        found.append(frame(socket))
    return found


def test_hello_the_open_ones_then_each_change_and_heartbeats(served, desk, listen):
    first, over = raised("A1"), raised("A2", "B")
    desk.give(first, over, then(over, Change.RESOLVED))
    socket = listen(served)

    hello, snapshot, _ = until(socket, "heartbeat")
    desk.give(then(first, Change.ACKNOWLEDGED, by="mia", acked_by="mia"))
    change = until(socket, "change")[-1]

    assert (hello["kind"], hello["heartbeat_s"], hello["may_operate"]) == ("hello", 0.5, True)
    assert (snapshot["kind"], snapshot["alert_id"], snapshot["seq"]) == ("snapshot", "A1", 1)
    assert snapshot["alert"] == {
        k: v for k, v in served.client.get("/api/v1/alerts/A1").json().items()
        if k != "transitions"
    } | {k: snapshot["alert"][k] for k in ("state", "acked_by", "seq", "changed_at")}  # fmt: skip
    assert (change["alert"]["state"], change["alert"]["acked_by"]) == ("ACKED", "mia")
    assert (change["transition"]["change"], change["seq"]) == ("ACKNOWLEDGED", 2)
    assert until(socket, "heartbeat")[-1]["store_is_up"] is True


def test_only_the_desks_one_sees_and_the_one_that_was_asked_for(serve, desk, listen, make_key):
    desk.give(*(raised(f"A{n}", desk=d) for n, d in enumerate(("US-CASH", "EU-CASH", "-"))))
    everyone, us = make_key("all"), make_key("us", desks=["US-CASH"])
    with serve() as api:

        def seen(query, key):
            return {one["alert_id"] for one in until(listen(api, query, key), "heartbeat")} - {None}

        assert seen("", everyone) == {"A0", "A1", "A2"}
        assert seen("?desk=-", everyone) == {"A2"}
        socket = listen(api, "", us)
        assert {one["alert_id"] for one in until(socket, "heartbeat")} == {None, "A0"}
        desk.give(raised("B1", "X", desk="EU-CASH"), raised("B0", "X", severity=Severity.LOW))
        assert until(socket, "change")[-1]["alert_id"] == "B0"
        for query, key, code in (("?desk=EU-CASH", us, 4404), ("", None, 4401)):
            with pytest.raises(ConnectionClosed) as closed:
                listen(api, query, key).recv(10)
            assert closed.value.rcvd.code == code


def test_more_open_ones_than_a_page_are_all_given(served, desk, listen):
    desk.give(*(raised(f"A{n:03d}", f"O{n}", t=n % 5) for n in range(450)))

    found = [one["alert_id"] for one in until(listen(served), "heartbeat") if one["alert_id"]]

    assert len(found) == len(set(found)) == 450


def test_who_cannot_keep_up_begins_anew(served, desk, listen):
    first = raised("A1")
    desk.give(first)
    socket = listen(served)
    until(socket, "heartbeat")
    [client] = served.service.alerts._clients
    client.lose()

    anew = until(socket, "resync") and until(socket, "heartbeat")

    assert [(one["kind"], one["alert_id"]) for one in anew] == [
        ("snapshot", "A1"), ("heartbeat", None),
    ]  # fmt: skip


def test_the_store_restarted_means_beginning_anew(serve, bus, listen, own_status, eventually):
    from sinks.alerts import AlertPartition, AlertSettings

    server, _ = own_status
    part = AlertPartition(bus, server.url, AlertSettings())
    with serve(status_url=server.url) as api:
        eventually(lambda: api.service.alerts.is_up)
        socket = listen(api)
        until(socket, "heartbeat")
        server.kill()
        eventually(lambda: not api.service.alerts.is_up)
        server.restart()
        part.write_batch([raised("A1")])
        part.snapshot()

        until(socket, "resync")
        assert {one["alert_id"] for one in until(socket, "heartbeat")} <= {"A1", None}
    part.close()


def test_an_orders_streams_tell_of_its_alerts_at_once(served, write, desk, listen):
    write("A", desk="US-CASH")
    one = listen(served, path="/api/v1/monitoring/A/stream")
    many = listen(served, path="/api/v1/stream")
    for socket in (one, many):
        until(socket, "heartbeat")
    first = raised("A1", "A")

    desk.give(first)
    for socket in (one, many):
        told = until(socket, "delta")[-1]
        assert (told["status"]["alerts"], told["seq"]) == (["SLOW_EXECUTION"], None)
    write("A", desk="US-CASH", events=2)
    assert until(one, "delta")[-1]["status"]["alerts"] == ["SLOW_EXECUTION"]
    desk.give(then(first, Change.RESOLVED))

    assert until(one, "delta")[-1]["status"]["alerts"] == []
    status = served.client.get("/api/v1/monitoring/A/status").json()
    assert status["alerts"] == []
